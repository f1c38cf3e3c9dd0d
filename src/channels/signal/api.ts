import type { Clock } from "../../core/clock.ts";
import type { ChannelHost, OutMedia, SendResult, Target } from "../channel.ts";
import type { SignalAccount } from "./config.ts";
import type { Ref } from "./ids.ts";

/** What both ways of reaching Signal are made with. */
export type BackendDeps = {
  url: string;
  account: SignalAccount;
  host: Pick<ChannelHost, "limited" | "fail">;
  clock: Clock;
  /** Nothing read for so long: the connection is dead. */
  quietMs: number;
};

/** A text in both ways in which a backend may want it. */
export type Draft = {
  target: Target;
  /** Markdown. */ text: string;
  /** Without marks and styles: the last resort. */ plain: boolean;
  files: readonly { media: OutMedia; bytes: Uint8Array }[];
  quote: (Ref & { text: string }) | null;
  /** Time of our message that is replaced. */ edits: number | null;
};

/** `badMarkup`: the styles were refused, and nothing was sent. */
export type Outcome = SendResult & { badMarkup?: true };

/** The two ways in which signal-cli is spoken to. Every method rejects when nobody knows what became of a request. */
export interface Backend {
  /** Who answers there, and whether it serves this account. Throws TerminalError with what mends it. */
  check(signal: AbortSignal): Promise<void>;
  /** Notifications as they come, in batches. Ends by throwing. `opened` is called when nothing that is sent from then on is missed. */
  listen(signal: AbortSignal, opened: () => void, alive: () => void): AsyncIterable<readonly unknown[]>;
  send(draft: Draft, signal: AbortSignal): Promise<Outcome>;
  react(target: Target, ref: Ref, emoji: string, on: boolean, signal: AbortSignal): Promise<SendResult>;
  remove(target: Target, at: number, signal: AbortSignal): Promise<SendResult>;
  pin(target: Target, ref: Ref, on: boolean, signal: AbortSignal): Promise<SendResult>;
  poll(target: Target, poll: { question: string; options: readonly string[]; multiple: boolean }, signal: AbortSignal): Promise<SendResult>;
  typing(target: Target, signal: AbortSignal): Promise<void>;
  file(query: URLSearchParams, maxBytes: number, signal: AbortSignal): Promise<Uint8Array>;
  /** Links this side as a device; `show` gets what has to be scanned. Resolves to the number. */
  link(show: (uri: string) => void, signal: AbortSignal): Promise<string>;
}

export const refused = (reason: string, retryable: boolean): Outcome => ({ state: "refused", retryable, reason });
