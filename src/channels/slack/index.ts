import { systemClock, type Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import { asId, type AccountId, type ChatId } from "../../core/ids.ts";
import { containedClock } from "../containment.ts";
import type { Channel, ChannelContext, WebhookResponse, WebhookRequest, Link } from "../channel.ts";
import { slackTokenRevokedError, SlackApi, TOKEN_ERRORS } from "./api.ts";
import { channelFacts } from "../manifest.ts";
import { DESCRIPTION } from "./description.ts";
import { canonicalSlackId, parseSlackAccount, slackIdentity, type SlackAccount } from "./config.ts";
import { checkAppToken, runSocketMode, SLACK_TIMINGS, type SlackTimings } from "./socket-mode.ts";
import { verifySignature, parsePayload } from "./http-events.ts";
import { chatKindOf, redecodeSlackEvent, type SlackBot } from "./inbound.ts";
import { SlackEventQueue, type SlackSession } from "./event-queue.ts";
import { sleep } from "../../core/async.ts";
import { reasonFor, SlackLink } from "./link.ts";
import { toMrkdwn } from "./outbound.ts";

type Options = { timings?: SlackTimings; clock?: Clock };
/** What is known about the apps of this process: by token, for `isAddressed`; what a request needs to be taken; where was sent to. */
type ChannelCache = { bots: Map<string, SlackBot>; queues: WeakMap<SlackAccount, SlackEventQueue> };

/** The Slack channel. Tests give it shorter times; the protocol does not change with them. */
export function createSlackChannel({ timings = SLACK_TIMINGS, clock = systemClock }: Options = {}): Channel<SlackAccount> {
  const known: ChannelCache = { bots: new Map(), queues: new WeakMap() };
  return {
    ...channelFacts(DESCRIPTION),
    parse: parseSlackAccount,
    identity: slackIdentity,
    canonicalId: canonicalSlackId,
    toRenderedText: toMrkdwn,
    redecode: redecodeSlackEvent,
    parseChat: toSlackChat,
    isAddressed(account, text) {
      const bot = known.bots.get(slackIdentity(account));
      return bot !== undefined && text.includes(`<@${bot.userId}>`);
    },
    run: (account, host, live, signal) => runSlack(account, host, live, signal, { timings, clock, known }),
    async verify(account, signal) {
      const api = new SlackApi(account);
      const { name } = await fetchBotIdentity(api, signal);
      if (account.source.mode === "socket") await checkAppToken(api, signal, timings.openMs);
      return { name };
    },
    requiredWebhookHeaders: ["x-slack-request-timestamp", "x-slack-signature"],
    handleWebhook: (account, request, host) => handleWebhook(account, request, host, known.queues.get(account), clock.now()),
  };
}

/** The id of a conversation, or of a person, whom Slack then opens a direct one with. */
function toSlackChat(to: string): ReturnType<Channel["parseChat"]> {
  const id = canonicalSlackId(to);
  if (!/^[CDGUW][A-Z0-9]{2,30}$/.test(id)) return null;
  return { kind: /^[UW]/.test(id) ? "direct" : chatKindOf(id), id: asId<ChatId>(id) };
}

async function fetchBotIdentity(api: SlackApi, signal: AbortSignal): Promise<SlackBot> {
  const answer = await api.call("auth.test", {}, { signal });
  if (!answer.ok && TOKEN_ERRORS.has(answer.error)) throw slackTokenRevokedError(answer.error);
  if (!answer.ok) throw new Error(`Slack does not answer for the bot: ${reasonFor(answer)}`);
  const { user_id: userId, bot_id: botId, team_id: teamId, user } = answer.body;
  if (typeof userId !== "string" || typeof teamId !== "string")
    throw new Error("the server is not the Slack Web API: auth.test names no bot");
  return { userId, teamId, botId: typeof botId === "string" ? botId : null, name: typeof user === "string" ? user : userId };
}

async function runSlack(
  account: SlackAccount,
  host: ChannelContext,
  live: (link: Link | null) => void,
  stop: AbortSignal,
  { timings, clock: plainClock, known }: { timings: SlackTimings; clock: Clock; known: ChannelCache },
): Promise<void> {
  const clock = containedClock(plainClock, host.fail);
  const ended = new AbortController();
  const signal = AbortSignal.any([stop, ended.signal]);
  const fail = (err: unknown): void => ended.abort(err);
  const api = new SlackApi(account);
  try {
    const bot = await fetchBotIdentity(api, signal);
    known.bots.set(slackIdentity(account), bot);
    const facts = () => ({ account: asId<AccountId>("default"), bot, command: account.command, now: clock.now() });
    const session: SlackSession = { api, host, decodeContext: facts, clock, storeRetryMs: timings.storeMs, signal };
    const intake = new SlackEventQueue(session);
    const link = new SlackLink({ account, api, host, userId: bot.userId, now: () => clock.now(), fail });
    const ready = (): void => {
      live(link);
      intake.start().catch(fail);
    };
    if (account.source.mode === "socket")
      await runSocketMode({ ...session, timings, intake, apiRoot: account.apiRoot, proxy: account.proxy, fail }, ready);
    else {
      known.queues.set(account, intake);
      ready();
      await watchToken(session, timings);
    }
    if (ended.signal.aborted && !stop.aborted) throw ended.signal.reason;
  } catch (err) {
    if (!stop.aborted) throw ended.signal.aborted ? ended.signal.reason : err;
  } finally {
    known.queues.delete(account);
    ended.abort(new Error("the connection has ended"));
    live(null);
  }
}

/** Where Slack calls us nothing is held open: the token is tried now and then. */
async function watchToken({ api, host, clock, signal }: SlackSession, { checkMs }: SlackTimings): Promise<void> {
  for (;;) {
    await sleep(clock, checkMs, signal);
    if (signal.aborted) return;
    await fetchBotIdentity(api, signal);
    host.reportActivity();
  }
}

/** One pushed payload: the signature first, 200 only when it is stored. Slack repeats everything else. */
async function handleWebhook(
  { source }: SlackAccount,
  request: WebhookRequest,
  host: ChannelContext,
  intake: SlackEventQueue | undefined,
  now: number,
): Promise<WebhookResponse> {
  if (source.mode !== "http") return { status: 404 };
  if (!verifySignature(request, source.signingSecret, now)) return { status: 401 };
  if (request.method !== "POST") return { status: 405 };
  const payload = parsePayload(request);
  const { type, challenge } = (typeof payload === "object" && payload !== null ? payload : {}) as { type?: unknown; challenge?: unknown };
  if (type === "url_verification")
    return { status: 200, headers: { "content-type": "text/plain; charset=utf-8" }, body: typeof challenge === "string" ? challenge : "" };
  if (!intake) return { status: 503 };
  try {
    await intake.enqueueOnce(payload);
  } catch (err) {
    host.log.error("a pushed event could not be stored; Slack will repeat it", { cause: reasonOf(err) });
    return { status: 503 };
  }
  host.reportActivity();
  return { status: 200 };
}

export const channel: Channel = createSlackChannel() as Channel;
