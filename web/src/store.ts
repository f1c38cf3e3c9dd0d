/** Everything the page shows, as signals. Changes come from `live.ts` (the gateway) and `actions.ts` (the person). */
import { computed, signal } from "@preact/signals";
import { isActive } from "./run.ts";
import { placeOf, titleOf, toGroups } from "./sessions.ts";
import { toItems } from "./items.ts";
import { NO_ROWS } from "./transcript.ts";
import type { Link } from "./client.ts";
import type { Attachment, Entry } from "./outbox.ts";
import type { Run } from "./run.ts";
import type { Rows } from "./transcript.ts";
import type { CommandRow, Hello, ModelRow, SessionRow, SessionsDefaults } from "./wire.ts";

export type Chat = {
  rows: Rows;
  runs: readonly Run[];
  loading: "first" | "older" | null;
  /** Why the last load failed, for the person; null when it did not. */
  error: string | null;
  loaded: boolean;
  /** Read before the connection was lost: read again when it is opened. */
  stale: boolean;
  /** Not on the server yet: it is made with the first message. */
  draft: { agentId: string; model: string | null } | null;
};

export const NEW_CHAT: Chat = { rows: NO_ROWS, runs: [], loading: null, error: null, loaded: false, stale: true, draft: null };

export type ToastAction = { label: string; run: () => void };

/** How much of a list has not been read: `next` is null at its end. */
export type Rest = { next: number | null; total: number };
const NO_REST: Rest = { next: null, total: 0 };

export const link = signal<Link>({ phase: "connecting", attempt: 0 });
export const hello = signal<Hello | null>(null);
export const restarting = signal(false);
/** False where the browser cannot keep a device key, so that signing in must be explained differently. */
export const hasIdentity = signal(true);
export const askSignIn = signal(false);

export const sessions = signal<readonly SessionRow[]>([]);
export const sessionsLoaded = signal(false);
/** Where the next older part of the list begins, and how many there are in all. */
export const sessionsRest = signal<Rest>(NO_REST);
/** What the gateway found for the words of `filter`, among all sessions; null while nothing was asked. */
export const found = signal<{ words: string; rows: readonly SessionRow[]; rest: Rest } | null>(null);
export const defaults = signal<SessionsDefaults>({});
export const filter = signal("");
export const activeKey = signal("");
export const chats = signal<ReadonlyMap<string, Chat>>(new Map());
export const outbox = signal<readonly Entry[]>([]);
export const models = signal<readonly ModelRow[]>([]);
export const commands = signal<readonly CommandRow[]>([]);
/** What the main part of the page shows. */
export const view = signal<"chat" | "channels">("chat");
export const drawerOpen = signal(false);
/** The list of models is open. */
export const choosingModel = signal(false);
/** A question over the page, and what happens after a yes. */
export const question = signal<{ title: string; text: string; action: string; onConfirm: () => void } | null>(null);
/** The screen is so narrow that the list lies over the conversation. */
export const narrow = signal(false);
/** One line at the top for a few seconds, with at most one action. */
export const toast = signal<{ text: string; action: ToastAction | null } | null>(null);
/** For screen readers only: what has just been said, once it is complete. */
export const spoken = signal("");
export const clock = signal(Date.now());

export const online = computed(() => link.value.phase === "online");
export const mayWrite = computed(() => {
  const scopes = hello.value?.auth.scopes;
  return scopes === undefined || scopes.includes("operator.write") || scopes.includes("operator.admin");
});
export const groups = computed(() => {
  const hits = filter.value.trim() === found.value?.words ? (found.value?.rows ?? []) : [];
  const listed = new Set(sessions.value.map((row) => row.key));
  const rows = [...sessions.value, ...hits.filter((row) => !listed.has(row.key))];
  return toGroups(rows, filter.value, clock.value, { found: new Set(hits.map((row) => row.key)) });
});
export const chat = computed(() => chats.value.get(activeKey.value) ?? NEW_CHAT);
export const activeRow = computed(() => sessions.value.find((row) => row.key === activeKey.value));
export const title = computed(() => {
  const main = hello.value?.snapshot.sessionDefaults?.mainSessionKey === activeKey.value;
  const row = activeRow.value;
  if (row !== undefined) return partner.value?.name ?? titleOf(row);
  return main ? "Main" : chat.value.draft === null && chat.value.loaded ? titleOf({ key: activeKey.value }) : "New session";
});
export const pending = computed(() => outbox.value.filter((entry) => entry.sessionKey === activeKey.value));
export const items = computed(() => toItems(chat.value.rows.rows, chat.value.runs, pending.value));
export const activeRun = computed(() => chat.value.runs.findLast(isActive));
export const busy = computed(() => activeRun.value !== undefined || activeRow.value?.hasActiveRun === true);

