// The scenarios with the whole process that are about what a platform can do beside messages, and about what goes wrong there.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import { contextOf } from "../model-server.ts";
import { stateDir, until } from "../wire/gateway.ts";
import { playing, type Play, type PlayOptions } from "./play.ts";
import { proves } from "./proves.ts";
import { scenario } from "./scenarios.ts";
import { describeChannel, STAGES, type Given, type Person, type Policy, type Pressable } from "./stage.ts";

type Status = { channelAccounts: Record<string, { state: string; lastError: string | null; fix?: string }[]> };

const OPEN: Policy = { dmPolicy: "open", allowFrom: ["*"], room: { allowFrom: ["*"], requireMention: true } };
const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
const picture: Given = { name: "dot.png", mimeType: "image/png", bytes: PNG };
const file = (name: string, more: Partial<Given> = {}): Given => ({
  name,
  mimeType: "application/zip",
  bytes: Buffer.alloc(4_000, 7),
  ...more,
});

const shownToModel = (it: Play): string => it.model.requests().map(contextOf).join("\n");
const lastContext = (it: Play): string => contextOf(it.model.requests().at(-1)!).join("\n");

/** Asks for the models in the room, and gives the first button of the offer. */
async function offer(it: Play, person: Person, times: number): Promise<Pressable> {
  await it.stage.say(person, "room", "/model", { mention: true });
  await it.hears(/Choose another one/, times);
  return it.stage.heard().findLast(({ buttons }) => buttons !== undefined)!.buttons![0]!;
}

