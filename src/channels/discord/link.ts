import type { Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import { asId, type MessageId } from "../../core/ids.ts";
import { LIMITS } from "../../core/limits.ts";
import { DISCORD_LIMITS } from "./limits.ts";
import type { Log } from "../../core/log.ts";
import { NotSentError, readBytes } from "../api.ts";
import { openHttp, type HttpResponse } from "../http.ts";
import type { Link, MediaRef, OutboundPart, SendResult, ReplyTarget } from "../channel.ts";
import type { DiscordAccount } from "./config.ts";
import { decodeInteractionRef } from "./inbound.ts";
import { nonceOf, toMessageBody, toMultipartBody } from "./outbound.ts";
import type { DiscordChannelCache } from "./channel-cache.ts";
import { RestError, describeFailure, type RestClient, type RestResponse } from "./rest-client.ts";
import { CHANNEL_TYPE, FLAG_LOADING, isSnowflake, snowflakeTime, asObject, asObjects, requireSnowflake, textOf } from "./protocol.ts";

/** Tokens of interactions are good for fifteen minutes; in the last one they are not used any more. */
const INTERACTION_TOKEN_MS = 14 * 60_000;
const POLL_HOURS = 24;
const ARCHIVE_MINUTES = 1_440;
const THREAD_NAME_CHARS = 100;
/** Where Discord keeps files; nothing else is fetched. */
const FILE_HOSTS: ReadonlySet<string> = new Set(["cdn.discordapp.com", "media.discordapp.net"]);

/** Discord's error numbers that say more than their text, and what helps. */
const ERROR_FIXES: Readonly<Record<number, string>> = {
  10003: "the channel no longer exists",
  50001: 'the bot cannot see the channel; give it the permission "View Channel" there',
  50007: "the person does not accept direct messages from the bot; they must allow messages from members of a server that both are in",
  50013: 'the bot lacks a permission; give it "Send Messages" (in threads "Send Messages in Threads", for files "Attach Files") there',
  40005: "the file is larger than Discord accepts",
  160005: "the thread is locked",
};
const UNKNOWN_MESSAGE = 10008;
const INVALID_FORM = 50035;

type DiscordLinkDeps = {
  account: DiscordAccount;
  rest: RestClient;
  places: DiscordChannelCache;
  clock: Clock;
  log: Log;
  app: () => string;
  ownMessage: (nonce: string) => string | undefined;
};

/** The sending side of one connection. Every new message carries a nonce, by which Discord recognizes a repetition. */
export class DiscordLink implements Link {
  readonly #deps: DiscordLinkDeps;
  /** Interactions whose first answer is taken. */
  readonly #answeredInteractions = new Set<string>();

  constructor(deps: DiscordLinkDeps) {
    this.#deps = deps;
  }

  async send(part: OutboundPart, signal: AbortSignal): Promise<SendResult> {
    return this.#refuseIfNotSent(async () => {
      const problem = this.#validatePart(part);
      if (problem) return refusedSend(problem, false);
      const arrived = this.#deps.ownMessage(nonceOf(part.key));
      if (arrived !== undefined) return { state: "sent", ids: [asId<MessageId>(arrived)] };
      const answered = await this.#replyToInteraction(part, signal);
      if (answered) return answered;
      const channel = await this.#resolveChannel(part.target, signal);
      if (typeof channel !== "string") return channel;
      return this.#createMessage(channel, part, signal, !decodeInteractionRef(part.target.via));
    });
  }

  async edit(id: MessageId, part: OutboundPart, signal: AbortSignal): Promise<SendResult> {
    return this.#refuseIfNotSent(async () => {
      const problem = this.#validatePart(part);
      if (problem) return refusedSend(problem, false);
      const channel = await this.#resolveChannel(part.target, signal);
      if (typeof channel !== "string") return channel;
      const path = `/channels/${channel}/messages/${requireSnowflake(id, "the message")}`;
      const body = { components: [], ...toMessageBody(part) };
      const answer = await this.#deps.rest.call({ method: "PATCH", path, body, signal });
      return answer.kind === "ok" ? { state: "sent", ids: [id] } : toRefusal(answer);
    });
  }

  async typing(target: ReplyTarget): Promise<void> {
    const { rest, log } = this.#deps;
    try {
      const signal = AbortSignal.timeout(LIMITS.channelApiMs);
      const channel = await this.#resolveChannel(target, signal);
      if (typeof channel === "string") await rest.call({ method: "POST", path: `/channels/${channel}/typing`, signal });
    } catch (err) {
      log.debug("typing was not shown", { cause: reasonOf(err) });
    }
  }

  async react(target: ReplyTarget, id: MessageId, emoji: string, on: boolean): Promise<void> {
    const name = /^<a?:(\w+:\d+)>$/.exec(emoji)?.[1] ?? emoji;
    const path = `/messages/${requireSnowflake(id, "the message")}/reactions/${encodeURIComponent(name)}/@me`;
    await this.#callOrThrow(on ? "PUT" : "DELETE", target, path);
  }

  async remove(target: ReplyTarget, id: MessageId): Promise<void> {
    await this.#callOrThrow("DELETE", target, `/messages/${requireSnowflake(id, "the message")}`);
  }

  async pin(target: ReplyTarget, id: MessageId, on: boolean): Promise<void> {
    await this.#callOrThrow(on ? "PUT" : "DELETE", target, `/messages/pins/${requireSnowflake(id, "the message")}`);
  }

  async openThread(target: ReplyTarget, name: string, at?: MessageId): Promise<string> {
    const title = [...name.trim()].slice(0, THREAD_NAME_CHARS / 2).join("") || "Thread";
    const base = { name: title, auto_archive_duration: ARCHIVE_MINUTES };
    const answer =
      at === undefined
        ? await this.#callOrThrow("POST", target, "/threads", { ...base, type: CHANNEL_TYPE.publicThread })
        : await this.#callOrThrow("POST", target, `/messages/${requireSnowflake(at, "the message")}/threads`, base);
    return requireSnowflake(asObject(answer)?.["id"], "the thread");
  }

  async poll(target: ReplyTarget, poll: { question: string; options: readonly string[]; multiple: boolean }): Promise<SendResult> {
    return this.#refuseIfNotSent(async () => {
      const signal = AbortSignal.timeout(LIMITS.channelApiMs);
      const channel = await this.#resolveChannel(target, signal);
      if (typeof channel !== "string") return channel;
      const answers = poll.options.map((text) => ({ poll_media: { text } }));
      const body = { poll: { question: { text: poll.question }, answers, allow_multiselect: poll.multiple, duration: POLL_HOURS } };
      return toSendResult(await this.#deps.rest.call({ method: "POST", path: `/channels/${channel}/messages`, body, signal }));
    });
  }

  async download(ref: MediaRef, maxBytes: number, signal: AbortSignal): Promise<Uint8Array> {
    const most = Math.min(maxBytes, this.#deps.account.mediaBytes);
    if (ref.sizeBytes !== null && ref.sizeBytes > most) throw new Error(`the file is larger than ${most} bytes`);
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(LIMITS.channelApiMs)]);
    const first = await this.#fetchFile(ref.url, deadline);
    if (first.status === 200) return readBytes(first, most);
    first.cancel();
    if (first.status !== 403 && first.status !== 404) throw new Error(`Discord refused to send the file (${first.status})`);
    // Addresses of files expire after a day.
    const second = await this.#fetchFile(await this.#refreshAttachmentUrl(ref.url, deadline), deadline);
    if (second.status === 200) return readBytes(second, most);
    second.cancel();
    throw new Error(`Discord no longer has the file (${second.status})`);
  }

  async #refreshAttachmentUrl(url: string, signal: AbortSignal): Promise<string> {
    const body = { attachment_urls: [url] };
    const answer = await this.#deps.rest.callWithRetry({ method: "POST", path: "/attachments/refresh-urls", body, signal });
    return textOf(asObjects(asObject(answer)?.["refreshed_urls"])[0]?.["refreshed"]);
  }

  /** Without credentials, and only from where Discord keeps files: the address came with a message. */
  #fetchFile(address: string, signal: AbortSignal): Promise<HttpResponse> {
    const url = URL.canParse(address) ? new URL(address) : null;
    const isOurs = url?.origin === new URL(this.#deps.account.apiRoot).origin;
    const isDiscords = url?.protocol === "https:" && FILE_HOSTS.has(url.host);
    if (!url || (!isOurs && !isDiscords)) throw new Error("the file is not stored at Discord");
    return openHttp({ url, proxy: this.#deps.account.proxy, signal });
  }

  #validatePart(part: OutboundPart): string | null {
    const { content } = toMessageBody(part);
    if (content === "" && !part.media) return "nothing visible is left of the text";
    if (content.length > DISCORD_LIMITS.textChars)
      return `the text has ${content.length} characters, Discord accepts ${DISCORD_LIMITS.textChars}`;
    const { mediaBytes } = this.#deps.account;
    return part.media && part.media.sizeBytes > mediaBytes ? `the file is larger than ${mediaBytes} bytes` : null;
  }

  async #createMessage(channel: string, part: OutboundPart, signal: AbortSignal, mayReply: boolean): Promise<SendResult> {
    const { replyTo } = part.target;
    const reference = mayReply && isSnowflake(replyTo) ? { message_reference: { message_id: replyTo, fail_if_not_exists: false } } : {};
    const body = { ...toMessageBody(part), ...reference, nonce: nonceOf(part.key), enforce_nonce: true };
    const payload = part.media ? await toMultipartBody(body, part.media) : body;
    const answer = await this.#deps.rest.call({ method: "POST", path: `/channels/${channel}/messages`, body: payload, signal });
    // Some messages cannot be replied to; the answer itself matters more.
    if (answer.kind === "failed" && answer.code === INVALID_FORM && "message_reference" in reference)
      return this.#createMessage(channel, part, signal, false);
    return toSendResult(answer);
  }

  /**
   * The first part of the answer to a native command takes the place of "thinking". All other parts are messages of the channel, which
   * have a nonce; answers to a command have none. Null: the part must be sent as a message.
   */
  async #replyToInteraction(part: OutboundPart, signal: AbortSignal): Promise<SendResult | null> {
    const { rest, clock, app } = this.#deps;
    const via = decodeInteractionRef(part.target.via);
    if (!via || this.#answeredInteractions.has(via.id) || clock.now() - snowflakeTime(via.id) > INTERACTION_TOKEN_MS) return null;
    const path = `/webhooks/${requireSnowflake(app(), "the application")}/${via.token}/messages/@original`;
    const original = await this.#read(path, signal);
    if (original.kind === "limited" || (original.kind === "failed" && original.status >= 500)) return toRefusal(original, true);
    const body = toMessageBody(part);
    if (original.kind === "ok") {
      const shown = asObject(original.body);
      const isWaiting = (Number(shown?.["flags"] ?? 0) & FLAG_LOADING) !== 0;
      // An earlier attempt with an unknown outcome did arrive.
      if (!isWaiting && shown?.["content"] === body.content && !part.media) return this.#markAnswered(via.id, toSendResult(original));
      if (isWaiting) {
        const payload = part.media ? await toMultipartBody(body, part.media) : body;
        const answer = await rest.call({ method: "PATCH", path, body: payload, signal });
        if (answer.kind === "ok") return this.#markAnswered(via.id, toSendResult(answer));
        if (answer.kind === "limited" || answer.status >= 500) return toRefusal(answer);
      }
    }
    this.#markAnswered(via.id, null);
    return null;
  }

  /** Reading changes nothing: whatever goes wrong, nothing was sent. */
  async #read(path: string, signal: AbortSignal): Promise<RestResponse> {
    try {
      return await this.#deps.rest.call({ method: "GET", path, signal });
    } catch (err) {
      throw new NotSentError(reasonOf(err), { cause: err });
    }
  }

  #markAnswered<T>(id: string, result: T): T {
    this.#answeredInteractions.add(id);
    if (this.#answeredInteractions.size > DISCORD_LIMITS.remembered)
      this.#answeredInteractions.delete(this.#answeredInteractions.keys().next().value!);
    return result;
  }

  /** The channel to write to. A direct conversation is named by its person, and opened where it is not known. */
  async #resolveChannel({ chat, thread }: ReplyTarget, signal: AbortSignal): Promise<string | Extract<SendResult, { state: "refused" }>> {
    const { rest, places } = this.#deps;
    const id = thread ?? chat.id;
    if (!isSnowflake(id)) return refusedSend(`${JSON.stringify(id)} is not a Discord id`, false);
    if (thread !== undefined || chat.kind !== "direct") return id;
    const known = places.findDirectChannel(id);
    if (known !== undefined) return known;
    let answer: RestResponse;
    try {
      answer = await rest.call({ method: "POST", path: "/users/@me/channels", body: { recipient_id: id }, signal });
    } catch (err) {
      return refusedSend(reasonOf(err), true);
    }
    if (answer.kind !== "ok") return toRefusal(answer, true);
    const channel = requireSnowflake(asObject(answer.body)?.["id"], "the direct conversation");
    places.set(channel, { type: CHANNEL_TYPE.direct, peer: id });
    return channel;
  }

  async #callOrThrow(method: "PUT" | "POST" | "DELETE", target: ReplyTarget, path: string, body?: object): Promise<unknown> {
    const signal = AbortSignal.timeout(LIMITS.channelApiMs);
    const channel = await this.#resolveChannel(target, signal);
    if (typeof channel !== "string") throw new Error(channel.reason);
    return this.#deps.rest.callWithRetry({ method, path: `/channels/${channel}${path}`, signal, ...(body && { body }) });
  }

  /** Failures before anything was written are refusals; after any other the outcome is unknown. */
  async #refuseIfNotSent(send: () => Promise<SendResult>): Promise<SendResult> {
    try {
      return await send();
    } catch (err) {
      if (err instanceof NotSentError) return refusedSend(`Discord could not be reached: ${err.message}`, true);
      throw err;
    }
  }
}

