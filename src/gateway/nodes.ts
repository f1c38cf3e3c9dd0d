import { randomUUID } from "node:crypto";
import { shortId, type Approvals } from "../approvals/approvals.ts";
import type { DeviceIdentity } from "../client/device.ts";
import type { Auth } from "../auth/open.ts";
import { detailError, type GatewayError } from "../core/errors.ts";
import { asId } from "../core/ids.ts";
import { tryParseJson } from "../core/json.ts";
import type { NodeService, NodeServiceDeps, ShellDesk, ShellQuestion } from "../nodes/service.ts";
import type { NodeClaims } from "../nodes/claims.ts";
import type { NodePush, PushRelay } from "../nodes/push.ts";
import type { Hub, Peer } from "../protocol/hub.ts";
import type { AuditStatus } from "../store/audit.ts";
import { createNodeRows, type NodeRows } from "../store/nodes.ts";
import { createVault } from "../store/vault.ts";
import { auditedArguments, hashOf } from "../turns/turn-audit.ts";
import type { GatewayBase } from "./base.ts";
import type { RunningConfig } from "./running-config.ts";
import type { Storage } from "./storage.ts";

export type GatewayNodesInput = GatewayBase &
  Pick<Storage, "store" | "audit"> & {
    running: RunningConfig;
    hub: Hub;
    auth: Pick<Auth, "devices">;
    approvals: Approvals;
  };

const PAIRING = { scope: "operator.pairing" } as const;

/** The nodes, which are loaded with the first that connects or the first request about one. */
export class GatewayNodes {
  readonly rows: NodeRows;
  readonly #input: GatewayNodesInput;
  #service: Promise<NodeService> | null = null;
  #pushing: Promise<NodePush> | null = null;

  constructor(input: GatewayNodesInput) {
    this.#input = input;
    this.rows = createNodeRows(input.store);
    input.metrics.sample("gateway_nodes_known", () => this.rows.countNodes());
    // With its pairing a device loses what was approved of it as a node.
    input.bus.on("credential.revoked", (revoked) => {
      if ("device" in revoked && revoked.role !== "operator") this.#forgetUnpaired(revoked.device);
    });
  }

  get(): Promise<NodeService> {
    this.#service ??= import("../nodes/service.ts").then(({ NodeService: Service }) => new Service(this.#deps()));
    return this.#service;
  }

  /** Takes up what an earlier process left; loads nothing without such a command. */
  async start(): Promise<void> {
    if (this.rows.countOpenInvocations() > 0) (await this.get()).start();
  }

  connected(peer: Peer): void {
    const claims = toClaims(peer);
    if (claims !== null) this.#tell((service) => service.connected(peer.conn, claims));
  }

  disconnected(peer: Peer): void {
    if (peer.claims) this.#tell((service) => service.disconnected(peer.conn));
  }

  #forgetUnpaired(nodeId: string): void {
    if (this.#input.auth.devices.grant(nodeId, "node") !== null || this.rows.node(nodeId) === undefined) return;
    this.#tell((service) => service.remove(nodeId));
  }

  #tell(work: (service: NodeService) => unknown): void {
    this.get()
      .then(work)
      .catch((err: unknown) => this.#input.log.error("the nodes could not be updated", { error: err }));
  }

  #deps(): NodeServiceDeps {
    const { running, hub, store, log, clock, metrics, crashPoint } = this.#input;
    const { rows } = this;
    return {
      rows,
      write: (change) => store.write(change),
      config: () => running.config.gateway.nodes.commands,
      send: (conn, event, payload) => hub.send(asId(conn), event, payload),
      events: {
        requested: (row) => hub.publish("node.pair.requested", { requestId: row.requestId, nodeId: row.nodeId, ts: clock.now() }, PAIRING),
        resolved: ({ nodeId, requestId, decision }) => {
          const event = { requestId, nodeId, decision, ts: clock.now() };
          hub.publish("node.pair.resolved", event, PAIRING);
          for (const { conn, device, claims } of hub.peers()) if (claims && device === nodeId) hub.send(conn, "node.pair.resolved", event);
        },
      },
      desk: shellDesk(this.#input.approvals),
      record: recordInvocation(this.#input),
      push: () => this.#push(),
      crashPoint,
      newId: randomUUID,
      clock,
      log: log.child({ subsystem: "nodes" }),
      metrics,
    };
  }

  /** Not loaded while no relay is configured. */
  async #push(): Promise<NodePush | null> {
    const { running, store, paths, clock, log, metrics } = this.#input;
    const relay = (): PushRelay | null => {
      const { baseUrl, timeoutMs } = running.config.gateway.push.apns.relay;
      return baseUrl === undefined ? null : { baseUrl, timeoutMs };
    };
    if (relay() === null) return null;
    this.#pushing ??= Promise.all([import("../nodes/push.ts"), import("../observe/otel/post.ts")]).then(
      ([{ NodePush: Push }, { createPost }]) =>
        new Push({
          relay,
          vault: (nodeId) => createVault(store, "node", nodeId),
          identity: () => openGatewayIdentity(paths.gateway),
          post: async (url, headers, body, timeoutMs) => {
            const { post, close } = createPost();
            try {
              return await post({ url, headers, timeoutMs }, "application/json", body);
            } finally {
              close();
            }
          },
          clock,
          log: log.child({ subsystem: "nodes" }),
          metrics,
        }),
    );
    return await this.#pushing;
  }
}

