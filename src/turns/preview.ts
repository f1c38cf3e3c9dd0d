import type { Link, OutboundPart, SendResult, ReplyTarget } from "../channels/channel.ts";
import type { Clock } from "../core/clock.ts";
import { contain } from "../core/contain.ts";
import { reasonOf } from "../core/errors.ts";
import { asId, type MessageId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { Store } from "../store/open.ts";
import type { Outbox } from "../store/outbox.ts";
import type { ChannelLookup } from "./channel-lookup.ts";
import { conversationOf } from "./outbound.ts";
import type { SendPauses } from "./send-pauses.ts";

/** What a preview and the small signs of a turn need of the outside. */
export type PreviewDeps = {
  store: Store;
  outbox: Outbox;
  clock: Clock;
  log: Log;
  link: (channel: string, account: string) => Link | null;
  directory: Pick<ChannelLookup, "capabilities">;
  /** Shared with the delivery. While the platform asks to wait, what can be left out is left out. */
  pauses: Pick<SendPauses, "isPaused" | "applyRateLimit">;
  delivery: {
    /** Nothing waits or leaves in this conversation, so that a preview does not overtake it. */
    isIdle(conversation: string): boolean;
  };
  /** Marks for crash tests. */
  crashPoint: (point: string) => void;
};

/** The answer's first part, if it ended here, and where it goes; null while there is nothing to be shown. */
export type RenderPreview = (text: string) => { text: string; target: ReplyTarget } | null;

/** The key of a preview's send: stable across restarts, and never that of the answer, which may have to be sent beside it. */
export const previewKey = (runId: string): string => `${runId}:0:preview`;

/**
 * One message that shows an answer while it is written: sent once, then edited to the newest text. Everything about it may be
 * dropped except for the knowledge of which message it is, which is on disk before and after the send.
 */
export class Preview {
  readonly #deps: PreviewDeps;
  readonly #runId: string;
  readonly #render: RenderPreview;
  readonly #abort = new AbortController();
  #id: MessageId | null = null;
  #latest = "";
  #shown = "";
  #firstAt: number | null = null;
  /** Monotonic; before the first send nothing has to be waited for. */
  #lastAt = Number.NEGATIVE_INFINITY;
  #pauseMs: number = LIMITS.previewEditMs;
  #cancelTimer: (() => void) | null = null;
  #sending: Promise<void> | null = null;
  #ended = false;

  constructor(wire: PreviewDeps, runId: string, render: RenderPreview) {
    this.#deps = wire;
    this.#runId = runId;
    this.#render = render;
    const known = wire.outbox.previews.get(runId);
    // A resumed run continues with its message; where its id is unknown, only the answer is sent.
    if (known?.messageId) this.#id = asId<MessageId>(known.messageId);
    else if (known) this.#ended = true;
  }

  /** Never throws: a preview that fails is given up, and its turn continues. */
  show(text: string): void {
    this.#latest = text;
    this.#firstAt ??= this.#deps.clock.monotonic();
    this.#schedule();
  }

  /** Shows nothing more. What is on its way ends by itself; see `settled`. */
  stop(): void {
    this.#ended = true;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  /** Resolves when nothing of it is on its way. Never rejects. */
  async settled(): Promise<void> {
    await this.#sending;
  }

  readonly #schedule = contain(
    (err) => this.#giveUp(err),
    (): void => this.#scheduleOrUpdate(),
  );

  #scheduleOrUpdate(): void {
    if (this.#ended || this.#sending) return;
    const { clock } = this.#deps;
    const dueAt = this.#id ? this.#lastAt + this.#pauseMs : Math.max(this.#lastAt + this.#pauseMs, this.#firstSendAt());
    const waitMs = dueAt - clock.monotonic();
    if (waitMs > 0) {
      this.#cancelTimer ??= clock.after(
        waitMs,
        contain(
          (err) => this.#giveUp(err),
          () => this.#update(),
        ),
      );
      return;
    }
    this.#update();
  }

  #firstSendAt(): number {
    return this.#latest.trim().length >= LIMITS.previewFirstChars ? 0 : this.#firstAt! + LIMITS.previewFirstMs;
  }

  #update(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    if (this.#ended || this.#sending) return;
    const piece = this.#render(this.#latest);
    if (!piece || piece.text === this.#shown) return;
    const { clock, delivery, link, pauses } = this.#deps;
    const { target } = piece;
    const live = link(target.channel, target.account);
    this.#lastAt = clock.monotonic();
    if (!live?.edit || pauses.isPaused(target) || (!this.#id && !delivery.isIdle(conversationOf(target)))) return this.#schedule();
    const part: OutboundPart = { key: previewKey(this.#runId), target, text: piece.text };
    this.#sending = (this.#id ? this.#edit(live, this.#id, part) : this.#send(live, part))
      .catch((err: unknown) => this.#giveUp(err))
      .finally(() => {
        this.#sending = null;
        this.#lastAt = clock.monotonic();
        // What was refused, and what came meanwhile, is shown next time.
        this.#schedule();
      });
  }

  #giveUp(err: unknown): void {
    this.stop();
    this.#deps.log.warn("a preview is given up", { runId: this.#runId, cause: reasonOf(err) });
  }

  async #send(live: Link, part: OutboundPart): Promise<void> {
    const { store, outbox, clock, crashPoint } = this.#deps;
    const runId = this.#runId;
    await store.write(() =>
      outbox.previews.markAttempting({ runId, conversation: conversationOf(part.target), target: part.target }, clock.now()),
    );
    crashPoint("preview-attempting");
    // The answer is there already: it needs no preview.
    if (this.#ended) return void (await store.write(() => outbox.previews.remove(runId)));
    const result = await live.send(part, this.#abort.signal);
    crashPoint("preview-sent");
    if (result.state === "sent" && result.ids[0] !== undefined) {
      const id = result.ids[0];
      this.#id = id;
      this.#shown = part.text;
      await store.write(() => outbox.previews.markSent(runId, id, clock.now()));
      return;
    }
    if (result.state === "sent") return this.stop();
    await store.write(() => outbox.previews.remove(runId));
    this.#onRefused(part.target, result);
  }

  async #edit(live: Link, id: MessageId, part: OutboundPart): Promise<void> {
    const { store, outbox, log } = this.#deps;
    let result: SendResult;
    try {
      result = await live.edit!(id, part, this.#abort.signal);
    } catch (err) {
      // An edit may be repeated: the next one says the same or more.
      log.debug("an edit of a preview failed", { runId: this.#runId, cause: reasonOf(err) });
      return;
    }
    if (result.state === "sent") this.#shown = part.text;
    else if (result.notFound) {
      this.stop();
      await store.write(() => outbox.previews.remove(this.#runId));
    } else this.#onRefused(part.target, result);
  }

  #onRefused(target: ReplyTarget, result: Extract<SendResult, { state: "refused" }>): void {
    if (!result.retryable) return this.stop();
    this.#pauseMs = Math.min(this.#pauseMs * 2, LIMITS.previewEditMaxMs);
    this.#deps.pauses.applyRateLimit(target, result);
  }
}