/** The person or the room at the other end of a session that belongs to a channel. */
export const partner = computed(() => {
  const row = activeRow.value;
  if (row === undefined) return null;
  const place = placeOf(row);
  if (place === null) return null;
  const writer = items.value.findLast((item) => item.kind === "user" && item.sender !== null && !item.sender.isOwner);
  const named = place.isGroup || row.label ? null : writer?.kind === "user" ? writer.sender?.name : null;
  return { ...place, name: named ?? titleOf(row) };
});

/** What answers in the open session: the display name, and whether it is the built-in guide and no AI model. */
export const answering = computed(() => {
  const row = activeRow.value;
  const draft = chat.value.draft?.model ?? null;
  const [draftProvider, ...draftId] = draft?.split("/") ?? [];
  const provider = draftProvider ?? row?.modelProvider ?? defaults.value.modelProvider ?? null;
  const id = draft === null ? (row?.model ?? defaults.value.model ?? null) : draftId.join("/");
  if (id === null || provider === null) return null;
  const known = models.value.find((model) => model.id === id && model.provider === provider);
  const scripted = isScripted(`${provider} ${id} ${known?.name ?? ""}`);
  return { ref: `${provider}/${id}`, name: scripted ? "Setup guide" : (known?.name ?? id), provider, scripted };
});

export const isScripted = (words: string): boolean => /scripted|setup[ -]?guide/i.test(words);

/** The name that a person knows a model by. */
export function modelName(id: string): string {
  const known = models.value.find((model) => model.id === id);
  if (isScripted(`${id} ${known?.provider ?? ""} ${known?.name ?? ""}`)) return "Setup guide";
  return known?.name ?? id;
}

/** Pictures that were sent from this tab, by the message they belong to: the history does not repeat large ones. */
const kept = new Map<string, readonly Attachment[]>();
/** Characters of base64 that are kept; the oldest go first. */
const KEPT_CHARS = 64_000_000;

export function keepPictures(idempotencyKey: string, pictures: readonly Attachment[]): void {
  kept.set(idempotencyKey, pictures);
  const sizes = [...kept].map(([key, all]) => ({ key, chars: all.reduce((sum, one) => sum + one.content.length, 0) }));
  let chars = sizes.reduce((sum, one) => sum + one.chars, 0);
  for (const one of sizes) {
    if (chars <= KEPT_CHARS) break;
    kept.delete(one.key);
    chars -= one.chars;
  }
}

export const keptPictures = (idempotencyKey: string): readonly Attachment[] => kept.get(idempotencyKey) ?? [];
export const keptPicture = (idempotencyKey: string, at: number): Attachment | undefined => keptPictures(idempotencyKey)[at];

/** Changes one chat; others keep their identity. */
export function patchChat(key: string, change: (chat: Chat) => Chat): void {
  const before = chats.value.get(key) ?? NEW_CHAT;
  const after = change(before);
  if (after === before) return;
  chats.value = new Map(chats.value).set(key, after);
}

let toastTimer: ReturnType<typeof setTimeout> | undefined;

/** Says one line for a few seconds; longer, when there is something to do about it. */
export function say(text: string, action: ToastAction | null = null): void {
  clearTimeout(toastTimer);
  toast.value = { text, action };
  toastTimer = setTimeout(() => (toast.value = null), action === null ? 5_000 : 20_000);
}
