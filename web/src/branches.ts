/** Other ways that the conversation takes: edit and send again, answer again, fork, and the switch between branches. */
import { openSession, send, writeDraft } from "./actions.ts";
import { isConnectionLost } from "./client.ts";
import { errorMessage, loadChat, requireClient } from "./sync.ts";
import * as store from "./state.ts";
import type { Attachment } from "../../src/client/conversation/outbox.ts";
import type { TranscriptRow } from "../../src/client/conversation/protocol-types.ts";
import type { TranscriptItem } from "../../src/client/conversation/transcript-items.ts";

export type Branch = { leafEntryId: string; headline: string; messageCount: number; updatedAt?: string; active: boolean };
type Content = { editorText?: string; editorAttachments?: readonly { mimeType: string; data: string }[] };

/** The id of the stored message that an item shows; for an answer, of its last part. Pure. */
export function entryOf(item: TranscriptItem, rows: readonly TranscriptRow[]): string | null {
  if (item.kind === "note" || item.traceId === null) return null;
  const role = item.kind === "user" ? "user" : "assistant";
  const isOfItem = ({ role: own, idempotencyKey, __openclaw: meta }: TranscriptRow): boolean =>
    own === role &&
    (meta?.runId === item.traceId || meta?.id === item.traceId || (meta?.idempotencyKey ?? idempotencyKey) === `${item.traceId}:user`);
  return rows.findLast(isOfItem)?.__openclaw?.id ?? null;
}

/** The person's message that an answer answers. Pure. */
export function askedBefore(items: readonly TranscriptItem[], answerKey: string): Extract<TranscriptItem, { kind: "user" }> | null {
  const at = items.findIndex((item) => item.key === answerKey);
  const asked = items.slice(0, Math.max(0, at)).findLast((item) => item.kind === "user" && (item.sender === null || item.sender.isOwner));
  return asked?.kind === "user" ? asked : null;
}

const toAttachments = (content: Content): Attachment[] =>
  (content.editorAttachments ?? []).map(({ mimeType, data }, at) => ({
    type: "image",
    mimeType,
    fileName: `picture-${at + 1}`,
    content: data,
    sizeBytes: Math.floor((data.length * 3) / 4),
  }));

/** Says why something did not happen. Resolves to undefined then. */
async function attempt<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    store.showToast(`${what}: ${isConnectionLost(error) ? "the gateway is not connected." : errorMessage(error)}`);
    return undefined;
  }
}

const rewind = (sessionKey: string, entryId: string): Promise<Content> =>
  requireClient().request("sessions.rewind", { sessionKey, entryId });

const rowsOf = (key: string): readonly TranscriptRow[] => store.chats.value.get(key)?.rows.rows ?? [];

/** Writes another message in place of one; what followed stays as a branch. Resolves to whether it was sent. */
export async function editAndSend(item: TranscriptItem, text: string): Promise<boolean> {
  const key = store.activeKey.value;
  const entry = entryOf(item, rowsOf(key));
  if (entry === null) return false;
  const content = await attempt("Not sent", () => rewind(key, entry));
  if (content === undefined) return false;
  await loadChat(key, undefined, true);
  send(text, toAttachments(content));
  return true;
}

/** Asks once more for an answer; the earlier one stays as a branch. */
export async function answerAgain(item: TranscriptItem): Promise<void> {
  const key = store.activeKey.value;
  const asked = askedBefore(store.items.value, item.key);
  const entry = asked === null ? null : entryOf(asked, rowsOf(key));
  if (entry === null) return store.showToast("There is no message to answer again.");
  const content = await attempt("Not answered again", () => rewind(key, entry));
  if (content === undefined) return;
  await loadChat(key, undefined, true);
  send(content.editorText ?? "", toAttachments(content));
}

/** A new session that begins with the conversation up to here. A message of a person is not part of it: it waits in the field. */
export async function fork(item: TranscriptItem): Promise<void> {
  const key = store.activeKey.value;
  const entry = entryOf(item, rowsOf(key));
  if (entry === null) return;
  const made = await attempt("Not forked", () =>
    requireClient().request<Content & { sessionKey: string }>("sessions.fork", { sessionKey: key, entryId: entry }),
  );
  if (made === undefined) return;
  writeDraft(made.sessionKey, made.editorText ?? "");
  openSession(made.sessionKey);
  store.showToast("This is a new session. It begins with the conversation up to the message that you chose.");
}

/** The branches of a session; none while there is one only. */
export async function listBranches(sessionKey: string): Promise<readonly Branch[]> {
  const { branches } = await requireClient().request<{ branches: readonly Branch[] }>("sessions.branches.list", { sessionKey });
  return branches.length > 1 ? branches : [];
}

export async function switchBranch(sessionKey: string, leafEntryId: string): Promise<void> {
  await attempt("Not switched", () => requireClient().request("sessions.branches.switch", { sessionKey, leafEntryId }));
  await loadChat(sessionKey, undefined, true);
}
