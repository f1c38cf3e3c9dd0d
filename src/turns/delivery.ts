import {
  UnknownOutcomeError,
  type Link,
  type MediaUpload,
  type OutboundPart,
  type SendResult,
  type ReplyTarget,
} from "../channels/channel.ts";
import type { Bus } from "../core/bus.ts";
import type { Clock } from "../core/clock.ts";
import { contain } from "../core/contain.ts";
import { reasonOf } from "../core/errors.ts";
import { asId, type MessageId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import type { StoredFile, MediaStore } from "../store/media.ts";
import { isStorageError } from "../store/storage-error.ts";
import type { Store } from "../store/open.ts";
import type { Outbox, OutboxPart, PartState } from "../store/outbox.ts";
import type { ChannelLookup } from "./channel-lookup.ts";
import type { ActivePreviews } from "./active-previews.ts";
import { containedClock } from "./contained-clock.ts";
import type { TurnEvents } from "./events.ts";
import { previewKey } from "./preview.ts";
import type { SendPauses } from "./send-pauses.ts";
import { PartStages } from "./stages.ts";
import { createRetryingWrite, type RetryingWrite } from "./write-with-retry.ts";

export type DeliveryOptions = {
  store: Store;
  outbox: Outbox;
  bus: Bus<TurnEvents>;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  /** The live connection of an account, looked up for each send; null while there is none. */
  link: (channel: string, account: string) => Link | null;
  directory: Pick<ChannelLookup, "capabilities">;
  media: MediaStore;
  previews: Pick<ActivePreviews, "settled">;
  pauses: SendPauses;
  /** This gateway receives and does not send. Default: it sends. */
  isShadow?: () => boolean;
  /** A part did not arrive, or its outcome is unknown; called in the transaction that stores this. The returned function runs after the commit. */
  onUndelivered: (part: OutboxPart, state: "parked" | "unknown", cause: string) => (() => void) | null;
  /** Marks for crash tests. */
  crashPoint: (point: string) => void;
};

/** `resend`: the message to edit does not exist, and the part is sent as a new message. */
type SendOutcome = {
  state: PartState;
  ids?: readonly string[];
  cause?: string;
  retryInMs?: number;
  resend?: true;
  /** The platform still has to be asked about the attempt. */ outcomePending?: true;
};

/**
 * Sends the outbox. Each conversation is a queue of its own: its parts are sent strictly in order, conversations do not wait
 * for each other. A part is marked before it is handed to the channel, so that a crash leaves `attempting`, never a guess.
 */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #draining = new Map<string, Promise<void>>();
  #stopping = false;
  /** Conversations whose account has no connection; looked at again when one comes up. */
  readonly #awaitingLink = new Map<string, Set<string>>();
  /** Cancels the next look at a conversation. */
  readonly #timers = new Map<string, () => void>();
  /** Parts that wait after an attempt whose result this process has seen: the platform need not be asked about it. */
  readonly #observedAttempts = new Set<string>();
  readonly #abort = new AbortController();
  readonly #write: RetryingWrite;
  readonly #stages: PartStages;

  readonly #started: { readonly at: number; readonly monotonic: number };

  constructor(options: DeliveryOptions) {
    this.#options = { ...options, clock: containedClock(options.clock, options.log) };
    this.#stages = new PartStages(this.#options);
    this.#started = { at: options.clock.now(), monotonic: options.clock.monotonic() };
    const isStopping = (): boolean => this.#abort.signal.aborted;
    this.#write = createRetryingWrite({ ...this.#options, isStopping }, "the outcome of a send waits for the store");
  }

  /** Sends what an earlier process left. */
  start(): void {
    for (const conversation of this.#options.outbox.listOpenConversations()) this.wake(conversation);
  }

  /** Something was written for this conversation. Never throws: it is called from timers and listeners. */
  readonly wake = contain(
    (err) => this.#options.log.error("a conversation could not be woken", { error: err }),
    (conversation: string): void => {
      if (this.#draining.has(conversation) || this.#stopping) return;
      this.#draining.set(conversation, this.#drainContained(conversation));
    },
  );

  /** Never rejects. A conversation over which the gateway itself fails pauses; the others continue. */
  async #drainContained(conversation: string): Promise<void> {
    // The entry in #draining has to exist before the first part ends.
    await Promise.resolve();
    try {
      await this.#drain(conversation);
      if (this.#stopping) return;
      const next = this.#options.outbox.next(conversation);
      if (next && !this.#timers.has(conversation) && this.#linkOf(next)) setImmediate(() => this.wake(conversation));
    } catch (err) {
      this.#options.log.error("the gateway failed over the replies of a conversation", { conversation, error: err });
      this.#scheduleWake(conversation, this.#options.clock.monotonic() + LIMITS.deliveryFailurePauseMs);
    } finally {
      this.#draining.delete(conversation);
    }
  }

  /** An account is connected: what waits for it goes out. */
  onLinkUp(channel: string, account: string): void {
    const key = accountKey(channel, account);
    const conversations = this.#awaitingLink.get(key) ?? [];
    this.#awaitingLink.delete(key);
    for (const conversation of conversations) this.wake(conversation);
  }

  /** Sends nothing more, and gives sends in progress a moment to be confirmed, so that their outcome is known. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const settled = Promise.allSettled(this.#draining.values());
    await Promise.race([settled, new Promise<void>((resolve) => this.#options.clock.after(LIMITS.sendSettleMs, resolve))]);
    this.#abort.abort();
    for (const cancel of this.#timers.values()) cancel();
  }

  /** Nothing waits or leaves in this conversation. */
  isIdle(conversation: string): boolean {
    return !this.#draining.has(conversation) && !this.#options.outbox.next(conversation);
  }

  /** Looks at a conversation again when its pause is over. */
  #scheduleWake(conversation: string, at: number): void {
    this.#timers.get(conversation)?.();
    const delayMs = Math.max(0, at - this.#options.clock.monotonic());
    const cancel = this.#options.clock.after(delayMs, () => {
      this.#timers.delete(conversation);
      this.wake(conversation);
    });
    this.#timers.set(conversation, cancel);
  }

  async #drain(conversation: string): Promise<void> {
    while (!this.#stopping) {
      const part = this.#options.outbox.next(conversation);
      if (!part) return;
      const pauseEnd = this.#options.pauses.endOf(part.target as ReplyTarget);
      const link = this.#linkOf(part);
      // What was queued before shadow mode began.
      if (this.#options.isShadow?.()) await this.#settle(part, { state: "held", cause: "shadow mode" });
      else if (this.#isTooOld(part)) await this.#settle(part, { state: "parked", cause: "too old to be sent" });
      else if (!link) return this.#awaitLink(part);
      else if (pauseEnd > this.#options.clock.monotonic()) return this.#scheduleWake(conversation, pauseEnd);
      else await this.#attemptContained(part, link);
    }
  }

  /** A part over which the gateway itself fails becomes a dead letter, and the parts behind it are sent. */
  async #attemptContained(part: OutboxPart, link: Link): Promise<void> {
    const progress = { handedOver: false };
    try {
      await this.#attempt(part, link, progress);
    } catch (err) {
      const { channel, account } = part.target as ReplyTarget;
      this.#options.log.error("the gateway failed over a reply", { ...ofRun(part), channel, account, part: part.partKey, error: err });
      const state = progress.handedOver ? "unknown" : "parked";
      await this.#settle(part, { state, cause: `the gateway failed over it: ${reasonOf(err)}` });
    }
  }

  #linkOf(part: OutboxPart): Link | null {
    const target = part.target as ReplyTarget;
    return this.#options.link(target.channel, target.account);
  }

  /** A part of this process is not older than the process: the clock may have been set forward. */
  #isTooOld({ createdAt }: OutboxPart): boolean {
    const { clock } = this.#options;
    const isOfThisProcess = createdAt >= this.#started.at;
    const age = clock.now() - createdAt;
    const limit = isOfThisProcess ? clock.monotonic() - this.#started.monotonic : Infinity;
    return Math.min(age, limit) > LIMITS.outboundMaxAgeMs;
  }

  #awaitLink(part: OutboxPart): void {
    const { channel, account } = part.target as ReplyTarget;
    const key = accountKey(channel, account);
    const waiting = this.#awaitingLink.get(key) ?? new Set();
    waiting.add(part.conversation);
    this.#awaitingLink.set(key, waiting);
  }

  /** One send. What has to be tried again stays first in its conversation, which pauses. */
  async #attempt(part: OutboxPart, link: Link, progress: { handedOver: boolean }): Promise<void> {
    const { store, outbox, clock, crashPoint } = this.#options;
    const editOf = await this.#findMessageToReplace(part, link);
    try {
      await store.write(() => {
        if (outbox.markAttempting(part.partKey, clock.now(), editOf) > 0 && this.#canReplacePreview(part))
          outbox.previews.remove(previewRunId(part));
      });
    } catch (err) {
      if (!isStorageError(err)) throw err;
      this.#options.log.error("a reply waits for the store", { cause: reasonOf(err) });
      return this.#options.pauses.pauseFor(part.conversation, 1_000);
    }
    crashPoint("part-attempting");
    progress.handedOver = true;
    const began = clock.monotonic();
    const sent = editOf === null ? await this.#send(part, link) : await this.#replace(part, link, asId<MessageId>(editOf));
    crashPoint("part-sent");
    this.#stages.attempted(part, began, sent.state);
    if (sent.resend) return this.#requeueAsNew(part);
    await this.#settle(part, sent);
    if (sent.state === "queued") this.#options.pauses.pauseFor(part.conversation, sent.retryInMs ?? backoffMs(part.attempts));
  }

  /** Only the first part of an answer takes the place of its preview, on a channel that can edit. */
  #canReplacePreview = (part: OutboxPart): boolean =>
    part.position === 0 && this.#options.directory.capabilities((part.target as ReplyTarget).channel)?.edit === true;

  /** The message whose place a part takes: that of the answer's preview, also one of an earlier process. */
  async #findMessageToReplace(part: OutboxPart, link: Link): Promise<string | null> {
    if (part.editOf !== null || !this.#canReplacePreview(part)) return part.editOf;
    const { outbox, log } = this.#options;
    await this.#options.previews.settled(previewRunId(part));
    const preview = outbox.previews.get(previewRunId(part));
    if (!preview || preview.state === "sent") return preview?.messageId ?? null;
    // Whether the preview arrived is unknown, unless the platform can be asked or deduplicates.
    const asked: OutboundPart = { key: previewKey(previewRunId(part)), target: preview.target as ReplyTarget, text: part.text || "…" };
    const idempotency = this.#options.directory.capabilities(asked.target.channel)?.idempotency;
    try {
      if (idempotency === "lookup" && link.lookup) return (await link.lookup(asked))?.[0] ?? null;
      if (idempotency !== "key") return null;
      const result = await link.send(asked, this.#abort.signal);
      return result.state === "sent" ? (result.ids[0] ?? null) : null;
    } catch (err) {
      log.warn("a preview of an earlier process was not found", { part: part.partKey, cause: reasonOf(err) });
      return null;
    }
  }

  /** Puts a part in the place of a message of ours. May be repeated: it says the same again. */
  async #replace(part: OutboxPart, link: Link, id: MessageId): Promise<SendOutcome> {
    try {
      if (part.text === "" && !part.media) {
        await link.remove?.(part.target as ReplyTarget, id);
        return { state: "dropped", cause: "the answer is empty; its preview was removed" };
      }
      if (part.media || !link.edit) return await this.#deletePreview(part, link, id);
      const result = await link.edit(id, this.#toPart(part), this.#abort.signal);
      if (result.state === "sent") return { state: "sent", ids: result.ids.length > 0 ? result.ids : [id] };
      if (result.notFound) return { state: "queued", resend: true };
      if (!result.retryable) return await this.#deletePreview(part, link, id);
      return this.#fromResult(part, result);
    } catch (err) {
      if (part.attempts + 1 < LIMITS.sendAttempts || !this.#linkOf(part)) return { state: "queued", cause: reasonOf(err) };
      if (part.text === "" && !part.media) return { state: "dropped", cause: `its preview could not be removed: ${reasonOf(err)}` };
      return { state: "unknown", cause: reasonOf(err) };
    }
  }

  /** A preview that cannot become the answer is removed before it is sent. */
  async #deletePreview(part: OutboxPart, link: Link, id: MessageId): Promise<SendOutcome> {
    try {
      await link.remove?.(part.target as ReplyTarget, id);
    } catch (err) {
      this.#options.log.warn("a preview was not removed", { part: part.partKey, cause: reasonOf(err) });
    }
    return { state: "queued", resend: true };
  }

  async #requeueAsNew(part: OutboxPart): Promise<void> {
    const { outbox, clock } = this.#options;
    await this.#write(() => outbox.sendAsNew(part.partKey, clock.now()));
  }

  async #send(part: OutboxPart, link: Link): Promise<SendOutcome> {
    if (part.text === "" && !part.media) return { state: "dropped", cause: "there was no preview to remove" };
    if (part.media && !(await this.#options.media.has(part.media)))
      return { state: "parked", cause: `the file ${part.media.name} no longer exists` };
    const out = this.#toPart(part);
    // An earlier process may have died while it sent this.
    const before = part.attempts > 0 && !this.#observedAttempts.has(part.partKey) ? await this.#lookUpAttempt(part, out, link) : null;
    if (before) return before;
    try {
      return this.#fromResult(part, await link.send(out, this.#abort.signal));
    } catch (err) {
      return this.#fromUncertain(part, out, link, reasonOf(err));
    }
  }

  /** The result of an attempt with an unknown outcome, where the platform can be asked. Null: it does not have the part, or cannot be asked. */
  async #lookUpAttempt(part: OutboxPart, out: OutboundPart, link: Link): Promise<SendOutcome | null> {
    const { idempotency } = this.#options.directory.capabilities(out.target.channel) ?? {};
    if (idempotency !== "lookup" || !link.lookup) return null;
    try {
      const ids = await link.lookup(out);
      return ids && { state: "sent", ids };
    } catch (err) {
      const cause = `whether it had arrived could not be found out: ${reasonOf(err)}`;
      const hopeless = err instanceof UnknownOutcomeError || (part.attempts + 1 >= LIMITS.sendAttempts && this.#linkOf(part) !== null);
      return hopeless ? { state: "unknown", cause } : { state: "queued", cause, outcomePending: true };
    }
  }

  #toPart(part: OutboxPart): OutboundPart {
    return {
      key: part.partKey,
      target: part.target as ReplyTarget,
      text: part.text,
      ...(part.media ? { media: this.#toMedia(part.media) } : {}),
      ...(part.buttons ? { buttons: part.buttons } : {}),
    };
  }

  #toMedia({ kind, name, mimeType, sizeBytes, file }: StoredFile): MediaUpload {
    return { kind, name, mimeType, sizeBytes, read: () => this.#options.media.readFile(file) };
  }

  #fromResult(part: OutboxPart, result: SendResult): SendOutcome {
    if (result.state === "sent") return { state: "sent", ids: result.ids };
    if (!result.retryable) return { state: "parked", cause: result.reason };
    this.#options.pauses.applyRateLimit(part.target as ReplyTarget, result);
    // A platform that says when to come again is obeyed, however often; only the age of the part ends that.
    if (result.retryAfterMs) return { state: "queued", cause: result.reason, retryInMs: 0 };
    // A connection that went away is not an attempt that failed: the part waits for the next one, however long that takes.
    if (part.attempts + 1 >= LIMITS.sendAttempts && this.#linkOf(part))
      return { state: "parked", cause: `gave up after ${LIMITS.sendAttempts} attempts: ${result.reason}` };
    return { state: "queued", cause: result.reason };
  }

  /** The outcome is unknown. Only a platform that deduplicates, or can be asked, gets the part again. */
  async #fromUncertain(part: OutboxPart, out: OutboundPart, link: Link, cause: string): Promise<SendOutcome> {
    const idempotency = this.#options.directory.capabilities(out.target.channel)?.idempotency ?? "none";
    if (idempotency === "none" || (idempotency === "lookup" && !link.lookup)) return { state: "unknown", cause };
    const found = await this.#lookUpAttempt(part, out, link);
    return found ? { ...found, ...(found.cause && { cause: `${cause}; ${found.cause}` }) } : { state: "queued", cause };
  }

  async #settle(part: OutboxPart, sent: SendOutcome): Promise<void> {
    const { bus, log, metrics } = this.#options;
    const { channel, account } = part.target as ReplyTarget;
    const stored = await this.#storeOutcome(part, sent);
    if (!stored) return;
    if (sent.state === "queued" && !sent.outcomePending) this.#observedAttempts.add(part.partKey);
    else this.#observedAttempts.delete(part.partKey);
    contain((err) => log.error("an undelivered reply was not announced", { part: part.partKey, error: err }), stored.announce)();
    metrics.count("gateway_turns_parts_total", { channel, state: sent.state });
    this.#stages.settled(part, sent.state);
    if (sent.state === "unknown" || sent.state === "parked")
      log.error("a reply was not delivered for certain", {
        ...ofRun(part),
        channel,
        account,
        part: part.partKey,
        state: sent.state,
        cause: sent.cause,
      });
    bus.emit("part.settled", {
      partKey: part.partKey,
      runId: part.runId,
      sessionKey: part.sessionKey,
      channel,
      account,
      state: sent.state,
      cause: sent.cause ?? null,
    });
  }

  /** Null: the gateway stops; the part stays `attempting` and is reported after the restart. */
  async #storeOutcome(part: OutboxPart, sent: SendOutcome): Promise<{ announce: () => void } | null> {
    const { outbox, clock, log, onUndelivered: undelivered } = this.#options;
    let announce: (() => void) | null = null;
    const settle = (): number =>
      outbox.settle(part.partKey, sent.state, clock.now(), {
        ...(sent.ids ? { ids: sent.ids } : {}),
        ...(sent.cause ? { cause: sent.cause } : {}),
      });
    try {
      const stored = await this.#write(() => {
        settle();
        if (sent.state === "parked" || sent.state === "unknown") announce = undelivered(part, sent.state, sent.cause ?? "no reason given");
      });
      return stored && { announce: announce ?? (() => {}) };
    } catch (err) {
      // Its note in the session cannot be stored: only the outcome is.
      log.error("an undelivered reply could not be noted in its session", { part: part.partKey, error: err });
      return (await this.#write(settle)) && { announce: () => {} };
    }
  }
}

/** The run whose preview a part may take over. */
const previewRunId = (part: OutboxPart): string => part.runId ?? part.intentId;
/** The run whose reply a part is, for the log. */
const ofRun = ({ runId }: OutboxPart): { runId?: string } => (runId === null ? {} : { runId });
const accountKey = (channel: string, account: string): string => `${channel}|${account}`;

/** 1 s, 2 s, 4 s ... 60 s. */
const backoffMs = (attempts: number): number => Math.min(1_000 * 2 ** attempts, 60_000);