/** The key by which other gateways and push relays know this gateway. */
export const openGatewayIdentity = async (directory: string): Promise<DeviceIdentity> =>
  (await import("../peers/keys.ts")).openPeerKey(directory);

/** What a node says in `connect`; null for other clients. */
function toClaims({ role, device, client, claims, remote }: Peer): NodeClaims | null {
  if (role !== "node" || device === null || !claims) return null;
  const { displayName, platform, deviceFamily, version, id, mode } = client;
  return {
    nodeId: device,
    info: {
      ...(displayName !== undefined && { displayName }),
      ...(platform !== undefined && { platform }),
      ...(deviceFamily !== undefined && { deviceFamily }),
      ...(claims.modelIdentifier !== null && { modelIdentifier: claims.modelIdentifier.slice(0, 128) }),
      version,
      clientId: id,
      clientMode: mode,
      remoteIp: remote,
    },
    caps: claims.caps,
    commands: claims.commands,
    permissions: claims.permissions,
    hasCode: claims.hasCode,
    pathEnv: claims.pathEnv !== null && claims.pathEnv.length <= 8_192 ? claims.pathEnv : null,
  };
}

const mismatch = (why: string): GatewayError =>
  detailError("NODE_APPROVAL_MISMATCH", `the command was not sent to the node: ${why}`, { fix: "Ask again for exactly this command." });

/** Questions about programs on nodes, as all others. */
function shellDesk(approvals: Approvals): ShellDesk {
  return {
    async ask({ node, plan, text, digest, asker }: ShellQuestion, signal) {
      const subject = {
        commandText: text,
        cwd: plan.cwd ?? "",
        host: "node" as const,
        nodeId: node.nodeId,
        resolvedPath: null,
        warnings: [`It runs on the node ${node.name}, not on the machine of the gateway.`, ...variablesOf(plan)],
        patterns: [],
      };
      const { agentId, sessionKey, runId } = asker;
      const place = {
        agentId: asId<never>(agentId),
        sessionKey: asId<never>(sessionKey),
        runId: runId === null ? null : asId<never>(runId),
      };
      const approval = await approvals.ask({ ...place, callId: "", subject, digest }, signal);
      if (approval.status !== "allowed")
        throw detailError("NODE_APPROVAL_DENIED", `the command was not sent to ${node.name}: ${denialOf(approval)}`, {
          details: { approvalId: approval.id, status: approval.status },
        });
      if (!(await approvals.use(approval.id))) throw mismatch("the approval was used before");
      return approval.id;
    },
    async use(id, { digest, node }) {
      const approval = approvals.find(id);
      if (approval.id !== id || approval.kind !== "exec") throw mismatch(`there is no approval ${id.slice(0, 64)}`);
      if (approval.subject.nodeId !== node.nodeId || approval.digest !== digest)
        throw mismatch(`the approval ${shortId(id)} is about another command, directory, environment or node`);
      if (approval.status !== "allowed") throw mismatch(`the approval ${shortId(id)} was not given: ${approval.status}`);
      if (!(await approvals.use(id))) throw mismatch(`the approval ${shortId(id)} was used before`);
    },
  };
}

const denialOf = ({ status, id, resolver }: { status: string; id: string; resolver: { id?: string } | null }): string =>
  status === "denied"
    ? `${resolver?.id ?? "a person"} denied it (approval ${shortId(id)})`
    : status === "expired"
      ? `there was no answer in time (approval ${shortId(id)})`
      : `the question ended before (approval ${shortId(id)})`;

const variablesOf = ({ env }: ShellQuestion["plan"]): string[] =>
  env === null ? [] : [`It sets ${Object.keys(env).toSorted().join(", ").slice(0, 400)}.`];

/** Who asked, on whose authority, what ran, and how it ended: rows of the audit, in the transaction of the invocation. */
function recordInvocation({ audit, clock }: GatewayNodesInput): NodeServiceDeps["record"] {
  return ({ id, nodeId, command, params, asker }, end) => {
    const { agentId, sessionKey, surface, name, runId, approvalId } = asker;
    const row = {
      at: clock.now(),
      kind: "tool" as const,
      agentId: asId<never>(agentId),
      sessionKey: asId<never>(sessionKey),
      runId: runId ?? `node:${id}`,
      callId: id,
      tool: `nodes.${command}`,
    };
    if (end === null) {
      const args = {
        node: nodeId,
        ...(approvalId !== undefined && { approval: approvalId }),
        params: params === null ? {} : tryParseJson(params),
      };
      const authority = { surface, channel: surface === "operator" ? "webchat" : "channel", isOwner: surface === "operator", client: name };
      audit.add({ ...row, status: "started", authority, ...auditedArguments(args) });
      return;
    }
    audit.add({ ...row, status: statusOf(end), hash: hashOf(end.answer) });
  };
}

function statusOf({ state, answer }: { state: string; answer: { ok: boolean } | null }): AuditStatus {
  if (state === "done") return answer?.ok === false ? "failed" : "succeeded";
  return state === "timeout" ? "timed_out" : state === "cancelled" ? "cancelled" : "unknown";
}
