import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentEvent } from "../agents/runtime.ts";
import { asId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { BotLoopGuard } from "../routing/bot-loop.ts";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { gatedScript, textEvents } from "../../test/fakes/fake-runtime.ts";
import { account, event, irc, openIngest } from "../../test/fakes/ingest-bench.ts";
import { chatTarget, openChatBench, type ChatBench } from "../../test/fakes/chat-bench.ts";
import { message, until } from "../../test/fakes/turn-bench.ts";

const HOUR = 3_600_000;
const NOON = 1_800_000_000_000;
const key = asId<never>("agent:main:main");
const fromChat = (text: string, id: string) => message(text, id, { channel: "chat", account: "default", target: chatTarget() });
const refusal = (retryAfterMs?: number) => ({
  state: "refused" as const,
  retryable: true,
  reason: "not now",
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
});

for (const [direction, jump] of [
  ["forward", HOUR],
  ["back", -HOUR],
] as const) {
  const openAt = (options: Parameters<typeof openChatBench>[0] = {}): { talk: ChatBench; clock: FakeClock } => {
    const clock = new FakeClock(NOON);
    return { clock, talk: openChatBench({ clock, ...options }) };
  };

  for (const [what, answer, pauseMs] of [
    ["a failed send", refusal(), 1_000],
    ["a platform that asks to wait", refusal(5_000), 5_000],
  ] as const)
    test(`${what} is tried again after its pause, once, when the clock is set an hour ${direction}`, async () => {
      const { talk, clock } = openAt();
      talk.chat.next.send.push(() => answer);
      await talk.turns.admission.submit(fromChat("hello", "e1"));
      await until(() => clock.pending().includes(pauseMs));
      clock.jump(jump);
      talk.delivery.wake("chat|default|alice|");
      clock.advance(pauseMs - 1);
      await until(() => talk.delivery.isIdle("nothing"));
      assert.equal(talk.chat.calls.length, 1, "not before the pause is over");
      clock.advance(1);
      await until(() => talk.chat.texts().includes("echo: hello"));
      assert.equal(talk.chat.calls.length, 2);
      talk.close();
    });

  test(`a quiet time ends after its length when the clock is set an hour ${direction}`, async () => {
    const { talk, clock } = openAt({ quietMs: 1_000 });
    talk.runtime.script = gatedScript;
    await talk.turns.admission.submit(fromChat("one", "e1"));
    await until(() => talk.turns.runs.inflight(key)[0]?.text);
    await talk.turns.admission.submit({ ...fromChat("two", "e2"), queueMode: "collect" });
    clock.jump(jump);
    talk.runtime.release("e1");
    await until(() => clock.pending().includes(1_000));
    assert.equal(talk.runtime.prompts.length, 1);
    clock.advance(1_000);
    await until(() => talk.runtime.prompts.length === 2);
    talk.close();
  });

  test(`previews and typing keep their pace when the clock is set an hour ${direction}`, async () => {
    const { talk, clock } = openAt({ settings: { preview: "partial", typing: "instant" } });
    talk.runtime.script = async function* (_turn, control): AsyncGenerator<AgentEvent, void, void> {
      for (const text of ["a first piece that is long enough to show", " and a second", " and a third"]) {
        yield { type: "text", delta: text };
        await control.gate();
      }
      yield textEvents("the end");
      yield { type: "end", reason: "stop", checkpoint: null };
    };
    await talk.turns.admission.submit(fromChat("go", "e1"));
    await until(() => talk.chat.texts().length === 1);
    const typed = (): number => talk.chat.calls.filter((call) => call === "typing").length;
    const before = typed();
    clock.jump(jump);
    talk.runtime.release("e1");
    await until(() => talk.turns.runs.inflight(key)[0]?.text.includes("second"));
    clock.advance(LIMITS.deltaCoalesceMs);
    clock.advance(LIMITS.previewEditMs - LIMITS.deltaCoalesceMs - 1);
    assert.ok(!talk.chat.texts()[0]!.includes("second"), "not before its pause is over");
    clock.advance(1);
    await until(() => talk.chat.texts()[0]!.includes("second"));
    clock.advance(LIMITS.typingRefreshMs);
    assert.ok(typed() > before && typed() <= before + 2, `${typed() - before} signs of typing`);
    talk.runtime.release("e1");
    await until(() => talk.turns.runs.inflight(key)[0]?.text.includes("third"));
    talk.runtime.release("e1");
    await until(() => talk.chat.texts().includes("the end"));
    talk.close();
  });

  test(`the silence between two bots ends after its length when the clock is set an hour ${direction}`, async () => {
    const clock = new FakeClock(NOON);
    const config = {
      channels: { irc: { dmPolicy: "open", allowFrom: ["*"], allowBots: true, botLoop: { maxEventsPerWindow: 1, windowSeconds: 10 } } },
    };
    const door = openIngest(config as never, { clock });
    const bot = { sender: { id: asId<never>("bot"), isBot: true, isSelf: false } };
    let id = 0;
    const prompts = async (): Promise<number> => {
      await door.ingest.admit(irc, account, [event(`b${++id}`, "hi", { ...bot, sentAt: clock.now() })]);
      await until(() => door.turns.lanes.load().lanes === 0);
      return door.runtime.prompts.length;
    };
    const first = await prompts();
    const guard = new BotLoopGuard();
    const settings = { enabled: true, maxEventsPerWindow: 1, windowSeconds: 10, cooldownSeconds: 60 };
    assert.equal(guard.check("pair", settings, clock.monotonic()).answer, true);
    assert.equal(guard.check("pair", settings, clock.monotonic()).began, true);
    clock.jump(jump);
    assert.equal(guard.check("pair", settings, clock.monotonic()).answer, false);
    clock.advance(60_000);
    assert.equal(guard.check("pair", settings, clock.monotonic()).answer, true);
    assert.ok((await prompts()) > first, "a message of a bot is judged by time that passed");
    door.close();
  });
}

test("a reply that waits is sent when the clock is set forward by days, and a dead letter when days have passed", async () => {
  for (const [pass, said] of [
    ["jump", true],
    ["advance", false],
  ] as const) {
    const clock = new FakeClock(NOON);
    const talk = openChatBench({ clock });
    talk.chat.next.send.push(() => refusal(5_000));
    await talk.turns.admission.submit(fromChat("hello", "e1"));
    await until(() => clock.pending().includes(5_000));
    clock[pass](LIMITS.outboundMaxAgeMs + HOUR);
    if (pass === "jump") clock.advance(5_000);
    await until(() => talk.delivery.isIdle("chat|default|alice|"));
    assert.equal(talk.chat.texts().includes("echo: hello"), said, pass);
    talk.close();
  }
});

test("a platform that asks for a pause without end is looked at again after the longest pause", async () => {
  const clock = new FakeClock(NOON);
  const talk = openChatBench({ clock });
  talk.chat.next.send.push(() => refusal(Number.MAX_SAFE_INTEGER));
  await talk.turns.admission.submit(fromChat("hello", "e1"));
  await until(() => clock.pending().includes(LIMITS.rateLimitPauseMaxMs));
  clock.advance(LIMITS.rateLimitPauseMaxMs);
  await until(() => talk.chat.texts().includes("echo: hello"));
  talk.close();
});
