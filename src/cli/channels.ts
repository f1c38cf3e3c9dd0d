import { channelIds } from "../channels/registry.ts";
import { channelAccounts } from "../config/channel-accounts.ts";
import { CliError, EXIT } from "../core/errors.ts";
import { applyConfigEdit } from "./config-edit.ts";
import type { CommandHandler } from "./command.ts";
import { gatewayOrFiles } from "./connect.ts";
import type { Output } from "./output.ts";
import type { Invocation } from "./invocation.ts";
import { configOf } from "./gateway-target.ts";
import { requireKnownAccount, requireKnownChannel } from "./known-names.ts";
import { sanitizeLine, formatAge, formatDuration, plural } from "./terminal-text.ts";

export type AccountView = {
  accountId: string;
  enabled?: boolean;
  isolated?: boolean;
  connected?: boolean;
  state?: string;
  healthState?: string;
  since?: number;
  lastError?: string | null;
  fix?: string;
  retryAt?: number;
  lastInboundAt?: number | null;
  lastOutboundAt?: number | null;
  reconnectAttempts?: number;
  rateLimits?: number;
  queueDepth?: number;
  oldestWaitingAt?: number | null;
  parked?: number;
  outboxWaiting?: number;
  outboxOldestAt?: number | null;
  outboxParked?: number;
  /** What the platform said when it was asked. */
  probe?: { ok: true; name: string } | { ok: false; error: string };
  outboxUnknown?: number;
};
export type ChannelsStatus = {
  channelOrder: string[];
  channelLabels?: Record<string, string>;
  channelAccounts: Record<string, AccountView[]>;
  source?: string;
};
export type AccountRow = AccountView & { channel: string; name: string };

/** One row per account, in the gateway's order. */
export function accountRows(answer: ChannelsStatus): AccountRow[] {
  return answer.channelOrder.flatMap((channel) =>
    (answer.channelAccounts[channel] ?? []).map((account) => ({ ...account, channel, name: `${channel}/${account.accountId}` })),
  );
}

/** The state of an account in words: since when, and why not. */
export function accountText(row: AccountView, now: number): string {
  const state = row.state ?? row.healthState ?? (row.connected ? "ready" : "unknown");
  const since = row.since ? sinceText(state, row.since, now) : "";
  const cause = row.lastError && state !== "ready" ? `: ${row.lastError}` : "";
  const retry = row.retryAt && row.retryAt > now ? `; next try in ${formatDuration(row.retryAt - now)}` : "";
  const isolated = row.isolated ? ", isolated" : "";
  return `${STATE_TEXT[state] ?? state}${since}${isolated}${cause}${retry}`;
}

const STATE_TEXT: Readonly<Record<string, string>> = { ready: "connected", terminal: "stopped", backoff: "retrying" };

/** "connected for 8 min", "stopped (just now)". */
function sinceText(state: string, since: number, now: number): string {
  const age = formatAge(since, now);
  if (state === "ready") return age === "now" ? "" : ` for ${age.replace(/ ago$/, "")}`;
  return ` (${age === "now" ? "just now" : age})`;
}

/** How many messages of an account wait, and how many wait for an operator. */
const deadLetterText = (row: AccountView): number => (row.parked ?? 0) + (row.outboxParked ?? 0) + (row.outboxUnknown ?? 0);

const count = (value: number | undefined): string => (value ? String(value) : "-");

/** The accounts with their live state in a table; below it, each problem and its fix. */
export function accountTable(out: Output, rows: readonly AccountRow[], now: number): void {
  out.table(
    [
      { title: "account" },
      { title: "state" },
      { title: "since", align: "right" },
      { title: "in", align: "right" },
      { title: "out", align: "right" },
      { title: "queue", align: "right" },
      { title: "unsent", align: "right" },
      { title: "dead", align: "right" },
    ],
    rows.map((row) => [
      row.name,
      stateOf(row) === "ready" ? "ok" : (STATE_TEXT[stateOf(row)] ?? stateOf(row)),
      age(row.since, now),
      age(row.lastInboundAt, now),
      age(row.lastOutboundAt, now),
      count(row.queueDepth),
      count(row.outboxWaiting),
      count(deadLetterText(row)),
    ]),
  );
  for (const row of rows) for (const line of remarks(row, now)) out.paragraph(sanitizeLine(`  ${row.name}: ${line}`), "    ");
}

/** What a person sees before the first channel. */
const NO_CHANNELS = `No channels yet. Add one: openclaw channels add <channel> (${channelIds.join(", ")})`;

/** Without "ago", which every column would repeat. */
const age = (at: unknown, now: number): string => formatAge(at, now).replace(/ ago$/, "");

