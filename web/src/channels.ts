/** Channels on the page: what the gateway says about them, and the steps of connecting one. */
import { computed, signal } from "@preact/signals";
import { isLost, RequestError } from "./client.ts";
import { gateway, message } from "./live.ts";
import { toProblem } from "./setup-problem.ts";
import * as store from "./store.ts";
import type { Problem } from "./setup-problem.ts";

export type Account = {
  channel: string;
  label: string;
  accountId: string;
  enabled?: boolean;
  state?: string;
  since?: number;
  lastError?: string | null;
  fix?: string;
  retryAt?: number;
  lastInboundAt?: number | null;
  lastOutboundAt?: number | null;
  queueDepth?: number;
  outboxWaiting?: number;
};
export type Field = {
  key: string;
  help: string;
  secret: boolean;
  required: boolean;
  kind?: "number" | "flag" | "choice" | "list";
  options?: readonly string[];
};
export type Guide = { text: string; link?: { label: string; url: string }; test?: string };
export type Card = { id: string; label: string; login: boolean; fields: readonly Field[]; guide?: Guide };
export type PairingRequest = {
  requestId: string;
  channel: string;
  channelLabel: string;
  accountId: string;
  senderId: string;
  senderLabel: string;
  createdAt?: string;
};
export type DeadLetter = {
  id: string;
  kind: "inbound" | "outbound";
  state: string;
  channel: string;
  account: string;
  to?: string;
  at: number;
  cause: string | null;
  text: string;
};

/** Where a person is in connecting a channel. */
export type Wizard =
  | { step: "choose" }
  | { step: "enter"; card: Card; values: Values; account: string; busy: boolean; error: Problem | null }
  | { step: "link"; card: Card; account: string; code: string | null; text: string; error: string | null }
  | {
      step: "test";
      card: Card;
      values: Values;
      /** The account as it was typed. */ typed: string;
      account: string;
      name: string;
      savedAt: number;
    };
export type Values = Readonly<Record<string, string>>;

type Status = {
  /** The gateway's clock. */
  ts?: number;
  channelOrder: readonly string[];
  channelLabels: Readonly<Record<string, string>>;
  channelAccounts: Readonly<Record<string, readonly Omit<Account, "channel" | "label">[]>>;
};

export const accounts = signal<readonly Account[]>([]);
export const catalog = signal<readonly Card[]>([]);
export const pairings = signal<readonly PairingRequest[]>([]);
export const deadLetters = signal<readonly DeadLetter[]>([]);
export const loaded = signal(false);
/** Why the last reading failed; null when it did not. */
export const failed = signal<string | null>(null);
export const wizard = signal<Wizard | null>(null);

export const mayAdminister = computed(() => {
  const scopes = store.hello.value?.auth.scopes;
  return scopes === undefined || scopes.includes("operator.admin");
});

/** People who ask to be let in. */
export const waitingPeople = computed(() => pairings.value.length);

/** Accounts that need a person: the number stands beside "Channels" in the sidebar. */
export const troubles = computed(() => accounts.value.filter((one) => one.enabled !== false && toneOf(one) === "bad").length);

/** An account in one glance. */
export function toneOf(account: Pick<Account, "state" | "enabled">): "good" | "busy" | "bad" | "off" {
  if (account.enabled === false || account.state === "stopped") return "off";
  if (account.state === "ready") return "good";
  return account.state === "terminal" ? "bad" : "busy";
}

const WORDS: Readonly<Record<string, string>> = {
  ready: "Connected",
  connecting: "Connecting",
  degraded: "Connected, with problems",
  backoff: "Reconnecting",
  terminal: "Action needed",
  stopped: "Stopped",
};

export const stateWords = ({ state = "", enabled }: Pick<Account, "state" | "enabled">): string =>
  enabled === false ? "Disabled" : (WORDS[state] ?? "Unknown");

export function toAccounts(status: Status): readonly Account[] {
  return status.channelOrder.flatMap((channel) =>
    (status.channelAccounts[channel] ?? []).map((row) => ({ ...row, channel, label: status.channelLabels[channel] ?? channel })),
  );
}

