import type { Store } from "./open.ts";
import { decodeRow, decodeRows } from "./row-decoding.ts";

/** The pinned key of a link. */
export type PeerKeyRow = { name: string; keyId: string; publicKey: string; pairedAt: number };

/** The key that a link had before, while it is accepted. `until` null: the new one was not used yet. */
export type PreviousPeerKey = { name: string; keyId: string; publicKey: string; until: number | null };

/** A key of this gateway for one link. */
export type PeerOwnKeyRow = { keyId: string; peer: string; state: "pending" | "current" | "retired"; createdAt: number };

export type PeerOutboxState = "queued" | "delivered" | "answered" | "bounced";

/** What is sent over a link. `envelope` and `outcome` are the business of the module `peers`. */
export type PeerOutboxRow<E = unknown, O = unknown> = {
  seq: number;
  peer: string;
  id: string;
  kind: "request" | "reply";
  state: PeerOutboxState;
  envelope: E;
  createdAt: number;
  expiresAt: number;
  endedAt: number | null;
  outcome: O | null;
  /** The task that an agent has made of the request, over a link that speaks A2A. */
  remoteTask: string | null;
};

export type NewPeerOutboxRow<E> = Pick<PeerOutboxRow<E>, "peer" | "id" | "kind" | "envelope" | "createdAt" | "expiresAt">;

/** A request that came over a link. */
export type PeerInboxRow = {
  peer: string;
  id: string;
  runId: string | null;
  forwardId: string | null;
  receivedAt: number;
  expiresAt: number;
  endedAt: number | null;
  /** The conversation as an agent names it that speaks A2A; null: the request came from a gateway. */
  contextId: string | null;
};

/** What waits for one link. */
export type PeerQueue = {
  peer: string;
  /** Messages that the other gateway does not have yet. */
  queued: number;
  /** Requests that it has and has not answered. */
  unanswered: number;
  oldestAt: number | null;
};

type OutboxSqlRow = Omit<PeerOutboxRow, "envelope" | "outcome"> & { envelope: string; outcome: string | null };

const OUTBOX_COLUMNS =
  "seq, peer, id, kind, state, envelope, created_at AS createdAt, expires_at AS expiresAt, ended_at AS endedAt, outcome, remote_task AS remoteTask";
const INBOX_COLUMNS =
  "peer, id, run_id AS runId, forward_id AS forwardId, received_at AS receivedAt, expires_at AS expiresAt, ended_at AS endedAt, context_id AS contextId";

const outboxKey = ({ id }: OutboxSqlRow): string => `peer_outbox ${id}`;
const toOutboxRow = <E, O>(row: OutboxSqlRow): PeerOutboxRow<E, O> => ({
  ...row,
  envelope: JSON.parse(row.envelope) as E,
  outcome: row.outcome === null ? null : (JSON.parse(row.outcome) as O),
});

export type PeerRows<E = unknown, O = unknown> = ReturnType<typeof createPeerRows<E, O>>;

/** Links to other gateways and what goes over them. What changes rows runs inside a `store.write`. */
export const createPeerRows = <E, O>(store: Store) => ({
  ...createKeyRows(store),
  ...createOutboxRows<E, O>(store),
  ...createInboxRows(store),

  /** Removes at most `limit` rows that ended before. True: more may be left. */
  prune(before: number, limit: number): boolean {
    const sent = store.run(
      "DELETE FROM peer_outbox WHERE seq IN (SELECT seq FROM peer_outbox WHERE ended_at < ? ORDER BY ended_at LIMIT ?)",
      before,
      limit,
    );
    const received = store.run(
      `DELETE FROM peer_inbox WHERE (peer, id) IN (SELECT peer, id FROM peer_inbox WHERE expires_at < ? AND ended_at IS NOT NULL LIMIT ?)`,
      before,
      limit,
    );
    return Math.max(sent, received) >= limit;
  },
});

