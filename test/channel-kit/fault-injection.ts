// What goes wrong on a platform, played with the whole process: limits, failures around a send, markup, loops of bots, gaps.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ChannelCapabilities } from "../../src/channels/channel.ts";
import { until } from "../wire/gateway-process.ts";
import { runScenario, type ScenarioRun } from "./scenario-run.ts";
import { scenario } from "./scenarios.ts";
import { describeChannel, HARNESSES } from "./harness-registry.ts";
import type { HarnessModule, InapplicableFeatures, PlatformUser, PlatformHarness, ScenarioPolicy } from "./platform-harness.ts";

const OPEN: ScenarioPolicy = { dmPolicy: "open", allowFrom: ["*"], room: { allowFrom: ["*"], requireMention: true } };
/** Every message in the room is answered, unless a rule prevents it. */
const OPEN_WITHOUT_MENTION: ScenarioPolicy = { ...OPEN, room: { allowFrom: ["*"], requireMention: false } };
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** Answers that another bot gets before it gets none. */
const BUDGET = 3;

const named = (number: number, more = ""): string => `scenario ${number}: ${scenario(number).name}${more}`;
const texts = (it: ScenarioRun): string[] => it.platform.botMessages().map(({ text }) => text);

/** What the tests of one channel share. */
type Kit = Pick<HarnessModule, "open"> & {
  without: InapplicableFeatures;
  abilities: ChannelCapabilities;
  run: (
    work: (it: ScenarioRun, ann: PlatformUser) => Promise<void>,
    policy?: ScenarioPolicy,
    platform?: () => Promise<PlatformHarness>,
  ) => Promise<void>;
};

/** Plays those of one channel; a file of its own calls it, since all channels together take too long for one. */
export async function defineFaultInjectionTests(id: string): Promise<void> {
  const { open, skip, inapplicable: without = {} } = await HARNESSES[id]!();
  const { capabilities: abilities } = await describeChannel(id);
  const kit: Kit = {
    open,
    without,
    abilities,
    run: (work, policy = OPEN, platform = open) => runScenario(id, platform, policy, work, { queueMode: "followup" }),
  };

  describe(id, { skip, concurrency: 2 }, () => {
    defineGapTests(kit);
    defineSendTests(kit);
    defineBotTests(kit);
  });
}

function defineGapTests({ open, without, run }: Kit): void {
  test(named(18), async (t) => {
    const platform = await open({ behindMs: 3 * DAY_MS });
    if (!platform.openHistoryGap) {
      await platform.close();
      return t.skip(without.history ?? "there is no history to be read");
    }
    await run(
      async (it, ann) => {
        await it.platform.sendMessage(ann, "direct", "before the gap");
        await it.untilAnswered(/before the gap/);
        await it.platform.openHistoryGap!(ann, [
          { text: "old when it is read", ageMs: 2 * DAY_MS },
          { text: "fresh in the gap", ageMs: MINUTE_MS },
        ]);
        await it.untilAnswered(/fresh in the gap/);
        await it.platform.sendMessage(ann, "direct", "after the gap");
        await it.untilAnswered(/after the gap/);
        await it.untilIdle();
        assert.deepEqual(texts(it), ["You said: before the gap", "You said: fresh in the gap", "You said: after the gap"]);
      },
      OPEN,
      async () => platform,
    );
  });
}

