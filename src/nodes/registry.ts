import type { Clock } from "../core/clock.ts";
import { detailError, GatewayError, missingScope, reasonOf } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { Log } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import type { NodeRow, NodeRows, NodeSurface } from "../store/nodes.ts";
import { declaredSurface, type NodeClaims } from "./claims.ts";
import {
  approvableSurface,
  approvalScopes,
  decideCommand,
  decideCommands,
  effectiveSurface,
  isWider,
  type CommandDecision,
  type CommandFacts,
  type NodeCommandConfig,
} from "./command-policy.ts";
import { NODE_LIMITS } from "./limits.ts";
import { platformOf, type NodePlatform } from "./platform-commands.ts";

/** The connection of a node, and what it has reported over it. */
export type LiveNode = {
  nodeId: string;
  conn: string;
  connectedAt: number;
  pathEnv: string | null;
  /** It keeps its answers and runs each id once, so that a command may be sent to it again. */
  keepsAnswers: boolean;
  /** Numbers that it reported of its machine. */
  stats: JsonObject | null;
  /** Seconds since a person used it, and when that was reported. */
  idle: { seconds: number; at: number } | null;
};

export type RegistryEvents = {
  /** What a node declares waits for a person. */
  requested(row: NodeRow): void;
  resolved(row: Pick<NodeRow, "nodeId"> & { requestId: string; decision: "approved" | "rejected" | "expired" }): void;
};

export type RegistryDeps = {
  rows: NodeRows;
  write: <T>(change: () => T) => Promise<T>;
  config: () => NodeCommandConfig;
  events: RegistryEvents;
  newId: () => string;
  clock: Clock;
  log: Log;
  metrics: Metrics;
};

/** A node that keeps its answers announces it with this capability. */
export const KEEPS_ANSWERS = "invoke-replay";

/** The nodes: what each declares, what a person has approved of that, and which are connected. */
export class NodeRegistry {
  readonly #deps: RegistryDeps;
  /** By device; the connection that was opened last counts. */
  readonly #live = new Map<string, LiveNode[]>();
  readonly #seenAt = new Map<string, number>();
  #written: Promise<void> = Promise.resolve();

