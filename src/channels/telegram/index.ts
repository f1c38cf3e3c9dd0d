import { systemClock, type Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import { asId, type AccountId, type ChatId } from "../../core/ids.ts";
import { containedClock } from "../containment.ts";
import type { Channel, ChannelContext, WebhookResponse, WebhookRequest, Link } from "../channel.ts";
import { BotApi } from "./bot-api.ts";
import { channelFacts } from "../manifest.ts";
import { DESCRIPTION } from "./description.ts";
import { canonicalTelegramId, parseTelegramAccount, telegramIdentity, type TelegramAccount } from "./config.ts";
import {
  answerCallbackQueries,
  maintainWebhook,
  pollUpdates,
  isSameWebhookSecret,
  TELEGRAM_TIMINGS,
  type TelegramSession,
  type TelegramTimings,
} from "./updates.ts";
import { decodeTelegramUpdate, redecodeTelegramUpdate } from "./inbound.ts";
import { isRevoked, telegramTokenRevokedError, TelegramLink } from "./link.ts";
import { toVisibleTelegram } from "./outbound.ts";
import type { TelegramBot } from "./entities.ts";

type Options = { timings?: TelegramTimings; clock?: Clock };
/** What is known about the bots of this process. */
type ChannelCache = {
  /** By id, for `isAddressed`. */ bots: Map<string, TelegramBot>;
  /** What a webhook needs to decode. */ sessions: WeakMap<TelegramAccount, TelegramSession>;
  /** Bots whose menu of commands was set. */ menus: Set<string>;
};

/** The Telegram channel. Tests give it shorter times; the protocol does not change with them. */
export function createTelegramChannel({ timings = TELEGRAM_TIMINGS, clock = systemClock }: Options = {}): Channel<TelegramAccount> {
  const known: ChannelCache = { bots: new Map(), sessions: new WeakMap(), menus: new Set() };
  return {
    ...channelFacts(DESCRIPTION),
    parse: parseTelegramAccount,
    identity: telegramIdentity,
    canonicalId: canonicalTelegramId,
    toRenderedText: toVisibleTelegram,
    redecode: redecodeTelegramUpdate,
    parseChat: toTelegramChat,
    isAddressed(account, text) {
      const bot = known.bots.get(account.botId);
      return (
        bot !== undefined &&
        text
          .toLowerCase()
          .split(/[^@\w]+/)
          .some((name) => name.endsWith(`@${bot.username.toLowerCase()}`))
      );
    },
    run: (account, host, live, signal) => runTelegram(account, host, live, signal, { timings, clock, known }),
    verify: async (account, signal) => ({ name: `@${(await fetchBotIdentity(new BotApi(account), signal)).username}` }),
    requiredWebhookHeaders: ["x-telegram-bot-api-secret-token"],
    handleWebhook: (account, request, host) => handleWebhook(account, request, host, known.sessions.get(account)),
  };
}

/** The numeric id of a person, or of a room with the minus in front of it. */
function toTelegramChat(to: string): ReturnType<Channel["parseChat"]> {
  const id = canonicalTelegramId(to);
  if (!/^-?[1-9]\d{0,19}$/.test(id)) return null;
  return { kind: id.startsWith("-") ? "group" : "direct", id: asId<ChatId>(id) };
}

async function fetchBotIdentity(api: BotApi, signal: AbortSignal): Promise<TelegramBot> {
  const answer = await api.call("getMe", {}, { signal });
  if (!answer.ok && isRevoked(answer)) throw telegramTokenRevokedError();
  if (!answer.ok) throw new Error(`Telegram does not answer for the bot: ${answer.description} (${answer.code})`);
  const me = answer.result as { id?: unknown; username?: unknown; can_read_all_group_messages?: unknown } | null;
  if (typeof me?.id !== "number" || typeof me.username !== "string")
    throw new Error("the server is not the Telegram Bot API: getMe names no bot");
  return { id: String(me.id), username: me.username, readsAll: me.can_read_all_group_messages !== false };
}

async function runTelegram(
  account: TelegramAccount,
  host: ChannelContext,
  live: (link: Link | null) => void,
  stop: AbortSignal,
  { timings, clock: plainClock, known }: { timings: TelegramTimings; clock: Clock; known: ChannelCache },
): Promise<void> {
  const clock = containedClock(plainClock, host.fail);
  const ended = new AbortController();
  const signal = AbortSignal.any([stop, ended.signal]);
  const api = new BotApi(account);
  try {
    const bot = await fetchBotIdentity(api, signal);
    known.bots.set(account.botId, bot);
    if (account.canReadAllGroupMessages && !bot.readsAll)
      host.log.warn("a room has requireMention: false, but Telegram gives this bot only messages that mention it", {
        fix: "Send /setprivacy to @BotFather, choose Disable, then remove the bot from the group and add it again; or make it an admin.",
      });
    const facts = () => ({ account: asId<AccountId>("default"), bot, now: clock.now() });
    const session: TelegramSession = { api, bot, facts, host, clock, timings, signal };
    const link = new TelegramLink({
      account,
      api,
      host,
      onMigrated: (from, to) => ({
        kind: "migration",
        eventId: `${bot.id}:move:${from}:${to}`,
        account: facts().account,
        sentAt: clock.now(),
        origin: "live",
        from,
        to,
      }),
      fail: (err) => ended.abort(err),
    });
    const ready = (): void => {
      live(link);
      syncCommands(session, known.menus).catch(host.fail);
    };
    if (account.webhook) {
      known.sessions.set(account, session);
      await maintainWebhook(session, account.webhook, ready);
    } else {
      // A webhook that is left from before would forbid polling. What waits at Telegram stays there.
      const answer = await api.call("deleteWebhook", {}, { signal });
      if (!answer.ok) throw new Error(`Telegram refused to remove the webhook: ${answer.description}`);
      ready();
      await pollUpdates(session);
    }
  } catch (err) {
    if (!stop.aborted) throw ended.signal.aborted ? ended.signal.reason : err;
  } finally {
    known.sessions.delete(account);
    ended.abort(new Error("the connection has ended"));
    live(null);
  }
}

/** Fills the menu of commands, once for each bot. Nothing depends on it. */
async function syncCommands({ api, bot, host, signal }: TelegramSession, menus: Set<string>): Promise<void> {
  const commands = host.commands
    .filter(({ name }) => /^[a-z0-9_]{1,32}$/.test(name))
    .slice(0, 100)
    .map(({ name, description }) => ({ command: name, description: description.slice(0, 256) || name }));
  const menu = `${bot.id} ${JSON.stringify(commands)}`;
  if (menus.has(menu)) return;
  try {
    const answer = await api.call("setMyCommands", { commands }, { signal });
    if (answer.ok) menus.add(menu);
    else host.log.warn("the menu of commands could not be set", { cause: answer.description });
  } catch (err) {
    if (!signal.aborted) host.log.warn("the menu of commands could not be set", { cause: reasonOf(err) });
  }
}

/** One pushed update: the secret first, 200 only when it is stored. Telegram repeats everything else. */
async function handleWebhook(
  account: TelegramAccount,
  request: WebhookRequest,
  host: ChannelContext,
  session?: TelegramSession,
): Promise<WebhookResponse> {
  if (!account.webhook) return { status: 404 };
  if (!isSameWebhookSecret(request.headers["x-telegram-bot-api-secret-token"], account.webhook.secret)) return { status: 401 };
  if (request.method !== "POST") return { status: 405 };
  if (!session) return { status: 503 };
  let update: unknown;
  try {
    update = JSON.parse(Buffer.from(request.body).toString("utf8"));
  } catch {
    // Kept as unreadable: a refusal would be repeated for a day.
    update = Buffer.from(request.body).toString("utf8");
  }
  try {
    await host.admit(decodeTelegramUpdate(update, session.facts()));
  } catch (err) {
    host.log.error("a pushed message could not be stored; Telegram will repeat it", { cause: reasonOf(err) });
    return { status: 503 };
  }
  host.reportActivity();
  answerCallbackQueries(session, [update]);
  return { status: 200 };
}

export const channel: Channel = createTelegramChannel() as Channel;