function createKeyRows(store: Store) {
  const columns = "name, key_id AS keyId, public_key AS publicKey, paired_at AS pairedAt";
  return {
    keys: (): PeerKeyRow[] => store.all<PeerKeyRow>(`SELECT ${columns} FROM peer_keys ORDER BY name`),
    saveKey({ name, keyId, publicKey, pairedAt }: PeerKeyRow): void {
      store.run(
        `INSERT INTO peer_keys (name, key_id, public_key, paired_at) VALUES (?, ?, ?, ?)
         ON CONFLICT (name) DO UPDATE SET key_id = excluded.key_id, public_key = excluded.public_key, paired_at = excluded.paired_at,
           previous_key_id = NULL, previous_public_key = NULL, previous_until = NULL`,
        name,
        keyId,
        publicKey,
        pairedAt,
      );
    },
    /** The other side has another key; the one before is accepted meanwhile. */
    replaceKey: (name: string, { keyId, publicKey }: Pick<PeerKeyRow, "keyId" | "publicKey">): boolean =>
      store.run(
        `UPDATE peer_keys SET previous_key_id = key_id, previous_public_key = public_key, previous_until = NULL, key_id = ?, public_key = ?
         WHERE name = ?`,
        keyId,
        publicKey,
        name,
      ) > 0,
    previousKeys: (): PreviousPeerKey[] =>
      store.all<PreviousPeerKey>(
        `SELECT name, previous_key_id AS keyId, previous_public_key AS publicKey, previous_until AS until
         FROM peer_keys WHERE previous_key_id IS NOT NULL ORDER BY name`,
      ),
    /** False: it is known already until when. */
    endPreviousKey: (name: string, until: number): boolean =>
      store.run(
        "UPDATE peer_keys SET previous_until = ? WHERE name = ? AND previous_key_id IS NOT NULL AND previous_until IS NULL",
        until,
        name,
      ) > 0,
    ownKeys: (): PeerOwnKeyRow[] =>
      store.all<PeerOwnKeyRow>(
        "SELECT key_id AS keyId, peer, state, created_at AS createdAt FROM peer_own_keys ORDER BY created_at, key_id",
      ),
    saveOwnKey: ({ keyId, peer, state, createdAt }: PeerOwnKeyRow): void => {
      store.run("INSERT INTO peer_own_keys (key_id, peer, state, created_at) VALUES (?, ?, ?, ?)", keyId, peer, state, createdAt);
    },
    setOwnKeyState: (keyId: string, state: PeerOwnKeyRow["state"]): void => {
      store.run("UPDATE peer_own_keys SET state = ? WHERE key_id = ?", state, keyId);
    },
    removeKey: (name: string): boolean => store.run("DELETE FROM peer_keys WHERE name = ?", name) > 0,
  };
}

const createDeliveryRows = (store: Store) => ({
  /** The other gateway has stored it. A reply has ended with that. False: it has ended before. */
  setDelivered: (id: string, at: number, remoteTask: string | null = null): boolean =>
    store.run(
      `UPDATE peer_outbox SET state = 'delivered', remote_task = ?, ended_at = CASE kind WHEN 'reply' THEN ? ELSE NULL END
       WHERE id = ? AND state = 'queued'`,
      remoteTask,
      at,
      id,
    ) > 0,
});

