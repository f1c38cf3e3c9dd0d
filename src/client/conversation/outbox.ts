/** Messages that the server has not stored yet. Each keeps its idempotency key for life, so sending it again is harmless. Pure. */
import type { OutgoingMessage } from "./transcript-items.ts";

export type Attachment = { type: "image" | "file"; mimeType: string; fileName: string; content: string; sizeBytes: number };

export type OutboxEntry = OutgoingMessage & {
  sessionKey: string;
  /** Set for the first message of a session that does not exist on the server yet. */
  create: { agentId: string; title: string; model: string | null } | null;
  attachments: readonly Attachment[];
};

export const patchEntry = (entries: readonly OutboxEntry[], key: string, change: Partial<OutboxEntry>): readonly OutboxEntry[] =>
  entries.map((entry) => (entry.idempotencyKey === key ? { ...entry, ...change } : entry));

export const removeEntry = (entries: readonly OutboxEntry[], key: string): readonly OutboxEntry[] =>
  entries.filter((entry) => entry.idempotencyKey !== key);

/** After a lost connection it is unknown what arrived: everything without an answer is sent again, under its old key. */
export const requeueEntries = (entries: readonly OutboxEntry[]): readonly OutboxEntry[] =>
  entries.map((entry) => (entry.state === "sending" ? { ...entry, state: "queued" } : entry));

/**
 * The next entry to send: the oldest queued one whose session has nothing in flight and nothing failed before it, so that the messages
 * of one session arrive in the order in which they were written.
 */
export function nextEntry(entries: readonly OutboxEntry[]): OutboxEntry | undefined {
  return entries.find(
    (entry, at) =>
      entry.state === "queued" &&
      !entries.slice(0, at).some((before) => before.sessionKey === entry.sessionKey && before.state !== "accepted"),
  );
}

/** For storage in this tab. Attachments stay behind when they do not fit. */
export function serializeEntries(entries: readonly OutboxEntry[], withAttachments: boolean): string {
  const kept = entries.filter((entry) => withAttachments || entry.attachments.length === 0);
  return JSON.stringify(kept);
}

/** What an earlier life of this tab had not sent. Anything unreadable is an empty list. */
export function deserializeEntries(text: string | null): readonly OutboxEntry[] {
  if (text === null) return [];
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    console.warn("The stored outbox is unreadable and is left out.", error);
    return [];
  }
  return Array.isArray(parsed) ? requeueEntries(parsed.filter(isEntry)) : [];
}

function isEntry(value: unknown): value is OutboxEntry {
  if (typeof value !== "object" || value === null) return false;
  const entry = value as Record<string, unknown>;
  return (
    typeof entry["idempotencyKey"] === "string" &&
    typeof entry["sessionKey"] === "string" &&
    typeof entry["text"] === "string" &&
    typeof entry["state"] === "string" &&
    typeof entry["afterSeq"] === "number" &&
    Array.isArray(entry["attachments"])
  );
}
