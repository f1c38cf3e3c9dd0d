import { parseStrings, decodeRow, decodeRows } from "./row-decoding.ts";
import type { StoredFile } from "./media.ts";
import type { Store } from "./open.ts";
import { createPreviews } from "./previews.ts";

/** queued -> attempting -> sent | refused (back to `queued` or `parked`) | unknown. `parked` and `unknown` wait for an operator. `held`: written in shadow mode, and never sent. */
export type PartState = "queued" | "attempting" | "sent" | "parked" | "unknown" | "dropped" | "held";

export type OutboxPart = {
  partKey: string;
  intentId: string;
  position: number;
  runId: string | null;
  sessionKey: string | null;
  /** channel|account|chat|thread: parts of one conversation are sent strictly in order. */
  conversation: string;
  target: unknown;
  /** Empty for a file, and for a preview that will be deleted. */
  text: string;
  media: StoredFile | null;
  buttons: readonly (readonly { text: string; token: string }[])[] | null;
  /** The platform's id of the message that the part replaces; null when it is sent as a new message. */
  editOf: string | null;
  state: PartState;
  attempts: number;
  createdAt: number;
  updatedAt: number;
  /** When the last attempt began; null before the first. */
  attemptedAt: number | null;
  platformIds: readonly string[];
  cause: string | null;
};

type OutboxSqlRow = {
  part_key: string;
  intent_id: string;
  position: number;
  run_id: string | null;
  session_key: string | null;
  conversation: string;
  target: string;
  text: string;
  media: string | null;
  buttons: string | null;
  edit_of: string | null;
  state: PartState;
  attempts: number;
  created_at: number;
  updated_at: number;
  attempted_at: number | null;
  platform_ids: string | null;
  cause: string | null;
};

export type Outbox = ReturnType<typeof createOutbox>;

