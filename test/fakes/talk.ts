import type { Abilities, Link, Part, SendResult, Target } from "../../src/channels/channel.ts";
import { systemClock, type Clock } from "../../src/core/clock.ts";
import { asId, type MessageId } from "../../src/core/ids.ts";
import { silentLog, type Log } from "../../src/core/log.ts";
import { silentMetrics } from "../../src/core/metrics.ts";
import { Delivery, type DeliveryOptions } from "../../src/turns/deliver.ts";
import { LiveReplies, type LiveSettings } from "../../src/turns/live.ts";
import { noteUndelivered, type ReplyToMode } from "../../src/turns/outbound.ts";
import { openBench, type Bench } from "./turns.ts";

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
      if (!found) return { state: "refused", retryable: false, gone: true, reason: "no such message" };
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

  async #add(part: Part): Promise<MessageId> {
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

export const ABLE: Abilities = {
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

export const QUIET: LiveSettings = { preview: "off", typing: "never", ack: null };

export type Talk = Bench & { chat: FakeChat; delivery: Delivery; live: LiveReplies; points: string[] };

/** A turns room with its deliverer on a scripted chat. */
export function openTalk(
  options: {
    abilities?: Partial<Abilities>;
    settings?: Partial<LiveSettings>;
    replyToMode?: ReplyToMode;
    dir?: string;
    chat?: FakeChat;
    link?: Partial<Link>;
    mark?: (point: string) => void;
    clock?: Clock;
    log?: Log;
    split?: (target: unknown, text: string) => readonly string[];
    concurrency?: number;
    quietMs?: number;
    timeoutMs?: number;
    /** Replaces parts of what the deliverer and the signs of a turn ask. */
    wire?: Partial<Pick<DeliveryOptions, "link" | "abilities" | "undelivered">>;
    settingsOf?: () => LiveSettings;
  } = {},
): Talk {
  const chat = options.chat ?? new FakeChat();
  const abilities = { ...ABLE, ...options.abilities };
  const points: string[] = [];
  const mark = (point: string): void => {
    points.push(point);
    options.mark?.(point);
  };
  let made: { delivery: Delivery; live: LiveReplies } | undefined;
  const bench = openBench({
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
      const wire = { store, outbox, clock, log, mark, link: () => link, abilities: () => abilities, ...options.wire };
      const delivery = new Delivery({
        ...wire,
        bus,
        metrics: silentMetrics,
        media,
        previewSettled: (runId) => live.settled(runId),
        undelivered: options.wire?.undelivered ?? ((part, state, cause) => noteUndelivered(bench.turns, part, state, cause, Date.now())),
      });
      const live = new LiveReplies({
        ...wire,
        paused: (target) => delivery.paused(target),
        slowDown: (target, result) => delivery.slowDown(target, result),
        idle: (conversation) => delivery.idle(conversation),
        settings: options.settingsOf ?? (() => ({ ...QUIET, ...options.settings })),
      });
      made = { delivery, live };
      return live;
    },
  });
  return { ...bench, ...made!, chat, points, close: () => void made!.delivery.stop().then(() => bench.close()) };
}

export const chatTarget = (more: Partial<Target> & { kind?: "direct" | "group" } = {}): Target => {
  const { kind = "direct", ...rest } = more;
  return {
    channel: asId("chat"),
    account: asId("default"),
    chat: { kind, id: asId("alice") },
    replyTo: asId<MessageId>("their-1"),
    ...rest,
  };
};
