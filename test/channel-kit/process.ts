// The scenarios that need the whole process: policies, lanes, restarts. Every channel that has a stage plays them.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { contextOf } from "../model-server.ts";
import { until } from "../wire/gateway.ts";
import { Play, playing } from "./play.ts";
import { STAGES, type Person, type Policy } from "./stage.ts";

type Pairings = { requests: { requestId: string; senderId: string }[] };

const OPEN: Policy = { dmPolicy: "open", allowFrom: ["*"], room: { allowFrom: ["*"], requireMention: true } };

/** Plays the scenarios that need the whole process, for one channel. */
export async function playProcess(id: string): Promise<void> {
  const { open, skip, rooms, threads, without = {}, marks = { committed: "committed", sent: "part-sent" } } = await STAGES[id]!();
  const play = (policy: Policy, work: (play: Play, ann: Person, bob: Person) => Promise<void>): Promise<void> =>
    playing(id, open, policy, work);
  describe(id, { skip }, () => {
    test("scenario 3: a stranger gets a pairing code once, is approved, and is then answered", { skip: without.policy ?? false }, () =>
      play({ dmPolicy: "pairing", room: null }, async (it, ann) => {
        await it.stage.say(ann, "direct", "a secret plan");
        await it.hears(/pairing approve/);
        await it.stage.say(ann, "direct", "are you there?");
        const { requests } = await it.operator.request<Pairings>("channels.pairing.list", {});
        assert.deepEqual(
          requests.map((each) => each.senderId),
          [ann.id],
        );
        assert.equal(it.model.requests().length, 0, "nothing of a stranger reaches a model");
        const { requestId } = requests[0]!;
        await it.operator.request("channels.pairing.approve", { channel: id, accountId: "default", requestId, notify: true });
        await it.hears(/You're approved/);
        await it.stage.say(ann, "direct", "hello apples");
        await it.hears(/You said: hello apples/);
        assert.equal(it.count(/pairing approve/), 1, "the code is told once");
        assert.equal(it.count(/secret plan|are you there/), 0);
      }),
    );

    test("scenario 4: allowlist, open and disabled direct messages", { skip: without.policy ?? false }, () =>
      play({ dmPolicy: "disabled", room: null }, async (it, ann, bob) => {
        await it.kill();
        it.write({ dmPolicy: "allowlist", allowFrom: [ann.id], room: null });
        await it.start();
        await it.stage.say(bob, "direct", "let bob in");
        await it.stage.say(ann, "direct", "let ann in");
        await it.hears(/You said: let ann in/);
        await it.quiet();
        assert.equal(it.count(/bob/), 0);
        await it.kill();
        it.write({ dmPolicy: "disabled", allowFrom: [ann.id], room: null });
        await it.start();
        await it.stage.say(ann, "direct", "anybody home");
        await it.quiet();
        assert.equal(it.count(/anybody home/), 0);
        await it.kill();
        it.write({ ...OPEN, room: null });
        await it.start();
        await it.stage.say(bob, "direct", "open for bob");
        await it.hears(/You said: open for bob/);
      }),
    );

    if (rooms) {
      test("scenario 5: room gate, sender gate and mention gate", () =>
        play({ dmPolicy: "open", allowFrom: ["*"], room: null }, async (it, ann, bob) => {
          await it.stage.say(ann, "room", "in a closed room", { mention: true });
          await it.stage.say(ann, "direct", "marker one");
          await it.hears(/marker one/);
          await it.quiet();
          assert.equal(it.count(/closed room/), 0, "a room that is not listed is closed");
          await it.kill();
          it.write({ dmPolicy: "open", allowFrom: ["*"], room: { allowFrom: [ann.id], requireMention: true } });
          await it.start();
          await it.stage.say(bob, "room", "bob is not listed", { mention: true });
          await it.stage.say(ann, "room", "ann without a mention");
          await it.stage.say(ann, "room", "ann with a mention", { mention: true });
          await it.hears(/ann with a mention/);
          await it.quiet();
          assert.equal(it.count(/bob is not listed/), 0, "a sender who is not listed is not answered");
          assert.equal(it.model.requests().length, 2, "only what was addressed is answered");
        }));

      test("scenario 7: pending history is injected and bounded", () =>
        play({ ...OPEN, historyLimit: 2 }, async (it, ann, bob) => {
          for (const word of ["first", "second", "third"]) await it.stage.say(bob, "room", `${word} line`);
          await it.stage.say(ann, "room", "what did they say", { mention: true });
          await it.hears(/what did they say/);
          const asked = JSON.stringify(it.model.requests().at(-1)!.messages);
          assert.match(asked, /second line/);
          assert.match(asked, /third line/);
          assert.doesNotMatch(asked, /first line/);
        }));
    }

    if (threads) {
      test("scenario 8: a thread is a lane of its own and is answered in the thread", () =>
        play(OPEN, async (it, ann) => {
          await it.stage.say(ann, "room", "said in the room", { mention: true });
          await it.hears(/said in the room/);
          await it.stage.say(ann, "thread", "said in the thread", { mention: true });
          await it.hears(/said in the thread/);
          assert.equal(it.stage.heard().find((each) => /in the thread/.test(each.text))!.where, "thread");
          assert.doesNotMatch(JSON.stringify(contextOf(it.model.requests().at(-1)!)), /said in the room/, "another conversation");
        }));
    }

    test("scenario 9: two chats at once, one of them slow", () =>
      play(OPEN, async (it, ann, bob) => {
        await it.stage.say(ann, "direct", "slow:1200 one two three four five six");
        await until("the slow turn", () => it.model.requests().length > 0);
        await it.stage.say(bob, "direct", "quick one");
        await it.hears(/quick one/);
        assert.equal(it.count(/three four five six/), 0, "the slow answer is still being written");
        await it.hears(/five six/);
      }));

    test("scenario 11: /stop overtakes", () =>
      play(OPEN, async (it, ann) => {
        await it.stage.say(ann, "direct", "hang");
        await until("the turn", () => it.model.requests().length > 0);
        await it.stage.say(ann, "direct", "/stop");
        await it.hears(/Stopped/);
        await it.stage.say(ann, "direct", "after the stop");
        await it.hears(/You said: after the stop/);
      }));

    test("scenario 13: a crash after the commit: the message is handled after the restart", () =>
      play(OPEN, async (it, ann) => {
        await it.kill();
        await it.start("adopted:1");
        await it.sayIntoCrash(ann, "survive this");
        await it.hears(/You said: survive this/);
        await it.quiet();
        assert.equal(it.count(/survive this/), 1);
      }));

    test("scenario 14: a crash after the send: no duplicate, or an unknown that is told", () =>
      play(OPEN, async (it, ann) => {
        await it.kill();
        await it.start(`${marks.sent}:1`);
        await it.sayIntoCrash(ann, "heard once");
        await it.hears(/heard once/);
        await it.quiet();
        assert.equal(it.count(/heard once/), 1, "never twice");
        const { items } = await it.operator.request<{ items: { state: string }[] }>("deadletters.list", {});
        assert.ok(items.every((item) => item.state === "unknown") && items.length <= 1, JSON.stringify(items));
      }));

    test("scenario 15: a crash inside a reply of several parts: it goes on at the right part", { skip: without.parts ?? false }, () =>
      play(OPEN, async (it, ann) => {
        await it.kill();
        await it.start("part-attempting:2");
        await it.sayIntoCrash(ann, "long:3000");
        await it.hears(/word2999\b/);
        await it.quiet();
        const words = it.stage.heard().flatMap((each) => each.text.match(/word\d+/g) ?? []);
        assert.equal(new Set(words).size, words.length, "no part is there twice");
        const { items } = await it.operator.request<{ items: { state: string }[] }>("deadletters.list", {});
        if (items.length === 0) assert.equal(words.length, 3_000, "every part is there");
        else assert.ok(items.length === 1 && items[0]!.state === "unknown", "at most the interrupted part is missing, and it is reported");
      }),
    );

    test("scenarios 12 and 16: what the platform delivers again is recognised, also after a crash before the acknowledgement", async (t) => {
      const stage = await open();
      if (!stage.repeat) {
        await stage.close();
        return t.skip("this platform never repeats an event");
      }
      const it = await Play.open(id, stage, OPEN);
      try {
        await it.kill();
        await it.start(`${marks.committed}:1`);
        await it.sayIntoCrash(stage.people[0], "only once");
        await it.hears(/You said: only once/);
        await stage.repeat();
        await stage.say(stage.people[0], "direct", "the next one");
        await it.hears(/You said: the next one/);
        await it.quiet();
        assert.equal(it.count(/only once/), 1);
      } finally {
        await it.close();
      }
    });
  });
}
