// Group: wire
import assert from "node:assert/strict";
import { test } from "node:test";
import { UnknownOutcomeError, type ChannelCapabilities, type Link, type SendResult } from "../channels/channel.ts";
import { systemClock } from "../core/clock.ts";
import { asId } from "../core/ids.ts";
import { silentLog } from "../core/log.ts";
import { silentMetrics } from "../core/metrics.ts";
import { openTurnBench, until, type TurnBench } from "../../test/fakes/turn-bench.ts";
import { settled } from "../../test/until.ts";
import { ActivePreviews } from "./active-previews.ts";
import { SendPauses } from "./send-pauses.ts";
import { Delivery } from "./delivery.ts";
import { conversationOf } from "./outbound.ts";

const target = (chat: string) => ({
  channel: asId<never>("irc"),
  account: asId<never>("default"),
  chat: { kind: "direct" as const, id: asId<never>(chat) },
});
const abilities = (idempotency: ChannelCapabilities["idempotency"]): ChannelCapabilities => ({
  chatKinds: ["direct"],
  maxText: { unit: "utf16", value: 100 },
  markup: "plain",
  ack: "none",
  idempotency,
  edit: false,
  typing: false,
  reactions: false,
  media: { in: false, out: false },
  buttons: false,
  commands: false,
  polls: false,
  events: [],
});
const sent: SendResult = { state: "sent", ids: [asId("m")] };

type Rig = TurnBench & {
  delivery: Delivery;
  sends: string[];
  link: { current: Link | null };
  say: (intent: string, chat: string, text: string) => Promise<void>;
  states: () => string[];
  shadow: { on: boolean };
};

function openRig(
  send: (text: string, attempt: number) => SendResult | Promise<SendResult>,
  idempotency: ChannelCapabilities["idempotency"] = "none",
  lookup?: Link["lookup"],
): Rig {
  const bench = openTurnBench();
  const sends: string[] = [];
  const attempts = new Map<string, number>();
  const link: Link = {
    send: async (part) => {
      sends.push(part.text);
      const attempt = (attempts.get(part.key) ?? 0) + 1;
      attempts.set(part.key, attempt);
      return send(part.text, attempt);
    },
    ...(lookup ? { lookup } : {}),
  };
  const current: Rig["link"] = { current: link };
  const shadow = { on: false };
  const delivery = new Delivery({
    store: bench.store,
    outbox: bench.outbox,
    bus: bench.bus,
    clock: systemClock,
    log: silentLog,
    metrics: silentMetrics,
    link: () => current.current,
    isShadow: () => shadow.on,
    directory: { capabilities: () => abilities(idempotency) },
    media: bench.media,
    previews: new ActivePreviews(),
    pauses: new SendPauses(systemClock),
    onUndelivered: () => null,
    crashPoint: () => {},
  });
  const say = async (intent: string, chat: string, text: string): Promise<void> => {
    await bench.store.write(() => bench.turns.outbound.add({ id: intent, sessionKey: null, target: target(chat), text, at: Date.now() }));
    delivery.wake(conversationOf(target(chat)));
  };
  const states = (): string[] => bench.store.all<{ state: string }>("SELECT state FROM outbox ORDER BY rowid").map((row) => row.state);
  const close = (): void => {
    void delivery.stop();
    bench.close();
  };
  return { ...bench, close, delivery, sends, link: current, say, states, shadow };
}

test("what was queued when shadow mode begins is held, and is not sent when it ends", async () => {
  const rig = openRig(() => sent);
  rig.link.current = null;
  await rig.say("1", "alice", "a1||a2");
  rig.shadow.on = true;
  await until(() => {
    rig.delivery.wake(conversationOf(target("alice")));
    return rig.states().join() === "held,held";
  });
  rig.shadow.on = false;
  rig.link.current = { send: async (part) => (rig.sends.push(part.text), sent) };
  await rig.say("2", "alice", "later");
  await until(() => rig.states().join() === "held,held,sent");
  assert.deepEqual(rig.sends, ["later"]);
  assert.equal(rig.outbox.counts().find(({ state }) => state === "held")?.n, 2);
  rig.close();
});

test("parts of one conversation leave in order, and another conversation does not wait for them", async () => {
  const gate = Promise.withResolvers<SendResult>();
  const rig = openRig((text) => (text === "a1" ? gate.promise : sent));
  await rig.say("1", "alice", "a1||a2");
  await rig.say("2", "alice", "a3");
  await rig.say("3", "bob", "b1");
  await until(() => rig.sends.includes("b1"));
  assert.deepEqual(rig.sends, ["a1", "b1"]);
  gate.resolve(sent);
  await until(() => rig.states().every((state) => state === "sent"));
  assert.deepEqual(rig.sends, ["a1", "b1", "a2", "a3"]);
  rig.close();
});

test("a send with an unknown outcome is reported and never repeated, and the conversation continues", async () => {
  const rig = openRig((text) => {
    if (text === "a1") throw new Error("the socket died");
    return sent;
  });
  await rig.say("1", "alice", "a1||a2");
  await until(() => rig.states().join() === "unknown,sent");
  assert.deepEqual(rig.sends, ["a1", "a2"]);
  rig.close();
});

