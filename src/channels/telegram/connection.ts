import { createHash, timingSafeEqual } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import type { Secret } from "../../core/secret.ts";
import type { ChannelEvent, ChannelHost } from "../channel.ts";
import { pause } from "../pause.ts";
import { albumOf, joinAlbums } from "./album.ts";
import type { Answer, BotApi, Params, Refusal } from "./api.ts";
import { decode, queryId, updateId, UPDATES, type Facts } from "./inbound.ts";
import { isRevoked, revoked } from "./link.ts";
import type { Bot } from "./text.ts";

export type Timings = {
  /** How long Telegram may hold a poll open, and how much later it is taken for dead. */
  pollMs: number;
  graceMs: number;
  /** Pause after another instance took the updates; doubles up to the last. */
  conflictMs: number;
  conflictLastMs: number;
  /** Pause before events are stored again. */
  storeMs: number;
  /** An empty answer before this time is not a long poll; then it is waited for so long. */
  idleMs: number;
  /** How long the rest of an album is waited for. */
  albumMs: number;
  /** How often a webhook is looked after. */
  hookMs: number;
};
export const TIMINGS: Timings = {
  pollMs: 25_000,
  graceMs: 15_000,
  conflictMs: 30_000,
  conflictLastMs: 300_000,
  storeMs: 1_000,
  idleMs: 500,
  albumMs: 500,
  hookMs: 60_000,
};

/** What one connection works with. */
export type Session = { api: BotApi; bot: Bot; facts: () => Facts; host: ChannelHost; clock: Clock; timings: Timings; signal: AbortSignal };

/** Telegram numbers its updates anew after a week without any: an older cursor could be above all of them. */
const CURSOR_AGE_MS = 6 * 86_400_000;
/** Updates of one poll: the most that Telegram gives. */
const BATCH = 100;

/** The cursor names the bot, because another bot under the same account has numbers of its own. */
export function toCursor(bot: Bot, next: number, now: number): string {
  return `${bot.id}:${next}:${now}`;
}

/** The offset that a stored cursor allows; undefined for the first update that Telegram has. */
export function offsetOf(cursor: string | null, bot: Bot, now: number): number | undefined {
  const [id, next, at] = (cursor ?? "").split(":");
  const offset = Number(next);
  if (id !== bot.id || !Number.isSafeInteger(offset) || !(now - Number(at) < CURSOR_AGE_MS)) return undefined;
  return offset;
}

/** Polls until the signal aborts. Each poll confirms what the host has stored, and nothing more. Throws when the connection is lost. */
export async function poll(session: Session): Promise<void> {
  const { api, bot, host, clock, timings, signal } = session;
  let conflicts = 0;
  let healthy = true;
  while (!signal.aborted) {
    const offset = offsetOf(host.cursor(), bot, clock.now());
    const asked = clock.monotonic();
    const params = {
      limit: BATCH,
      timeout: Math.ceil(timings.pollMs / 1_000),
      allowed_updates: UPDATES,
      ...(offset !== undefined && { offset }),
    };
    const answer = await api.call("getUpdates", params, { signal, timeoutMs: timings.pollMs + timings.graceMs });
    if (answer.ok || !answer.foreign) host.alive();
    if (!answer.ok) {
      healthy = false;
      if (answer.code === 409) await conflict(session, answer.description, conflicts++);
      else await failed(session, answer);
      continue;
    }
    if (!healthy) host.state("ready");
    healthy = true;
    conflicts = 0;
    const updates = await whole(session, params, listOf(answer));
    if (updates.length === 0 && clock.monotonic() - asked < timings.idleMs) await pause(clock, timings.idleMs, signal);
    await take(session, updates);
  }
}

const listOf = (answer: Answer): readonly unknown[] => (answer.ok && Array.isArray(answer.result) ? answer.result : []);

/**
 * The pictures of an album come one by one. When the newest update is one of them, the same poll is made once more a moment later:
 * nothing is confirmed in between, so nothing can be lost.
 */
async function whole(session: Session, params: Params, updates: readonly unknown[]): Promise<readonly unknown[]> {
  if (albumOf(updates.at(-1)) === null || updates.length >= BATCH) return updates;
  const { api, clock, timings, signal } = session;
  await pause(clock, timings.albumMs, signal);
  if (signal.aborted) return updates;
  const again = listOf(await api.call("getUpdates", { ...params, timeout: 0 }, { signal }));
  return again.length > updates.length ? again : updates;
}

