import { reasonOf } from "../../core/errors.ts";
import { asId, type MessageId } from "../../core/ids.ts";
import { LIMITS } from "../../core/limits.ts";
import { SLACK_LIMITS } from "./limits.ts";
import { NotSentError } from "../api.ts";
import {
  UnknownOutcomeError,
  type TerminalError,
  type ChannelContext,
  type Link,
  type MediaRef,
  type MediaUpload,
  type OutboundPart,
  type SendResult,
  type ReplyTarget,
} from "../channel.ts";
import {
  nextCursor,
  asSlackObject,
  slackTokenRevokedError,
  TOKEN_ERRORS,
  type SlackApiResponse,
  type SlackObject,
  type SlackApi,
} from "./api.ts";
import type { SlackAccount } from "./config.ts";
import { toShortcode } from "./emoji.ts";
import { toBlocks, toMrkdwn, toPlainSlack } from "./outbound.ts";

type SlackApiError = Extract<SlackApiResponse, { ok: false }>;
type SlackLinkDeps = {
  account: SlackAccount;
  api: SlackApi;
  host: ChannelContext;
  /** Our own messages are known by it in a history. */ userId: string;
  now: () => number;
  /** Ends the connection: the token is not valid any more. */
  fail: (err: TerminalError) => void;
};

/** Error codes that leave the outcome of a request unknown. */
const UNKNOWN_OUTCOME_ERRORS = new Set(["internal_error", "fatal_error", "request_timeout", "service_unavailable"]);
const MARKUP_ERRORS = /^(?:invalid_blocks|invalid_blocks_format|invalid_attachments|invalid_message_text|markdown_text_conflict)$/;
const NOT_FOUND_ERRORS = new Set(["message_not_found", "cant_update_message", "edit_window_closed", "cant_delete_message"]);
const ERROR_FIXES: Readonly<Record<string, string>> = {
  missing_scope: "add the scope under OAuth & Permissions and install the app again",
  not_in_channel: "invite the app to the channel: /invite @app",
  channel_not_found: "invite the app to the channel, and check its id",
  is_archived: "the channel is archived: unarchive it",
  restricted_action: "the workspace does not allow apps to post here",
  msg_too_long: "set channels.slack.textChunkLimit to a smaller number",
};
const PART_EVENT = "openclaw_part";
const TS = /^\d{1,12}\.\d{1,10}$/;

/** Slack's refusal in one line, with the fix. */
export function reasonFor({ error, detail }: SlackApiError): string {
  const fix = Object.hasOwn(ERROR_FIXES, error) ? ERROR_FIXES[error] : undefined;
  return [detail ? `${error} (${detail})` : error, fix].filter(Boolean).join(": ");
}

/** The sending side of one connection. Each message carries the key of its part, so that an interrupted send can be looked up. */
export class SlackLink implements Link {
  readonly #deps: SlackLinkDeps;

  constructor(deps: SlackLinkDeps) {
    this.#deps = deps;
  }

  async send(part: OutboundPart, signal: AbortSignal): Promise<SendResult> {
    if (signal.aborted) return refusedSend("cancelled before it was sent", true);
    if (part.media) return this.#sendFile(part, part.media, signal);
    return this.#sendText(part, signal);
  }

