import { tokenKey, channelKeys } from "../config/channel-keys.ts";
import { CliError, EXIT, GatewayError } from "../core/errors.ts";
import { ClientError } from "../client/errors.ts";
import { channelLabel, checkName } from "./channel-name.ts";
import { checkChannel } from "./known.ts";
import { editConfig, refuseTypos, type Edit } from "./config-edit.ts";
import { parseValueAt, shownValue } from "./config-value.ts";
import type { Run } from "./command.ts";
import { connectGateway, isAway, toCliError, type Link } from "./connect.ts";
import { readSecret, readSecretInput } from "./input.ts";
import type { Invocation } from "./invocation.ts";
import { configOf, pathsOf, resolveTarget } from "./target.ts";
import { cleanLine } from "./text.ts";

type Setting = readonly [path: readonly string[], value: unknown];

/** `openclaw channels add <channel>`: asks the platform first, and saves only what it accepts. */
export const channelsAdd: Run = async (given) => {
  // Here --token is the bot's; the gateway's own comes from the files or the environment.
  const invocation = given.without("token");
  const { out } = invocation;
  const channel = checkChannel(invocation, invocation.arg(0));
  const account = invocation.text("account");
  if (account !== undefined) checkName(account, "account");
  const settings = await settingsOf(given, channel, account);
  refuseTypos(invocation, (edit) => {
    for (const [path, value] of settings) edit.set(["channels", channel, ...path], value);
  });
  const checked = invocation.has("no-verify") ? null : await verify(invocation, { channel, account, change: toBlock(settings) });
  const where = await save(invocation, channel, account, settings);
  const name = `${channel}${account === undefined ? "" : `/${account}`}`;
  out.result({ ok: true, channel, ...(account && { account }), ...(checked && { name: checked.name }), where }, () => {
    if (checked) out.line(acceptedText(channel, checked.name));
    out.line(`Added ${name} to ${where}.`);
    for (const [path, value] of settings) out.line(`  ${path.join(".")} = ${shown(channel, path, value)}`);
    if (!checked) return out.note("To see it connect: openclaw channels status");
    out.note(`Next: send a message to ${cleanLine(checked.name)}, then: openclaw pairing list`);
  });
};

function save(invocation: Invocation, channel: string, account: string | undefined, settings: readonly Setting[]): Promise<string> {
  const base = ["channels", channel, ...(account === undefined ? [] : ["accounts", account])];
  return editConfig(invocation, (edit: Edit) => {
    if (!isObject(edit.get(base))) edit.set(base, {});
    for (const [path, value] of settings) edit.set([...base, ...path], value);
    for (const at of [["channels", channel], base]) if (edit.get([...at, "enabled"]) === false) edit.set([...at, "enabled"], true);
  });
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

function shown(channel: string, path: readonly string[], value: unknown): string {
  const isSecret = channelKeys(channel).some((each) => each.secret && each.key === path[0]);
  return isSecret ? "(hidden)" : shownValue(path.join("."), value);
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
  if (token !== undefined) return [...settings, [[needKey(channel, key)], token.trim()]];
  const has = settings.some(([path]) => path[0] === key) || isConfigured(invocation, channel, account, key);
  if (key === null || has || secret !== undefined || !invocation.host.stdin.isTTY || !invocation.out.interactive || invocation.out.json)
    return settings;
  const typed = await readSecret(
    invocation,
    `${channelLabel(channel)} ${key === "botToken" ? "bot token" : key} (hidden; press Enter to skip): `,
  );
  return typed === "" ? settings : [...settings, [[key], typed]];
}

function needKey(channel: string, key: string | null): string {
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
  throw new CliError(`--set ${cleanLine(text)} has no value`, {
    why: "the format is key=value.",
    fix: "for example --set nick=mybot",
    exit: EXIT.usage,
  });
}

type Wanted = { channel: string; account: string | undefined; change: Readonly<Record<string, unknown>> };

/** What `channels.verify` says about the account; any other failure is about the request. */
const VERDICTS = new Set(["ACCOUNT_INCOMPLETE", "CREDENTIAL_REFUSED", "PLATFORM_UNREACHABLE"]);

/** Through the gateway, or from here when this machine's own does not run. */
async function verify(invocation: Invocation, wanted: Wanted): Promise<{ name: string }> {
  let link: Link;
  try {
    link = await connectGateway(invocation, { scopes: ["operator.admin"] });
  } catch (err) {
    const target = resolveTarget(invocation);
    if (!target.local || !(err instanceof CliError) || !isAway(err)) throw err;
    return await verifyHere(invocation, wanted);
  }
  try {
    const { channel, account, change } = wanted;
    return await link.client.request("channels.verify", { channel, ...(account !== undefined && { accountId: account }), config: change });
  } catch (err) {
    const isVerdict = err instanceof ClientError && (VERDICTS.has(String(err.details["code"])) || err.code === "NOT_FOUND");
    throw isVerdict ? withSkip(err.gatewayMessage ?? err.message, err.details["fix"]) : toCliError(err, link.target, invocation);
  } finally {
    await link.client.close();
  }
}

async function verifyHere(invocation: Invocation, wanted: Wanted): Promise<{ name: string }> {
  const { host } = invocation;
  const loaded = configOf(invocation);
  try {
    return await host.verifyChannel({ raw: loaded.raw ?? "", path: pathsOf(invocation).config, env: host.env, ...wanted }, host.signal);
  } catch (err) {
    if (err instanceof GatewayError) throw withSkip(err.message, err.fix);
    throw err;
  }
}

/** `Telegram accepted the token (bot @My_Bot).` */
const acceptedText = (channel: string, name: string): string =>
  !/token$/i.test(tokenKey(channel) ?? "")
    ? `Verified with ${channelLabel(channel)}: ${cleanLine(name)}`
    : `${channelLabel(channel)} accepted the token (bot ${cleanLine(name)}).`;

const withSkip = (what: string, fix: unknown): CliError =>
  new CliError(what, {
    why: "nothing was saved.",
    fix: typeof fix === "string" ? fix : "correct it, or save it unchecked: --no-verify",
  });
