import type { Store } from "./open.ts";
import { decodeRow, decodeRows } from "./row-decoding.ts";

/** What a node says about itself; nothing of it decides anything but the platform, by which commands are allowed. */
export type NodeInfo = {
  displayName?: string;
  platform?: string;
  deviceFamily?: string;
  modelIdentifier?: string;
  version?: string;
  clientId?: string;
  clientMode?: string;
  remoteIp?: string;
};

/** What a node can do: as it declares it, or as a person has approved it. */
export type NodeSurface = { caps: string[]; commands: string[]; permissions: Record<string, boolean> };

export type NodeRow = {
  nodeId: string;
  info: NodeInfo;
  declared: NodeSurface;
  /** Null: no person has approved anything yet. */
  approved: NodeSurface | null;
  /** The name that a person gave it. */
  name: string | null;
  /** Set while what it declares waits for a person. */
  requestId: string | null;
  requestedAt: number | null;
  createdAt: number;
  approvedAt: number | null;
  connectedAt: number | null;
  seenAt: number | null;
  seenReason: string | null;
};

/** `sent`: the node may have it. The others are the end; `lost`: whether it ran is not known. */
export type InvocationState = "sent" | "done" | "timeout" | "lost" | "cancelled";

/** Who asked for a command of a node. */
export type NodeAsker = {
  surface: "operator" | "channel";
  /** The program, device or agent. */
  name: string;
  agentId: string;
  sessionKey: string;
  runId: string | null;
  /** The approval that a person gave for it. */
  approvalId?: string;
};

/** What a node answered. */
export type NodeAnswer = { ok: true; payloadJSON: string | null } | { ok: false; code: string; message: string };

export type InvocationRow = {
  id: string;
  nodeId: string;
  key: string;
  command: string;
  params: string | null;
  digest: string;
  asker: NodeAsker;
  state: InvocationState;
  /** Null while there is none, and where it is not kept: it was too large, or newer ones took its place. */
  result: NodeAnswer | null;
  createdAt: number;
  deadlineAt: number;
  endedAt: number | null;
};

/** Something that waits for a node: a request to report something, or a command that its app runs in the foreground only. */
export type PendingRow = {
  id: string;
  nodeId: string;
  kind: "request" | "action";
  slot: string;
  content: PendingContent;
  createdAt: number;
  expiresAt: number;
};
export type PendingContent = { type: string; priority: "normal" | "high" } | { command: string; paramsJSON: string | null };

type NodeSqlRow = Omit<NodeRow, "info" | "declared" | "approved"> & { info: string; declared: string; approved: string | null };
type InvocationSqlRow = Omit<InvocationRow, "asker" | "result"> & { asker: string; result: string | null };
type PendingSqlRow = Omit<PendingRow, "content"> & { content: string };

const NODE_COLUMNS = `node_id AS nodeId, info, declared, approved, name, request_id AS requestId, requested_at AS requestedAt,
  created_at AS createdAt, approved_at AS approvedAt, connected_at AS connectedAt, seen_at AS seenAt, seen_reason AS seenReason`;
const INVOCATION_COLUMNS = `id, node_id AS nodeId, key, command, params, digest, asker, state, result, created_at AS createdAt,
  deadline_at AS deadlineAt, ended_at AS endedAt`;
const PENDING_COLUMNS = "id, node_id AS nodeId, kind, slot, content, created_at AS createdAt, expires_at AS expiresAt";

const nodeKey = ({ nodeId }: NodeSqlRow): string => `nodes ${nodeId}`;
const invocationKey = ({ id }: InvocationSqlRow): string => `node_invocations ${id}`;
const pendingKey = ({ id }: PendingSqlRow): string => `node_pending ${id}`;

