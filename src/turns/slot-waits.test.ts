import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { gatedScript } from "../../test/fakes/fake-runtime.ts";
import { chatTarget, openChatBench, type ChatBench } from "../../test/fakes/fake-chat.ts";
import { message, until } from "../../test/fakes/turn-bench.ts";
import { asId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { Submission } from "./submission.ts";

const key = (name: string) => asId<never>(`agent:main:${name}`);

/** A gateway with one slot, taken by a direct conversation with the one model. */
async function openBusy(typing: "instant" | "never" = "instant"): Promise<{ talk: ChatBench; clock: FakeClock }> {
  const clock = new FakeClock(1_800_000_000_000);
  const talk = openChatBench({ clock, concurrency: () => 1, timeoutMs: LIMITS.waitNoticeAfterMs * 100, settings: { typing } });
  talk.runtime.script = gatedScript;
  await talk.turns.admission.submit(message("first", "e1", { sessionKey: key("busy") }));
  await until(() => talk.turns.runs.inflight(key("busy"))[0]?.text);
  return { talk, clock };
}

const from = (name: string, eventId: string, more: Partial<Submission> = {}): Submission =>
  message("hello", eventId, {
    sessionKey: key(name),
    channel: "chat",
    account: "default",
    target: chatTarget({ chat: { kind: "direct", id: asId(name) } }),
    ...more,
  });

const typed = ({ chat }: ChatBench): number => chat.calls.filter((call) => call === "typing").length;

test("who waits for a slot sees typing, is told once after a while, and is answered", async () => {
  const { talk, clock } = await openBusy();
  await talk.turns.admission.submit(from("alice", "e2"));
  await until(() => typed(talk) === 1);
  assert.deepEqual(talk.turns.lanes.load().slotWaits, { sessions: 1, longestMs: 0 });
  clock.advance(LIMITS.typingRefreshMs);
  assert.equal(typed(talk), 2);
  clock.advance(LIMITS.waitNoticeAfterMs - LIMITS.typingRefreshMs - 1);
  assert.deepEqual(talk.chat.texts(), []);
  clock.advance(1);
  await until(() => talk.chat.texts().length === 1);
  assert.match(talk.chat.texts()[0]!, /busy with other conversations.*\/stop/);
  clock.advance(LIMITS.waitNoticeAfterMs * 3);
  assert.equal(talk.turns.lanes.load().slotWaits.longestMs, LIMITS.waitNoticeAfterMs * 4);
  talk.runtime.release("e1");
  await until(() => talk.turns.runs.inflight(key("alice"))[0]?.text);
  assert.deepEqual(talk.turns.lanes.load().slotWaits, { sessions: 0, longestMs: 0 });
  talk.runtime.release("e2");
  await until(() => talk.chat.texts().length === 2);
  talk.close();
});

test("a withdrawn message is not told of its wait, and the next one of its session waits instead", async () => {
  const { talk, clock } = await openBusy("never");
  await talk.turns.admission.submit(from("alice", "e2"));
  await talk.turns.admission.submit(from("alice", "e3"));
  clock.advance(LIMITS.waitNoticeAfterMs - 1);
  await talk.turns.lanes.abortDurably(key("alice"), asId("e2"));
  await until(() => talk.turns.lanes.load().slotWaits.sessions === 1 && talk.turns.lanes.load().slotWaits.longestMs === 0);
  clock.advance(1);
  await talk.turns.lanes.abortDurably(key("alice"), asId("e3"));
  await until(() => talk.turns.lanes.load().slotWaits.sessions === 0);
  clock.advance(LIMITS.waitNoticeAfterMs);
  await talk.store.write(() => {});
  assert.deepEqual(talk.chat.calls, []);
  talk.close();
});

test("talk in a room that was not addressed to the bot, and sessions that may not send, are not told", async () => {
  const { talk, clock } = await openBusy();
  const room = chatTarget({ chat: { kind: "direct", id: asId("quiet") } });
  await talk.turns.admission.submit(
    from("room", "e2", { target: { ...room, chat: { kind: "group", id: asId("room") } }, chatKind: "group" }),
  );
  await talk.store.write(() => {
    const facts = { sessionId: "s-quiet", agentId: asId<never>("main"), chatKind: "direct" as const, channel: "chat", now: clock.now() };
    talk.sessions.ensure(key("quiet"), facts);
    talk.sessions.patch(key("quiet"), { send_policy: "deny" });
  });
  await talk.turns.admission.submit(from("quiet", "e3"));
  assert.equal(talk.turns.lanes.load().slotWaits.sessions, 1);
  clock.advance(LIMITS.waitNoticeAfterMs);
  await talk.store.write(() => {});
  assert.ok(!talk.chat.texts().some((text) => text.includes("busy")));
  talk.close();
});
