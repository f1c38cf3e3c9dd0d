/** Everything the page shows, as signals. Changes come from `live.ts` (the gateway) and `actions.ts` (the person). */
import { computed, signal } from "@preact/signals";
import { GUIDE_MODEL, GUIDE_PROVIDER } from "../../src/core/guide-model.ts";
import { isActive } from "../../src/client/conversation/live-run.ts";
import { titleOf } from "../../src/client/conversation/session-row.ts";
import { chatLocationOf, groupByDate } from "./session-list.ts";
import { toItems } from "../../src/client/conversation/transcript-items.ts";
import { NO_ROWS } from "../../src/client/conversation/transcript-rows.ts";
import type { ReadonlySignal } from "@preact/signals";
import type { ConnectionStatus } from "./client.ts";
import type { Attachment, OutboxEntry } from "../../src/client/conversation/outbox.ts";
import type { RunView } from "../../src/client/conversation/live-run.ts";
import type { TranscriptRows } from "../../src/client/conversation/transcript-rows.ts";
import type { CommandRow, HelloPayload, ModelRow, SessionListRow, SessionsDefaults } from "../../src/client/conversation/protocol-types.ts";

export type ChatState = {
  rows: TranscriptRows;
  runs: readonly RunView[];
  loading: "first" | "older" | null;
  /** Why the last load failed, for the person; null when it did not. */
  error: string | null;
  loaded: boolean;
  /** Read before the connection was lost: read again when it is opened. */
  stale: boolean;
  /** Not on the server yet: it is made with the first message. */
  draft: { agentId: string; model: string | null } | null;
};

export const NEW_CHAT: ChatState = { rows: NO_ROWS, runs: [], loading: null, error: null, loaded: false, stale: true, draft: null };

export type ToastAction = { label: string; run: () => void };

/** How much of a list has not been read: `next` is null at its end. */
export type PageRest = { next: number | null; total: number };
const NO_REST: PageRest = { next: null, total: 0 };

export const connection = signal<ConnectionStatus>({ phase: "connecting", attempt: 0 });
export const hello = signal<HelloPayload | null>(null);
export const restarting = signal(false);
/** False where the browser cannot keep a device key, so that signing in must be explained differently. */
export const hasIdentity = signal(true);
/** How the gateway names this browser; null where it has no device key. */
export const deviceId = signal<string | null>(null);
export const askSignIn = signal(false);

export const sessions = signal<readonly SessionListRow[]>([]);
export const sessionsLoaded = signal(false);
/** Where the next older part of the list begins, and how many there are in all. */
export const sessionsRest = signal<PageRest>(NO_REST);
/** What the gateway found for the words of `filter`, among all sessions; null while nothing was asked. */
export const searchResults = signal<{ words: string; rows: readonly SessionListRow[]; rest: PageRest } | null>(null);
export const defaults = signal<SessionsDefaults>({});
export const filter = signal("");
export const activeKey = signal("");
export const chats = signal<ReadonlyMap<string, ChatState>>(new Map());
export const outbox = signal<readonly OutboxEntry[]>([]);
export const modelRows = signal<readonly ModelRow[]>([]);
export const commandRows = signal<readonly CommandRow[]>([]);
export type View =
  | "chat"
  | "overview"
  | "sessions"
  | "health"
  | "logs"
  | "channels"
  | "approvals"
  | "tools"
  | "skills"
  | "mcp"
  | "browser"
  | "nodes"
  | "schedule"
  | "usage"
  | "models"
  | "agents"
  | "devices"
  | "config"
  | "audit"
  | "settings"
  | "trace";
/** What the main part of the page shows. */
export const view = signal<View>("chat");
/** The message whose timeline is shown; empty: the last one. */
export const tracedId = signal("");
/** How often a link to something on the page was followed: the same link may be followed again. */
export const linksFollowed = signal(0);
export const drawerOpen = signal(false);
/** The list of models is open. */
export const choosingModel = signal(false);
/** A question over the page, and what happens after a yes. */
export const confirmQuestion = signal<{ title: string; text: string; action: string; onConfirm: () => void } | null>(null);
/** The screen is so narrow that the list lies over the conversation. */
export const isNarrow = signal(false);
/** One line at the top for a few seconds, with at most one action. */
export const toast = signal<{ text: string; action: ToastAction | null } | null>(null);
/** For screen readers only: the latest reply, once it is complete. */
export const liveAnnouncement = signal("");
export const clock = signal(Date.now());

export const isOnline = computed(() => connection.value.phase === "online");
/** Whether the connection has a scope, which one with `operator.admin` always has. */
const hasScope = (scope: string): ReadonlySignal<boolean> =>
  computed(() => {
    const scopes = hello.value?.auth.scopes;
    return scopes === undefined || scopes.includes(scope) || scopes.includes("operator.admin");
  });
