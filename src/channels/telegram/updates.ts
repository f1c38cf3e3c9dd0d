import type { Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import type { Secret } from "../../core/secret.ts";
import type { ChannelEvent, ChannelContext } from "../channel.ts";
import { sleep } from "../../core/async.ts";
import { secureEquals } from "../../core/secure-compare.ts";
import { mediaGroupOf, joinMediaGroups } from "./media-group.ts";
import type { TelegramApiResponse, BotApi, BotApiParams, TelegramApiError } from "./bot-api.ts";
import { decodeTelegramUpdate, callbackQueryId, updateId, ALLOWED_UPDATES, type TelegramDecodeContext } from "./inbound.ts";
import { isRevoked, telegramTokenRevokedError } from "./link.ts";
import type { TelegramBot } from "./entities.ts";

export type TelegramTimings = {
  /** How long Telegram may hold a poll open, and how much later it is taken for dead. */
  pollMs: number;
  graceMs: number;
  /** Pause after another instance took the updates; doubles up to the last. */
  conflictMs: number;
  conflictMaxMs: number;
  /** Pause before events are stored again. */
  storeMs: number;
  /** An empty answer before this time is not a long poll; then it is waited for so long. */
  idleMs: number;
  /** How long the rest of an album is waited for. */
  albumMs: number;
  /** How often a webhook is looked after. */
  webhookCheckMs: number;
};
export const TELEGRAM_TIMINGS: TelegramTimings = {
  pollMs: 25_000,
  graceMs: 15_000,
  conflictMs: 30_000,
  conflictMaxMs: 300_000,
  storeMs: 1_000,
  idleMs: 500,
  albumMs: 500,
  webhookCheckMs: 60_000,
};

/** What one connection works with. */
export type TelegramSession = {
  api: BotApi;
  bot: TelegramBot;
  facts: () => TelegramDecodeContext;
  host: ChannelContext;
  clock: Clock;
  timings: TelegramTimings;
  signal: AbortSignal;
};

/** Telegram restarts its update ids after a week without any: an older cursor could be above all of them. */
const CURSOR_AGE_MS = 6 * 86_400_000;
/** Updates of one poll: the most that Telegram gives. */
const BATCH = 100;

/** The cursor names the bot, because another bot under the same account has numbers of its own. */
export function encodeTelegramCursor(bot: TelegramBot, next: number, now: number): string {
  return `${bot.id}:${next}:${now}`;
}

/** The offset that a stored cursor allows; undefined for the first update that Telegram has. */
export function decodeTelegramCursor(cursor: string | null, bot: TelegramBot, now: number): number | undefined {
  const [id, next, at] = (cursor ?? "").split(":");
  const offset = Number(next);
  if (id !== bot.id || !Number.isSafeInteger(offset) || !(now - Number(at) < CURSOR_AGE_MS)) return undefined;
  return offset;
}

/** Polls until the signal aborts. Each poll confirms what the host has stored, and nothing more. Throws when the connection is lost. */
export async function pollUpdates(session: TelegramSession): Promise<void> {
  const { api, bot, host, clock, timings, signal } = session;
  let conflicts = 0;
  let healthy = true;
  while (!signal.aborted) {
    const offset = decodeTelegramCursor(host.cursor(), bot, clock.now());
    const asked = clock.monotonic();
    const params = {
      limit: BATCH,
      timeout: Math.ceil(timings.pollMs / 1_000),
      allowed_updates: ALLOWED_UPDATES,
      ...(offset !== undefined && { offset }),
    };
    const answer = await api.call("getUpdates", params, { signal, timeoutMs: timings.pollMs + timings.graceMs });
    if (answer.ok || !answer.isProxyResponse) host.reportActivity();
    if (!answer.ok) {
      healthy = false;
      if (answer.code === 409) await waitOutConflict(session, answer.description, conflicts++);
      else await toPollError(session, answer);
      continue;
    }
    if (!healthy) host.setState("ready");
    healthy = true;
    conflicts = 0;
    const updates = await waitForMediaGroups(session, params, parseUpdates(answer));
    if (updates.length === 0 && clock.monotonic() - asked < timings.idleMs) await sleep(clock, timings.idleMs, signal);
    await handleUpdates(session, updates);
  }
}

const parseUpdates = (answer: TelegramApiResponse): readonly unknown[] => (answer.ok && Array.isArray(answer.result) ? answer.result : []);

/**
 * The pictures of an album come one by one. When the newest update is one of them, the same poll is made once more a moment later:
 * nothing is confirmed in between, so nothing can be lost.
 */
async function waitForMediaGroups(
  session: TelegramSession,
  params: BotApiParams,
  updates: readonly unknown[],
): Promise<readonly unknown[]> {
  if (mediaGroupOf(updates.at(-1)) === null || updates.length >= BATCH) return updates;
  const { api, clock, timings, signal } = session;
  await sleep(clock, timings.albumMs, signal);
  if (signal.aborted) return updates;
  const again = parseUpdates(await api.call("getUpdates", { ...params, timeout: 0 }, { signal }));
  return again.length > updates.length ? again : updates;
}

/** Stores the updates with the cursor behind them, in Telegram's order; then confirms the presses. */
async function handleUpdates(session: TelegramSession, updates: readonly unknown[]): Promise<void> {
  if (updates.length === 0) return;
  const { bot, clock, facts } = session;
  const sorted = updates.toSorted((a, b) => (updateId(a) ?? -1) - (updateId(b) ?? -1));
  const last = updateId(sorted.at(-1));
  if (last === null) throw new Error("Telegram's updates have no numbers");
  const read = sorted.map((update) => ({ update, events: decodeTelegramUpdate(update, facts()) }));
  const events = decodeUpdates(session, read);
  if (await storeWithRetry(session, events, encodeTelegramCursor(bot, last + 1, clock.now()))) answerCallbackQueries(session, sorted);
}

/** Pictures that cannot be joined to their album are stored one by one: an error here would bring the same updates again without end. */
function decodeUpdates({ host }: TelegramSession, read: Parameters<typeof joinMediaGroups>[0]): readonly ChannelEvent[] {
  try {
    return joinMediaGroups(read);
  } catch (err) {
    host.log.error("the pictures of an album could not be joined", { error: err });
    return read.flatMap(({ events }) => events);
  }
}

/** Retries indefinitely: while events cannot be stored, nothing more may be read. False when the connection ends before. */
async function storeWithRetry(session: TelegramSession, events: readonly ChannelEvent[], cursor: string): Promise<boolean> {
  const { host, clock, timings, signal } = session;
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      await host.admit(events, cursor);
      if (attempt > 0) host.setState("ready");
      return true;
    } catch (err) {
      if (signal.aborted) break;
      host.log.error("messages could not be stored; trying again", { cause: reasonOf(err), waiting: events.length });
      host.setState("degraded", `messages cannot be stored: ${reasonOf(err)}`);
      await sleep(clock, timings.storeMs, signal);
    }
  }
  return false;
}

