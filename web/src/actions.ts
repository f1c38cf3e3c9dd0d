/** What the person does. */
import { batch } from "@preact/signals";
import { isConnectionLost, RequestError } from "./client.ts";
import { expectRun, subscribe, requireClient, loadChat, errorMessage, showSession } from "./sync.ts";
import { removeEntry, deserializeEntries, nextEntry, patchEntry, serializeEntries } from "../../src/client/conversation/outbox.ts";
import * as store from "./state.ts";
import { rememberedPictures } from "./state.ts";
import { messageText } from "../../src/client/conversation/transcript-items.ts";
import { hashOf, traceHash } from "./views.ts";
import type { Attachment, OutboxEntry } from "../../src/client/conversation/outbox.ts";
import type { SessionListRow } from "../../src/client/conversation/protocol-types.ts";
import type { SideView } from "./views.ts";

const OUTBOX_KEY = "gateway.outbox";
const DRAFT_KEY_PREFIX = "gateway.draft:";
const NEW_SESSION = "gateway.newSession";
const RETRY_MS = 1_500;
const MARK_READ_DELAY_MS = 600;
const TITLE_CHARS = 60;

let flushing = false;
let reading: ReturnType<typeof setTimeout> | undefined;

/** A random id; `randomUUID` is missing where the page is not served securely. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
}

export const readDraft = (key: string): string => sessionStorage.getItem(DRAFT_KEY_PREFIX + key) ?? "";

/** Keeps what is typed, per session, for this tab. */
export function writeDraft(key: string, text: string): void {
  if (text === "") sessionStorage.removeItem(DRAFT_KEY_PREFIX + key);
  else sessionStorage.setItem(DRAFT_KEY_PREFIX + key, text);
}

/** What a reload of the tab interrupted is sent again, under its old key. */
export function restoreOutbox(): void {
  store.outbox.value = deserializeEntries(sessionStorage.getItem(OUTBOX_KEY));
  for (const entry of store.outbox.value) {
    const pictures = entry.attachments.filter(({ type }) => type === "image");
    if (pictures.length > 0) store.rememberPictures(entry.idempotencyKey, pictures);
    if (entry.create !== null) beginSession(entry.sessionKey, entry.create.agentId);
  }
}

function setOutbox(entries: readonly OutboxEntry[]): void {
  store.outbox.value = entries;
  const unsent = entries.filter((entry) => entry.state !== "accepted");
  try {
    sessionStorage.setItem(OUTBOX_KEY, serializeEntries(unsent, true));
  } catch (error) {
    console.info("The pictures in the outbox are too large to survive a reload of this tab.", error);
    sessionStorage.setItem(OUTBOX_KEY, serializeEntries(unsent, false));
  }
}

/** Opens a session and puts it into the address bar. */
export function openSession(key: string): void {
  batch(() => {
    store.activeKey.value = key;
    store.view.value = "chat";
    store.drawerOpen.value = false;
  });
  const hash = `#s=${encodeURIComponent(key)}`;
  if (location.hash !== hash) history.pushState(null, "", hash);
  void showSession(key);
  markRead();
}

/** Opens a view beside the conversation, and puts it into the address bar. */
export function openView(view: SideView): void {
  batch(() => {
    store.view.value = view;
    store.drawerOpen.value = false;
  });
  if (location.hash !== hashOf(view)) history.pushState(null, "", hashOf(view));
}

/** Shows what became of a message. */
export function openTrace(id: string): void {
  batch(() => {
    store.tracedId.value = id;
    store.view.value = "trace";
    store.drawerOpen.value = false;
  });
  if (location.hash !== traceHash(id)) history.pushState(null, "", traceHash(id));
}

/** A fresh session; the server hears of it with the first message. */
export function newSession(): void {
  const agentId = store.activeRow.value?.agentId ?? store.hello.value?.snapshot.sessionDefaults?.defaultAgentId ?? "main";
  const key = `agent:${agentId}:web-${newId()}`;
  sessionStorage.setItem(NEW_SESSION, key);
  beginSession(key, agentId);
  openSession(key);
}

function beginSession(key: string, agentId: string): void {
  store.patchChat(key, (chat) => ({ ...chat, loaded: true, stale: false, draft: { agentId, model: null } }));
}

/** A session that had no message yet when the tab was reloaded is still a new one. */
export function restoreNewSession(): void {
  const key = sessionStorage.getItem(NEW_SESSION);
  if (key !== null && key === store.activeKey.value) beginSession(key, key.split(":")[1] ?? "main");
}

/** Puts a session to the top of the list, or back to its place. */
export async function pin(key: string, pinned: boolean): Promise<void> {
  const before = store.sessions.value;
  store.sessions.value = before.map((row) => (row.key === key ? { ...row, pinned } : row));
  try {
    await requireClient().request("sessions.patch", { key, pinned });
  } catch (error) {
    store.sessions.value = before;
    store.showToast(`${pinned ? "Not pinned" : "Not unpinned"}: ${errorMessage(error)}`);
  }
}