const stateOf = (row: AccountView): string => row.state ?? row.healthState ?? (row.connected ? "ready" : "unknown");

/** What a person has to know about an account beside its row. */
function remarks(row: AccountRow, now: number): string[] {
  const state = stateOf(row);
  const old = (at: number | null | undefined): boolean => typeof at === "number" && now - at > SLOW_DELIVERY_MS;
  return [
    ...(row.lastError && state !== "ready"
      ? [`${row.lastError}${row.retryAt && row.retryAt > now ? `; next try in ${formatDuration(row.retryAt - now)}` : ""}`]
      : []),
    ...(row.fix ? [row.fix] : []),
    ...(row.probe
      ? [row.probe.ok ? `the platform answers: connected as ${row.probe.name}` : `the platform answers: ${row.probe.error}`]
      : []),
    ...(old(row.oldestWaitingAt) ? [`oldest waiting message: ${formatAge(row.oldestWaitingAt, now).replace(/ ago$/, "")}`] : []),
    ...(old(row.outboxOldestAt) ? [`oldest unsent reply: ${formatAge(row.outboxOldestAt, now).replace(/ ago$/, "")}`] : []),
    ...(row.rateLimits ? [`rate limited ${plural(row.rateLimits, "time")} by the platform`] : []),
    ...(row.reconnectAttempts ? [`${plural(row.reconnectAttempts, "reconnect")} since start`] : []),
    ...(deadLetterText(row) > 0 ? ["there are dead letters: openclaw dead-letters list"] : []),
  ];
}

/** Waiting this long is worth a word. */
const SLOW_DELIVERY_MS = 60_000;

/** `openclaw channels status` */
export const channelsStatus: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const answer = await gatewayOrFiles<ChannelsStatus>(
    invocation,
    ["operator.read"],
    ({ client }) => client.request("channels.status", invocation.has("probe") ? { probe: true } : {}),
    () => fromFiles(invocation),
  );
  const rows = accountRows(answer);
  out.result(answer, () => {
    if (rows.length === 0) return out.line(NO_CHANNELS);
    if (!answer.source) return accountTable(out, rows, host.now());
    out.table(
      [{ title: "account" }, { title: "state" }],
      rows.map((row) => [row.name, row.enabled === false ? "off" : "configured"]),
    );
  });
  const failed = !answer.source && rows.some((row) => row.enabled !== false && (row.state === "terminal" || row.probe?.ok === false));
  return failed ? EXIT.failure : EXIT.ok;
};

function fromFiles(invocation: Invocation): ChannelsStatus {
  const { config } = configOf(invocation);
  const accounts = Object.keys(config.channels).map((channel): [string, AccountView[]] => [
    channel,
    channelAccounts(config, channel).map(({ id, enabled }) => ({ accountId: id, enabled })),
  ]);
  const configured = accounts.filter(([, rows]) => rows.length > 0);
  return { source: "files", channelOrder: configured.map(([id]) => id), channelAccounts: Object.fromEntries(configured) };
}

/** `openclaw channels list`: what is configured, running or not. */
export const channelsList: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const answer = await gatewayOrFiles<ChannelsStatus>(
    invocation,
    ["operator.read"],
    ({ client }) => client.request("channels.status"),
    () => fromFiles(invocation),
  );
  const rows = accountRows(answer).map(({ channel, accountId, enabled }) => ({ channel, account: accountId, enabled: enabled !== false }));
  out.result({ channels: rows, ...(answer.source && { source: answer.source }) }, () => {
    if (rows.length === 0) return out.line(NO_CHANNELS);
    out.table(
      [{ title: "channel" }, { title: "account" }, { title: "enabled" }],
      rows.map((row) => [row.channel, row.account, row.enabled ? "yes" : "no"]),
    );
  });
};

/** `openclaw channels remove <channel>` */
export const channelsRemove: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const channel = requireKnownChannel(invocation, invocation.arg(0));
  const account = requireKnownAccount(invocation, channel, invocation.text("account"));
  const name = account === undefined ? channel : `${channel}/${account}`;
  await invocation.confirm(`Remove ${name} from the configuration?`);
  const path = ["channels", channel, ...(account === undefined ? [] : ["accounts", account])];
  let found = false;
  const where = await applyConfigEdit(invocation, (edit) => {
    found = edit.get(path) !== undefined;
    edit.unset(path);
  });
  if (!found) throw new CliError(`${name} is not configured`, { fix: "openclaw channels list" });
  out.result({ ok: true, channel, ...(account && { account }), where }, () => out.line(`Removed ${name} from ${where}.`));
};