type RefusedSend = Extract<SendResult, { state: "refused" }>;

const refusedSend = (reason: string, retryable: boolean): RefusedSend => ({ state: "refused", retryable, reason });

function toSendResult(answer: RestResponse): SendResult {
  if (answer.kind !== "ok") return toRefusal(answer);
  const id = asObject(answer.body)?.["id"];
  if (!isSnowflake(id)) throw new Error("Discord accepted the message but returned no id");
  return { state: "sent", ids: [asId<MessageId>(id)] };
}

/** Throws for an answer that leaves open whether it was done, unless `harmless` says that nothing was to be sent yet. */
function toRefusal(answer: Exclude<RestResponse, { kind: "ok" }>, harmless = false): RefusedSend {
  if (answer.kind === "limited") {
    const { retryAfterMs, global } = answer;
    return { ...refusedSend(describeFailure(answer), true), retryAfterMs, pauses: global ? "account" : "conversation" };
  }
  const { status, code } = answer;
  if (status >= 500 && !harmless) throw new RestError(describeFailure(answer));
  const fix = ERROR_FIXES[code];
  const reason = fix === undefined ? describeFailure(answer) : `${describeFailure(answer)}: ${fix}`;
  const retryable = status >= 500 || status === 401 || status === 408;
  return { ...refusedSend(reason, retryable), ...(code === UNKNOWN_MESSAGE && { notFound: true as const }) };
}