/** The test message has come: something was read since the account was saved, or somebody asks to be let in. */
export function hasArrived(
  { card, account, savedAt }: Pick<Extract<Wizard, { step: "test" }>, "card" | "account" | "savedAt">,
  rows: readonly Account[],
  waiting: readonly PairingRequest[],
): boolean {
  const row = rows.find((one) => one.channel === card.id && one.accountId === account);
  const isNew = ({ createdAt }: PairingRequest): boolean => createdAt === undefined || Date.parse(createdAt) >= savedAt;
  return (row?.lastInboundAt ?? 0) >= savedAt || waiting.some((one) => one.channel === card.id && one.accountId === account && isNew(one));
}

/** A typed value as the configuration takes it. What is no number stays a text, and the gateway says what is wrong with it. */
function toValue(text: string, field: Field | undefined): unknown {
  if (field?.kind === "flag") return text === "true";
  if (field?.kind === "number") return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
  if (field?.kind === "list") return text.split(/[\s,]+/).filter(Boolean);
  return text;
}

/** What was typed, without what was left empty, as the configuration takes it: `transport.url` is a key within `transport`. */
export function toBlock(values: Values, fields: readonly Field[] = []): Record<string, unknown> {
  const block: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(values)) {
    if (value.trim() === "") continue;
    const path = key.split(".");
    let at = block;
    for (const step of path.slice(0, -1)) at = (at[step] ??= {}) as Record<string, unknown>;
    at[path.at(-1)!] = toValue(
      value.trim(),
      fields.find((field) => field.key === key),
    );
  }
  return block;
}

/** The patch of the configuration that saves one account. */
export function toPatch(channel: string, account: string, values: Values, fields: readonly Field[] = []): unknown {
  const block = { ...toBlock(values, fields), enabled: true };
  return { channels: { [channel]: account === "" ? block : { enabled: true, accounts: { [account]: block } } } };
}

/** Says who asks to be let in since the last reading, with the answer at hand. */
function announce(requests: readonly PairingRequest[]): void {
  if (!loaded.value || store.view.value === "channels") return;
  const known = new Set(pairings.value.map(({ requestId }) => requestId));
  const fresh = requests.find(({ requestId }) => !known.has(requestId));
  if (fresh === undefined) return;
  const { senderLabel, channelLabel } = fresh;
  store.say(`${senderLabel} (${channelLabel}) asks to talk to the agent`, { label: "Approve", run: () => void approve(fresh) });
}

let reading = false;

/** Reads everything that the view shows. Never throws: `failed` says why there is nothing newer. */
export async function load(): Promise<void> {
  if (reading || !store.online.value) return;
  reading = true;
  try {
    const [status, waiting, dead] = await Promise.all([
      gateway().request<Status>("channels.status", {}),
      gateway().request<{ requests: readonly PairingRequest[] }>("channels.pairing.list", {}),
      gateway().request<{ items: readonly DeadLetter[] }>("deadletters.list", {}),
    ]);
    accounts.value = toAccounts(status);
    announce(waiting.requests);
    pairings.value = waiting.requests;
    deadLetters.value = dead.items;
    loaded.value = true;
    failed.value = null;
  } catch (error) {
    if (!isLost(error)) failed.value = message(error);
  } finally {
    reading = false;
  }
}

export async function openWizard(): Promise<void> {
  wizard.value = { step: "choose" };
  try {
    catalog.value = (await gateway().request<{ channels: readonly Card[] }>("channels.catalog", {})).channels;
  } catch (error) {
    store.say(`The channels could not be loaded: ${message(error)}`);
  }
}

export const choose = (card: Card): void => {
  wizard.value = { step: "enter", card, values: {}, account: "", busy: false, error: null };
};

export function type(key: string, value: string): void {
  const now = wizard.value;
  if (now?.step === "enter") wizard.value = { ...now, values: { ...now.values, [key]: value }, error: null };
}

export function nameAccount(account: string): void {
  const now = wizard.value;
  if (now?.step === "enter") wizard.value = { ...now, account: account.trim(), error: null };
}

/** Goes back from the last step to the form, with what was typed. */
export function goBack(): void {
  const now = wizard.value;
  if (now?.step !== "test") return;
  wizard.value = { step: "enter", card: now.card, values: now.values, account: now.typed, busy: false, error: null };
}