/** The durable outbox: outgoing messages, written before any network call. */
export function createOutbox(store: Store) {
  const one = (raw: OutboxSqlRow | undefined): OutboxPart | undefined => decodeRow(store, raw, outboxRowKey, toOutboxPart);
  const many = (rows: readonly OutboxSqlRow[]): OutboxPart[] => decodeRows(store, rows, outboxRowKey, toOutboxPart);

  return {
    add(
      part: Pick<OutboxPart, "partKey" | "intentId" | "position" | "runId" | "sessionKey" | "conversation" | "target" | "text"> &
        Partial<Pick<OutboxPart, "media" | "buttons">> & { at: number; held?: boolean },
    ): boolean {
      const added = store.run(
        `INSERT INTO outbox (part_key, intent_id, position, run_id, session_key, conversation, target, text, media, buttons, state, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
        part.partKey,
        part.intentId,
        part.position,
        part.runId,
        part.sessionKey,
        part.conversation,
        JSON.stringify(part.target),
        part.text,
        part.media ? JSON.stringify(part.media) : null,
        part.buttons ? JSON.stringify(part.buttons) : null,
        part.held ? "held" : "queued",
        part.at,
        part.at,
      );
      return added > 0;
    },

    /** Conversations with unfinished parts, each once. */
    listOpenConversations: (): string[] =>
      store.all<{ conversation: string }>("SELECT DISTINCT conversation FROM outbox WHERE state = 'queued'").map((row) => row.conversation),

    /** The next part of a conversation; an unreadable part does not block the others. */
    next(conversation: string): OutboxPart | undefined {
      const first = store.get<OutboxSqlRow>(
        "SELECT * FROM outbox WHERE conversation = ? AND state = 'queued' ORDER BY rowid LIMIT 1",
        conversation,
      );
      if (first === undefined) return undefined;
      return (
        one(first) ??
        many(store.all<OutboxSqlRow>("SELECT * FROM outbox WHERE conversation = ? AND state = 'queued' ORDER BY rowid", conversation))[0]
      );
    },

    get: (partKey: string): OutboxPart | undefined => one(store.get<OutboxSqlRow>("SELECT * FROM outbox WHERE part_key = ?", partKey)),
    byIntent: (intentId: string): OutboxPart[] =>
      many(store.all<OutboxSqlRow>("SELECT * FROM outbox WHERE intent_id = ? ORDER BY position", intentId)),
    /** What was sent for a run, with its notices, in order. */
    byRun: (runId: string): OutboxPart[] => many(store.all<OutboxSqlRow>(BY_RUN, runId, `${runId}:`, `${runId};`)),
    byState: (state: PartState, limit: number): OutboxPart[] =>
      many(store.all<OutboxSqlRow>("SELECT * FROM outbox WHERE state = ? ORDER BY updated_at DESC LIMIT ?", state, limit)),

    /** Whether a message of the platform is one that was sent in this conversation, as far as that is still kept. */
    isSent: (conversation: string, platformId: string): boolean =>
      store.get(
        "SELECT 1 AS found FROM outbox, json_each(outbox.platform_ids) WHERE conversation = ? AND json_each.value = ? LIMIT 1",
        conversation,
        platformId,
      ) !== undefined,

    /** A part is about to be sent: as a new message, or as an edit of `editOf`. */
    markAttempting: (partKey: string, at: number, editOf: string | null = null): number =>
      store.run(
        "UPDATE outbox SET state = 'attempting', attempts = attempts + 1, updated_at = ?, attempted_at = ?, edit_of = ? WHERE part_key = ?",
        at,
        at,
        editOf,
        partKey,
      ),

    /** The message that the part should replace does not exist: it is sent as a new message. */
    sendAsNew: (partKey: string, at: number): number =>
      store.run("UPDATE outbox SET state = 'queued', edit_of = NULL, updated_at = ? WHERE part_key = ?", at, partKey),

    settle(partKey: string, state: PartState, at: number, result: { ids?: readonly string[]; cause?: string } = {}): number {
      return store.run(
        "UPDATE outbox SET state = ?, updated_at = ?, platform_ids = COALESCE(?, platform_ids), cause = ? WHERE part_key = ?",
        state,
        at,
        result.ids ? JSON.stringify(result.ids) : null,
        result.cause ?? null,
        partKey,
      );
    },

    counts: (): { state: string; n: number }[] =>
      store.all(
        "SELECT state, count(*) AS n FROM outbox WHERE state IN ('queued', 'attempting', 'parked', 'unknown', 'held') GROUP BY state",
      ),
    oldestQueuedAt: (): number | null =>
      store.get<{ at: number | null }>("SELECT min(created_at) AS at FROM outbox WHERE state IN ('queued', 'attempting')")!.at,
    previews: createPreviews(store),

    /** Removes at most `limit` parts of each final state. True: more are left. */
    prune: (before: number, limit: number): boolean =>
      FINAL_STATES.map((state) => store.run(PRUNE, state, before, limit)).some((count) => count >= limit),
  };
}

/** States that nothing follows. */
const FINAL_STATES: readonly PartState[] = ["sent", "dropped", "held"];
const PRUNE = "DELETE FROM outbox WHERE rowid IN (SELECT rowid FROM outbox WHERE state = ? AND updated_at < ? ORDER BY updated_at LIMIT ?)";

/** Intents of a run are its id, and those of its notices begin with the id and a colon. */
const BY_RUN = "SELECT * FROM outbox WHERE intent_id = ? OR (intent_id > ? AND intent_id < ?) ORDER BY rowid";
const outboxRowKey = (raw: OutboxSqlRow): string => `outbox ${raw.part_key}`;

function toOutboxPart(raw: OutboxSqlRow): OutboxPart {
  return {
    partKey: raw.part_key,
    intentId: raw.intent_id,
    position: raw.position,
    runId: raw.run_id,
    sessionKey: raw.session_key,
    conversation: raw.conversation,
    target: JSON.parse(raw.target),
    text: raw.text,
    media: raw.media ? (JSON.parse(raw.media) as StoredFile) : null,
    buttons: raw.buttons ? (JSON.parse(raw.buttons) as OutboxPart["buttons"]) : null,
    editOf: raw.edit_of,
    state: raw.state,
    attempts: raw.attempts,
    createdAt: raw.created_at,
    updatedAt: raw.updated_at,
    attemptedAt: raw.attempted_at,
    platformIds: raw.platform_ids ? parseStrings(raw.platform_ids) : [],
    cause: raw.cause,
  };
}
