import { reasonOf } from "../../core/errors.ts";
import { asId, type ChatId, type MessageId } from "../../core/ids.ts";
import { TELEGRAM_LIMITS } from "./limits.ts";
import { NotSentError } from "../api.ts";
import {
  TerminalError,
  type ChannelEvent,
  type ChannelContext,
  type Link,
  type MediaRef,
  type MediaUpload,
  type OutboundPart,
  type SendResult,
  type ReplyTarget,
} from "../channel.ts";
import type { TelegramApiResponse, BotApi, BotApiParams, TelegramApiError, FileUpload } from "./bot-api.ts";
import type { TelegramAccount } from "./config.ts";
import { TELEGRAM_FILE_SCHEME, GENERAL_TOPIC_ID } from "./inbound.ts";
import { toTelegramHtml, toPlainTelegram, toVisibleTelegram } from "./outbound.ts";

type TelegramLinkDeps = {
  account: TelegramAccount;
  api: BotApi;
  host: ChannelContext;
  /** Makes the event that tells about a room's new id. */
  onMigrated: (from: ChatId, to: ChatId) => ChannelEvent;
  /** Ends the connection: the token is not valid any more. */
  fail: (err: TerminalError) => void;
};

/** Telegram answers with one of these when it could not make a picture or a voice message of a file. */
const AS_DOCUMENT = /PHOTO_|IMAGE_PROCESS_FAILED|VOICE_MESSAGES_FORBIDDEN|wrong file identifier|VIDEO_/i;
const NOT_FOUND_DESCRIPTIONS = /message to edit not found|MESSAGE_ID_INVALID|message can't be edited/i;

/** Whether the token itself was refused. A proxy that says 401 or 404 tells nothing about it. */
export const isRevoked = ({ code, isProxyResponse: foreign }: TelegramApiError): boolean => !foreign && (code === 401 || code === 404);

export function telegramTokenRevokedError(): TerminalError {
  return new TerminalError(
    "Telegram rejected this token",
    "Get the valid token from @BotFather (/mybots, API Token), set channels.telegram.botToken, then: openclaw channels start telegram",
  );
}

/** The sending side of one connection. Telegram has no idempotency: a request that may have arrived is never repeated. */
export class TelegramLink implements Link {
  readonly #deps: TelegramLinkDeps;
  readonly #migrations = new Map<string, ChatId>();

  constructor(deps: TelegramLinkDeps) {
    this.#deps = deps;
  }

  async send(part: OutboundPart, signal: AbortSignal): Promise<SendResult> {
    if (signal.aborted) return refusedSend("cancelled before it was sent", true);
    const more = { ...quoteOf(part.target), ...keyboard(part) };
    return part.media ? await this.#sendFile(part, part.media, more, signal) : await this.#sendText(part, more, signal);
  }

  async edit(id: MessageId, part: OutboundPart, signal: AbortSignal): Promise<SendResult> {
    if (signal.aborted) return refusedSend("cancelled before it was sent", true);
    const place = { message_id: Number(id), ...keyboard(part) };
    let result = await this.#sendFormatted("editMessageText", "text", part, place, signal);
    // Under a file the text is a caption.
    if (result.answer && /no text in the message/i.test(result.answer.description))
      result = await this.#sendFormatted("editMessageCaption", "caption", part, place, signal);
    if (result.answer && /message is not modified/i.test(result.answer.description)) return { state: "sent", ids: [id] };
    const done = result.result;
    return done.state === "refused" && result.answer && NOT_FOUND_DESCRIPTIONS.test(result.answer.description)
      ? { ...done, retryable: false, notFound: true }
      : done;
  }

  async typing(target: ReplyTarget): Promise<void> {
    const thread = target.thread === undefined ? {} : { message_thread_id: Number(target.thread) };
    try {
      await this.#call("sendChatAction", target, { action: "typing", ...thread });
    } catch (err) {
      this.#deps.host.log.debug("the typing indicator was not shown", { cause: reasonOf(err) });
    }
  }

  async react(target: ReplyTarget, id: MessageId, emoji: string, on: boolean): Promise<void> {
    // Telegram's list of reactions has no variation selectors.
    const reaction = on ? [{ type: "emoji", emoji: emoji.replaceAll("\ufe0f", "") }] : [];
    await this.#callOrThrow("setMessageReaction", target, { message_id: Number(id), reaction });
  }

  async remove(target: ReplyTarget, id: MessageId): Promise<void> {
    const answer = await this.#call("deleteMessage", target, { message_id: Number(id) });
    if (!answer.ok && !/message to delete not found/i.test(answer.description)) throw new Error(answer.description);
  }

  async pin(target: ReplyTarget, id: MessageId, on: boolean): Promise<void> {
    const quiet = on ? { disable_notification: true } : {};
    await this.#callOrThrow(on ? "pinChatMessage" : "unpinChatMessage", target, { message_id: Number(id), ...quiet });
  }

