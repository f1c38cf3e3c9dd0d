import { reasonOf } from "../../core/errors.ts";
import type { MessageId } from "../../core/ids.ts";
import { SIGNAL_LIMITS } from "./limits.ts";
import type { ChannelEvent, ChannelContext, Link, MediaRef, OutboundPart, SendResult, ReplyTarget } from "../channel.ts";
import { refusedSend, type SignalBackend, type MessageDraft } from "./backend.ts";
import { SIGNAL_FILE_SCHEME } from "./inbound.ts";
import { fromMessageId, isGroup, toRecipient, type MessageRef } from "./ids.ts";
import { toVisibleSignal } from "./outbound.ts";

/** The sending side of one connection. Signal has no keys and no look-up: a message that may have left is never repeated. */
export class SignalLink implements Link {
  readonly #backend: SignalBackend;
  readonly #host: ChannelContext;
  readonly #signal: AbortSignal;
  /** Texts of late messages, since a quote carries the text that it quotes. */
  readonly #texts = new Map<MessageId, string>();

  constructor(backend: SignalBackend, host: ChannelContext, signal: AbortSignal) {
    this.#backend = backend;
    this.#host = host;
    this.#signal = signal;
  }

  /** Keeps what may be quoted. */
  onEvents(events: readonly ChannelEvent[]): void {
    for (const event of events) if (event.kind === "message") this.#rememberText(event.message, event.text);
  }

  async send(part: OutboundPart, signal: AbortSignal): Promise<SendResult> {
    if (signal.aborted) return refusedSend("cancelled before it was sent", true);
    const { media } = part;
    if (!media && toVisibleSignal(part.text).trim() === "") return refusedSend("nothing visible is left of the text", false);
    if (media && media.sizeBytes > SIGNAL_LIMITS.uploadBytes)
      return refusedSend(`the file is larger than the limit of ${SIGNAL_LIMITS.uploadBytes} bytes`, false);
    let files: MessageDraft["files"] = [];
    try {
      if (media) files = [{ media, bytes: await media.read() }];
    } catch (err) {
      return refusedSend(`the file cannot be read: ${reasonOf(err)}`, false);
    }
    return this.#deliver(
      { target: part.target, text: part.text, plain: false, files, quote: this.#quoteOf(part.target), edits: null },
      signal,
    );
  }

  async edit(id: MessageId, part: OutboundPart, signal: AbortSignal): Promise<SendResult> {
    if (signal.aborted) return refusedSend("cancelled before it was sent", true);
    const ref = requireOwnMessage(id);
    if (!ref) return refusedSend("only a message of our own can be edited", false);
    const draft: MessageDraft = { target: part.target, text: part.text, plain: false, files: [], quote: null, edits: ref.at };
    const result = await this.#deliver(draft, signal);
    // A message goes by the time of its first form, whatever becomes of it.
    return result.state === "sent" ? { state: "sent", ids: [id] } : result;
  }

  async typing(target: ReplyTarget): Promise<void> {
    try {
      await this.#backend.typing(target, this.#signal);
    } catch (err) {
      this.#host.log.debug("the typing indicator was not shown", { cause: reasonOf(err) });
    }
  }

  async react(target: ReplyTarget, id: MessageId, emoji: string, on: boolean): Promise<void> {
    sendOrThrow(await this.#backend.react(target, this.#toMessageRef(target, id), emoji, on, this.#signal));
  }

  async remove(target: ReplyTarget, id: MessageId): Promise<void> {
    const ref = requireOwnMessage(id);
    if (!ref) throw new Error("only a message of our own can be deleted");
    sendOrThrow(await this.#backend.remove(target, ref.at, this.#signal));
  }

  async pin(target: ReplyTarget, id: MessageId, on: boolean): Promise<void> {
    sendOrThrow(await this.#backend.pin(target, this.#toMessageRef(target, id), on, this.#signal));
  }

  poll(target: ReplyTarget, poll: { question: string; options: readonly string[]; multiple: boolean }): Promise<SendResult> {
    return this.#backend.poll(target, poll, this.#signal);
  }

  async download(ref: MediaRef, maxBytes: number, signal: AbortSignal): Promise<Uint8Array> {
    if (!ref.url.startsWith(SIGNAL_FILE_SCHEME)) throw new Error("the file does not come from Signal");
    if (ref.sizeBytes !== null && ref.sizeBytes > maxBytes) throw new Error(`the file is larger than ${maxBytes} bytes`);
    return this.#backend.downloadFile(new URLSearchParams(ref.url.slice(SIGNAL_FILE_SCHEME.length)), maxBytes, signal);
  }

  async #deliver(draft: MessageDraft, signal: AbortSignal): Promise<SendResult> {
    const either = AbortSignal.any([signal, this.#signal]);
    const { badMarkup, ...first } = await this.#backend.send(draft, either);
    if (!badMarkup || first.state !== "refused") return first;
    this.#host.log.warn("signal-cli rejected the styles of a text; it is sent as plain text", { cause: first.reason });
    const { badMarkup: _, ...second } = await this.#backend.send({ ...draft, plain: true }, either);
    return second;
  }

  #quoteOf({ replyTo }: ReplyTarget): MessageDraft["quote"] {
    const ref = replyTo === undefined ? null : fromMessageId(replyTo);
    return ref && { ...ref, text: this.#texts.get(replyTo!) ?? "" };
  }

  /** The message that an operator or the gateway means. In a direct chat a bare time may be the other's message, which was read. */
  #toMessageRef({ chat }: ReplyTarget, id: MessageId): MessageRef {
    const ref = fromMessageId(id);
    if (!ref) throw new Error(`${id} is not the id of a Signal message: expected the time in milliseconds, in groups time@author`);
    const theirs = `${ref.at}@${chat.id}` as MessageId;
    const isTheirs = ref.author === null && !isGroup({ chat }) && this.#texts.has(theirs);
    return isTheirs ? { at: ref.at, author: toRecipient(chat.id) } : ref;
  }

  #rememberText(id: MessageId, text: string): void {
    this.#texts.set(id, text.slice(0, 2_000));
    if (this.#texts.size <= SIGNAL_LIMITS.quotedTexts) return;
    const oldest = this.#texts.keys().next();
    if (!oldest.done) this.#texts.delete(oldest.value);
  }
}

function requireOwnMessage(id: MessageId): MessageRef | null {
  const ref = fromMessageId(id);
  return ref?.author === null ? ref : null;
}

function sendOrThrow(result: SendResult): void {
  if (result.state === "refused") throw new Error(result.reason);
}