function createOutboxRows<E, O>(store: Store) {
  const rows = (found: readonly OutboxSqlRow[]): PeerOutboxRow<E, O>[] => decodeRows(store, found, outboxKey, toOutboxRow<E, O>);
  const one = (found: OutboxSqlRow | undefined): PeerOutboxRow<E, O> | undefined => decodeRow(store, found, outboxKey, toOutboxRow<E, O>);
  return {
    ...createDeliveryRows(store),
    /** False: a message with this id is there already. */
    addOutgoing: ({ peer, id, kind, envelope, createdAt, expiresAt }: NewPeerOutboxRow<E>): boolean =>
      store.run(
        `INSERT INTO peer_outbox (peer, id, kind, state, envelope, created_at, expires_at) VALUES (?, ?, ?, 'queued', ?, ?, ?)
         ON CONFLICT (id) DO NOTHING`,
        peer,
        id,
        kind,
        JSON.stringify(envelope),
        createdAt,
        expiresAt,
      ) > 0,

    outgoing: (id: string): PeerOutboxRow<E, O> | undefined =>
      one(store.get<OutboxSqlRow>(`SELECT ${OUTBOX_COLUMNS} FROM peer_outbox WHERE id = ?`, id)),

    /** The oldest message that the other gateway does not have. Replies go first: a request that has to wait must not keep them. */
    nextOutgoing: (peer: string): PeerOutboxRow<E, O> | undefined =>
      one(
        store.get<OutboxSqlRow>(
          `SELECT ${OUTBOX_COLUMNS} FROM peer_outbox WHERE peer = ? AND state = 'queued' ORDER BY kind, seq LIMIT 1`,
          peer,
        ),
      ),

    /** False: it has ended before; the first end counts. */
    endOutgoing: (id: string, state: "answered" | "bounced", outcome: O, at: number): boolean =>
      store.run(
        "UPDATE peer_outbox SET state = ?, outcome = ?, ended_at = ? WHERE id = ? AND ended_at IS NULL",
        state,
        JSON.stringify(outcome),
        at,
        id,
      ) > 0,

    /** Messages that have not ended and whose time is over, the oldest first. */
    expiredOutgoing: (now: number, limit: number): PeerOutboxRow<E, O>[] =>
      rows(
        store.all<OutboxSqlRow>(
          `SELECT ${OUTBOX_COLUMNS} FROM peer_outbox WHERE ended_at IS NULL AND expires_at <= ? ORDER BY expires_at LIMIT ?`,
          now,
          limit,
        ),
      ),

    openOutgoing: (peer: string): PeerOutboxRow<E, O>[] =>
      rows(store.all<OutboxSqlRow>(`SELECT ${OUTBOX_COLUMNS} FROM peer_outbox WHERE peer = ? AND ended_at IS NULL ORDER BY seq`, peer)),

    nextExpiry: (): number | null =>
      store.get<{ at: number | null }>("SELECT min(expires_at) AS at FROM peer_outbox WHERE ended_at IS NULL")!.at,

    queues: (): PeerQueue[] =>
      store.all<PeerQueue>(
        `SELECT peer, sum(state = 'queued') AS queued, sum(state = 'delivered') AS unanswered, min(created_at) AS oldestAt
         FROM peer_outbox WHERE ended_at IS NULL GROUP BY peer ORDER BY peer`,
      ),
  };
}

function createInboxRows(store: Store) {
  return {
    received: (peer: string, id: string): PeerInboxRow | undefined =>
      store.get<PeerInboxRow>(`SELECT ${INBOX_COLUMNS} FROM peer_inbox WHERE peer = ? AND id = ?`, peer, id),

    /** False: it came before. */
    addReceived: ({ peer, id, runId, forwardId, receivedAt, expiresAt, contextId }: Omit<PeerInboxRow, "endedAt">): boolean =>
      store.run(
        `INSERT INTO peer_inbox (peer, id, run_id, forward_id, received_at, expires_at, context_id) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (peer, id) DO NOTHING`,
        peer,
        id,
        runId,
        forwardId,
        receivedAt,
        expiresAt,
        contextId,
      ) > 0,

    /** False: its reply was stored before. */
    endReceived: (peer: string, id: string, at: number): boolean =>
      store.run("UPDATE peer_inbox SET ended_at = ? WHERE peer = ? AND id = ? AND ended_at IS NULL", at, peer, id) > 0,

    /** Requests of a link that have no reply yet. */
    countReceived: (peer: string): number =>
      store.get<{ n: number }>("SELECT count(*) AS n FROM peer_inbox WHERE peer = ? AND ended_at IS NULL", peer)!.n,

    openReceived: (): PeerInboxRow[] =>
      store.all<PeerInboxRow>(`SELECT ${INBOX_COLUMNS} FROM peer_inbox WHERE ended_at IS NULL ORDER BY received_at, id`),

    /** Whether an earlier process has left something to do. */
    hasOpen: (): boolean =>
      store.get("SELECT 1 AS found FROM peer_outbox WHERE ended_at IS NULL LIMIT 1") !== undefined ||
      store.get("SELECT 1 AS found FROM peer_inbox WHERE ended_at IS NULL LIMIT 1") !== undefined,
  };
}