  async openThread(target: ReplyTarget, name: string): Promise<string> {
    const result = (await this.#callOrThrow("createForumTopic", target, { name: name.slice(0, 128) })) as BotApiParams | null;
    if (typeof result?.["message_thread_id"] === "number") return String(result["message_thread_id"]);
    throw new Error("Telegram returned no id of the new topic");
  }

  async poll(target: ReplyTarget, poll: { question: string; options: readonly string[]; multiple: boolean }): Promise<SendResult> {
    const options = poll.options.map((text) => ({ text }));
    const params = { question: poll.question, options, allows_multiple_answers: poll.multiple, is_anonymous: false, ...threadOf(target) };
    return (await this.#attempt("sendPoll", target, params, new AbortController().signal)).result;
  }

  async download(ref: MediaRef, maxBytes: number, signal: AbortSignal): Promise<Uint8Array> {
    if (!ref.url.startsWith(TELEGRAM_FILE_SCHEME)) throw new Error("the file does not come from Telegram");
    if (ref.sizeBytes !== null && ref.sizeBytes > maxBytes) throw new Error(`the file is larger than ${maxBytes} bytes`);
    const answer = await this.#deps.api.call("getFile", { file_id: ref.url.slice(TELEGRAM_FILE_SCHEME.length) }, { signal });
    if (!answer.ok) throw new Error(`Telegram refused to send the file: ${answer.description}`);
    const path = (answer.result as BotApiParams | null)?.["file_path"];
    if (typeof path !== "string") throw new Error("Telegram returned no path of the file");
    return this.#deps.api.downloadFile(path, maxBytes, signal);
  }

  async #sendText(part: OutboundPart, more: BotApiParams, signal: AbortSignal): Promise<SendResult> {
    if (toVisibleTelegram(part.text).trim() === "") return refusedSend("nothing visible is left of the text", false);
    const preview = this.#deps.account.linkPreview ? {} : { link_preview_options: { is_disabled: true } };
    return (await this.#sendFormatted("sendMessage", "text", part, { ...threadOf(part.target), ...preview, ...more }, signal)).result;
  }

  async #sendFile(part: OutboundPart, media: MediaUpload, more: BotApiParams, signal: AbortSignal): Promise<SendResult> {
    const most = TELEGRAM_LIMITS.uploadBytes;
    if (media.sizeBytes > most) return refusedSend(`the file is larger than the ${most} bytes that Telegram accepts`, false);
    let bytes: Uint8Array;
    try {
      bytes = await media.read();
    } catch (err) {
      return refusedSend(`the file cannot be read: ${reasonOf(err)}`, false);
    }
    // A text that is too long for a caption follows as a message of its own, with the buttons under it.
    const visible = toVisibleTelegram(part.text).trim();
    const alone = visible.length > TELEGRAM_LIMITS.captionChars;
    const { reply_markup: buttons, ...rest } = more;
    const caption = alone ? { ...part, text: "" } : part;
    const place = { ...threadOf(part.target), ...rest, ...(!alone && buttons !== undefined && { reply_markup: buttons }) };
    let [method, field] = methodFor(media);
    const upload = (): FileUpload => ({ field, name: safeName(media.name), mimeType: media.mimeType, bytes });
    let sent = await this.#sendFormatted(method, "caption", caption, place, signal, upload());
    if (sent.answer && field !== "document" && AS_DOCUMENT.test(sent.answer.description)) {
      [method, field] = ["sendDocument", "document"];
      sent = await this.#sendFormatted(method, "caption", caption, place, signal, upload());
    }
    if (!alone || sent.result.state !== "sent") return sent.result;
    const text = await this.#sendText(part, buttons === undefined ? {} : { reply_markup: buttons }, signal);
    if (text.state === "refused") throw new Error(`the file was sent, and its text was refused: ${text.reason}`);
    return { state: "sent", ids: [...sent.result.ids, ...text.ids] };
  }

  /** A text with its markup; without any when Telegram cannot read the markup. */
  async #sendFormatted(
    method: string,
    key: "text" | "caption",
    part: OutboundPart,
    more: BotApiParams,
    signal: AbortSignal,
    upload?: FileUpload,
  ): Promise<SendAttempt> {
    if (part.text.trim() === "") return this.#attempt(method, part.target, more, signal, upload);
    const rich = { ...more, [key]: toTelegramHtml(part.text), parse_mode: "HTML" };
    const first = await this.#attempt(method, part.target, rich, signal, upload);
    if (!first.answer || !/can't parse (?:message )?(?:entities|text|caption)|ENTIT(?:Y|IES)_/i.test(first.answer.description))
      return first;
    this.#deps.host.log.warn("Telegram rejected the markup of a text; it is sent as plain text", { cause: first.answer.description });
    const most = key === "text" ? TELEGRAM_LIMITS.textChars : TELEGRAM_LIMITS.captionChars;
    return this.#attempt(method, part.target, { ...more, [key]: toPlainTelegram(part.text, most) }, signal, upload);
  }

  /** One request, and once more at the new id of a room that has moved: in that case nothing was sent. */
  async #attempt(
    method: string,
    target: ReplyTarget,
    params: BotApiParams,
    signal: AbortSignal,
    upload?: FileUpload,
  ): Promise<SendAttempt> {
    try {
      let answer = await this.#call(method, target, params, signal, upload);
      if (!answer.ok && answer.migrateTo !== null) {
        await this.#onChatMigrated(target.chat.id, asId<ChatId>(answer.migrateTo));
        answer = await this.#call(method, target, params, signal, upload);
      }
      return this.#toAttempt(answer, params);
    } catch (err) {
      if (err instanceof NotSentError) return { result: refusedSend(`Telegram cannot be reached: ${reasonOf(err)}`, true), answer: null };
      throw err;
    }
  }

