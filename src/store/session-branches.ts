import { detailError, GatewayError } from "../core/errors.ts";
import type { SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { Store } from "./open.ts";
import type { SessionRow } from "./sessions.ts";

/**
 * The branches of conversations. A conversation is a tree of parts; each part continues another one after one of its messages, and has the
 * messages that were written in it. A branch is the way from the first part to the end of one of them. `seq` grows along every branch, because
 * a part is younger than the messages that it continues.
 *
 * Messages of the active branch have the `session_id` of the conversation, so that everything that reads a conversation reads one branch.
 */
type Part = {
  id: string;
  parent_id: string | null;
  after_seq: number;
  active: number;
  context_id: string;
  checkpoint: string | null;
};

type Conversation = Pick<SessionRow, "key" | "session_id">;

/** The part of the runtime's state that belongs to a branch. */
export type BranchContext = Pick<SessionRow, "context_id" | "checkpoint">;

export type Branch = {
  partId: string;
  /** `seq` and id of its last message. */
  leafSeq: number;
  leafId: string;
  /** When its last message was stored. */
  at: number;
  messages: number;
  active: boolean;
};

/** A stretch of the messages of one part that a branch has: those after `from`, up to `to`. */
type Stretch = { part: Part; from: number; to: number };

export type SessionBranches = ReturnType<typeof createSessionBranches>;

const END = Number.MAX_SAFE_INTEGER;

/** Functions that change rows run inside a `store.write`, and while no turn of the session runs. */
export function createSessionBranches(store: Store) {
  const partsOf = ({ key, session_id: id }: Conversation): Part[] =>
    store.all<Part>(
      "SELECT id, parent_id, after_seq, active, context_id, checkpoint FROM session_branches WHERE session_key = ? AND session_id = ? ORDER BY created_at, rowid",
      key,
      id,
    );

  /** Gives the messages of a stretch another `session_id`. */
  const move = (key: string, from: string, to: string, { from: after, to: last }: Pick<Stretch, "from" | "to">): void =>
    void store.run(
      "UPDATE messages SET session_id = ? WHERE session_key = ? AND session_id = ? AND seq > ? AND seq <= ?",
      to,
      key,
      from,
      after,
      last,
    );

  const countBetween = ({ key, session_id: id }: Conversation, from: number, to: number): number => {
    const sql = "SELECT count(*) AS n FROM messages WHERE session_key = ? AND session_id = ? AND seq > ? AND seq <= ?";
    return store.get<{ n: number }>(sql, key, id, from, to)!.n;
  };

  function insert({ key, session_id: id }: Conversation, part: Omit<Part, "checkpoint">, now: number): void {
    const sql =
      "INSERT INTO session_branches (id, session_key, session_id, parent_id, after_seq, active, context_id, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    store.run(sql, part.id, key, id, part.parent_id, part.after_seq, part.active, part.context_id, now);
  }

  /** Puts the messages of the active branch after `seq` back into their parts, and keeps the runtime's state of the active part. */
  function leave(session: SessionRow, parts: readonly Part[], seq: number): void {
    const { key, session_id: id } = session;
    const active = activeOf(parts);
    for (const { part, from, to } of stretchesOf(parts, active)) if (to > seq) move(key, id, part.id, { from: Math.max(from, seq), to });
    store.run("UPDATE session_branches SET active = 0, checkpoint = ? WHERE id = ?", session.checkpoint, active.id);
  }

  return {
    /** The branches that have messages, in the order in which they began; one for a conversation that has no other. */
    list: (session: Conversation): Branch[] => listBranches(store, session, partsOf(session)),

    /**
     * Begins another branch after the message `afterSeq` of the active one (0: before the first message), which stays as it is.
     * Returns the runtime's state in the new branch.
     */
    begin(session: SessionRow, afterSeq: number, { newId, now }: { newId: () => string; now: number }): BranchContext {
      let parts = partsOf(session);
      if (parts.length >= LIMITS.sessionBranches)
        throw new GatewayError("INVALID_REQUEST", `the conversation has ${parts.length} branches, which is the limit`, {
          fix: "Continue in a new session: fork it, or begin another one.",
        });
      if (parts.length === 0) {
        insert(session, { id: newId(), parent_id: null, after_seq: 0, active: 1, context_id: session.session_id }, now);
        parts = partsOf(session);
      }
      const active = activeOf(parts);
      requireFew(countBetween(session, afterSeq, END));
      const owner = stretchesOf(parts, active).find(({ from, to }) => afterSeq > from && afterSeq <= to)?.part ?? parts[0]!;
      leave(session, parts, afterSeq);
      const context = newId();
      insert(session, { id: newId(), parent_id: owner.id, after_seq: afterSeq, active: 1, context_id: context }, now);
      dropIfEmpty(store, session.key, active);
      return { context_id: context, checkpoint: null };
    },

    /** Makes the branch with this last message the active one. Returns the runtime's state in it; null where it is active already. */
    activate(session: SessionRow, branch: Branch): BranchContext | null {
      if (branch.active) return null;
      const { key, session_id: id } = session;
      const parts = partsOf(session);
      const wanted = parts.find((part) => part.id === branch.partId);
      if (!wanted) throw detailError("BRANCH_NOT_FOUND", "the conversation has no such branch");
      const active = activeOf(parts);
      const way = stretchesOf(parts, wanted);
      const shared = lastShared(stretchesOf(parts, active), way);
      requireFew(Math.max(countBetween(session, shared, END), branch.messages - countBetween(session, 0, shared)));
      leave(session, parts, shared);
      for (const stretch of way) move(key, stretch.part.id, id, stretch);
      store.run("UPDATE session_branches SET active = 1 WHERE id = ?", wanted.id);
      dropIfEmpty(store, key, active);
      return { context_id: wanted.context_id === id ? null : wanted.context_id, checkpoint: wanted.checkpoint };
    },

    /** Whether a message is on the active branch. */
    holds: (key: string, sessionId: string, seq: number): boolean =>
      store.get("SELECT 1 AS found FROM messages WHERE seq = ? AND session_key = ? AND session_id = ?", seq, key, sessionId) !== undefined,

    /** Whether a message of the session waits for its turn or is being answered. Asked in the transaction that changes branches. */
    isBusy: (key: string): boolean =>
      store.get("SELECT 1 AS found FROM inbox WHERE state IN ('queued', 'running') AND session_key = ? LIMIT 1", key) !== undefined,
  };
}

type MessageRange = Pick<Stretch, "from" | "to">;
const WHOLE: MessageRange = { from: 0, to: END };

function listBranches(store: Store, { key, session_id: id }: Conversation, parts: readonly Part[]): Branch[] {
  const end = (where: string): { id: string; seq: number; at: number } | undefined =>
    store.get("SELECT id, seq, at FROM messages WHERE session_key = ? AND session_id = ? ORDER BY seq DESC LIMIT 1", key, where);
  const count = (where: string, { from, to }: MessageRange): number => {
    const sql = "SELECT count(*) AS n FROM messages WHERE session_key = ? AND session_id = ? AND seq > ? AND seq <= ?";
    return store.get<{ n: number }>(sql, key, where, from, to)!.n;
  };
  const toBranch = (partId: string, last: ReturnType<typeof end>, messages: number, active: boolean): Branch[] =>
    last ? [{ partId, leafSeq: last.seq, leafId: last.id, at: last.at, messages, active }] : [];
  if (parts.length === 0) return toBranch("", end(id), count(id, WHOLE), true);
  const shared = new Map(stretchesOf(parts, activeOf(parts)).map(({ part, to }) => [part.id, to]));
  return parts.flatMap((part) => {
    if (part.active === 1) return toBranch(part.id, end(id), count(id, WHOLE), true);
    // A message is either in its part or, where the active branch has it too, in that one.
    const messages = stretchesOf(parts, part).reduce((sum, stretch) => {
      const common = shared.get(stretch.part.id);
      const inActive = common === undefined ? 0 : count(id, { from: stretch.from, to: Math.min(stretch.to, common) });
      return sum + count(stretch.part.id, stretch) + inActive;
    }, 0);
    return toBranch(part.id, end(part.id), messages, false);
  });
}

/** Messages change their place in one transaction, which must not keep the others waiting. */
function requireFew(count: number): void {
  if (count <= LIMITS.forkMessages) return;
  throw new GatewayError("INVALID_REQUEST", `${count} messages follow, and a branch can leave at most ${LIMITS.forkMessages} behind`, {
    fix: "Begin a new session, and tell it what it has to know.",
  });
}

const activeOf = (parts: readonly Part[]): Part => parts.find((part) => part.active === 1) ?? parts[0]!;

/** Removes a part that nothing was written in and that no part continues. */
function dropIfEmpty(store: Store, key: SessionKey, { id, parent_id: parent }: Part): void {
  if (parent === null) return;
  const used = store.get("SELECT 1 AS found FROM messages WHERE session_key = ? AND session_id = ? LIMIT 1", key, id);
  const continued = store.get("SELECT 1 AS found FROM session_branches WHERE parent_id = ? LIMIT 1", id);
  if (used === undefined && continued === undefined) store.run("DELETE FROM session_branches WHERE id = ?", id);
}

/** What the branch that ends in `part` has of each part, the first part first. */
function stretchesOf(parts: readonly Part[], part: Part): Stretch[] {
  const byId = new Map(parts.map((each) => [each.id, each]));
  const stretches: Stretch[] = [];
  let to = END;
  for (let at: Part | undefined = part; at; at = at.parent_id === null ? undefined : byId.get(at.parent_id)) {
    if (to > at.after_seq) stretches.unshift({ part: at, from: at.after_seq, to });
    to = Math.min(to, at.after_seq);
  }
  return stretches;
}

/** The last `seq` that two branches may both have. */
function lastShared(a: readonly Stretch[], b: readonly Stretch[]): number {
  let last = 0;
  for (const [index, { part, to }] of a.entries()) {
    const other = b[index];
    if (other?.part.id !== part.id) break;
    last = Math.min(to, other.to);
    if (to !== other.to) break;
  }
  return last;
}