  constructor(deps: RegistryDeps) {
    this.#deps = deps;
    deps.metrics.sample("gateway_nodes_connected", () => this.#live.size);
  }

  /** What nodes reported before is stored, or has failed. */
  settled(): Promise<void> {
    return this.#written;
  }

  rows(): NodeRow[] {
    return this.#deps.rows.nodes();
  }

  live(nodeId: string): LiveNode | null {
    return this.#live.get(nodeId)?.at(-1) ?? null;
  }

  /** Of each connected node the connection that counts. */
  connections(): readonly LiveNode[] {
    return [...this.#live.values()].map((each) => each.at(-1)!);
  }

  isConnected(nodeId: string): boolean {
    return this.#live.has(nodeId);
  }

  /** A node has connected. Returns its connection. */
  connected(conn: string, claims: NodeClaims): LiveNode {
    const { clock } = this.#deps;
    const live: LiveNode = {
      nodeId: claims.nodeId,
      conn,
      connectedAt: clock.now(),
      pathEnv: claims.pathEnv,
      keepsAnswers: claims.caps.includes(KEEPS_ANSWERS),
      stats: null,
      idle: null,
    };
    this.#live.set(claims.nodeId, [...(this.#live.get(claims.nodeId) ?? []), live]);
    this.#later(() => this.#store(claims, live.connectedAt));
    return live;
  }

  /** A connection has ended. Returns the node when it has no other one. */
  disconnected(conn: string): string | null {
    for (const [nodeId, connections] of this.#live) {
      const left = connections.filter((each) => each.conn !== conn);
      if (left.length === connections.length) continue;
      if (left.length > 0) this.#live.set(nodeId, left);
      else this.#live.delete(nodeId);
      this.seen(nodeId, "disconnect", true);
      return left.length > 0 ? null : nodeId;
    }
    return null;
  }

  /** A sign of life; written at most once a minute. */
  seen(nodeId: string, reason: string, isWritten = false): void {
    const { clock, rows } = this.#deps;
    const now = clock.now();
    if (!isWritten && now - (this.#seenAt.get(nodeId) ?? 0) < NODE_LIMITS.seenMs) return;
    this.#seenAt.set(nodeId, now);
    this.#later(() => {
      rows.markNodeSeen(nodeId, reason, now);
      return () => {};
    });
  }

  factsOf(row: NodeRow): CommandFacts {
    return { platform: platformOf(row.info), declared: row.declared, approved: row.approved, config: this.#deps.config() };
  }

  platform(row: NodeRow): NodePlatform {
    return platformOf(row.info);
  }

  surface(row: NodeRow): NodeSurface {
    return effectiveSurface(this.factsOf(row));
  }

  decide(row: NodeRow, command: string): CommandDecision {
    return decideCommand(command, this.factsOf(row));
  }

  decisions(row: NodeRow): CommandDecision[] {
    return decideCommands(this.factsOf(row));
  }

  /** What a waiting node would be approved for. */
  requested(row: NodeRow): NodeSurface {
    return approvableSurface(row.declared, platformOf(row.info), this.#deps.config());
  }

  /** By id, name, or the beginning of an id or a name where that is unique. Throws NOT_FOUND with the candidates. */
  require(text: string): NodeRow {
    const wanted = text.trim().toLowerCase();
    const all = this.rows();
    const exact = all.filter((row) => row.nodeId === wanted || nameOf(row).toLowerCase() === wanted || row.info.remoteIp === wanted);
    if (exact.length === 1) return exact[0]!;
    const found = exact.length > 1 ? exact : wanted.length < 2 ? [] : all.filter((row) => startsWith(row, wanted));
    if (found.length === 1) return found[0]!;
    const candidates = (found.length > 0 ? found : all).slice(0, 10).map((row) => ({ nodeId: row.nodeId, displayName: nameOf(row) }));
    const names = candidates.map(({ nodeId, displayName }) => `${displayName} (${nodeId.slice(0, 8)})`).join(", ");
    throw detailError(
      "NODE_NOT_FOUND",
      found.length > 1
        ? `several nodes are called ${JSON.stringify(text.slice(0, 64))}`
        : `there is no node ${JSON.stringify(text.slice(0, 64))}`,
      { details: { candidates }, fix: names === "" ? "No node is known. Start one with openclaw node run." : `Known nodes: ${names}.` },
    );
  }

  /** Approves what a node declares. `scopes`: what the person may. */
  async approve(requestId: string, scopes: ReadonlySet<string>): Promise<NodeRow> {
    const { rows, write, clock, events, log } = this.#deps;
    const row = this.#requireRequest(requestId);
    const approved = this.requested(row);
    const missing = approvalScopes(approved).find((scope) => !scopes.has(scope) && !scopes.has("operator.admin"));
    if (missing !== undefined) throw missingScope(missing);
    const next: NodeRow = { ...row, approved, requestId: null, requestedAt: null, approvedAt: clock.now() };
    await write(() => {
      // What was shown with this id is approved, and nothing that was declared since.
      if (rows.node(row.nodeId)?.requestId !== row.requestId) throw requestNotFound(requestId);
      rows.saveNode(next);
    });
    log.info("a node was approved", { node: row.nodeId, name: nameOf(row), commands: approved.commands });
    events.resolved({ nodeId: row.nodeId, requestId: row.requestId!, decision: "approved" });
    return next;
  }

  async reject(requestId: string): Promise<NodeRow> {
    const { rows, write, events } = this.#deps;
    const row = this.#requireRequest(requestId);
    await write(() => rows.saveNode({ ...row, requestId: null, requestedAt: null }));
    events.resolved({ nodeId: row.nodeId, requestId: row.requestId!, decision: "rejected" });
    return row;
  }

  async rename(text: string, name: string): Promise<NodeRow> {
    const { rows, write } = this.#deps;
    const row = this.require(text);
    const label = name
      .replaceAll(/[\s\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ")
      .trim()
      .slice(0, NODE_LIMITS.nameChars);
    if (label === "") throw new GatewayError("INVALID_REQUEST", "the name is empty", { fix: "Write at least one visible character." });
    await write(() => rows.saveNode({ ...row, name: label }));
    return { ...row, name: label };
  }

  async remove(nodeId: string): Promise<void> {
    const { rows, write, events } = this.#deps;
    const row = rows.node(nodeId);
    if (!row) return;
    await write(() => rows.removeNode(nodeId));
    if (row.requestId !== null) events.resolved({ nodeId, requestId: row.requestId, decision: "rejected" });
  }

  #requireRequest(requestId: string): NodeRow {
    const found = this.rows().filter(
      (row) => row.requestId !== null && (row.requestId === requestId || isStartOf(requestId, row.requestId)),
    );
    if (found.length === 1) return found[0]!;
    throw requestNotFound(requestId);
  }

  /** What a node said when it connected. A request keeps its id while it asks for the same. */
  #store(claims: NodeClaims, now: number): () => void {
    const { rows, newId, events, config, log } = this.#deps;
    const known = rows.node(claims.nodeId);
    if (!known && rows.countNodes() >= NODE_LIMITS.nodes)
      throw new GatewayError("UNAVAILABLE", `${NODE_LIMITS.nodes} nodes are known already`, {
        fix: "Remove some: openclaw nodes list, openclaw nodes remove --node <name>.",
      });
    const declared = declaredSurface(claims);
    const platform = platformOf(claims.info);
    // Another platform has other commands: what was approved for the first does not count.
    const before = known && platformOf(known.info) === platform ? known.approved : null;
    const wanted = approvableSurface(declared, platform, config());
    const approved = claims.hasCode ? wanted : before;
    const isAsked = isWider(wanted, approved);
    // What a person was shown with the id: what the node would be, and what of its words would be allowed on such a machine.
    const isSame =
      known?.requestId != null &&
      platformOf(known.info) === platform &&
      known.info.displayName === claims.info.displayName &&
      JSON.stringify(known.declared) === JSON.stringify(declared);
    const row: NodeRow = {
      nodeId: claims.nodeId,
      info: claims.info,
      declared,
      approved,
      name: known?.name ?? null,
      requestId: isAsked ? (isSame ? known.requestId : newId()) : null,
      requestedAt: isAsked ? (isSame ? known.requestedAt : now) : null,
      createdAt: known?.createdAt ?? now,
      approvedAt: approved === null ? null : claims.hasCode ? now : (known?.approvedAt ?? null),
      connectedAt: now,
      seenAt: now,
      seenReason: "connect",
    };
    rows.saveNode(row);
    return () => {
      if (known?.requestId && known.requestId !== row.requestId)
        events.resolved({ nodeId: row.nodeId, requestId: known.requestId, decision: "expired" });
      if (!isAsked || isSame) return;
      log.info("a node waits for an approval of its commands", {
        node: row.nodeId,
        name: nameOf(row),
        fix: `openclaw nodes approve ${row.requestId!.slice(0, 8)}`,
      });
      events.requested(row);
    };
  }

  /** In the order in which it came; what `change` returns runs when it is stored. */
  #later(change: () => () => void): void {
    const { write, log } = this.#deps;
    this.#written = this.#written
      .then(() => write(change))
      .then((afterwards) => afterwards())
      .catch((err: unknown) => log.warn("what a node reported could not be stored", { cause: reasonOf(err) }));
  }
}

/** The name of a node: the one that a person gave it, or its own. */
export const nameOf = ({ name, info, nodeId }: Pick<NodeRow, "name" | "info" | "nodeId">): string =>
  name ?? info.displayName ?? nodeId.slice(0, 8);

const isStartOf = (start: string, whole: string): boolean => start.length >= 4 && whole.startsWith(start);
const startsWith = (row: NodeRow, wanted: string): boolean => row.nodeId.startsWith(wanted) || nameOf(row).toLowerCase().startsWith(wanted);

const requestNotFound = (requestId: string): GatewayError =>
  new GatewayError("NOT_FOUND", `no node waits with the request ${requestId.slice(0, 64)}`, {
    fix: "List those that wait: openclaw nodes pending",
  });
