// The scenarios that need the whole process: policies, lanes, restarts. They run for every channel with a platform harness.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { contextOf } from "../model-server.ts";
import { until } from "../wire/gateway-process.ts";
import { ScenarioRun, runScenario } from "./scenario-run.ts";
import { HARNESSES } from "./harness-registry.ts";
import type { HarnessModule, InapplicableFeatures, PlatformUser, ScenarioPolicy } from "./platform-harness.ts";

type Pairings = { requests: { requestId: string; senderId: string }[] };

const OPEN: ScenarioPolicy = { dmPolicy: "open", allowFrom: ["*"], room: { allowFrom: ["*"], requireMention: true } };

/** What the tests of one channel share. */
type Kit = Pick<HarnessModule, "open" | "rooms" | "threads"> & {
  id: string;
  without: InapplicableFeatures;
  marks: NonNullable<HarnessModule["crashPoints"]>;
  run: (policy: ScenarioPolicy, work: (run: ScenarioRun, ann: PlatformUser, bob: PlatformUser) => Promise<void>) => Promise<void>;
};

/** Plays the scenarios that need the whole process, for one channel. */
export async function defineProcessTests(id: string): Promise<void> {
  const {
    open,
    skip,
    rooms,
    threads,
    inapplicable: without = {},
    crashPoints: marks = { committed: "committed", sent: "part-sent" },
  } = await HARNESSES[id]!();
  const kit: Kit = { id, open, rooms, threads, without, marks, run: (policy, work) => runScenario(id, open, policy, work) };
  describe(id, { skip }, () => {
    definePolicyTests(kit);
    defineRoomTests(kit);
    defineLaneTests(kit);
    defineCrashTests(kit);
  });
}