/** Whether the gateway has a method: what it does not serve is not shown. */
export const isServed = (method: string): boolean => hello.value?.features.methods.includes(method) === true;
export const canWrite = hasScope("operator.write");
/** Counts what was heard of messages and of the health of the gateway, so that the overview reads them again. */
export const activity = signal(0);
/** Counts what was heard of jobs of the schedule, so that its view reads them again. */
export const jobChanges = signal(0);
/** Counts what was heard of nodes, so that their view reads them again. */
export const nodeChanges = signal(0);
/** The same for the work of sub-agents. */
export const taskChanges = signal(0);
/** Counts what was heard of devices, so that their view reads them again. */
export const deviceChanges = signal(0);
/** Whether people who ask to be let in are shown here, and can be. */
export const mayPair = hasScope("operator.pairing");
export const mayAdminister = hasScope("operator.admin");
/** Whether questions about commands come here, and can be answered. */
export const mayApprove = hasScope("operator.approvals");
export const groups = computed(() => {
  const hits = filter.value.trim() === searchResults.value?.words ? (searchResults.value?.rows ?? []) : [];
  const listed = new Set(sessions.value.map((row) => row.key));
  const rows = [...sessions.value, ...hits.filter((row) => !listed.has(row.key))];
  return groupByDate(rows, filter.value, clock.value, { found: new Set(hits.map((row) => row.key)) });
});
export const activeChat = computed(() => chats.value.get(activeKey.value) ?? NEW_CHAT);
export const activeRow = computed(() => sessions.value.find((row) => row.key === activeKey.value));
export const title = computed(() => {
  const main = hello.value?.snapshot.sessionDefaults?.mainSessionKey === activeKey.value;
  const row = activeRow.value;
  if (row !== undefined) return assistantName.value?.name ?? titleOf(row);
  return main ? "Main" : activeChat.value.draft === null && activeChat.value.loaded ? titleOf({ key: activeKey.value }) : "New session";
});
export const pending = computed(() => outbox.value.filter((entry) => entry.sessionKey === activeKey.value));
export const items = computed(() => toItems(activeChat.value.rows.rows, activeChat.value.runs, pending.value));
export const activeRun = computed(() => activeChat.value.runs.findLast(isActive));
export const isRunActive = computed(() => activeRun.value !== undefined || activeRow.value?.hasActiveRun === true);

/** The person or the room at the other end of a session that belongs to a channel. */
export const assistantName = computed(() => {
  const row = activeRow.value;
  if (row === undefined) return null;
  const place = chatLocationOf(row);
  if (place === null) return null;
  const writer = items.value.findLast((item) => item.kind === "user" && item.sender !== null && !item.sender.isOwner);
  const named = place.isGroup || row.label ? null : writer?.kind === "user" ? writer.sender?.name : null;
  return { ...place, name: named ?? titleOf(row) };
});

/** What answers in the open session: the display name, and whether it is the built-in guide and no AI model. */
export const answering = computed(() => {
  const row = activeRow.value;
  const draft = activeChat.value.draft?.model ?? null;
  const [draftProvider, ...draftId] = draft?.split("/") ?? [];
  const provider = draftProvider ?? row?.modelProvider ?? defaults.value.modelProvider ?? null;
  const id = draft === null ? (row?.model ?? defaults.value.model ?? null) : draftId.join("/");
  if (id === null || provider === null) return null;
  const known = modelRows.value.find((model) => model.id === id && model.provider === provider);
  const scripted = isScripted({ provider });
  return { ref: `${provider}/${id}`, name: scripted ? "Setup guide" : (known?.name ?? id), provider, scripted };
});

/** Whether a model is the built-in guide, which is a script. */
export const isScripted = ({ provider }: { provider?: string }): boolean => provider === GUIDE_PROVIDER;

/** The name that a person knows a model by. */
export function modelLabel(id: string): string {
  const known = modelRows.value.find((model) => model.id === id);
  if (isScripted(known ?? { provider: id === GUIDE_MODEL ? GUIDE_PROVIDER : "" })) return "Setup guide";
  return known?.name ?? id;
}

/** Pictures that were sent from this tab, by the message they belong to: the history does not repeat large ones. */
const pictureMemory = new Map<string, readonly Attachment[]>();
/** Characters of base64 that are kept; the oldest go first. */
const PICTURE_MEMORY_CHARS = 64_000_000;

export function rememberPictures(idempotencyKey: string, pictures: readonly Attachment[]): void {
  pictureMemory.set(idempotencyKey, pictures);
  const sizes = [...pictureMemory].map(([key, all]) => ({ key, chars: all.reduce((sum, one) => sum + one.content.length, 0) }));
  let chars = sizes.reduce((sum, one) => sum + one.chars, 0);
  for (const one of sizes) {
    if (chars <= PICTURE_MEMORY_CHARS) break;
    pictureMemory.delete(one.key);
    chars -= one.chars;
  }
}

export const rememberedPictures = (idempotencyKey: string): readonly Attachment[] => pictureMemory.get(idempotencyKey) ?? [];
export const rememberedPicture = (idempotencyKey: string, at: number): Attachment | undefined => rememberedPictures(idempotencyKey)[at];

/** Changes one chat; others keep their identity. */
export function patchChat(key: string, change: (chat: ChatState) => ChatState): void {
  const before = chats.value.get(key) ?? NEW_CHAT;
  const after = change(before);
  if (after === before) return;
  chats.value = new Map(chats.value).set(key, after);
}

let toastTimer: ReturnType<typeof setTimeout> | undefined;

/** Says one line for a few seconds; longer, when there is something to do about it. */
export function showToast(text: string, action: ToastAction | null = null): void {
  clearTimeout(toastTimer);
  toast.value = { text, action };
  toastTimer = setTimeout(() => (toast.value = null), action === null ? 5_000 : 20_000);
}