test("where the platform deduplicates, a send with an unknown outcome is repeated", async () => {
  const rig = openRig((_text, attempt) => {
    if (attempt === 1) throw new Error("the socket died");
    return sent;
  }, "key");
  await rig.say("1", "alice", "a1");
  await until(() => rig.states().join() === "sent");
  assert.deepEqual(rig.sends, ["a1", "a1"]);
  rig.close();
});

test("where the platform can be asked, an uncertain send is looked up and not repeated", async () => {
  const rig = openRig(
    () => {
      throw new Error("the socket died");
    },
    "lookup",
    async () => [asId("found")],
  );
  await rig.say("1", "alice", "a1");
  await until(() => rig.states().join() === "sent");
  assert.deepEqual(rig.sends, ["a1"]);
  rig.close();
});

test("a temporary refusal is retried, a permanent one becomes a dead letter with its cause", async () => {
  const rig = openRig((text, attempt) => {
    if (text === "no") return { state: "refused", retryable: false, reason: "no such person" };
    return attempt < 3 ? { state: "refused", retryable: true, retryAfterMs: 5, reason: "slow down" } : sent;
  });
  await rig.say("1", "alice", "later");
  await rig.say("2", "bob", "no");
  await until(() => rig.states().join() === "sent,parked");
  assert.equal(rig.outbox.byState("parked", 1)[0]!.cause, "no such person");
  assert.equal(rig.sends.filter((text) => text === "later").length, 3);
  rig.close();
});

test("messages that are stored while an account has no connection are sent when it has one", async () => {
  const rig = openRig(() => sent);
  const { current } = rig.link;
  rig.link.current = null;
  await rig.say("1", "alice", "a1||a2");
  await settled();
  assert.deepEqual(rig.sends, []);
  rig.link.current = current;
  rig.delivery.onLinkUp("irc", "default");
  await until(() => rig.states().join() === "sent,sent");
  rig.close();
});

test("a part that is too old becomes a dead letter instead of being sent late", async () => {
  const rig = openRig(() => sent);
  await rig.store.write(() =>
    rig.turns.outbound.add({ id: "1", sessionKey: null, target: target("alice"), text: "yesterday", at: Date.now() - 25 * 3_600_000 }),
  );
  rig.delivery.start();
  await until(() => rig.states().join() === "parked");
  assert.deepEqual(rig.sends, []);
  rig.close();
});

test("a part that an earlier process was sending is looked up before it is sent again", async () => {
  const asked: string[] = [];
  const rig = openRig(
    () => sent,
    "lookup",
    async (part) => {
      asked.push(part.text);
      return part.text === "a1" ? [asId("found")] : null;
    },
  );
  const { outbox } = rig;
  const link = rig.link.current;
  rig.link.current = null;
  await rig.say("1", "alice", "a1||a2");
  // What recovery does with parts that were being sent when the process died.
  await rig.store.write(() => {
    for (const key of ["1:0", "1:1"]) {
      outbox.markAttempting(key, Date.now());
      outbox.settle(key, "queued", Date.now());
    }
  });
  rig.link.current = link;
  rig.delivery.onLinkUp("irc", "default");
  rig.delivery.wake(conversationOf(target("alice")));
  await until(() => rig.states().join() === "sent,sent");
  assert.deepEqual(asked, ["a1", "a2"]);
  assert.deepEqual(rig.sends, ["a2"]);
  rig.close();
});

test("while the platform cannot say what became of a part, it is not sent; when it never can, that is reported", async () => {
  let problem = new Error("busy");
  const rig = openRig(
    () => sent,
    "lookup",
    () => Promise.reject(problem),
  );
  const { outbox } = rig;
  const link = rig.link.current;
  rig.link.current = null;
  await rig.say("1", "alice", "a1||a2");
  await rig.store.write(() => {
    outbox.markAttempting("1:0", Date.now());
    outbox.settle("1:0", "queued", Date.now());
  });
  rig.link.current = link;
  rig.delivery.wake(conversationOf(target("alice")));
  await until(() => outbox.get("1:0")!.cause?.includes("busy") === true);
  assert.deepEqual([rig.sends, rig.states()], [[], ["queued", "queued"]]);
  problem = new UnknownOutcomeError("no such scope");
  await until(() => rig.states().join() === "unknown,sent");
  assert.deepEqual(rig.sends, ["a2"]);
  rig.close();
});

test("a platform is not asked about a part whose refusal this process has seen", async () => {
  let asked = 0;
  const rig = openRig(
    (_text, attempt) => (attempt < 3 ? { state: "refused", retryable: true, retryAfterMs: 5, reason: "slow down" } : sent),
    "lookup",
    async () => (asked++, null),
  );
  await rig.say("1", "alice", "a1");
  await until(() => rig.states().join() === "sent");
  assert.equal(asked, 0);
  rig.close();
});
