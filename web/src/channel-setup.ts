/** Channels on the page: what the gateway says about them, and the steps of connecting one. */
import { computed, signal } from "@preact/signals";
import { isConnectionLost, RequestError } from "./client.ts";
import { requireClient, errorMessage } from "./sync.ts";
import { toSetupProblem } from "./setup-problem.ts";
import * as store from "./state.ts";
import type { ChannelCard, SetupField } from "./channel-card.ts";
import type { SetupProblem } from "./setup-problem.ts";

export type ChannelAccountRow = {
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
export type PairingRequestRow = {
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
export type SetupWizard =
  | { step: "choose" }
  | { step: "enter"; card: ChannelCard; values: FieldValues; account: string; busy: boolean; error: SetupProblem | null }
  | { step: "link"; card: ChannelCard; account: string; code: string | null; text: string; error: string | null }
  | {
      step: "test";
      card: ChannelCard;
      values: FieldValues;
      /** The account as it was typed. */ typed: string;
      account: string;
      name: string;
      savedAt: number;
    };
export type FieldValues = Readonly<Record<string, string>>;

type ChannelsStatus = {
  /** The gateway's clock. */
  ts?: number;
  channelOrder: readonly string[];
  channelLabels: Readonly<Record<string, string>>;
  channelAccounts: Readonly<Record<string, readonly Omit<ChannelAccountRow, "channel" | "label">[]>>;
};

export const accounts = signal<readonly ChannelAccountRow[]>([]);
export const channelCatalog = signal<readonly ChannelCard[]>([]);
export const pairings = signal<readonly PairingRequestRow[]>([]);
export const deadLetters = signal<readonly DeadLetter[]>([]);
export const loaded = signal(false);
/** Why the last reading failed; null when it did not. */
export const failed = signal<string | null>(null);
export const wizard = signal<SetupWizard | null>(null);

/** People who ask to be let in. */
export const pairingCount = computed(() => pairings.value.length);

/** Accounts that need a person: the number beside "Channels" in the sidebar. */
export const problemCount = computed(() => accounts.value.filter((one) => one.enabled !== false && stateTone(one) === "bad").length);

/** An account in one glance. */
export function stateTone(account: Pick<ChannelAccountRow, "state" | "enabled">): "good" | "busy" | "bad" | "off" {
  if (account.enabled === false || account.state === "stopped") return "off";
  if (account.state === "ready") return "good";
  return account.state === "terminal" ? "bad" : "busy";
}

const STATE_TEXT: Readonly<Record<string, string>> = {
  ready: "Connected",
  connecting: "Connecting",
  degraded: "Connected, with problems",
  backoff: "Reconnecting",
  terminal: "Action needed",
  stopped: "Stopped",
};

export const stateText = ({ state = "", enabled }: Pick<ChannelAccountRow, "state" | "enabled">): string =>
  enabled === false ? "Disabled" : (STATE_TEXT[state] ?? "Unknown");

export function toAccounts(status: ChannelsStatus): readonly ChannelAccountRow[] {
  return status.channelOrder.flatMap((channel) =>
    (status.channelAccounts[channel] ?? []).map((row) => ({ ...row, channel, label: status.channelLabels[channel] ?? channel })),
  );
}

/** The test message has come: something was read since the account was saved, or someone asks to be let in. */
export function hasReceivedMessage(
  { card, account, savedAt }: Pick<Extract<SetupWizard, { step: "test" }>, "card" | "account" | "savedAt">,
  rows: readonly ChannelAccountRow[],
  waiting: readonly PairingRequestRow[],
): boolean {
  const row = rows.find((one) => one.channel === card.id && one.accountId === account);
  const isNew = ({ createdAt }: PairingRequestRow): boolean => createdAt === undefined || Date.parse(createdAt) >= savedAt;
  return (row?.lastInboundAt ?? 0) >= savedAt || waiting.some((one) => one.channel === card.id && one.accountId === account && isNew(one));
}

/** A typed value as the configuration takes it. Text that is not a number is kept, and the gateway reports what is wrong with it. */
function toValue(text: string, field: SetupField | undefined): unknown {
  if (field?.kind === "boolean") return text === "true";
  if (field?.kind === "number") return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
  if (field?.kind === "array") return text.split(/[\s,]+/).filter(Boolean);
  return text;
}

/** What was typed, without what was left empty, as the configuration takes it: `transport.url` is a key within `transport`. */
export function toBlock(values: FieldValues, fields: readonly SetupField[] = []): Record<string, unknown> {
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
export function toChannelPatch(channel: string, account: string, values: FieldValues, fields: readonly SetupField[] = []): unknown {
  const block = { ...toBlock(values, fields), enabled: true };
  return { channels: { [channel]: account === "" ? block : { enabled: true, accounts: { [account]: block } } } };
}

/** Says who asks to be let in since the last reading, with the answer at hand. */
function announce(requests: readonly PairingRequestRow[]): void {
  if (!loaded.value || store.view.value === "channels") return;
  const known = new Set(pairings.value.map(({ requestId }) => requestId));
  const fresh = requests.find(({ requestId }) => !known.has(requestId));
  if (fresh === undefined) return;
  const { senderLabel, channelLabel } = fresh;
  store.showToast(`${senderLabel} (${channelLabel}) asks to talk to the agent`, {
    label: "Approve",
    run: () => void approvePairing(fresh),
  });
}

let reading = false;

/** Reads everything that the view shows. Never throws: `failed` says why there is nothing newer. */
export async function loadChannels(): Promise<void> {
  if (reading || !store.isOnline.value) return;
  reading = true;
  try {
    const [status, waiting, dead] = await Promise.all([
      requireClient().request<ChannelsStatus>("channels.status", {}),
      store.mayPair.value
        ? requireClient().request<{ requests: readonly PairingRequestRow[] }>("channels.pairing.list", {})
        : { requests: [] as readonly PairingRequestRow[] },
      requireClient().request<{ items: readonly DeadLetter[] }>("deadletters.list", {}),
    ]);
    accounts.value = toAccounts(status);
    announce(waiting.requests);
    pairings.value = waiting.requests;
    deadLetters.value = dead.items;
    loaded.value = true;
    failed.value = null;
  } catch (error) {
    if (!isConnectionLost(error)) failed.value = errorMessage(error);
  } finally {
    reading = false;
  }
}

export async function openWizard(): Promise<void> {
  wizard.value = { step: "choose" };
  try {
    channelCatalog.value = (await requireClient().request<{ channels: readonly ChannelCard[] }>("channels.catalog", {})).channels;
  } catch (error) {
    store.showToast(`The channels could not be loaded: ${errorMessage(error)}`);
  }
}

export const chooseChannel = (card: ChannelCard): void => {
  wizard.value = { step: "enter", card, values: {}, account: "", busy: false, error: null };
};

export function setFieldValue(key: string, value: string): void {
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
const gatewayTime = async (): Promise<number> => (await requireClient().request<ChannelsStatus>("channels.status", {})).ts ?? Date.now();

async function save(card: ChannelCard, account: string, values: FieldValues): Promise<void> {
  const { hash } = await requireClient().request<{ hash?: string }>("config.get", {});
  await requireClient().request("config.patch", {
    raw: JSON.stringify(toChannelPatch(card.id, account, values, card.fields)),
    ...(hash === undefined ? {} : { baseHash: hash }),
  });
}

type LoginStep = { connected: boolean; failed?: boolean; message: string; name?: string; qrDataUrl?: string };

/** Saves the account as it is, and shows the codes that a phone has to scan until one was. */
export async function linkDevice(): Promise<void> {
  const now = wizard.value;
  if (now?.step !== "enter" || now.busy) return;
  const { card, values } = now;
  const account = now.account === "" ? "default" : now.account;
  const params = { channel: card.id, ...(now.account === "" ? {} : { accountId: account }), timeoutMs: 20_000 };
  let mine: SetupWizard = { step: "link", card, account, code: null, text: "Requesting a code…", error: null };
  const show = (next: SetupWizard): void => {
    mine = next;
    wizard.value = next;
  };
  show(mine);
  try {
    const savedAt = await gatewayTime();
    await save(card, now.account, values);
    let step = await requireClient().request<LoginStep>("web.login.start", { ...params, force: true });
    // Leaving the step ends the polling; the login ends by itself.
    while (wizard.value === mine && !step.connected && step.failed !== true) {
      show({ step: "link", card, account, code: step.qrDataUrl ?? null, text: step.message, error: null });
      const seen = step.qrDataUrl === undefined ? {} : { currentQrDataUrl: step.qrDataUrl };
      step = await requireClient().request<LoginStep>("web.login.wait", { ...params, ...seen });
    }
    if (wizard.value !== mine) return;
    if (step.failed === true) throw new Error(step.message);
    show({ step: "test", card, values, typed: now.account, account, name: step.name ?? card.label, savedAt });
  } catch (error) {
    if (wizard.value === mine) show({ step: "link", card, account, code: null, text: "", error: errorMessage(error) });
  }
  await loadChannels();
}

/** Asks the platform, and saves only what it accepts. */
export async function connectChannel(): Promise<void> {
  const now = wizard.value;
  if (now?.step !== "enter" || now.busy) return;
  const { card, values, account } = now;
  wizard.value = { ...now, busy: true, error: null };
  try {
    const verified = await requireClient().request<{ name: string; accountId: string }>("channels.verify", {
      channel: card.id,
      config: toBlock(values, card.fields),
      ...(account === "" ? {} : { accountId: account }),
    });
    const savedAt = await gatewayTime();
    await save(card, account, values);
    wizard.value = { step: "test", card, values, typed: account, account: verified.accountId, name: verified.name, savedAt };
    await loadChannels();
  } catch (error) {
    wizard.value = { ...now, busy: false, error: toSetupProblem(error instanceof RequestError ? error : null, errorMessage(error), card) };
  }
}

/** One button of the view: says what went wrong, and reads again in any case. */
async function runAction(what: string, method: string, params: unknown): Promise<void> {
  try {
    await requireClient().request(method, params);
  } catch (error) {
    store.showToast(`${what}: ${isConnectionLost(error) ? "the gateway is not connected." : errorMessage(error)}`);
  }
  await loadChannels();
}

export const approvePairing = ({ channel, accountId, requestId }: PairingRequestRow): Promise<void> =>
  runAction("Not approved", "channels.pairing.approve", { channel, accountId, requestId, notify: true });
export const dismissPairing = ({ channel, accountId, requestId }: PairingRequestRow): Promise<void> =>
  runAction("Not dismissed", "channels.pairing.dismiss", { channel, accountId, requestId });
export const retryDeadLetter = (id: string): Promise<void> => runAction("Not tried again", "deadletters.retry", { id });
export const dropDeadLetter = (id: string): Promise<void> => runAction("Not discarded", "deadletters.drop", { id });
export const startAccount = ({ channel, accountId }: ChannelAccountRow): Promise<void> =>
  runAction("Not started", "channels.start", { channel, accountId });
