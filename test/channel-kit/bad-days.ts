// What goes wrong on a platform, played with the whole process: limits, failures around a send, markup, loops of bots, gaps.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { until } from "../wire/gateway.ts";
import { playing, type Play } from "./play.ts";
import { scenario } from "./scenarios.ts";
import { describeChannel, STAGES, type Person, type PlatformStage, type Policy } from "./stage.ts";

const OPEN: Policy = { dmPolicy: "open", allowFrom: ["*"], room: { allowFrom: ["*"], requireMention: true } };
/** Whatever is said in the room is answered, if nothing keeps the agent from it. */
const TALKATIVE: Policy = { ...OPEN, room: { allowFrom: ["*"], requireMention: false } };
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** Answers that another bot gets before it gets none. */
const BUDGET = 3;

const named = (number: number, more = ""): string => `scenario ${number}: ${scenario(number).name}${more}`;
const texts = (it: Play): string[] => it.stage.heard().map(({ text }) => text);

/** Plays those of one channel; a file of its own calls it, since all channels together take too long for one. */
export async function playBadDays(id: string): Promise<void> {
  const { open, skip, without = {} } = await STAGES[id]!();
  const { abilities } = await describeChannel(id);
  type Work = (it: Play, ann: Person) => Promise<void>;
  const play = (work: Work, policy = OPEN, stage: () => Promise<PlatformStage> = open): Promise<void> =>
    playing(id, stage, policy, work, { queueMode: "followup" });

  describe(id, { skip, concurrency: 2 }, () => {
    test(named(18), async (t) => {
      const stage = await open({ behindMs: 3 * DAY_MS });
      if (!stage.gap) {
        await stage.close();
        return t.skip(without.history ?? "there is no history to be read");
      }
      await play(
        async (it, ann) => {
          await it.stage.say(ann, "direct", "before the gap");
          await it.hears(/before the gap/);
          await it.stage.gap!(ann, [
            { text: "old when it is read", ageMs: 2 * DAY_MS },
            { text: "fresh in the gap", ageMs: MINUTE_MS },
          ]);
          await it.hears(/fresh in the gap/);
          await it.stage.say(ann, "direct", "after the gap");
          await it.hears(/after the gap/);
          await it.quiet();
          assert.deepEqual(texts(it), ["You said: before the gap", "You said: fresh in the gap", "You said: after the gap"]);
        },
        OPEN,
        async () => stage,
      );
    });

    test(named(24), { skip: without.outbox ?? false }, () =>
      play(async (it, ann) => {
        const answers = ["the first", "the second", "the third"];
        const asked = it.stage.fail!("limit", answers.length);
        for (const text of answers) await it.stage.say(ann, "direct", text);
        await it.hears(/the third/);
        await it.quiet();
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
        play(
          async (it, ann) => {
            const long = `slow:150 ${Array.from({ length: 30 }, (_, at) => `word${at}`).join(" ")}`;
            await it.stage.say(ann, "direct", long);
            await it.hears(/word0/);
            // More edits than the preview makes: the answer is asked to wait, too.
            const asked = it.stage.fail!("limit", 3);
            await it.stage.say(ann, "direct", "the second");
            await it.hears(/the second/);
            await it.quiet();
            assert.deepEqual(texts(it), [`You said: ${long}`, "You said: the second"]);
            assert.ok(asked() > 0);
            assert.deepEqual(await it.deadLetters(), []);
          },
          { ...OPEN, preview: true },
        ),
      );

    test(named(25), { skip: without.outbox ?? false }, () =>
      play(async (it, ann) => {
        const refused = it.stage.fail!("before", 2);
        await it.stage.say(ann, "direct", "it is tried again");
        await it.hears(/it is tried again/);
        assert.equal(refused(), 2);
        assert.deepEqual(await it.deadLetters(), []);
        const lost = it.stage.fail!("after", 1);
        await it.stage.say(ann, "direct", "its receipt is lost");
        const isTold = abilities.idempotency === "none";
        if (isTold) await until("the report", async () => (await it.deadLetters()).length > 0);
        // A connection that was lost with it comes back.
        await it.connected();
        await it.stage.say(ann, "direct", "the next one");
        // It leaves when the fate of the one before is known.
        await it.hears(/the next one/);
        await it.quiet();
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
        play(async (it, ann) => {
          const newest = () => it.stage.heard().at(-1)!;
          await it.stage.say(ann, "direct", "a **loud** word and `code`");
          await it.hears(/loud/);
          assert.equal(newest().marked, true, "it has markup");
          const refused = it.stage.fail!("markup", 1);
          await it.stage.say(ann, "direct", "a **bold** word and `more`");
          await it.hears(/bold/);
          await it.quiet();
          assert.deepEqual([newest().text, newest().marked], ["You said: a bold word and more", false]);
          assert.equal(it.count(/bold/), 1);
          assert.equal(refused(), 1);
          assert.deepEqual(await it.deadLetters(), []);
        }),
      );

    test(named(32), async (t) => {
      const stage = await open();
      if (!stage.echo && !stage.bot) {
        await stage.close();
        return t.skip(without.bots ?? "neither comes in here");
      }
      await play(
        async (it, ann) => {
          await it.stage.say(ann, "room", "a word of a person");
          await it.hears(/a word of a person/);
          await it.stage.echo?.();
          await it.stage.bot?.("a word of a bot");
          await it.stage.say(ann, "room", "the last word");
          await it.hears(/the last word/);
          await it.quiet();
          assert.equal(it.model.requests().length, 2, JSON.stringify(texts(it)));
          assert.equal(it.stage.heard().length, 2);
        },
        TALKATIVE,
        async () => stage,
      );
    });

    test(named(32, ": a bot that is let in gets no answers beyond its budget, and people do"), { skip: without.bots ?? false }, () =>
      play(async (it, ann) => {
        await it.kill();
        const botLoopProtection = { maxEventsPerWindow: BUDGET, windowSeconds: 600, cooldownSeconds: 600 };
        it.write(TALKATIVE, { allowBots: true, botLoopProtection });
        await it.start();
        for (let turn = 1; turn <= BUDGET; turn++) {
          await it.stage.bot!(`remark ${turn} of a bot`);
          await it.hears(new RegExp(`remark ${turn} of a bot`));
        }
        // Bots do not tire.
        for (let turn = 1; turn <= BUDGET; turn++) await it.stage.bot!(`more of a bot, ${turn}`);
        await it.stage.say(ann, "room", "am I still heard?");
        await it.hears(/am I still heard\?/);
        await it.quiet();
        assert.equal(it.count(/more of a bot/), 0);
        assert.equal(it.stage.heard().length, BUDGET + 1);
      }, TALKATIVE),
    );
  });
}