  async #sendText(part: OutboundPart, signal: AbortSignal): Promise<SendResult> {
    const metadata = { event_type: PART_EVENT, event_payload: { intent: part.key } };
    const tried = await this.#sendWithFallbacks(
      "chat.postMessage",
      part,
      { channel: part.target.chat.id, ...threadOf(part.target), metadata },
      signal,
    );
    const { via } = part.target;
    if (via !== undefined && tried.answer && /^(?:not_in_channel|channel_not_found)$/.test(tried.answer.error))
      return this.#respond(via, part, signal);
    return tried.result;
  }

  async edit(id: MessageId, part: OutboundPart, signal: AbortSignal): Promise<SendResult> {
    if (signal.aborted) return refusedSend("cancelled before it was sent", true);
    if (!TS.test(id)) return { state: "refused", retryable: false, notFound: true, reason: "Slack cannot change this message" };
    const { result, answer } = await this.#sendWithFallbacks("chat.update", part, { channel: part.target.chat.id, ts: id }, signal);
    return answer && result.state === "refused" && NOT_FOUND_ERRORS.has(answer.error) ? { ...result, notFound: true } : result;
  }

  async react(target: ReplyTarget, id: MessageId, emoji: string, on: boolean): Promise<void> {
    const name = toShortcode(emoji);
    if (name === null) throw new Error(`Slack has no name for the reaction ${emoji}: write it as :name:`);
    const params = { channel: target.chat.id, timestamp: id, name };
    await this.#callOrThrow(on ? "reactions.add" : "reactions.remove", params, on ? "already_reacted" : "no_reaction");
  }

  async remove(target: ReplyTarget, id: MessageId): Promise<void> {
    if (TS.test(id)) await this.#callOrThrow("chat.delete", { channel: target.chat.id, ts: id }, "message_not_found");
    else await this.#callOrThrow("files.delete", { file: id }, "file_not_found");
  }

  async pin(target: ReplyTarget, id: MessageId, on: boolean): Promise<void> {
    const params = { channel: target.chat.id, timestamp: id };
    await this.#callOrThrow(on ? "pins.add" : "pins.remove", params, on ? "already_pinned" : "no_pin");
  }

  async openThread(target: ReplyTarget, name: string, at?: MessageId): Promise<string> {
    // A thread is a message that has answers.
    if (at !== undefined) return at;
    const body = await this.#callOrThrow("chat.postMessage", { channel: target.chat.id, text: toPlainSlack(name) });
    if (typeof body["ts"] === "string") return body["ts"];
    throw new Error("Slack's answer names no message");
  }

  download(ref: MediaRef, maxBytes: number, signal: AbortSignal): Promise<Uint8Array> {
    const most = Math.min(maxBytes, this.#deps.account.mediaBytes);
    if (ref.sizeBytes !== null && ref.sizeBytes > most) return Promise.reject(new Error(`the file is larger than ${most} bytes`));
    return this.#deps.api.downloadFile(ref.url, most, signal);
  }

  /** Looks for the message that carries the key of the part. */
  async lookup(part: OutboundPart): Promise<readonly MessageId[] | null> {
    // Files carry no key.
    if (part.media) throw new UnknownOutcomeError("Slack cannot be asked whether a file has arrived");
    const thread = threadOf(part.target)["thread_ts"];
    const method = thread === undefined ? "conversations.history" : "conversations.replies";
    const oldest = ((this.#deps.now() - SLACK_LIMITS.lookupMs) / 1_000).toFixed(6);
    for (let cursor = "", page = 0; page < SLACK_LIMITS.lookupPages; page++) {
      const more = { ...(thread !== undefined && { ts: thread }), ...(cursor && { cursor }) };
      const params = { channel: part.target.chat.id, oldest, limit: 200, include_all_metadata: true, ...more };
      const answer = await this.#deps.api.call(method, params, { signal: new AbortController().signal });
      if (!answer.ok) {
        // The thread has no messages yet, or all were deleted.
        if (answer.error === "thread_not_found") return null;
        if (
          answer.status === 200 &&
          !UNKNOWN_OUTCOME_ERRORS.has(answer.error) &&
          answer.error !== "ratelimited" &&
          !TOKEN_ERRORS.has(answer.error)
        )
          throw new UnknownOutcomeError(`Slack refused: ${reasonFor(answer)}`);
        this.#toSendResult(answer);
        throw new Error(`Slack refused: ${reasonFor(answer)}`);
      }
      const found = (Array.isArray(answer.body["messages"]) ? (answer.body["messages"] as unknown[]) : [])
        .map(asSlackObject)
        .find((message) => {
          const { event_type: type, event_payload: payload } = asSlackObject(message["metadata"]);
          return type === PART_EVENT && asSlackObject(payload)["intent"] === part.key && message["user"] === this.#deps.userId;
        });
      if (typeof found?.["ts"] === "string") return [asId<MessageId>(found["ts"])];
      cursor = nextCursor(answer.body["response_metadata"]);
      if (cursor === "") return null;
    }
    throw new UnknownOutcomeError("the conversation has too many messages to find the part again");
  }

  /** With buttons and markup; without buttons when Slack cannot read the blocks; without anything when it cannot read the text. */
  async #sendWithFallbacks(method: string, part: OutboundPart, params: SlackObject, signal: AbortSignal): Promise<SendAttempt> {
    const text = toMrkdwn(part.text);
    if (text.trim() === "") return { result: refusedSend("nothing visible is left of the text", false), answer: null };
    const rich = { ...params, text, ...(part.buttons?.length && { blocks: toBlocks(part.text, part.buttons) }) };
    // An edit without buttons takes those of before away.
    const simple = { ...params, text, ...(method === "chat.update" && { blocks: [] }) };
    const plain = { ...simple, text: toPlainSlack(part.text), mrkdwn: false, parse: "none" };
    let last: SendAttempt | null = null;
    for (const step of part.buttons?.length ? [rich, simple, plain] : [simple, plain]) {
      last = await this.#attempt(method, step, signal);
      if (!last.answer || !MARKUP_ERRORS.test(last.answer.error)) return last;
      this.#deps.host.log.warn("Slack rejected the markup of a text; it is sent with less markup", { cause: reasonFor(last.answer) });
    }
    return last!;
  }

  /** Answers a command in a conversation that the app has not joined: Slack accepts such an answer for half an hour. */
  async #respond(via: string, part: OutboundPart, signal: AbortSignal): Promise<SendResult> {
    const blocks = part.buttons?.length ? { blocks: toBlocks(part.text, part.buttons) } : {};
    try {
      const { status, retryAfterMs } = await this.#deps.api.postToResponseUrl(
        via,
        { response_type: "in_channel", text: toMrkdwn(part.text), ...blocks },
        { signal },
      );
      if (status === 200) return { state: "sent", ids: [] };
      if (status === 429) return this.#rateLimited(retryAfterMs, "Slack asks to answer more slowly");
      if (status >= 500) throw new Error(`Slack answered ${status}`);
      return refusedSend(`the app is not in the conversation, and the command can no longer be answered (${status})`, false);
    } catch (err) {
      if (err instanceof NotSentError) return refusedSend(`Slack cannot be reached: ${reasonOf(err)}`, true);
      throw err;
    }
  }

  async #sendFile(part: OutboundPart, media: MediaUpload, signal: AbortSignal): Promise<SendResult> {
    const most = SLACK_LIMITS.uploadBytes;
    if (media.sizeBytes > most) return refusedSend(`the file is larger than the limit of ${most} bytes`, false);
    let bytes: Uint8Array;
    try {
      bytes = await media.read();
    } catch (err) {
      return refusedSend(`the file cannot be read: ${reasonOf(err)}`, false);
    }
    const filename = media.name.replaceAll(/[\p{Cc}"\\/]/gu, "_").slice(-LIMITS.fileNameChars) || "file";
    const asked = await this.#attempt("files.getUploadURLExternal", { filename, length: bytes.length }, signal);
    const { upload_url: url, file_id: id } = asked.body ?? {};
    if (!asked.body) return asked.result;
    if (typeof url !== "string" || typeof id !== "string") return refusedSend("Slack returned no upload URL", true);
    // The file becomes visible in the last step: a failure before it sends no message.
    try {
      const status = await this.#deps.api.upload(url, bytes, signal);
      if (status !== 200) return refusedSend(`Slack rejected the file (${status})`, status >= 500);
    } catch (err) {
      return refusedSend(`the file was not uploaded: ${reasonOf(err)}`, true);
    }
    const caption = toMrkdwn(part.text);
    const files = [{ id, title: filename }];
    const place = { channel_id: part.target.chat.id, ...threadOf(part.target) };
    const done = await this.#attempt(
      "files.completeUploadExternal",
      { files, ...place, ...(caption && { initial_comment: caption }) },
      signal,
    );
    return done.body ? { state: "sent", ids: [asId<MessageId>(id)] } : done.result;
  }

  async #attempt(method: string, params: SlackObject, signal: AbortSignal): Promise<SendAttempt> {
    let answer: SlackApiResponse;
    try {
      answer = await this.#deps.api.call(method, params, { signal });
    } catch (err) {
      if (err instanceof NotSentError) return { result: refusedSend(`Slack cannot be reached: ${reasonOf(err)}`, true), answer: null };
      throw err;
    }
    if (answer.ok) {
      const { ts } = answer.body;
      return { result: { state: "sent", ids: typeof ts === "string" ? [asId<MessageId>(ts)] : [] }, answer: null, body: answer.body };
    }
    return { result: this.#toSendResult(answer), answer };
  }

  #toSendResult(answer: SlackApiError): SendResult {
    const reason = `Slack refused: ${reasonFor(answer)}`;
    if (answer.error === "ratelimited" || answer.error === "rate_limited") return this.#rateLimited(answer.retryAfterMs, reason);
    if (
      answer.status < 200 ||
      (answer.status >= 300 && answer.status < 400) ||
      answer.status >= 500 ||
      UNKNOWN_OUTCOME_ERRORS.has(answer.error)
    )
      throw new Error(`Slack answered: ${answer.error} (${answer.status})`);
    if (!TOKEN_ERRORS.has(answer.error)) return refusedSend(reason, false);
    this.#deps.fail(slackTokenRevokedError(answer.error));
    return refusedSend(reason, true);
  }

  #rateLimited(retryAfterMs: number | null, reason: string): SendResult {
    this.#deps.host.reportRateLimit();
    return { state: "refused", retryable: true, retryAfterMs: retryAfterMs ?? SLACK_LIMITS.retryMs, reason };
  }

  async #callOrThrow(method: string, params: SlackObject, fine?: string): Promise<SlackObject> {
    const answer = await this.#deps.api.call(method, params, { signal: new AbortController().signal });
    if (answer.ok) return answer.body;
    if (answer.error === fine) return {};
    throw new Error(`Slack refused: ${reasonFor(answer)}`);
  }
}

/** What became of one request; `answer` is Slack's refusal, `body` its consent. */
type SendAttempt = { result: SendResult; answer: SlackApiError | null; body?: SlackObject };

const refusedSend = (reason: string, retryable: boolean): SendResult => ({ state: "refused", retryable, reason });

/** The thread of a target. An answer to a message is a message in its thread. */
function threadOf({ thread, replyTo }: ReplyTarget): { thread_ts?: string } {
  const at = thread ?? replyTo;
  return at !== undefined && TS.test(at) ? { thread_ts: at } : {};
}