  #toAttempt(answer: TelegramApiResponse, params: BotApiParams): SendAttempt {
    if (answer.ok) {
      const id = (answer.result as BotApiParams | null)?.["message_id"] ?? params["message_id"];
      if (typeof id !== "number") throw new Error("Telegram's answer names no message");
      return { result: { state: "sent", ids: [asId<MessageId>(String(id))] }, answer: null };
    }
    const reason = `${answer.description} (${answer.code})`;
    if (answer.code < 400 || answer.code >= 500) throw new Error(`Telegram answered: ${reason}`);
    if (answer.code === 429) {
      this.#deps.host.reportRateLimit();
      return {
        result: { state: "refused", retryable: true, retryAfterMs: answer.retryAfterMs ?? TELEGRAM_LIMITS.retryMs, reason },
        answer,
      };
    }
    // A proxy that gave up on Telegram does not know what became of the request.
    if (answer.isProxyResponse && answer.code === 408) throw new Error(`a proxy answered instead of Telegram: ${reason}`);
    // Here 404 may be a method that an old server does not have.
    if (answer.code === 404 || !isRevoked(answer))
      return { result: refusedSend(reason, answer.isProxyResponse && answer.code !== 413), answer };
    this.#deps.fail(telegramTokenRevokedError());
    return { result: refusedSend(reason, true), answer };
  }

  async #callOrThrow(method: string, target: ReplyTarget, params: BotApiParams): Promise<unknown> {
    const answer = await this.#call(method, target, params);
    if (!answer.ok) throw new Error(`Telegram refused: ${answer.description}`);
    return answer.result;
  }

  #call(
    method: string,
    target: ReplyTarget,
    params: BotApiParams,
    signal?: AbortSignal,
    upload?: FileUpload,
  ): Promise<TelegramApiResponse> {
    const chat = this.#migrations.get(target.chat.id) ?? target.chat.id;
    const body = { chat_id: /^-?\d{1,15}$/.test(chat) ? Number(chat) : chat, ...params };
    return this.#deps.api.call(method, body, { signal: signal ?? new AbortController().signal, ...(upload && { upload }) });
  }

  async #onChatMigrated(from: ChatId, to: ChatId): Promise<void> {
    if (this.#migrations.has(from)) return;
    this.#migrations.set(from, to);
    // Telegram tells about it with an update of its own as well, which may be read later.
    try {
      await this.#deps.host.admit([this.#deps.onMigrated(from, to)]);
    } catch (err) {
      this.#deps.host.log.warn("the new id of a room could not be stored at once", { cause: reasonOf(err) });
    }
  }
}

/** What became of one request; `answer` is Telegram's refusal. */
type SendAttempt = { result: SendResult; answer: TelegramApiError | null };

const refusedSend = (reason: string, retryable: boolean): SendResult => ({ state: "refused", retryable, reason });

function threadOf({ thread }: ReplyTarget): BotApiParams {
  return thread === undefined || thread === GENERAL_TOPIC_ID ? {} : { message_thread_id: Number(thread) };
}

function quoteOf({ replyTo }: ReplyTarget): BotApiParams {
  if (replyTo === undefined || !/^\d{1,15}$/.test(replyTo)) return {};
  return { reply_parameters: { message_id: Number(replyTo), allow_sending_without_reply: true } };
}

function keyboard({ buttons }: OutboundPart): BotApiParams {
  if (!buttons || buttons.length === 0) return {};
  return { reply_markup: { inline_keyboard: buttons.map((row) => row.map(({ text, token }) => ({ text, callback_data: token }))) } };
}

function methodFor({ kind, mimeType, sizeBytes }: MediaUpload): [method: string, field: string] {
  if (mimeType === "image/gif") return ["sendAnimation", "animation"];
  if (kind === "image" && /^image\/(?:jpeg|png|webp)$/.test(mimeType) && sizeBytes <= TELEGRAM_LIMITS.photoBytes)
    return ["sendPhoto", "photo"];
  if (kind === "video" && mimeType === "video/mp4") return ["sendVideo", "video"];
  if (kind === "audio" && /^audio\/(?:ogg|opus)/.test(mimeType)) return ["sendVoice", "voice"];
  if (kind === "audio" && /^audio\/(?:mpeg|mp3|mp4|m4a|x-m4a)$/.test(mimeType)) return ["sendAudio", "audio"];
  return ["sendDocument", "document"];
}

const safeName = (name: string): string => name.replaceAll(/[\p{Cc}"\\/]/gu, "_").slice(-120) || "file";
