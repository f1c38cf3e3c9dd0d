import type { Clock } from "../../core/clock.ts";
import type { ChannelContext, MediaUpload, SendResult, ReplyTarget } from "../channel.ts";
import type { SignalAccount } from "./config.ts";
import type { MessageRef } from "./ids.ts";

/** What both ways of reaching Signal are made with. */
export type SignalBackendDeps = {
  url: string;
  account: SignalAccount;
  host: Pick<ChannelContext, "reportRateLimit" | "fail">;
  clock: Clock;
  /** Nothing read for so long: the connection is dead. */
  quietMs: number;
};

/** A text in both ways in which a backend may want it. */
export type MessageDraft = {
  target: ReplyTarget;
  /** Markdown. */ text: string;
  /** Without marks and styles: the last resort. */ plain: boolean;
  files: readonly { media: MediaUpload; bytes: Uint8Array }[];
  quote: (MessageRef & { text: string }) | null;
  /** Time of our message that is replaced. */ edits: number | null;
};

/** `badMarkup`: the styles were refused, and nothing was sent. */
export type SignalSendResult = SendResult & { badMarkup?: true };

/** The two interfaces of signal-cli. Every method rejects when the outcome of a request is unknown. */
export interface SignalBackend {
  /** Checks which program answers and whether it serves this account. Throws TerminalError with the fix. */
  check(signal: AbortSignal): Promise<void>;
  /** Notifications as they come, in batches. Ends by throwing. `opened` is called when nothing that is sent from then on is missed. */
  listen(signal: AbortSignal, opened: () => void, alive: () => void): AsyncIterable<readonly unknown[]>;
  send(draft: MessageDraft, signal: AbortSignal): Promise<SignalSendResult>;
  react(target: ReplyTarget, ref: MessageRef, emoji: string, on: boolean, signal: AbortSignal): Promise<SendResult>;
  remove(target: ReplyTarget, at: number, signal: AbortSignal): Promise<SendResult>;
  pin(target: ReplyTarget, ref: MessageRef, on: boolean, signal: AbortSignal): Promise<SendResult>;
  poll(
    target: ReplyTarget,
    poll: { question: string; options: readonly string[]; multiple: boolean },
    signal: AbortSignal,
  ): Promise<SendResult>;
  typing(target: ReplyTarget, signal: AbortSignal): Promise<void>;
  downloadFile(query: URLSearchParams, maxBytes: number, signal: AbortSignal): Promise<Uint8Array>;
  /** Links this side as a device; `show` gets what has to be scanned. Resolves to the number. */
  linkDevice(show: (uri: string) => void, signal: AbortSignal): Promise<string>;
}

export const refusedSend = (reason: string, retryable: boolean): SignalSendResult => ({ state: "refused", retryable, reason });
