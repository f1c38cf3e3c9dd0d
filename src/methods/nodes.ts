import type { Auth } from "../auth/open.ts";
import { GatewayError } from "../core/errors.ts";
import { fieldsOf, type JsonObject } from "../core/json.ts";
import { NODE_LIMITS } from "../nodes/limits.ts";
import type { NodeService } from "../nodes/service.ts";
import type { LiveNode } from "../nodes/registry.ts";
import type { Caller, MethodParams, MethodTable } from "../protocol/method.ts";
import type { NodeAnswer, NodeAsker } from "../store/nodes.ts";

export type NodesDeps = {
  /** Loaded with the first node or request. */
  nodes: () => Promise<NodeService>;
  devices: Pick<Auth["devices"], "list" | "remove" | "revoke">;
  /** For whom an operator asks, by the session that the request names. */
  askerPlace: (sessionKey: string | undefined) => Pick<NodeAsker, "agentId" | "sessionKey">;
  newId: () => string;
};

/** node.* and exec.approvals.node.*: devices that offer commands, and what is run there. */
export function nodesMethods(deps: NodesDeps) {
  return { ...listMethods(deps), ...pairMethods(deps), ...invokeMethods(deps), ...nodeSideMethods(deps) } satisfies MethodTable;
}

function listMethods({ nodes }: NodesDeps) {
  return {
    "node.list": { scope: "operator.read", run: async () => (await nodes()).list() },
    "node.describe": { scope: "operator.read", run: async ({ nodeId }) => (await nodes()).describe(nodeId) },
    "node.rename": {
      scope: "operator.pairing",
      run: async ({ nodeId, displayName }) => (await nodes()).rename(nodeId, displayName),
    },
    "node.pending.enqueue": {
      scope: "operator.write",
      run: async (params) => enqueue(await nodes(), params),
    },
  } satisfies MethodTable;
}

function pairMethods(deps: NodesDeps) {
  const { nodes } = deps;
  return {
    "node.pair.list": { scope: "operator.pairing", run: async () => (await nodes()).requests() },
    "node.pair.approve": {
      scope: "operator.pairing",
      run: async ({ requestId }, { scopes }) => (await nodes()).approve(requestId, scopes),
    },
    "node.pair.reject": { scope: "operator.pairing", run: async ({ requestId }) => (await nodes()).reject(requestId) },
    "node.pair.remove": { scope: "operator.pairing", run: async ({ nodeId }, caller) => remove(deps, nodeId, caller) },
  } satisfies MethodTable;
}

function invokeMethods(deps: NodesDeps) {
  return {
    "node.invoke": {
      scope: "dynamic",
      waits: true,
      maxBytes: 2 * NODE_LIMITS.paramsChars,
      run: async ({ nodeId, command, params, timeoutMs, idempotencyKey, sessionKey }, caller) => {
        const service = await deps.nodes();
        const asker = toAsker(deps, caller, sessionKey);
        const request = { node: nodeId, command, params, timeoutMs, key: idempotencyKey, asker, scopes: caller.scopes };
        return { ok: true, ...(await service.invoke(request, caller.signal)) };
      },
    },
    "exec.approvals.node.get": {
      scope: "operator.admin",
      run: ({ nodeId }, caller) => approvalsOf(deps, { nodeId, command: "system.execApprovals.get", params: {} }, caller),
    },
    "exec.approvals.node.set": {
      scope: "operator.admin",
      run: ({ nodeId, file, baseHash }, caller) =>
        approvalsOf(
          deps,
          { nodeId, command: "system.execApprovals.set", params: { file, ...(baseHash !== undefined && { baseHash }) } },
          caller,
        ),
    },
  } satisfies MethodTable;
}

/** What a node itself calls. The connection says which node it is, never a parameter. */
function nodeSideMethods({ nodes }: NodesDeps) {
  return {
    "node.event": {
      scope: "node",
      run: async ({ event, payload, payloadJSON }, caller) => {
        const { service, live } = await liveNode(nodes, caller);
        return { ok: true, event, ...(await service.event(live, event, payloadJSON ?? payload)) };
      },
    },
    "node.invoke.result": {
      scope: "node",
      maxBytes: NODE_LIMITS.resultBytes,
      run: async ({ id, nodeId, ok, payload, payloadJSON, error }, caller) => {
        const { service, live } = await liveNode(nodes, caller);
        requireSelf(live, nodeId);
        const answer = toAnswer({ ok, payload, ...(payloadJSON !== undefined && { payloadJSON }), ...(error && { error }) });
        return await service.result(live.nodeId, id, answer);
      },
    },
    "node.invoke.progress": {
      scope: "node",
      run: async ({ invokeId, nodeId, seq, chunk }, caller) => {
        const { service, live } = await liveNode(nodes, caller);
        requireSelf(live, nodeId);
        return service.progress(live.nodeId, invokeId, { seq, chunk });
      },
    },
    ...queueMethods(nodes),
    "node.pluginTools.update": {
      scope: "node",
      run: async (_params, caller) => ({ nodeId: (await liveNode(nodes, caller)).live.nodeId, tools: [] }),
    },
    "node.skills.update": {
      scope: "node",
      run: async (_params, caller) => ({ nodeId: (await liveNode(nodes, caller)).live.nodeId, skills: [] }),
    },
    "node.runnerInventory.update": {
      scope: "node",
      run: async (_params, caller) => ({ nodeId: (await liveNode(nodes, caller)).live.nodeId }),
    },
  } satisfies MethodTable;
}