/** Plays those of one channel; a file of its own calls it, since all channels together take too long for one. */
export async function playFeatures(id: string): Promise<void> {
  const { open, skip, rooms, without = {} } = await STAGES[id]!();
  const { abilities } = await describeChannel(id);
  const applies = (number: number): boolean => scenario(number).applies(abilities);
  const play = (work: (play: Play, ann: Person, bob: Person) => Promise<void>, policy = OPEN, more: PlayOptions = {}): Promise<void> =>
    playing(id, open, policy, work, { queueMode: "followup", ...more });

  describe(id, { skip, concurrency: 2 }, () => {
    test(
      "scenario 1: bad configuration is refused with its path, and secrets are masked in the status",
      { skip: without.config ?? false },
      () =>
        play(async (it) => {
          const { secrets, wrong } = it.stage;
          const ask = (method: string, params: object = {}) => it.operator.request<Record<string, unknown>>(method, params);
          const shown = async (): Promise<string> =>
            JSON.stringify([await ask("channels.status"), await ask("config.get"), it.gateway.output()]);
          const first = await shown();
          for (const secret of secrets) assert.ok(!first.includes(secret), "a secret is shown");
          const { hash } = await ask("config.get");
          const patch = { raw: JSON.stringify({ channels: { [id]: { dmPolicy: "everybody" } } }), baseHash: hash };
          await assert.rejects(ask("config.patch", patch), new RegExp(`channels\\.${id}\\.dmPolicy`));
          await it.kill();
          it.write(OPEN, { [wrong.key]: wrong.value });
          await it.reach();
          const row = await until("the refusal", async () =>
            ((await ask("channels.status")) as unknown as Status).channelAccounts[id]?.find(({ state }) => state === "terminal"),
          );
          assert.match(row.lastError ?? "", wrong.told);
          const second = await shown();
          if (wrong.hidden) assert.ok(!second.includes(String(wrong.value)), "what is wrong is a secret, too");
        }),
    );

    if (rooms)
      test("scenario 6: mention by entity, by pattern and by reply", () =>
        play(
          async (it, ann) => {
            await it.stage.say(ann, "room", "called by entity", { mention: true });
            await it.hears(/called by entity/);
            await it.stage.say(ann, "room", "helper, called by pattern");
            await it.hears(/called by pattern/);
            if (without.replies === undefined) {
              await it.stage.say(ann, "room", "called by reply", { reply: true });
              await it.hears(/called by reply/);
            }
            await it.stage.say(ann, "room", "said to nobody");
            await it.stage.say(ann, "direct", "the marker");
            await it.hears(/the marker/);
            await it.quiet();
            assert.equal(it.count(/said to nobody/), 0);
          },
          { ...OPEN, mentionPatterns: ["\\bhelper\\b"] },
        ));

    if (abilities.media.in)
      test(proves(["media in"], "scenario 28: a picture reaches the model"), () =>
        play(async (it, ann) => {
          await it.stage.say(ann, "direct", "look at this", { file: picture });
          await it.hears(/look at this/);
          assert.match(JSON.stringify(it.model.requests().at(-1)!.messages), /"image_url"/, "the model sees it");
        }),
      );

    if (abilities.media.in)
      test(
        "scenario 28: what is too large or breaks off is told, what stalls holds up nobody else",
        { skip: without.downloads ?? false },
        () =>
          play(async (it, ann, bob) => {
            await it.stage.say(ann, "direct", "and this?", { file: file("large.zip", { claims: 30 * 1024 * 1024 }) });
            await it.hears(/large\.zip.*could not be fetched: it has 30\.0 MiB/);
            await it.stage.say(ann, "direct", "perhaps this", { file: file("broken.zip") });
            await it.hears(/broken\.zip.*could not be fetched/);
            await it.stage.say(bob, "direct", "this one takes long", { file: file("stalled.zip") });
            await it.stage.say(ann, "direct", "am I held up?");
            await it.hears(/You said: am I held up\?/);
            await it.stage.say(bob, "direct", "/stop");
            await it.hears(/Stopped/);
            await it.stage.say(bob, "direct", "without it, then");
            await it.hears(/without it, then/);
            assert.doesNotMatch(shownToModel(it), /stalled\.zip.*stored at/);
          }),
      );

    if (abilities.media.in)
      test(
        "scenario 28: a download that stalls is given up, and the message is answered without it",
        { skip: without.downloads ?? (process.env["CHANNEL_KIT"] === undefined && "it takes a minute: npm run channel-kit plays it") },
        () =>
          play(async (it, ann) => {
            await it.stage.say(ann, "direct", "do you have it?", { file: file("stalled.zip") });
            await until("the end of the patience", () => it.count(/stalled\.zip.*could not be fetched/) > 0, 90_000);
          }),
      );

    if (abilities.media.out)
      test(proves(["media out"], "scenario 28: a file that an answer names arrives with it"), () =>
        play(
          async (it, ann) => {
            const workspace = join(stateDir(it.home), "workspace");
            mkdirSync(workspace, { recursive: true });
            writeFileSync(join(workspace, "plan.pdf"), "%PDF-1.4 a plan");
            it.model.setBehaviour(() => ({ steps: [{ text: "Here it is:\nMEDIA:plan.pdf" }] }));
            await it.stage.say(ann, "direct", "the plan, please");
            const sent = await until("the file", () => it.stage.heard().find((each) => each.file !== undefined));
            assert.deepEqual([sent.where, sent.file], ["direct", "plan.pdf"]);
            await it.quiet();
            assert.equal(it.count(/MEDIA:/), 0, "the line is an instruction, and not shown");
          },
          OPEN,
          { tools: ["read"] },
        ),
      );

    if (abilities.events.includes("edit"))
      test(proves(["event edit"], "scenario 29: an edit changes what waits, and the next turn is told of one that was read"), () =>
        play(async (it, ann) => {
          await it.stage.say(ann, "direct", "the first words");
          await it.hears(/the first words/);
          await it.stage.edit!(ann, "the better words");
          await it.stage.say(ann, "direct", "slow:300 go on with it please");
          await until("the turn", () => it.model.requests().length === 2);
          assert.match(lastContext(it), /\[edited message\] .*: the better words/);
          await it.stage.say(ann, "direct", "what was not meant");
          await it.stage.edit!(ann, "what was meant");
          await it.hears(/You said: what was meant/);
          await it.quiet();
          assert.doesNotMatch(shownToModel(it), /not meant/);
        }),
      );

    if (abilities.events.includes("delete"))
      test(
        proves(["event delete"], "scenario 29: what is deleted while it waits is never run, and the next turn is told of what was read"),
        () =>
          play(async (it, ann) => {
            await it.stage.say(ann, "direct", "an old secret");
            await it.hears(/an old secret/);
            await it.stage.remove!(ann);
            await it.stage.say(ann, "direct", "slow:300 go on with it please");
            await until("the turn", () => it.model.requests().length === 2);
            assert.match(lastContext(it), /\[deleted message\] .*an old secret/);
            await it.stage.say(ann, "direct", "never mind this");
            await it.stage.remove!(ann);
            await it.stage.say(ann, "direct", "but this");
            await it.hears(/You said: but this/);
            await it.quiet();
            assert.doesNotMatch(shownToModel(it), /never mind/);
          }),
      );

    if (abilities.events.includes("reaction"))
      test(proves(["event reaction"], "scenario 29: a reaction to an answer is a note for the next turn, and runs nothing"), () =>
        play(async (it, ann) => {
          await it.stage.say(ann, "room", "rate this", { mention: true });
          await it.hears(/rate this/);
          await it.quiet();
          await it.stage.react!(ann, "👍");
          await it.stage.say(ann, "direct", "the marker");
          await it.hears(/the marker/);
          await it.quiet();
          assert.equal(it.model.requests().length, 2, "nothing runs because of it");
          await it.stage.say(ann, "room", "and what now", { mention: true });
          await it.hears(/and what now/);
          assert.match(lastContext(it), /\[reaction 👍 by .* on your message\]/);
        }),
      );

    if (applies(30))
      test(
        proves(["buttons", "event press"], "scenario 30: buttons: the right person, the wrong one, twice, expired, after a restart"),
        () =>
          play(
            async (it, ann, bob) => {
              const chosen = /This session uses /;
              const first = await offer(it, ann, 1);
              await first.press(bob);
              await it.quiet();
              assert.equal(it.count(chosen), 0, "only who asked may press");
              await first.press(ann);
              await it.hears(chosen);
              await first.press(ann);
              await it.quiet();
              assert.equal(it.count(chosen), 1, "a press counts once");
              const second = await offer(it, ann, 2);
              await it.kill();
              await it.start();
              await second.press(ann);
              await it.hears(chosen, 2);
              const third = await offer(it, ann, 3);
              await it.kill();
              expireButtons(it);
              await it.start();
              await third.press(ann);
              await it.hears(/no longer valid/);
              await third.press(ann);
              await it.quiet();
              assert.equal(it.count(/no longer valid/), 1, "it is told once");
              assert.equal(it.count(chosen), 2);
            },
            OPEN,
            { commandsForAll: true },
          ),
      );

    if (applies(31))
      test(
        proves(["edit"], "scenario 31: preview, then final: one message is left, also after a crash with the preview on screen"),
        (t) => {
          if (without.previews !== undefined) return t.skip(without.previews);
          return play(
            async (it, ann) => {
              const answers = (): string[] => it.stage.heard().map(({ text }) => text);
              await it.stage.say(ann, "direct", "slow:250 one two three four five six seven eight nine ten");
              await until("a preview", () => answers().some((text) => text.includes("one") && !text.includes("ten")));
              await it.hears(/nine ten/);
              await it.quiet();
              assert.equal(answers().length, 1, JSON.stringify(answers()));
              await it.stage.say(ann, "direct", "slow:300 red orange yellow green blue indigo violet black white grey");
              const begun = await until("a preview", () => answers().find((text) => text.includes("red")));
              // It is edited only when it is known on disk which message it is.
              await until("an edit of it", () => answers().some((text) => text.includes("red") && text !== begun));
              assert.equal(it.count(/white grey/), 0);
              await it.kill();
              await it.start();
              await it.hears(/white grey/);
              await it.quiet();
              assert.equal(it.count(/\bred\b/), 1, JSON.stringify(answers()));
            },
            { ...OPEN, preview: true },
          );
        },
      );

    if (applies(33))
      test(proves(["event move"], "scenario 33: a room changes its id, and keeps its session and its rules"), () =>
        play(async (it, ann) => {
          await it.stage.say(ann, "room", "said before", { mention: true });
          await it.hears(/said before/);
          await it.stage.move!();
          await it.stage.say(ann, "room", "said after", { mention: true });
          await it.hears(/said after/);
          assert.match(lastContext(it), /said before/, "the same conversation");
          await it.kill();
          await it.start();
          await it.stage.say(ann, "room", "said later", { mention: true });
          await it.hears(/said later/);
          assert.match(lastContext(it), /said before[^]*said after/);
        }),
      );

    test("scenario 34: a poison event parks, its lane goes on, an operator replays it", () =>
      play(async (it, ann) => {
        await it.kill();
        await it.start("adopted:1");
        const said = Promise.resolve(it.stage.say(ann, "direct", "a poison"));
        said.catch(() => undefined);
        for (let life = 1; ; life++) {
          await it.gateway.ended;
          if (life === 5) break;
          // What was left behind is taken up before the port is open.
          await it.startUnwatched("adopted:1").catch((err: Error) => assert.match(err.message, /ended with null before it listened/));
        }
        await it.start();
        await said;
        await it.hears(/set aside for the operator/);
        await it.stage.say(ann, "direct", "after the poison");
        await it.hears(/You said: after the poison/);
        const [letter, ...others] = await it.deadLetters();
        assert.deepEqual([letter?.kind, letter?.text, others.length], ["inbound", "a poison", 0]);
        await it.operator.request("deadletters.retry", { id: letter!.id });
        await it.hears(/You said: a poison/);
        await it.quiet();
        assert.equal(it.count(/You said: a poison/), 1);
        assert.deepEqual(await it.deadLetters(), []);
      }));

    test("scenario 34: what cannot be read is kept for the operator, and what comes after it is answered", async (t) => {
      const stage = await open();
      if (!stage.garble) {
        await stage.close();
        return t.skip("this platform refuses or ignores what cannot be read");
      }
      await playing(
        id,
        async () => stage,
        OPEN,
        async (it, ann) => {
          await it.stage.garble!();
          await it.stage.say(ann, "direct", "after the nonsense");
          await it.hears(/You said: after the nonsense/);
          const [letter, ...others] = await it.deadLetters();
          assert.deepEqual([letter?.kind, letter?.state, others.length], ["inbound", "parked", 0]);
          await assert.rejects(it.operator.request("deadletters.retry", { id: letter!.id }), /still cannot be read/);
          await it.operator.request("deadletters.drop", { id: letter!.id });
          assert.deepEqual(await it.deadLetters(), []);
        },
      );
    });
  });
}

/** Every button has become too old, a moment ago. The gateway must not run. */
function expireButtons(it: Play): void {
  const db = new DatabaseSync(join(stateDir(it.home), "gateway", "gateway.db"));
  try {
    db.prepare("UPDATE buttons SET expires_at = ?").run(Date.now() - 1);
  } finally {
    db.close();
  }
}