function toSurface(text: string): NodeSurface {
  const { caps, commands, permissions } = JSON.parse(text) as NodeSurface;
  if (!Array.isArray(caps) || !Array.isArray(commands)) throw new TypeError("not the surface of a node");
  return { caps, commands, permissions };
}
const toNode = (row: NodeSqlRow): NodeRow => ({
  ...row,
  info: JSON.parse(row.info) as NodeInfo,
  declared: toSurface(row.declared),
  approved: row.approved === null ? null : toSurface(row.approved),
});
const toInvocation = (row: InvocationSqlRow): InvocationRow => ({
  ...row,
  asker: JSON.parse(row.asker) as NodeAsker,
  result: row.result === null ? null : (JSON.parse(row.result) as NodeAnswer),
});
const toPending = (row: PendingSqlRow): PendingRow => ({ ...row, content: JSON.parse(row.content) as PendingContent });

export type NodeRows = ReturnType<typeof createNodeRows>;

/** Nodes, what runs on them and what waits for them. What changes rows runs inside a `store.write`. */
export const createNodeRows = (store: Store) => ({
  ...createDeviceRows(store),
  ...createInvocationRows(store),
  ...createPendingRows(store),
});

function createDeviceRows(store: Store) {
  const nodes = (rows: readonly NodeSqlRow[]): NodeRow[] => decodeRows(store, rows, nodeKey, toNode);
  return {
    nodes: (): NodeRow[] => nodes(store.all<NodeSqlRow>(`SELECT ${NODE_COLUMNS} FROM nodes ORDER BY created_at, node_id`)),

    node: (nodeId: string): NodeRow | undefined =>
      decodeRow(store, store.get<NodeSqlRow>(`SELECT ${NODE_COLUMNS} FROM nodes WHERE node_id = ?`, nodeId), nodeKey, toNode),

    countNodes: (): number => store.get<{ n: number }>("SELECT count(*) AS n FROM nodes")!.n,

    /** Adds a node, or replaces what is known of it. */
    saveNode(row: NodeRow): void {
      store.run(
        `INSERT INTO nodes (node_id, info, declared, approved, name, request_id, requested_at, created_at, approved_at, connected_at, seen_at,
           seen_reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (node_id) DO UPDATE SET info = excluded.info, declared = excluded.declared, approved = excluded.approved,
           name = excluded.name, request_id = excluded.request_id, requested_at = excluded.requested_at,
           approved_at = excluded.approved_at, connected_at = excluded.connected_at, seen_at = excluded.seen_at,
           seen_reason = excluded.seen_reason`,
        row.nodeId,
        JSON.stringify(row.info),
        JSON.stringify(row.declared),
        row.approved && JSON.stringify(row.approved),
        row.name,
        row.requestId,
        row.requestedAt,
        row.createdAt,
        row.approvedAt,
        row.connectedAt,
        row.seenAt,
        row.seenReason,
      );
    },

    markNodeSeen: (nodeId: string, reason: string, at: number): boolean =>
      store.run("UPDATE nodes SET seen_at = ?, seen_reason = ? WHERE node_id = ?", at, reason, nodeId) > 0,

    removeNode(nodeId: string): boolean {
      store.run("DELETE FROM node_pending WHERE node_id = ?", nodeId);
      // With it goes what a push relay knows it by, also while no relay is configured.
      store.run("DELETE FROM vault WHERE channel = 'node' AND account = ?", nodeId);
      return store.run("DELETE FROM nodes WHERE node_id = ?", nodeId) > 0;
    },
  };
}