/** The time on the gateway: what arrives is measured by its clock. */
const gatewayTime = async (): Promise<number> => (await gateway().request<Status>("channels.status", {})).ts ?? Date.now();

async function save(card: Card, account: string, values: Values): Promise<void> {
  const { hash } = await gateway().request<{ hash?: string }>("config.get", {});
  await gateway().request("config.patch", {
    raw: JSON.stringify(toPatch(card.id, account, values, card.fields)),
    ...(hash === undefined ? {} : { baseHash: hash }),
  });
}

type LoginStep = { connected: boolean; failed?: boolean; message: string; name?: string; qrDataUrl?: string };

/** Saves the account as it is, and shows the codes that a phone has to scan until one was. */
export async function link(): Promise<void> {
  const now = wizard.value;
  if (now?.step !== "enter" || now.busy) return;
  const { card, values } = now;
  const account = now.account === "" ? "default" : now.account;
  const params = { channel: card.id, ...(now.account === "" ? {} : { accountId: account }), timeoutMs: 20_000 };
  let mine: Wizard = { step: "link", card, account, code: null, text: "Requesting a code…", error: null };
  const show = (next: Wizard): void => {
    mine = next;
    wizard.value = next;
  };
  show(mine);
  try {
    const savedAt = await gatewayTime();
    await save(card, now.account, values);
    let step = await gateway().request<LoginStep>("web.login.start", { ...params, force: true });
    // Whoever leaves the step stops looking; the login ends by itself.
    while (wizard.value === mine && !step.connected && step.failed !== true) {
      show({ step: "link", card, account, code: step.qrDataUrl ?? null, text: step.message, error: null });
      const seen = step.qrDataUrl === undefined ? {} : { currentQrDataUrl: step.qrDataUrl };
      step = await gateway().request<LoginStep>("web.login.wait", { ...params, ...seen });
    }
    if (wizard.value !== mine) return;
    if (step.failed === true) throw new Error(step.message);
    show({ step: "test", card, values, typed: now.account, account, name: step.name ?? card.label, savedAt });
  } catch (error) {
    if (wizard.value === mine) show({ step: "link", card, account, code: null, text: "", error: message(error) });
  }
  await load();
}

/** Asks the platform, and saves only what it accepts. */
export async function connect(): Promise<void> {
  const now = wizard.value;
  if (now?.step !== "enter" || now.busy) return;
  const { card, values, account } = now;
  wizard.value = { ...now, busy: true, error: null };
  try {
    const verified = await gateway().request<{ name: string; accountId: string }>("channels.verify", {
      channel: card.id,
      config: toBlock(values, card.fields),
      ...(account === "" ? {} : { accountId: account }),
    });
    const savedAt = await gatewayTime();
    await save(card, account, values);
    wizard.value = { step: "test", card, values, typed: account, account: verified.accountId, name: verified.name, savedAt };
    await load();
  } catch (error) {
    wizard.value = { ...now, busy: false, error: toProblem(error instanceof RequestError ? error : null, message(error), card) };
  }
}

/** One button of the view: says what went wrong, and reads again in any case. */
async function act(what: string, method: string, params: unknown): Promise<void> {
  try {
    await gateway().request(method, params);
  } catch (error) {
    store.say(`${what}: ${isLost(error) ? "there is no connection." : message(error)}`);
  }
  await load();
}

export const approve = ({ channel, accountId, requestId }: PairingRequest): Promise<void> =>
  act("Not approved", "channels.pairing.approve", { channel, accountId, requestId, notify: true });
export const dismiss = ({ channel, accountId, requestId }: PairingRequest): Promise<void> =>
  act("Not dismissed", "channels.pairing.dismiss", { channel, accountId, requestId });
export const retryLetter = (id: string): Promise<void> => act("Not tried again", "deadletters.retry", { id });
export const dropLetter = (id: string): Promise<void> => act("Not discarded", "deadletters.drop", { id });
export const startAccount = ({ channel, accountId }: Account): Promise<void> =>
  act("Not started", "channels.start", { channel, accountId });
