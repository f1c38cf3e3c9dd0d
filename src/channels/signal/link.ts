import { reasonOf } from "../../core/errors.ts";
import type { MessageId } from "../../core/ids.ts";
import { LIMITS } from "../../core/limits.ts";
import type { ChannelEvent, ChannelHost, Link, MediaRef, Part, SendResult, Target } from "../channel.ts";
import { refused, type Backend, type Draft } from "./api.ts";
import { FILE } from "./inbound.ts";
import { fromMessageId, isGroup, toRecipient, type Ref } from "./ids.ts";
import { toVisible } from "./outbound.ts";

/** The sending side of one connection. Signal has no keys and no look-up: a message that may have left is never repeated. */
export class SignalLink implements Link {
  readonly #backend: Backend;
  readonly #host: ChannelHost;
  readonly #signal: AbortSignal;
  /** Texts of late messages, since a quote carries the text that it quotes. */
  readonly #texts = new Map<MessageId, string>();

  constructor(backend: Backend, host: ChannelHost, signal: AbortSignal) {
    this.#backend = backend;
    this.#host = host;
    this.#signal = signal;
  }

  /** Keeps what may be quoted. */
  onEvents(events: readonly ChannelEvent[]): void {
    for (const event of events) if (event.kind === "message") this.#keep(event.message, event.text);
  }

  async send(part: Part, signal: AbortSignal): Promise<SendResult> {
    if (signal.aborted) return refused("cancelled before it was sent", true);
    const { media } = part;
    if (!media && toVisible(part.text).trim() === "") return refused("nothing visible is left of the text", false);
    if (media && media.sizeBytes > LIMITS.signalUploadBytes)
      return refused(`the file is larger than the ${LIMITS.signalUploadBytes} bytes that are sent`, false);
    let files: Draft["files"] = [];
    try {
      if (media) files = [{ media, bytes: await media.read() }];
    } catch (err) {
      return refused(`the file cannot be read: ${reasonOf(err)}`, false);
    }
    return this.#deliver(
      { target: part.target, text: part.text, plain: false, files, quote: this.#quoteOf(part.target), edits: null },
      signal,
    );
  }

  async edit(id: MessageId, part: Part, signal: AbortSignal): Promise<SendResult> {
    if (signal.aborted) return refused("cancelled before it was sent", true);
    const ref = own(id);
    if (!ref) return refused("only a message of our own can be edited", false);
    const draft: Draft = { target: part.target, text: part.text, plain: false, files: [], quote: null, edits: ref.at };
    const result = await this.#deliver(draft, signal);
    // A message goes by the time of its first form, whatever becomes of it.
    return result.state === "sent" ? { state: "sent", ids: [id] } : result;
  }

  async typing(target: Target): Promise<void> {
    try {
      await this.#backend.typing(target, this.#signal);
    } catch (err) {
      this.#host.log.debug("the typing sign was not shown", { cause: reasonOf(err) });
    }
  }

  async react(target: Target, id: MessageId, emoji: string, on: boolean): Promise<void> {
    insist(await this.#backend.react(target, this.#meant(target, id), emoji, on, this.#signal));
  }

  async remove(target: Target, id: MessageId): Promise<void> {
    const ref = own(id);
    if (!ref) throw new Error("only a message of our own can be deleted");
    insist(await this.#backend.remove(target, ref.at, this.#signal));
  }

  async pin(target: Target, id: MessageId, on: boolean): Promise<void> {
    insist(await this.#backend.pin(target, this.#meant(target, id), on, this.#signal));
  }

  poll(target: Target, poll: { question: string; options: readonly string[]; multiple: boolean }): Promise<SendResult> {
    return this.#backend.poll(target, poll, this.#signal);
  }

  async download(ref: MediaRef, maxBytes: number, signal: AbortSignal): Promise<Uint8Array> {
    if (!ref.url.startsWith(FILE)) throw new Error("the file is not one of Signal's");
    if (ref.sizeBytes !== null && ref.sizeBytes > maxBytes) throw new Error(`the file is larger than ${maxBytes} bytes`);
    return this.#backend.file(new URLSearchParams(ref.url.slice(FILE.length)), maxBytes, signal);
  }

  async #deliver(draft: Draft, signal: AbortSignal): Promise<SendResult> {
    const either = AbortSignal.any([signal, this.#signal]);
    const { badMarkup, ...first } = await this.#backend.send(draft, either);
    if (!badMarkup || first.state !== "refused") return first;
    this.#host.log.warn("Signal could not read the styles of a text; it is sent without", { cause: first.reason });
    const { badMarkup: _, ...second } = await this.#backend.send({ ...draft, plain: true }, either);
    return second;
  }

  #quoteOf({ replyTo }: Target): Draft["quote"] {
    const ref = replyTo === undefined ? null : fromMessageId(replyTo);
    return ref && { ...ref, text: this.#texts.get(replyTo!) ?? "" };
  }

  /** The message that an operator or the gateway means. In a direct chat a bare time may be the other's message, which was read. */
  #meant({ chat }: Target, id: MessageId): Ref {
    const ref = fromMessageId(id);
    if (!ref) throw new Error(`${id} is no id of a Signal message: it is the time in milliseconds, and in groups time@author`);
    const theirs = `${ref.at}@${chat.id}` as MessageId;
    const isTheirs = ref.author === null && !isGroup({ chat }) && this.#texts.has(theirs);
    return isTheirs ? { at: ref.at, author: toRecipient(chat.id) } : ref;
  }

  #keep(id: MessageId, text: string): void {
    this.#texts.set(id, text.slice(0, 2_000));
    if (this.#texts.size <= LIMITS.signalQuotedTexts) return;
    const oldest = this.#texts.keys().next();
    if (!oldest.done) this.#texts.delete(oldest.value);
  }
}

function own(id: MessageId): Ref | null {
  const ref = fromMessageId(id);
  return ref?.author === null ? ref : null;
}

function insist(result: SendResult): void {
  if (result.state === "refused") throw new Error(result.reason);
}