function defineSendTests({ without, abilities, run }: Kit): void {
  test(named(24), { skip: without.outbox ?? false }, () =>
    run(async (it, ann) => {
      const answers = ["the first", "the second", "the third"];
      const asked = it.platform.failSends!("limit", answers.length);
      for (const text of answers) await it.platform.sendMessage(ann, "direct", text);
      await it.untilAnswered(/the third/);
      await it.untilIdle();
      assert.deepEqual(
        texts(it),
        answers.map((text) => `You said: ${text}`),
      );
      assert.equal(asked(), answers.length);
      assert.deepEqual(await it.deadLetters(), []);
    }),
  );

  if (abilities.edit)
    test(named(24, ", and previews become them"), { skip: without.previews ?? false }, () =>
      run(
        async (it, ann) => {
          const long = `slow:150 ${Array.from({ length: 30 }, (_, at) => `word${at}`).join(" ")}`;
          await it.platform.sendMessage(ann, "direct", long);
          await it.untilAnswered(/word0/);
          // More edits than the preview makes: the answer is asked to wait, too.
          const asked = it.platform.failSends!("limit", 3);
          await it.platform.sendMessage(ann, "direct", "the second");
          await it.untilAnswered(/the second/);
          await it.untilIdle();
          assert.deepEqual(texts(it), [`You said: ${long}`, "You said: the second"]);
          assert.ok(asked() > 0);
          assert.deepEqual(await it.deadLetters(), []);
        },
        { ...OPEN, preview: true },
      ),
    );

  test(named(25), { skip: without.outbox ?? false }, () =>
    run(async (it, ann) => {
      const refused = it.platform.failSends!("before", 2);
      await it.platform.sendMessage(ann, "direct", "it is tried again");
      await it.untilAnswered(/it is tried again/);
      assert.equal(refused(), 2);
      assert.deepEqual(await it.deadLetters(), []);
      const lost = it.platform.failSends!("after", 1);
      await it.platform.sendMessage(ann, "direct", "its receipt is lost");
      const isTold = abilities.idempotency === "none";
      if (isTold) await until("the report", async () => (await it.deadLetters()).length > 0);
      // A connection that was lost with it comes back.
      await it.untilConnected();
      await it.platform.sendMessage(ann, "direct", "the next one");
      // It is sent once the outcome of the previous part is known.
      await it.untilAnswered(/the next one/);
      await it.untilIdle();
      assert.equal(lost(), 1);
      assert.deepEqual(
        texts(it),
        ["it is tried again", "its receipt is lost", "the next one"].map((text) => `You said: ${text}`),
      );
      const letters = await it.deadLetters();
      assert.deepEqual(
        letters.map(({ kind, state }) => [kind, state]),
        isTold ? [["outbound", "unknown"]] : [],
      );
    }),
  );

  if (scenario(26).applies(abilities))
    test(named(26), { skip: without.refusals ?? false }, () =>
      run(async (it, ann) => {
        const newest = () => it.platform.botMessages().at(-1)!;
        await it.platform.sendMessage(ann, "direct", "a **loud** word and `code`");
        await it.untilAnswered(/loud/);
        assert.equal(newest().formatted, true, "it has markup");
        const refused = it.platform.failSends!("markup", 1);
        await it.platform.sendMessage(ann, "direct", "a **bold** word and `more`");
        await it.untilAnswered(/bold/);
        await it.untilIdle();
        assert.deepEqual([newest().text, newest().formatted], ["You said: a bold word and more", false]);
        assert.equal(it.countAnswers(/bold/), 1);
        assert.equal(refused(), 1);
        assert.deepEqual(await it.deadLetters(), []);
      }),
    );
}

function defineBotTests({ open, without, run }: Kit): void {
  test(named(32), async (t) => {
    const platform = await open();
    if (!platform.echoBotMessage && !platform.sendAsOtherBot) {
      await platform.close();
      return t.skip(without.bots ?? "neither comes in here");
    }
    await run(
      async (it, ann) => {
        await it.platform.sendMessage(ann, "room", "a word of a person");
        await it.untilAnswered(/a word of a person/);
        await it.platform.echoBotMessage?.();
        await it.platform.sendAsOtherBot?.("a word of a bot");
        await it.platform.sendMessage(ann, "room", "the last word");
        await it.untilAnswered(/the last word/);
        await it.untilIdle();
        assert.equal(it.model.requests().length, 2, JSON.stringify(texts(it)));
        assert.equal(it.platform.botMessages().length, 2);
      },
      OPEN_WITHOUT_MENTION,
      async () => platform,
    );
  });

  test(named(32, ": a bot that is let in gets no answers beyond its budget, and people do"), { skip: without.bots ?? false }, () =>
    run(async (it, ann) => {
      await it.kill();
      const botLoopProtection = { maxEventsPerWindow: BUDGET, windowSeconds: 600, cooldownSeconds: 600 };
      it.writeConfig(OPEN_WITHOUT_MENTION, { allowBots: true, botLoopProtection });
      await it.start();
      for (let turn = 1; turn <= BUDGET; turn++) {
        await it.platform.sendAsOtherBot!(`remark ${turn} of a bot`);
        await it.untilAnswered(new RegExp(`remark ${turn} of a bot`));
      }
      // Bots do not tire.
      for (let turn = 1; turn <= BUDGET; turn++) await it.platform.sendAsOtherBot!(`more of a bot, ${turn}`);
      await it.platform.sendMessage(ann, "room", "am I still heard?");
      await it.untilAnswered(/am I still heard\?/);
      await it.untilIdle();
      assert.equal(it.countAnswers(/more of a bot/), 0);
      assert.equal(it.platform.botMessages().length, BUDGET + 1);
    }, OPEN_WITHOUT_MENTION),
  );
}
