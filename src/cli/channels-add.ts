import { tokenKey, channelKeys } from "../config/channel-keys.ts";
import { CliError, EXIT, GatewayError } from "../core/errors.ts";
import { isObject } from "../core/json.ts";
import { ClientError } from "../client/errors.ts";
import { channelLabel, requireChannelName } from "./channel-name.ts";
import { requireKnownChannel } from "./known-names.ts";
import { applyConfigEdit, refuseUnknownKeys, type ConfigEdit } from "./config-edit.ts";
import { parseValueAt, toDisplayValue } from "./config-value.ts";
import type { CommandHandler } from "./command.ts";
import { connectGateway, isUnreachable, toCliError, type GatewayLink } from "./connect.ts";
import { readSecret, readSecretInput } from "./stdin.ts";
import type { Invocation } from "./invocation.ts";
import { configOf, pathsOf, resolveTarget } from "./gateway-target.ts";
import { sanitizeLine } from "./terminal-text.ts";

type Setting = readonly [path: readonly string[], value: unknown];

/** `openclaw channels add <channel>`: asks the platform first, and saves only what it accepts. */
export const channelsAdd: CommandHandler = async (given) => {
  // Here --token is the bot's; the gateway's own comes from the files or the environment.
  const invocation = given.clearFlag("token");
  const { out } = invocation;
  const channel = requireKnownChannel(invocation, invocation.arg(0));
  const account = invocation.text("account");
  if (account !== undefined) requireChannelName(account, "account");
  const settings = await settingsOf(given, channel, account);
  refuseUnknownKeys(invocation, (edit) => {
    for (const [path, value] of settings) edit.set(["channels", channel, ...path], value);
  });
  const checked = invocation.has("no-verify") ? null : await verify(invocation, { channel, account, change: toBlock(settings) });
  const where = await save(invocation, channel, account, settings);
  const name = `${channel}${account === undefined ? "" : `/${account}`}`;
  out.result({ ok: true, channel, ...(account && { account }), ...(checked && { name: checked.name }), where }, () => {
    if (checked) out.line(verifiedText(channel, checked.name));
    out.line(`Added ${name} to ${where}.`);
    for (const [path, value] of settings) out.line(`  ${path.join(".")} = ${toDisplaySetting(channel, path, value)}`);
    if (!checked) return out.note("Check the connection with: openclaw channels status");
    out.note(`Next: send a message to ${sanitizeLine(checked.name)}, then: openclaw pairing list`);
  });
};

function save(invocation: Invocation, channel: string, account: string | undefined, settings: readonly Setting[]): Promise<string> {
  const base = ["channels", channel, ...(account === undefined ? [] : ["accounts", account])];
  return applyConfigEdit(invocation, (edit: ConfigEdit) => {
    if (!isObject(edit.get(base))) edit.set(base, {});
    for (const [path, value] of settings) edit.set([...base, ...path], value);
    for (const at of [["channels", channel], base]) if (edit.get([...at, "enabled"]) === false) edit.set([...at, "enabled"], true);
  });
}

function toDisplaySetting(channel: string, path: readonly string[], value: unknown): string {
  const isSecret = channelKeys(channel).some((each) => each.secret && each.key === path[0]);
  return isSecret ? "(hidden)" : toDisplayValue(path.join("."), value);
}

function toBlock(settings: readonly Setting[]): Record<string, unknown> {
  const block: Record<string, unknown> = {};
  for (const [path, value] of settings) {
    let at = block;
    for (const step of path.slice(0, -1)) at = (at[step] ??= {}) as Record<string, unknown>;
    at[path.at(-1)!] = value;
  }
  return block;
}