/** What waits for a node. */
function queueMethods(nodes: NodesDeps["nodes"]) {
  return {
    "node.pending.pull": {
      scope: "node",
      run: async (_params, caller) => {
        const { service, live } = await liveNode(nodes, caller);
        return { nodeId: live.nodeId, actions: await service.actionsFor(live.nodeId) };
      },
    },
    "node.pending.ack": {
      scope: "node",
      run: async ({ ids }, caller) => {
        const { service, live } = await liveNode(nodes, caller);
        return { nodeId: live.nodeId, ackedIds: ids, remainingCount: await service.pending.acknowledge(live.nodeId, ids) };
      },
    },
    "node.pending.drain": {
      scope: "node",
      run: async ({ maxItems = 4 }, caller) => {
        const { service, live } = await liveNode(nodes, caller);
        const { items, hasMore } = await service.pending.drain(live.nodeId, maxItems);
        return { nodeId: live.nodeId, revision: service.pending.revision(live.nodeId), items: items.map(toItemWire), hasMore };
      },
    },
  } satisfies MethodTable;
}

async function liveNode(nodes: NodesDeps["nodes"], { device, conn }: Caller): Promise<{ service: NodeService; live: LiveNode }> {
  if (device === null) throw new GatewayError("INVALID_REQUEST", "a node has a device identity");
  const service = await nodes();
  return { service, live: service.liveOf(conn, device) };
}

/** A node speaks for itself only. */
function requireSelf({ nodeId }: LiveNode, named: string): void {
  if (named !== nodeId)
    throw new GatewayError("FORBIDDEN", "a node answers for itself only", { fix: "Send the id of the device that is connected." });
}

const toAnswer = ({ ok, payload, payloadJSON, error }: Omit<MethodParams<"node.invoke.result">, "id" | "nodeId">): NodeAnswer =>
  ok
    ? { ok, payloadJSON: payloadJSON ?? (payload === undefined ? null : JSON.stringify(payload)) }
    : {
        ok,
        code: (error?.code ?? "UNAVAILABLE").slice(0, NODE_LIMITS.nameChars),
        message: (error?.message ?? "the node gave no reason").slice(0, NODE_LIMITS.errorChars),
      };

const toAsker = ({ askerPlace }: NodesDeps, { device, client }: Caller, sessionKey: string | undefined): NodeAsker => ({
  surface: "operator",
  name: client.displayName ?? (device === null ? client.id : `${client.id} ${device.slice(0, 8)}`),
  runId: null,
  ...askerPlace(sessionKey),
});

async function approvalsOf(
  deps: NodesDeps,
  { nodeId, command, params }: { nodeId: string; command: string; params: JsonObject },
  caller: Caller,
): Promise<unknown> {
  const service = await deps.nodes();
  const asker = toAsker(deps, caller, undefined);
  const { payload } = await service.invoke({ node: nodeId, command, params, key: deps.newId(), asker, scopes: null }, caller.signal);
  return payload;
}

async function enqueue(service: NodeService, params: MethodParams<"node.pending.enqueue">): Promise<JsonObject> {
  const { type, priority = "normal", expiresInMs = NODE_LIMITS.pendingMs, wake = true } = params;
  const { nodeId } = service.registry.require(params.nodeId);
  const row = await service.pending.enqueue(nodeId, { type, priority, expiresInMs });
  const wakeTriggered = wake && (await service.wake(nodeId, "node.pending")).path === "sent";
  return { nodeId, revision: service.pending.revision(nodeId), queued: toItemWire(row), wakeTriggered };
}

function toItemWire({
  id,
  content,
  createdAt,
  expiresAt,
}: {
  id: string;
  content: unknown;
  createdAt: number;
  expiresAt: number;
}): JsonObject {
  const { type, priority } = fieldsOf(content);
  return { id, type, priority, createdAtMs: createdAt, expiresAtMs: expiresAt };
}

/** Removes a node: its pairing ends, its connection closes, and what was approved of it is forgotten. */
async function remove({ nodes, devices }: NodesDeps, node: string, caller: Caller): Promise<JsonObject> {
  const service = await nodes();
  const { nodeId } = service.registry.require(node);
  const approver = { scopes: caller.scopes, device: caller.device };
  const device = devices.list().paired.find(({ deviceId }) => deviceId === nodeId);
  const live = device?.grants.filter(({ revokedAt }) => revokedAt === null) ?? [];
  if (device && live.every(({ role }) => role === "node")) await devices.remove(nodeId, approver);
  else if (live.some(({ role }) => role === "node")) await devices.revoke(nodeId, "node", approver);
  await service.remove(nodeId);
  return { nodeId };
}
