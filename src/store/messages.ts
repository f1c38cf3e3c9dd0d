import { crc32 } from "node:zlib";
import type { RunId, SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { StoredImage } from "./media.ts";
import { createMessageWords } from "./message-words.ts";
import { decodeRow, decodeRows } from "./row-decoding.ts";
import { matchStarts, toBeginning, toQueryWords } from "./search-words.ts";
import type { Store } from "./open.ts";

export type Provenance = {
  /** Set by the server, never by the sender. */
  channel: string;
  account?: string;
  senderId?: string;
  senderName?: string;
  /** Name of the room, if the platform provides one. */
  roomName?: string;
  senderIsOwner: boolean;
  /** Written in a room: the text begins with the sender's name. */
  room?: true;
  client?: { id: string; mode: string };
};

export type StoredBlock =
  | { type: "text"; text: string }
  | { type: "thinking"; thinking: string }
  | { type: "toolCall"; id: string; name: string; arguments: unknown }
  | ({ type: "image" } & StoredImage);

/** Stored content of one message, by role. */
export type MessageBody =
  | { role: "user"; content: string | readonly StoredBlock[]; provenance: Provenance }
  | {
      role: "assistant";
      content: readonly StoredBlock[];
      provider?: string;
      model?: string;
      usage?: unknown;
      stopReason?: string;
      errorMessage?: string;
      /** Written by the gateway itself: command replies, notices, injected notes. */
      origin?: "command" | "notice" | "inject";
    }
  | { role: "toolResult"; toolCallId: string; toolName: string; content: readonly StoredBlock[]; isError: boolean; durationMs?: number };

export type Message = {
  seq: number;
  id: string;
  sessionKey: SessionKey;
  sessionId: string;
  runId: RunId | null;
  idempotencyKey: string | null;
  at: number;
  body: MessageBody;
};

/** A search result; a higher score is a better match. */
export type MessageHit = { message: Message; score: number };

export type NewMessage = Omit<Message, "seq">;

type MessageSqlRow = {
  seq: number;
  id: string;
  session_key: string;
  session_id: string;
  run_id: string | null;
  idempotency_key: string | null;
  body: string;
  at: number;
  crc: number;
};

export type TailQuery = { limit: number; beforeSeq?: number | undefined; maxBytes?: number };

type BodySize = { bytes: number };
/** Read from the head of a row, without its body. */
const BODY_BYTES = "octet_length(body) AS bytes";

/** How many of the first rows fit; at least one. */
function countFitting(rows: readonly BodySize[], maxBytes: number): number {
  let left = maxBytes;
  const fitting = rows.findIndex(({ bytes }) => (left -= bytes) < 0);
  return fitting === -1 ? rows.length : Math.max(1, fitting);
}

export type Messages = ReturnType<typeof createMessages>;

/** The transcript of every session. `add` runs inside a `store.write`. */
export function createMessages(store: Store) {
  const words = createMessageWords(store);
  const read = (rows: readonly MessageSqlRow[]): Message[] => decodeRows(store, rows, messageRowKey, toMessage);

  /**
   * The rows that `seqs` selects. If damage was found they are read one by one: a damaged page affects only its own rows,
   * and the others are found by the index, or by the table if the index is damaged.
   */
  function rowsOf(seqs: string, ...params: (string | number)[]): MessageSqlRow[] {
    if (store.damage === null) {
      const rows = store.all<MessageSqlRow>(seqs.replace("SELECT seq", "SELECT *"), ...params);
      if (store.damage === null) return rows;
    }
    const byIndex = store.all<{ seq: number }>(seqs, ...params);
    const byTable = store.all<{ seq: number }>(seqs.replace("FROM messages", "FROM messages NOT INDEXED"), ...params);
    const found = byTable.length > byIndex.length ? byTable : byIndex;
    return found.flatMap(({ seq }) => store.all<MessageSqlRow>("SELECT * FROM messages WHERE seq = ?", seq));
  }

  return {
    /** Appends one message and returns its `seq`. */
    add(message: NewMessage): number {
      const body = JSON.stringify(message.body);
      store.run(
        "INSERT INTO messages (id, session_key, session_id, run_id, idempotency_key, role, body, at, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        message.id,
        message.sessionKey,
        message.sessionId,
        message.runId,
        message.idempotencyKey,
        message.body.role,
        body,
        message.at,
        crc32(body),
      );
      const { seq } = store.get<{ seq: number }>("SELECT last_insert_rowid() AS seq")!;
      words.add(seq, message.body.role, body);
      return seq;
    },

    /** Deletes the person's message of one run; the rest of the run stays. Rows are never changed, so an edit adds a new one. */
    removeUser: (runId: string): number => store.run("DELETE FROM messages WHERE run_id = ? AND role = 'user'", runId),

    /**
     * The last `limit` messages of a session before `beforeSeq`, oldest first. `maxBytes`: of these the newest whose bodies fit, and
     * always the newest one; a body takes time to decode, and a session can hold any number of large ones.
     */
    tail(sessionKey: string, sessionId: string, { limit, beforeSeq = Number.MAX_SAFE_INTEGER, maxBytes }: TailQuery): Message[] {
      const sql = "SELECT seq FROM messages WHERE session_key = ? AND session_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?";
      const sizes = sql.replace("SELECT seq", `SELECT ${BODY_BYTES}`);
      const fitting = maxBytes === undefined ? limit : countFitting(store.all(sizes, sessionKey, sessionId, beforeSeq, limit), maxBytes);
      return read(rowsOf(sql, sessionKey, sessionId, beforeSeq, fitting).toReversed());
    },

    /** The sequence number of a message: the newest one before `beforeSeq`, or the one `skip` messages before it. */
    seqOf(sessionKey: string, sessionId: string, skip: number, beforeSeq = Number.MAX_SAFE_INTEGER): number | undefined {
      const sql = "SELECT seq FROM messages WHERE session_key = ? AND session_id = ? AND seq < ? ORDER BY seq DESC LIMIT 1 OFFSET ?";
      return store.get<{ seq: number }>(sql, sessionKey, sessionId, beforeSeq, skip)?.seq;
    },

    /** Number and size of the messages after `afterSeq`, of at most `limit` of them. */
    sizeAfter(sessionKey: string, sessionId: string, afterSeq: number, limit: number): { count: number; bytes: number } {
      const sql = `SELECT ${BODY_BYTES} FROM messages WHERE session_key = ? AND session_id = ? AND seq > ? ORDER BY seq LIMIT ?`;
      const rows = store.all<BodySize>(sql, sessionKey, sessionId, afterSeq, limit);
      return { count: rows.length, bytes: rows.reduce((sum, { bytes }) => sum + bytes, 0) };
    },

    /** Messages after `afterSeq`, oldest first. */
    after(sessionKey: string, sessionId: string, afterSeq: number, limit: number): Message[] {
      return read(
        rowsOf(
          "SELECT seq FROM messages WHERE session_key = ? AND session_id = ? AND seq > ? ORDER BY seq LIMIT ?",
          sessionKey,
          sessionId,
          afterSeq,
          limit,
        ),
      );
    },

    byId(id: string): Message | undefined {
      return decodeRow(store, store.get<MessageSqlRow>("SELECT * FROM messages WHERE id = ?", id), messageRowKey, toMessage);
    },

    byRun: (runId: string): Message[] => read(rowsOf("SELECT seq FROM messages WHERE run_id = ? ORDER BY seq", runId)),

    /** Copies one conversation to another session, up to and including `upToSeq`. Inside a `store.write`. Returns how many messages. */
    copy: (from: { key: string; sessionId: string; upToSeq: number }, to: { key: string; sessionId: string }): number =>
      store.run(
        "INSERT INTO messages (id, session_key, session_id, run_id, idempotency_key, role, body, at, crc) SELECT lower(hex(randomblob(16))), ?, ?, NULL, NULL, role, body, at, crc FROM messages WHERE session_key = ? AND session_id = ? AND seq <= ? ORDER BY seq",
        to.key,
        to.sessionId,
        from.key,
        from.sessionId,
        from.upToSeq,
      ),

    /** `seq` of the last answer whose run has ended; 0 when there is none. */
    lastAnswerSeq: (sessionKey: string, sessionId: string): number =>
      store.get<{ seq: number | null }>(
        "SELECT max(seq) AS seq FROM messages WHERE session_key = ? AND session_id = ? AND role = 'assistant' AND idempotency_key LIKE '%:assistant'",
        sessionKey,
        sessionId,
      )!.seq ?? 0,

    /** See searchMessages. */
    search: (words: readonly string[], limit: number, filter: (sessionKey: string) => boolean) =>
      searchMessages(store, words, limit, filter),

    count: (sessionKey: string, sessionId: string): number =>
      store.get<{ n: number }>("SELECT count(*) AS n FROM messages WHERE session_key = ? AND session_id = ?", sessionKey, sessionId)!.n,

    lastSeq: (sessionKey: string, sessionId: string): number =>
      store.get<{ seq: number | null }>(
        "SELECT max(seq) AS seq FROM messages WHERE session_key = ? AND session_id = ?",
        sessionKey,
        sessionId,
      )!.seq ?? 0,
  };
}

const messageRowKey = (row: MessageSqlRow): string => `messages ${row.seq}`;

type FoundRow = BodySize & { seq: number; session_key: string; score: number };

const FIND =
  "SELECT m.seq, m.session_key, octet_length(m.body) AS bytes, f.score FROM (SELECT rowid AS seq, -bm25(message_words) AS score FROM message_words WHERE message_words MATCH ? ORDER BY rowid DESC LIMIT ?) f JOIN messages m ON m.seq = f.seq JOIN sessions s ON s.key = m.session_key";

/** Words of a query that count; a run without spaces is one. */
const MAX_WORDS = 32;

/**
 * Messages that contain every search word, in any of its forms, or as the beginning of a word; in scripts without spaces as a part. The
 * newest LIMITS.searchMatches matches count, so that a common word costs no more than a rare one, and the best of these whose bodies fit
 * into LIMITS.searchBytes are read; `complete` is false if there were more, or if the messages of an earlier release are not in the index yet.
 */
function searchMessages(
  store: Store,
  words: readonly string[],
  limit: number,
  filter: (sessionKey: string) => boolean,
): { hits: MessageHit[]; complete: boolean } {
  const used = toQueryWords(words.join(" "), MAX_WORDS);
  if (used.length === 0) return { hits: [], complete: true };
  const find = (match: string): FoundRow[] => store.all<FoundRow>(FIND, match, LIMITS.searchMatches);
  const exact = find(matchStarts(used));
  // Someone who writes a word sees what is found meanwhile.
  const beginnings = used.map(toBeginning);
  const rows = exact.length > 0 || beginnings.every((each, index) => each === used[index]) ? exact : find(matchStarts(beginnings));
  const best = rows
    .filter((row) => filter(row.session_key))
    .toSorted((a, b) => b.score - a.score || b.seq - a.seq)
    .slice(0, limit);
  const read = best.slice(0, countFitting(best, LIMITS.searchBytes));
  const hits = read.flatMap(({ seq, score }) => {
    const row = store.get<MessageSqlRow>("SELECT * FROM messages WHERE seq = ?", seq);
    const message = decodeRow(store, row, messageRowKey, toMessage);
    return message ? [{ message, score }] : [];
  });
  return { hits, complete: rows.length < LIMITS.searchMatches && read.length === best.length && createMessageWords(store).isComplete() };
}

/** Throws for a row whose checksum does not match: it is left out, and the rest of the transcript stays readable. */
function toMessage(row: MessageSqlRow): Message {
  if (crc32(row.body) !== row.crc) throw new TypeError("the checksum does not match");
  return {
    seq: row.seq,
    id: row.id,
    sessionKey: row.session_key as SessionKey,
    sessionId: row.session_id,
    runId: row.run_id as RunId | null,
    idempotencyKey: row.idempotency_key,
    at: row.at,
    body: JSON.parse(row.body) as MessageBody,
  };
}

/** The plain text of a message, as a person reads it. */
export function textOf(body: MessageBody): string {
  if (typeof body.content === "string") return body.content;
  return body.content.flatMap((block) => (block.type === "text" ? [block.text] : [])).join("\n\n");
}