/** Marks the open session as read, when someone is looking; once for all messages that come close together. */
export function markRead(): void {
  clearTimeout(reading);
  reading = setTimeout(markReadNow, MARK_READ_DELAY_MS);
}

function markReadNow(): void {
  const row = store.activeRow.value;
  if (row?.unread !== true || row.hasActiveRun === true || document.hidden || !store.isOnline.value) return;
  store.sessions.value = store.sessions.value.map((one) => (one.key === row.key ? { ...one, unread: false } : one));
  requireClient()
    .request("sessions.patch", { key: row.key, unread: false })
    .catch((error: unknown) => console.info("Not marked as read:", errorMessage(error)));
}

/**
 * Takes what was written in the field. `/new` does what the button does, so that this conversation stays in the list; `/reset` asks first.
 * `onSent` is called when the field may be emptied.
 */
export function submit(text: string, attachments: readonly Attachment[], onSent: () => void): void {
  const command = /^\/(new|reset):?$/i.exec(text.trim())?.[1]?.toLowerCase();
  const put = (): void => {
    send(text, attachments);
    onSent();
  };
  if (command === "new") {
    onSent();
    newSession();
  } else if (command === "reset") {
    store.confirmQuestion.value = {
      title: "Reset this session?",
      text: "The agent forgets this conversation, and its messages disappear from the page. To keep it, start a new session instead.",
      action: "Reset",
      onConfirm: put,
    };
  } else put();
}

/** Puts a message on its way; it is shown at once and sent when there is a connection. */
export function send(text: string, attachments: readonly Attachment[]): void {
  const key = store.activeKey.value;
  const draft = store.activeChat.value.draft;
  const title = text.trim().split("\n")[0]?.slice(0, TITLE_CHARS) || attachments[0]?.fileName.slice(0, TITLE_CHARS) || "Picture";
  const pictures = attachments.filter(({ type }) => type === "image");
  const entry: OutboxEntry = {
    idempotencyKey: newId(),
    sessionKey: key,
    text,
    attachments,
    images: pictures.length,
    files: attachments.flatMap(({ type, fileName, mimeType }) => (type === "image" ? [] : [{ name: fileName, mimeType }])),
    state: "queued",
    error: null,
    atMs: Date.now(),
    afterSeq: store.activeChat.value.rows.rows.reduce((last, row) => Math.max(last, row.__openclaw?.seq ?? 0), 0),
    create: draft === null ? null : { ...draft, title },
  };
  if (pictures.length > 0) store.rememberPictures(entry.idempotencyKey, pictures);
  setOutbox([...store.outbox.value, entry]);
  void flush();
}

/** Sends the message before an answer once more. */
export function resend(answerKey: string): void {
  const items = store.items.value;
  const at = items.findIndex((item) => item.key === answerKey);
  const asked = items.slice(0, at).findLast((item) => item.kind === "user" && (item.sender === null || item.sender.isOwner));
  if (asked?.kind !== "user") return store.showToast("There is no message to send again.");
  const text = messageText(asked.blocks);
  const pictures = rememberedPictures(asked.key.replace(/^sent:/, ""));
  if (pictures.length === 0 && asked.blocks.some((block) => block.type === "image")) {
    return store.showToast("The images of that message are no longer in this tab. Attach them again.");
  }
  send(text, pictures);
}

export function retry(idempotencyKey: string): void {
  setOutbox(patchEntry(store.outbox.value, idempotencyKey, { state: "queued", error: null }));
  void flush();
}

export function discardMessage(idempotencyKey: string): void {
  setOutbox(removeEntry(store.outbox.value, idempotencyKey));
  void flush();
}

/** Sends what waits, one after the other. Safe to call at any time. */
export async function flush(): Promise<void> {
  if (flushing) return;
  flushing = true;
  try {
    for (let entry = nextEntry(store.outbox.value); entry !== undefined && store.isOnline.value; entry = nextEntry(store.outbox.value)) {
      const sent = await sendOne(entry);
      if (!sent) break;
    }
  } finally {
    flushing = false;
  }
}

/** Returns false when the queue has to wait. */
async function sendOne(entry: OutboxEntry): Promise<boolean> {
  const key = entry.idempotencyKey;
  setOutbox(patchEntry(store.outbox.value, key, { state: "sending" }));
  try {
    await createSession(entry);
    const answer = await requireClient().request<{ runId: string; status: string }>("chat.send", {
      sessionKey: entry.sessionKey,
      message: entry.text,
      idempotencyKey: key,
      deliver: false,
      ...(entry.attachments.length === 0 ? {} : { attachments: entry.attachments }),
    });
    batch(() => {
      setOutbox(patchEntry(store.outbox.value, key, { state: "accepted" }));
      if (answer.status === "started" || answer.status === "accepted") expectRun(entry.sessionKey, answer.runId);
    });
    if (answer.status === "ok" || answer.status === "in_flight") void loadChat(entry.sessionKey);
    return true;
  } catch (error) {
    return onSendError(entry, error);
  }
}