/** The keys that were given. A terminal is asked for the token when the channel has one and none was given. */
async function settingsOf(invocation: Invocation, channel: string, account: string | undefined): Promise<Setting[]> {
  const settings: Setting[] = invocation.list("set").map((text) => parseSetting(channel, text));
  const secret = invocation.text("secret-stdin");
  if (secret !== undefined) settings.push([secret.split("."), await readSecretInput(invocation, `${secret} of ${channel}`)]);
  const key = tokenKey(channel);
  const token =
    invocation.text("token") ?? (invocation.has("token-stdin") ? await readSecretInput(invocation, `Token of ${channel}`) : undefined);
  if (token !== undefined) return [...settings, [[requireKey(channel, key)], token.trim()]];
  const has = settings.some(([path]) => path[0] === key) || isConfigured(invocation, channel, account, key);
  if (key === null || has || secret !== undefined || !invocation.host.stdin.isTTY || !invocation.out.interactive || invocation.out.json)
    return settings;
  const typed = await readSecret(
    invocation,
    `${channelLabel(channel)} ${key === "botToken" ? "bot token" : key} (hidden; press Enter to skip): `,
  );
  return typed === "" ? settings : [...settings, [[key], typed]];
}

function requireKey(channel: string, key: string | null): string {
  if (key !== null) return key;
  throw new CliError(`${channelLabel(channel)} has no single key for a token`, {
    why: "it needs no token, or more than one.",
    fix: "name the key: --secret-stdin <key>",
    exit: EXIT.usage,
  });
}

function isConfigured(invocation: Invocation, channel: string, account: string | undefined, key: string | null): boolean {
  const block = (configOf(invocation).config.channels as Record<string, unknown>)[channel];
  const accounts = isObject(block) ? block["accounts"] : undefined;
  const own = account !== undefined && isObject(accounts) ? accounts[account] : block;
  return key !== null && isObject(own) && own[key] !== undefined;
}

function parseSetting(channel: string, text: string): Setting {
  const at = text.indexOf("=");
  const path = text.slice(0, Math.max(0, at)).split(".");
  if (at > 0) return [path, parseValueAt(["channels", channel, ...path], text.slice(at + 1))];
  throw new CliError(`--set ${sanitizeLine(text)} has no value`, {
    why: "the format is key=value.",
    fix: "for example --set nick=mybot",
    exit: EXIT.usage,
  });
}

type WantedAccount = { channel: string; account: string | undefined; change: Readonly<Record<string, unknown>> };

/** What `channels.verify` says about the account; any other failure is about the request. */
const PROBE_RESULTS = new Set(["ACCOUNT_INCOMPLETE", "CREDENTIAL_REFUSED", "PLATFORM_UNREACHABLE"]);

/** Through the gateway, or from here when this machine's own does not run. */
async function verify(invocation: Invocation, wanted: WantedAccount): Promise<{ name: string }> {
  let link: GatewayLink;
  try {
    link = await connectGateway(invocation, { scopes: ["operator.admin"] });
  } catch (err) {
    const target = resolveTarget(invocation);
    if (!target.isLocal || !(err instanceof CliError) || !isUnreachable(err)) throw err;
    return await verifyLocally(invocation, wanted);
  }
  try {
    const { channel, account, change } = wanted;
    return await link.client.request("channels.verify", { channel, ...(account !== undefined && { accountId: account }), config: change });
  } catch (err) {
    const isVerdict = err instanceof ClientError && (PROBE_RESULTS.has(String(err.details["code"])) || err.code === "NOT_FOUND");
    throw isVerdict ? withSkipHint(err.gatewayMessage ?? err.message, err.details["fix"]) : toCliError(err, link.target, invocation);
  } finally {
    await link.client.close();
  }
}

async function verifyLocally(invocation: Invocation, wanted: WantedAccount): Promise<{ name: string }> {
  const { host } = invocation;
  const loaded = configOf(invocation);
  try {
    return await host.verifyChannel({ raw: loaded.raw ?? "", path: pathsOf(invocation).config, env: host.env, ...wanted }, host.signal);
  } catch (err) {
    if (err instanceof GatewayError) throw withSkipHint(err.message, err.fix);
    throw err;
  }
}

/** `Telegram accepted the token (bot @My_Bot).` */
const verifiedText = (channel: string, name: string): string =>
  !/token$/i.test(tokenKey(channel) ?? "")
    ? `Verified with ${channelLabel(channel)}: ${sanitizeLine(name)}`
    : `${channelLabel(channel)} accepted the token (bot ${sanitizeLine(name)}).`;

const withSkipHint = (what: string, fix: unknown): CliError =>
  new CliError(what, {
    why: "nothing was saved.",
    fix: typeof fix === "string" ? fix : "correct it, or save it without the check: --no-verify",
  });