function createInvocationRows(store: Store) {
  const invocations = (rows: readonly InvocationSqlRow[]): InvocationRow[] => decodeRows(store, rows, invocationKey, toInvocation);
  const one = (row: InvocationSqlRow | undefined): InvocationRow | undefined => decodeRow(store, row, invocationKey, toInvocation);
  return {
    /** False when the key was used on this node before. */
    addInvocation: ({
      id,
      nodeId,
      key,
      command,
      params,
      digest,
      asker,
      createdAt,
      deadlineAt,
    }: Omit<InvocationRow, "state" | "result" | "endedAt">): boolean =>
      store.run(
        `INSERT INTO node_invocations (id, node_id, key, command, params, digest, asker, state, created_at, deadline_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, 'sent', ?, ?) ON CONFLICT DO NOTHING`,
        id,
        nodeId,
        key,
        command,
        params,
        digest,
        JSON.stringify(asker),
        createdAt,
        deadlineAt,
      ) > 0,

    invocation: (id: string): InvocationRow | undefined =>
      one(store.get<InvocationSqlRow>(`SELECT ${INVOCATION_COLUMNS} FROM node_invocations WHERE id = ?`, id)),

    invocationByKey: (nodeId: string, key: string): InvocationRow | undefined =>
      one(store.get<InvocationSqlRow>(`SELECT ${INVOCATION_COLUMNS} FROM node_invocations WHERE node_id = ? AND key = ?`, nodeId, key)),

    openInvocations: (): InvocationRow[] =>
      invocations(
        store.all<InvocationSqlRow>(`SELECT ${INVOCATION_COLUMNS} FROM node_invocations WHERE ended_at IS NULL ORDER BY created_at`),
      ),

    countOpenInvocations: (): number => store.get<{ n: number }>("SELECT count(*) AS n FROM node_invocations WHERE ended_at IS NULL")!.n,

    /** False when it has ended before: the first end counts. */
    endInvocation: (id: string, state: Exclude<InvocationState, "sent">, result: NodeAnswer | null, at: number): boolean =>
      store.run(
        "UPDATE node_invocations SET state = ?, result = ?, ended_at = ? WHERE id = ? AND ended_at IS NULL",
        state,
        result && JSON.stringify(result),
        at,
        id,
      ) > 0,

    /** The newest first. */
    recentInvocations: (nodeId: string, limit: number): InvocationRow[] =>
      invocations(
        store.all<InvocationSqlRow>(
          `SELECT ${INVOCATION_COLUMNS} FROM node_invocations WHERE node_id = ? ORDER BY created_at DESC LIMIT ?`,
          nodeId,
          limit,
        ),
      ),

    /** Removes at most `limit` that ended before, and empties as many of the oldest answers that do not fit. True: more are left. */
    prune: (before: number, limit: number, answerBytes: number): boolean => {
      const removed = store.run(
        "DELETE FROM node_invocations WHERE id IN (SELECT id FROM node_invocations WHERE ended_at < ? ORDER BY ended_at LIMIT ?)",
        before,
        limit,
      );
      // The length in bytes is in the head of a row: no answer is read for it.
      const emptied = store.run(
        `UPDATE node_invocations SET result = NULL WHERE id IN (
           SELECT id FROM (
             SELECT id, sum(octet_length(result)) OVER (ORDER BY ended_at DESC, id) AS total
             FROM node_invocations WHERE ended_at IS NOT NULL AND result IS NOT NULL)
           WHERE total > ? LIMIT ?)`,
        answerBytes,
        limit,
      );
      return removed >= limit || emptied >= limit;
    },
  };
}

function createPendingRows(store: Store) {
  return {
    /** Adds what waits for a node, or replaces what waits in the same place. */
    savePending({ id, nodeId, kind, slot, content, createdAt, expiresAt }: PendingRow): void {
      store.run(
        `INSERT INTO node_pending (id, node_id, kind, slot, content, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (node_id, kind, slot) DO UPDATE SET content = excluded.content, expires_at = excluded.expires_at`,
        id,
        nodeId,
        kind,
        slot,
        JSON.stringify(content),
        createdAt,
        expiresAt,
      );
    },

    /** What waits for a node and has not expired, the oldest first. */
    pending: (nodeId: string, kind: PendingRow["kind"], now: number): PendingRow[] =>
      decodeRows(
        store,
        store.all<PendingSqlRow>(
          `SELECT ${PENDING_COLUMNS} FROM node_pending WHERE node_id = ? AND kind = ? AND expires_at > ? ORDER BY created_at, id`,
          nodeId,
          kind,
          now,
        ),
        pendingKey,
        toPending,
      ),

    removePending: (nodeId: string, id: string): boolean =>
      store.run("DELETE FROM node_pending WHERE node_id = ? AND id = ?", nodeId, id) > 0,

    removeExpiredPending: (now: number): number => store.run("DELETE FROM node_pending WHERE expires_at <= ?", now),
  };
}
