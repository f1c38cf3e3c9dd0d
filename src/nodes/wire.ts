import type { InvocationRow, NodeRow } from "../store/nodes.ts";
import { approvalScopes, COMMAND_REASONS, describeCommands, type CommandDecision } from "./command-policy.ts";
import { nameOf, type LiveNode, type NodeRegistry } from "./registry.ts";

type Wire = Record<string, unknown>;

/** Fields that are not known are left out, as the protocol does. */
const present = (fields: Wire): Wire =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined && value !== ""));

const infoOf = (row: NodeRow): Wire => {
  const { platform, version, clientId, clientMode, deviceFamily, modelIdentifier, remoteIp } = row.info;
  return present({ displayName: nameOf(row), platform, version, clientId, clientMode, deviceFamily, modelIdentifier, remoteIp });
};

const approvalState = ({ requestId, approved }: NodeRow): string =>
  requestId === null ? (approved === null ? "unapproved" : "approved") : approved === null ? "pending-approval" : "pending-reapproval";

/** A node as lists show it. */
export function toNodeWire(registry: NodeRegistry, row: NodeRow): Wire {
  const live: LiveNode | null = registry.live(row.nodeId);
  const { caps, commands, permissions } = registry.surface(row);
  const asked = row.requestId === null ? null : registry.requested(row);
  return {
    nodeId: row.nodeId,
    ...infoOf(row),
    caps,
    commands,
    ...(Object.keys(permissions).length > 0 && { permissions }),
    sessionHost: false,
    nodePluginTools: [],
    ...present({ pathEnv: live?.pathEnv }),
    approvalState: approvalState(row),
    ...(asked && { pendingRequestId: row.requestId, pendingDeclaredCaps: asked.caps, pendingDeclaredCommands: asked.commands }),
    ...present({
      connectedAtMs: live?.connectedAt,
      lastConnectedAtMs: row.connectedAt,
      lastSeenAtMs: live ? Math.max(live.connectedAt, row.seenAt ?? 0) : row.seenAt,
      lastSeenReason: row.seenReason,
      approvedAtMs: row.approvedAt,
    }),
    ...(live?.idle && { lastInputSeconds: live.idle.seconds, lastInputReportedAtMs: live.idle.at }),
    paired: true,
    connected: live !== null,
  };
}

/** The same with everything that is known: why each command may run or not, what ran last, the numbers of its machine. */
export function toNodeDetails(registry: NodeRegistry, row: NodeRow, recent: readonly InvocationRow[]): Wire {
  return {
    ...toNodeWire(registry, row),
    platformId: registry.platform(row),
    commandDecisions: registry.decisions(row).map(toDecisionWire),
    recentInvocations: recent.map(toInvocationWire),
    ...present({ hostStats: registry.live(row.nodeId)?.stats }),
  };
}

const toDecisionWire = ({ command, isAllowed, reason }: CommandDecision): Wire => ({
  command,
  allowed: isAllowed,
  reason,
  text: COMMAND_REASONS[reason],
});

const toInvocationWire = ({ id, command, state, asker, result, createdAt, endedAt }: InvocationRow): Wire => ({
  id,
  command,
  state: state === "done" && result?.ok === false ? "failed" : state,
  askedBy: asker.name,
  createdAtMs: createdAt,
  ...present({ endedAtMs: endedAt, agentId: asker.agentId, sessionKey: asker.sessionKey, approvalId: asker.approvalId }),
  ...(result?.ok === false && { error: { code: result.code, message: result.message } }),
});

/** What waits for a person, and what it would allow, in words. */
export function toRequestWire(registry: NodeRegistry, row: NodeRow): Wire {
  const { caps, commands, permissions } = registry.requested(row);
  return {
    requestId: row.requestId,
    nodeId: row.nodeId,
    ...infoOf(row),
    caps,
    commands,
    ...(Object.keys(permissions).length > 0 && { permissions }),
    summary: describeCommands(commands),
    requiredApproveScopes: approvalScopes({ caps, commands, permissions }),
    isRepair: row.approved !== null,
    silent: registry.isConnected(row.nodeId),
    ts: row.requestedAt,
  };
}

/** A node that a person has approved. */
export function toPairedWire(registry: NodeRegistry, row: NodeRow): Wire {
  const { caps, commands } = registry.surface(row);
  return {
    nodeId: row.nodeId,
    ...infoOf(row),
    caps,
    commands,
    createdAtMs: row.createdAt,
    ...present({
      approvedAtMs: row.approvedAt,
      lastConnectedAtMs: row.connectedAt,
      lastSeenAtMs: row.seenAt,
      lastSeenReason: row.seenReason,
    }),
  };
}