function onSendError(entry: OutboxEntry, error: unknown): boolean {
  const known = error instanceof RequestError ? error : null;
  if (isConnectionLost(error) || known?.retryable === true) {
    setOutbox(patchEntry(store.outbox.value, entry.idempotencyKey, { state: "queued" }));
    if (!isConnectionLost(error)) setTimeout(() => void flush(), known?.retryAfterMs ?? RETRY_MS);
    return false;
  }
  if (known === null) console.error("The message could not be sent.", error);
  setOutbox(patchEntry(store.outbox.value, entry.idempotencyKey, { state: "failed", error: errorMessage(error) }));
  return true;
}

async function createSession(entry: OutboxEntry): Promise<void> {
  const wanted = entry.create;
  if (wanted === null || store.chats.value.get(entry.sessionKey)?.draft === null) return;
  try {
    await requireClient().request("sessions.create", {
      key: entry.sessionKey,
      agentId: wanted.agentId,
      displayName: wanted.title,
      ...(wanted.model === null ? {} : { model: wanted.model }),
    });
  } catch (error) {
    if (isConnectionLost(error)) throw error;
    // The session comes into being with the message as well; only its title and model choice are lost.
    console.info("The session was not made ahead of its first message:", errorMessage(error));
  }
  const row: SessionListRow = {
    key: entry.sessionKey,
    agentId: wanted.agentId,
    displayName: wanted.title,
    updatedAt: Date.now(),
    createdAt: Date.now(),
  };
  batch(() => {
    store.patchChat(entry.sessionKey, (chat) => ({ ...chat, draft: null }));
    if (sessionStorage.getItem(NEW_SESSION) === entry.sessionKey) sessionStorage.removeItem(NEW_SESSION);
    if (!store.sessions.value.some((one) => one.key === row.key)) store.sessions.value = [row, ...store.sessions.value];
  });
  if (store.activeKey.value === entry.sessionKey) await subscribe(entry.sessionKey);
}

/** Stops whatever runs in the open session. */
export async function stop(): Promise<void> {
  try {
    await requireClient().request("chat.abort", { sessionKey: store.activeKey.value });
  } catch (error) {
    store.showToast(isConnectionLost(error) ? "Not stopped: the gateway is not connected." : `Not stopped: ${errorMessage(error)}`);
  }
}

/** Gives a session a name; an empty one takes it away. */
export async function renameSession(key: string, label: string): Promise<void> {
  const name = label.trim() === "" ? null : label.trim();
  const before = store.sessions.value;
  store.sessions.value = before.map((row) => (row.key === key ? { ...row, label: name } : row));
  try {
    await requireClient().request("sessions.patch", { key, label: name });
  } catch (error) {
    store.sessions.value = before;
    store.showToast(`Not renamed: ${errorMessage(error)}`);
  }
}

export async function deleteSession(key: string): Promise<void> {
  try {
    await requireClient().request("sessions.delete", { key });
  } catch (error) {
    return store.showToast(`Not deleted: ${errorMessage(error)}`);
  }
  batch(() => {
    store.sessions.value = store.sessions.value.filter((row) => row.key !== key);
    const chats = new Map(store.chats.value);
    chats.delete(key);
    store.chats.value = chats;
  });
  writeDraft(key, "");
  if (store.activeKey.value === key) openSession(mainKey());
}

/** `ref` is `provider/id`; null goes back to the default. */
export async function chooseModel(ref: string | null): Promise<void> {
  const key = store.activeKey.value;
  if (store.activeChat.value.draft !== null) {
    return store.patchChat(key, (chat) => ({ ...chat, draft: chat.draft && { ...chat.draft, model: ref } }));
  }
  try {
    // A session without a message may not exist yet; then it is made with its model.
    if (store.activeRow.value === undefined && ref !== null) await requireClient().request("sessions.create", { key, model: ref });
    else await requireClient().request("sessions.patch", { key, model: ref });
    const [provider, ...id] = ref?.split("/") ?? [];
    const chosen = { model: ref === null ? null : id.join("/"), modelProvider: provider ?? null };
    store.sessions.value = store.sessions.value.map((row) => (row.key === key ? { ...row, ...chosen } : row));
  } catch (error) {
    store.showToast(`The model was not changed: ${errorMessage(error)}`);
  }
}

export function mainKey(): string {
  const known = store.hello.value?.snapshot.sessionDefaults;
  return known?.mainSessionKey ?? `agent:${known?.defaultAgentId ?? "main"}:main`;
}