/** Stores the updates with the cursor behind them, in Telegram's order; then confirms the presses. */
async function take(session: Session, updates: readonly unknown[]): Promise<void> {
  if (updates.length === 0) return;
  const { bot, clock, facts } = session;
  const sorted = updates.toSorted((a, b) => (updateId(a) ?? -1) - (updateId(b) ?? -1));
  const last = updateId(sorted.at(-1));
  if (last === null) throw new Error("Telegram's updates have no numbers");
  const read = sorted.map((update) => ({ update, events: decode(update, facts()) }));
  const events = joined(session, read);
  if (await store(session, events, toCursor(bot, last + 1, clock.now()))) confirmPresses(session, sorted);
}

/** Pictures that cannot be joined to their album are stored one by one: an error here would bring the same updates again without end. */
function joined({ host }: Session, read: Parameters<typeof joinAlbums>[0]): readonly ChannelEvent[] {
  try {
    return joinAlbums(read);
  } catch (err) {
    host.log.error("the pictures of an album could not be joined", { error: err });
    return read.flatMap(({ events }) => events);
  }
}

/** Tries for ever: without a place for them, nothing more may be read. False when the connection ends before. */
async function store(session: Session, events: readonly ChannelEvent[], cursor: string): Promise<boolean> {
  const { host, clock, timings, signal } = session;
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      await host.admit(events, cursor);
      if (attempt > 0) host.state("ready");
      return true;
    } catch (err) {
      if (signal.aborted) break;
      host.log.error("messages could not be stored; trying again", { cause: reasonOf(err), waiting: events.length });
      host.state("degraded", `messages cannot be stored: ${reasonOf(err)}`);
      await pause(clock, timings.storeMs, signal);
    }
  }
  return false;
}

/** Takes the clock off the pressed buttons. Droppable: it is only for show. */
export function confirmPresses({ api, host, signal }: Pick<Session, "api" | "host" | "signal">, updates: readonly unknown[]): void {
  for (const update of updates) {
    const id = queryId(update);
    if (id === null) continue;
    const failed = (cause: string): void => host.log.debug("a press could not be confirmed", { cause });
    api
      .call("answerCallbackQuery", { callback_query_id: id }, { signal })
      .then((answer) => answer.ok || failed(answer.description))
      .catch((err: unknown) => failed(reasonOf(err)));
  }
}

async function conflict({ api, host, clock, timings, signal }: Session, description: string, before: number): Promise<void> {
  const hook = /webhook/i.test(description);
  const cause = hook
    ? "another program has set a webhook for this bot, and takes its messages"
    : "another program polls with this bot token, and takes its messages: stop it, or use one bot for each";
  host.state("degraded", cause);
  await pause(clock, Math.min(timings.conflictLastMs, timings.conflictMs * 2 ** Math.min(before, 10)), signal);
  if (hook && !signal.aborted) await api.call("deleteWebhook", {}, { signal });
}

async function failed({ host, clock, signal }: Session, answer: Refusal): Promise<void> {
  if (isRevoked(answer)) throw revoked();
  if (answer.code !== 429) throw new Error(`Telegram refused to give updates: ${answer.description} (${answer.code})`);
  host.limited();
  host.state("degraded", "Telegram asks to poll more slowly");
  await pause(clock, answer.retryAfterMs ?? 1_000, signal);
}

/** Keeps the webhook set until the signal aborts, and watches what Telegram says about it. */
export async function keepWebhook(session: Session, hook: { url: string; secret: Secret }, ready: () => void): Promise<void> {
  const { api, host, clock, timings, signal } = session;
  const set = async (): Promise<void> => {
    // One request at a time keeps the order.
    const params = { url: hook.url, secret_token: hook.secret.reveal(), allowed_updates: UPDATES, max_connections: 1 };
    const answer = await api.call("setWebhook", params, { signal });
    if (!answer.ok) throw isRevoked(answer) ? revoked() : new Error(`Telegram refused the webhook: ${answer.description}`);
  };
  await set();
  ready();
  for (let known = Math.floor(clock.now() / 1_000); !signal.aborted;) {
    await pause(clock, timings.hookMs, signal);
    if (signal.aborted) return;
    const answer = await api.call("getWebhookInfo", {}, { signal });
    if (answer.ok || !answer.foreign) host.alive();
    if (!answer.ok) {
      await failed(session, answer);
      continue;
    }
    const info = answer.result as { url?: unknown; last_error_date?: unknown; last_error_message?: unknown } | null;
    if (info?.url !== hook.url) {
      host.log.warn("the webhook was changed by somebody else, and is set again");
      await set();
    }
    const at = Number(info?.last_error_date ?? 0);
    if (at > known) host.state("degraded", `Telegram could not deliver: ${reasonOf(info?.last_error_message ?? "no reason given")}`);
    else host.state("ready");
    known = Math.max(known, at);
  }
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/** Compares without telling by its time how much is right. */
export function sameSecret(given: string | undefined, wanted: Secret): boolean {
  return timingSafeEqual(digest(given ?? ""), digest(wanted.reveal())) && given !== undefined;
}