/** Takes the clock off the pressed buttons. Droppable: it is only for show. */
export function answerCallbackQueries(
  { api, host, signal }: Pick<TelegramSession, "api" | "host" | "signal">,
  updates: readonly unknown[],
): void {
  for (const update of updates) {
    const id = callbackQueryId(update);
    if (id === null) continue;
    const failed = (cause: string): void => host.log.debug("a button click could not be acknowledged", { cause });
    api
      .call("answerCallbackQuery", { callback_query_id: id }, { signal })
      .then((answer) => answer.ok || failed(answer.description))
      .catch((err: unknown) => failed(reasonOf(err)));
  }
}

async function waitOutConflict({ api, host, clock, timings, signal }: TelegramSession, description: string, before: number): Promise<void> {
  const hook = /webhook/i.test(description);
  const cause = hook
    ? "another program has set a webhook for this bot and receives its messages"
    : "another program polls with this bot token and receives its messages: stop it, or use a separate bot for each";
  host.setState("degraded", cause);
  await sleep(clock, Math.min(timings.conflictMaxMs, timings.conflictMs * 2 ** Math.min(before, 10)), signal);
  if (hook && !signal.aborted) await api.call("deleteWebhook", {}, { signal });
}

async function toPollError({ host, clock, signal }: TelegramSession, answer: TelegramApiError): Promise<void> {
  if (isRevoked(answer)) throw telegramTokenRevokedError();
  if (answer.code !== 429) throw new Error(`Telegram refused getUpdates: ${answer.description} (${answer.code})`);
  host.reportRateLimit();
  host.setState("degraded", "Telegram limits the rate of polling");
  await sleep(clock, answer.retryAfterMs ?? 1_000, signal);
}

/** Keeps the webhook set until the signal aborts, and watches what Telegram says about it. */
export async function maintainWebhook(session: TelegramSession, hook: { url: string; secret: Secret }, ready: () => void): Promise<void> {
  const { api, host, clock, timings, signal } = session;
  const set = async (): Promise<void> => {
    // One request at a time keeps the order.
    const params = { url: hook.url, secret_token: hook.secret.reveal(), allowed_updates: ALLOWED_UPDATES, max_connections: 1 };
    const answer = await api.call("setWebhook", params, { signal });
    if (!answer.ok)
      throw isRevoked(answer) ? telegramTokenRevokedError() : new Error(`Telegram refused the webhook: ${answer.description}`);
  };
  await set();
  ready();
  for (let known = Math.floor(clock.now() / 1_000); !signal.aborted;) {
    await sleep(clock, timings.webhookCheckMs, signal);
    if (signal.aborted) return;
    const answer = await api.call("getWebhookInfo", {}, { signal });
    if (answer.ok || !answer.isProxyResponse) host.reportActivity();
    if (!answer.ok) {
      await toPollError(session, answer);
      continue;
    }
    const info = answer.result as { url?: unknown; last_error_date?: unknown; last_error_message?: unknown } | null;
    if (info?.url !== hook.url) {
      host.log.warn("another program changed the webhook; it is set again");
      await set();
    }
    const at = Number(info?.last_error_date ?? 0);
    if (at > known) host.setState("degraded", `Telegram could not deliver: ${reasonOf(info?.last_error_message ?? "no reason given")}`);
    else host.setState("ready");
    known = Math.max(known, at);
  }
}

export function isSameWebhookSecret(given: string | undefined, wanted: Secret): boolean {
  return given !== undefined && secureEquals(given, wanted);
}