function definePolicyTests({ id, without, run }: Kit): void {
  test("scenario 3: an unknown sender gets a pairing code once, is approved, and is then answered", { skip: without.policy ?? false }, () =>
    run({ dmPolicy: "pairing", room: null }, async (it, ann) => {
      await it.platform.sendMessage(ann, "direct", "a secret plan");
      await it.untilAnswered(/pairing approve/);
      await it.platform.sendMessage(ann, "direct", "are you there?");
      const { requests } = await it.operator.request<Pairings>("channels.pairing.list", {});
      assert.deepEqual(
        requests.map((each) => each.senderId),
        [ann.id],
      );
      assert.equal(it.model.requests().length, 0, "no message of an unknown sender reaches a model");
      const { requestId } = requests[0]!;
      await it.operator.request("channels.pairing.approve", { channel: id, accountId: "default", requestId, notify: true });
      await it.untilAnswered(/You're approved/);
      await it.platform.sendMessage(ann, "direct", "hello apples");
      await it.untilAnswered(/You said: hello apples/);
      assert.equal(it.countAnswers(/pairing approve/), 1, "the code is sent once");
      assert.equal(it.countAnswers(/secret plan|are you there/), 0);
    }),
  );

  test("scenario 4: allowlist, open and disabled direct messages", { skip: without.policy ?? false }, () =>
    run({ dmPolicy: "disabled", room: null }, async (it, ann, bob) => {
      await it.kill();
      it.writeConfig({ dmPolicy: "allowlist", allowFrom: [ann.id], room: null });
      await it.start();
      await it.platform.sendMessage(bob, "direct", "let bob in");
      await it.platform.sendMessage(ann, "direct", "let ann in");
      await it.untilAnswered(/You said: let ann in/);
      await it.untilIdle();
      assert.equal(it.countAnswers(/bob/), 0);
      await it.kill();
      it.writeConfig({ dmPolicy: "disabled", allowFrom: [ann.id], room: null });
      await it.start();
      await it.platform.sendMessage(ann, "direct", "anyone home");
      await it.untilIdle();
      assert.equal(it.countAnswers(/anyone home/), 0);
      await it.kill();
      it.writeConfig({ ...OPEN, room: null });
      await it.start();
      await it.platform.sendMessage(bob, "direct", "open for bob");
      await it.untilAnswered(/You said: open for bob/);
    }),
  );
}

function defineRoomTests({ rooms, threads, run }: Kit): void {
  if (rooms) {
    test("scenario 5: room gate, sender gate and mention gate", () =>
      run({ dmPolicy: "open", allowFrom: ["*"], room: null }, async (it, ann, bob) => {
        await it.platform.sendMessage(ann, "room", "in a closed room", { mention: true });
        await it.platform.sendMessage(ann, "direct", "marker one");
        await it.untilAnswered(/marker one/);
        await it.untilIdle();
        assert.equal(it.countAnswers(/closed room/), 0, "a room that is not listed is closed");
        await it.kill();
        it.writeConfig({ dmPolicy: "open", allowFrom: ["*"], room: { allowFrom: [ann.id], requireMention: true } });
        await it.start();
        await it.platform.sendMessage(bob, "room", "bob is not listed", { mention: true });
        await it.platform.sendMessage(ann, "room", "ann without a mention");
        await it.platform.sendMessage(ann, "room", "ann with a mention", { mention: true });
        await it.untilAnswered(/ann with a mention/);
        await it.untilIdle();
        assert.equal(it.countAnswers(/bob is not listed/), 0, "a sender who is not listed is not answered");
        assert.equal(it.model.requests().length, 2, "only what was addressed is answered");
      }));

    test("scenario 7: pending history is injected and bounded", () =>
      run({ ...OPEN, historyLimit: 2 }, async (it, ann, bob) => {
        for (const word of ["first", "second", "third"]) await it.platform.sendMessage(bob, "room", `${word} line`);
        await it.platform.sendMessage(ann, "room", "what did they say", { mention: true });
        await it.untilAnswered(/what did they say/);
        const asked = JSON.stringify(it.model.requests().at(-1)!.messages);
        assert.match(asked, /second line/);
        assert.match(asked, /third line/);
        assert.doesNotMatch(asked, /first line/);
      }));
  }

  if (threads) {
    test("scenario 8: a thread has its own session and is answered in the thread", () =>
      run(OPEN, async (it, ann) => {
        await it.platform.sendMessage(ann, "room", "said in the room", { mention: true });
        await it.untilAnswered(/said in the room/);
        await it.platform.sendMessage(ann, "thread", "said in the thread", { mention: true });
        await it.untilAnswered(/said in the thread/);
        assert.equal(it.platform.botMessages().find((each) => /in the thread/.test(each.text))!.where, "thread");
        assert.doesNotMatch(JSON.stringify(contextOf(it.model.requests().at(-1)!)), /said in the room/, "another conversation");
      }));
  }
}

function defineLaneTests({ run }: Kit): void {
  test("scenario 9: two chats at once, one of them slow", () =>
    run(OPEN, async (it, ann, bob) => {
      await it.platform.sendMessage(ann, "direct", "slow:1200 one two three four five six");
      await until("the slow turn", () => it.model.requests().length > 0);
      await it.platform.sendMessage(bob, "direct", "quick one");
      await it.untilAnswered(/quick one/);
      assert.equal(it.countAnswers(/three four five six/), 0, "the slow answer is still being written");
      await it.untilAnswered(/five six/);
    }));

  test("scenario 11: /stop overtakes", () =>
    run(OPEN, async (it, ann) => {
      await it.platform.sendMessage(ann, "direct", "hang");
      await until("the turn", () => it.model.requests().length > 0);
      await it.platform.sendMessage(ann, "direct", "/stop");
      await it.untilAnswered(/Stopped/);
      await it.platform.sendMessage(ann, "direct", "after the stop");
      await it.untilAnswered(/You said: after the stop/);
    }));
}

function defineCrashTests({ id, open, without, marks, run }: Kit): void {
  test("scenario 13: a crash after the commit: the message is handled after the restart", () =>
    run(OPEN, async (it, ann) => {
      await it.kill();
      await it.start("run-started:1");
      await it.sendIntoCrash(ann, "survive this");
      await it.untilAnswered(/You said: survive this/);
      await it.untilIdle();
      assert.equal(it.countAnswers(/survive this/), 1);
    }));

  test("scenario 14: a crash after the send: no duplicate, or reported as unknown", () =>
    run(OPEN, async (it, ann) => {
      await it.kill();
      await it.start(`${marks.sent}:1`);
      await it.sendIntoCrash(ann, "heard once");
      await it.untilAnswered(/heard once/);
      await it.untilIdle();
      assert.equal(it.countAnswers(/heard once/), 1, "never twice");
      const { items } = await it.operator.request<{ items: { state: string }[] }>("deadletters.list", {});
      assert.ok(items.every((item) => item.state === "unknown") && items.length <= 1, JSON.stringify(items));
    }));

  test("scenario 15: a crash within a reply of several parts: it continues at the right part", { skip: without.parts ?? false }, () =>
    run(OPEN, async (it, ann) => {
      await it.kill();
      await it.start("part-attempting:2");
      await it.sendIntoCrash(ann, "long:3000");
      await it.untilAnswered(/word2999\b/);
      await it.untilIdle();
      const words = it.platform.botMessages().flatMap((each) => each.text.match(/word\d+/g) ?? []);
      assert.equal(new Set(words).size, words.length, "no part is there twice");
      const { items } = await it.operator.request<{ items: { state: string }[] }>("deadletters.list", {});
      if (items.length === 0) assert.equal(words.length, 3_000, "every part is there");
      else assert.ok(items.length === 1 && items[0]!.state === "unknown", "at most the interrupted part is missing, and it is reported");
    }),
  );

  test("scenarios 12 and 16: a repeated delivery is recognized, also after a crash before the acknowledgement", async (t) => {
    const platform = await open();
    if (!platform.redeliver) {
      await platform.close();
      return t.skip("this platform never repeats an event");
    }
    const it = await ScenarioRun.open(id, platform, OPEN);
    try {
      await it.kill();
      await it.start(`${marks.committed}:1`);
      await it.sendIntoCrash(platform.users[0], "only once");
      await it.untilAnswered(/You said: only once/);
      await platform.redeliver();
      await platform.sendMessage(platform.users[0], "direct", "the next one");
      await it.untilAnswered(/You said: the next one/);
      await it.untilIdle();
      assert.equal(it.countAnswers(/only once/), 1);
    } finally {
      await it.close();
    }
  });
}
