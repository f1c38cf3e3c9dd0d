import type { ChannelCapabilities, Link, OutboundPart, SendResult, ReplyTarget } from "../../src/channels/channel.ts";
import { systemClock, type Clock } from "../../src/core/clock.ts";
import { asId, type MessageId } from "../../src/core/ids.ts";
import { silentLog, type Log } from "../../src/core/log.ts";
import { silentMetrics } from "../../src/core/metrics.ts";
import { ActivePreviews } from "../../src/turns/active-previews.ts";
import { SendPauses } from "../../src/turns/send-pauses.ts";
import { Delivery, type DeliveryOptions } from "../../src/turns/delivery.ts";
import { TurnIndicators, type IndicatorSettings } from "../../src/turns/turn-indicators.ts";
import type { ReplyToMode } from "../../src/turns/outbound.ts";
import { noteUndelivered } from "../../src/turns/undelivered.ts";
import { openTurnBench, type TurnBench } from "./turn-bench.ts";

/** A chat that can do everything, as it looks to people, with a list of what was asked of it and answers that a test prepares. */
export class FakeChat {
  /** What people see, oldest first. */
  readonly shown: { id: string; text: string; replyTo?: string; buttons?: number; file?: string }[] = [];
  readonly calls: string[] = [];
  readonly keys: string[] = [];
  /** Answers of the next calls of one kind; a function may wait or throw. */
  readonly next: Record<"send" | "edit", (() => SendResult | null | Promise<SendResult | null>)[]> = { send: [], edit: [] };
  #ids = 0;

  texts(): string[] {
    return this.shown.map((each) => each.text);
  }

  readonly link: Link = {
    send: async (part) => {
      this.calls.push(`send ${part.text}`);
      this.keys.push(part.key);
      const prepared = await this.next.send.shift()?.();
      return prepared ?? { state: "sent", ids: [await this.#add(part)] };
    },
    edit: async (id, part) => {
      this.calls.push(`edit ${id} ${part.text}`);
      const prepared = await this.next.edit.shift()?.();
      if (prepared) return prepared;
      const found = this.shown.find((each) => each.id === id);
      if (!found) return { state: "refused", retryable: false, notFound: true, reason: "no such message" };
      found.text = part.text;
      return { state: "sent", ids: [] };
    },
    remove: async (_target, id) => {
      this.calls.push(`remove ${id}`);
      const at = this.shown.findIndex((each) => each.id === id);
      if (at >= 0) this.shown.splice(at, 1);
    },
    typing: async () => void this.calls.push("typing"),
    react: async (_target, id, emoji, on) => void this.calls.push(`react ${id} ${emoji} ${on ? "on" : "off"}`),
  };

  async #add(part: OutboundPart): Promise<MessageId> {
    const id = `m${++this.#ids}`;
    this.shown.push({
      id,
      text: part.text,
      ...(part.target.replyTo ? { replyTo: part.target.replyTo } : {}),
      ...(part.buttons ? { buttons: part.buttons.flat().length } : {}),
      ...(part.media ? { file: `${part.media.name} ${Buffer.from(await part.media.read()).toString()}` } : {}),
    });
    return asId(id);
  }
}

export const ALL_CAPABILITIES: ChannelCapabilities = {
  chatKinds: ["direct", "group"],
  maxText: { unit: "utf16", value: 4_000 },
  markup: "plain",
  ack: "none",
  idempotency: "none",
  edit: true,
  typing: true,
  reactions: true,
  media: { in: false, out: true },
  buttons: true,
  commands: false,
  polls: false,
  events: [],
};

export const MINIMAL_CAPABILITIES: IndicatorSettings = { preview: "off", typing: "never", ack: null };

export type ChatBench = TurnBench & { chat: FakeChat; delivery: Delivery; live: TurnIndicators; pauses: SendPauses; points: string[] };

/** The turns module with its delivery on a scripted chat. */
export function openChatBench(
  options: {
    abilities?: Partial<ChannelCapabilities>;
    settings?: Partial<IndicatorSettings>;
    replyToMode?: ReplyToMode;
    dir?: string;
    chat?: FakeChat;
    link?: Partial<Link>;
    mark?: (point: string) => void;
    clock?: Clock;
    log?: Log;
    split?: (target: unknown, text: string) => readonly string[];
    concurrency?: () => number;
    quietMs?: number;
    timeoutMs?: number;
    /** Replaces parts of what the deliverer and the signs of a turn ask. */
    wire?: Partial<Pick<DeliveryOptions, "link" | "directory" | "onUndelivered">>;
    settingsOf?: () => IndicatorSettings;
  } = {},
): ChatBench {
  const chat = options.chat ?? new FakeChat();
  const abilities = { ...ALL_CAPABILITIES, ...options.abilities };
  const points: string[] = [];
  const mark = (point: string): void => {
    points.push(point);
    options.mark?.(point);
  };
  let made: Pick<ChatBench, "delivery" | "live" | "pauses"> | undefined;
  const bench = openTurnBench({
    abilities,
    mark,
    ...(options.dir ? { dir: options.dir } : {}),
    ...(options.clock ? { clock: options.clock } : {}),
    ...(options.log ? { log: options.log } : {}),
    ...(options.split ? { split: options.split } : {}),
    ...(options.concurrency ? { concurrency: options.concurrency } : {}),
    ...(options.quietMs ? { quietMs: options.quietMs } : {}),
    ...(options.timeoutMs ? { timeoutMs: options.timeoutMs } : {}),
    ...(options.replyToMode ? { replyToMode: options.replyToMode } : {}),
    deliver: (conversation) => made!.delivery.wake(conversation),
    live: ({ store, outbox, media, bus }) => {
      const link = { ...chat.link, ...options.link };
      const clock = options.clock ?? systemClock;
      const log = options.log ?? silentLog;
      const wire = {
        store,
        outbox,
        clock,
        log,
        crashPoint: mark,
        link: () => link,
        directory: { capabilities: () => abilities },
        pauses: new SendPauses(clock),
        previews: new ActivePreviews(),
        ...options.wire,
      };
      const delivery = new Delivery({
        ...wire,
        bus,
        metrics: silentMetrics,
        media,
        onUndelivered:
          options.wire?.onUndelivered ??
          ((part, state, cause) => noteUndelivered({ ...bench, ...bench.turns }, { part, state, cause, now: Date.now() })),
      });
      const live = new TurnIndicators({
        ...wire,
        delivery,
        settings: options.settingsOf ?? (() => ({ ...MINIMAL_CAPABILITIES, ...options.settings })),
      });
      made = { delivery, live, pauses: wire.pauses };
      return live;
    },
  });
  return { ...bench, ...made!, chat, points, close: () => void made!.delivery.stop().then(() => bench.close()) };
}

export const chatTarget = (more: Partial<ReplyTarget> & { kind?: "direct" | "group" } = {}): ReplyTarget => {
  const { kind = "direct", ...rest } = more;
  return {
    channel: asId("chat"),
    account: asId("default"),
    chat: { kind, id: asId("alice") },
    replyTo: asId<MessageId>("their-1"),
    ...rest,
  };
};
