/** Everything the page shows, as signals. Changes come from `live.ts` (the gateway) and `actions.ts` (the person). */
import { computed, signal } from "@preact/signals";
import { isActive } from "./run.ts";
import { titleOf, toGroups } from "./sessions.ts";
import { toItems } from "./items.ts";
import { NO_ROWS } from "./transcript.ts";
import type { Link } from "./client.ts";
import type { Entry } from "./outbox.ts";
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

export const link = signal<Link>({ phase: "connecting", attempt: 0 });
export const hello = signal<Hello | null>(null);
export const restarting = signal(false);
/** False where the browser cannot keep a device key, so that signing in must be explained differently. */
export const hasIdentity = signal(true);
export const askSignIn = signal(false);

export const sessions = signal<readonly SessionRow[]>([]);
export const sessionsLoaded = signal(false);
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
/** The screen is so narrow that the list lies over the conversation. */
export const narrow = signal(false);
/** One line at the bottom for a few seconds. */
export const toast = signal<string | null>(null);
/** For screen readers only: what has just been said, once it is complete. */
export const spoken = signal("");
export const clock = signal(Date.now());

export const online = computed(() => link.value.phase === "online");
export const mayWrite = computed(() => {
  const scopes = hello.value?.auth.scopes;
  return scopes === undefined || scopes.includes("operator.write") || scopes.includes("operator.admin");
});
export const groups = computed(() => toGroups(sessions.value, filter.value, clock.value));
export const chat = computed(() => chats.value.get(activeKey.value) ?? NEW_CHAT);
export const activeRow = computed(() => sessions.value.find((row) => row.key === activeKey.value));
export const title = computed(() => {
  const main = hello.value?.snapshot.sessionDefaults?.mainSessionKey === activeKey.value;
  const row = activeRow.value;
  if (row !== undefined) return titleOf(row);
  return main ? "Main" : chat.value.draft === null && chat.value.loaded ? titleOf({ key: activeKey.value }) : "New session";
});
export const pending = computed(() => outbox.value.filter((entry) => entry.sessionKey === activeKey.value));
export const items = computed(() => toItems(chat.value.rows.rows, chat.value.runs, pending.value));
export const activeRun = computed(() => chat.value.runs.findLast(isActive));
export const busy = computed(() => activeRun.value !== undefined || activeRow.value?.hasActiveRun === true);

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

/** Changes one chat; others keep their identity. */
export function patchChat(key: string, change: (chat: Chat) => Chat): void {
  const before = chats.value.get(key) ?? NEW_CHAT;
  const after = change(before);
  if (after === before) return;
  chats.value = new Map(chats.value).set(key, after);
}

let toastTimer: ReturnType<typeof setTimeout> | undefined;

/** Says one line for a few seconds. */
export function say(text: string): void {
  clearTimeout(toastTimer);
  toast.value = text;
  toastTimer = setTimeout(() => (toast.value = null), 5_000);
}
