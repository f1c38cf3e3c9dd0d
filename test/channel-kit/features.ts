// The scenarios with the whole process that are about what a platform can do beside messages, and about what goes wrong there.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import type { ChannelCapabilities } from "../../src/channels/channel.ts";
import { contextOf } from "../model-server.ts";
import { stateDir, until } from "../wire/gateway-process.ts";
import { runScenario, type ScenarioRun, type ScenarioOptions } from "./scenario-run.ts";
import { covers } from "./coverage.ts";
import { scenario } from "./scenarios.ts";
import { describeChannel, HARNESSES } from "./harness-registry.ts";
import type { HarnessModule, InapplicableFeatures, UserFile, PlatformUser, ScenarioPolicy, HarnessButton } from "./platform-harness.ts";

type Status = { channelAccounts: Record<string, { state: string; lastError: string | null; fix?: string }[]> };

const OPEN: ScenarioPolicy = { dmPolicy: "open", allowFrom: ["*"], room: { allowFrom: ["*"], requireMention: true } };
const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
const picture: UserFile = { name: "dot.png", mimeType: "image/png", bytes: PNG };
const file = (name: string, more: Partial<UserFile> = {}): UserFile => ({
  name,
  mimeType: "application/zip",
  bytes: Buffer.alloc(4_000, 7),
  ...more,
});

const shownToModel = (it: ScenarioRun): string => it.model.requests().map(contextOf).join("\n");
const lastContext = (it: ScenarioRun): string => contextOf(it.model.requests().at(-1)!).join("\n");

/** Asks for the models in the room, and gives the first button of the offer. */
async function offer(it: ScenarioRun, person: PlatformUser, times: number): Promise<HarnessButton> {
  await it.platform.sendMessage(person, "room", "/model", { mention: true });
  await it.untilAnswered(/Choose another one/, times);
  return it.platform.botMessages().findLast(({ buttons }) => buttons !== undefined)!.buttons![0]!;
}

/** What the tests of one channel share. */
type Kit = Pick<HarnessModule, "open" | "rooms"> & {
  id: string;
  without: InapplicableFeatures;
  abilities: ChannelCapabilities;
  applies: (number: number) => boolean;
  run: (
    work: (run: ScenarioRun, ann: PlatformUser, bob: PlatformUser) => Promise<void>,
    policy?: ScenarioPolicy,
    more?: ScenarioOptions,
  ) => Promise<void>;
};

/** Plays those of one channel; a file of its own calls it, since all channels together take too long for one. */
export async function defineFeatureTests(id: string): Promise<void> {
  const { open, skip, rooms, inapplicable: without = {} } = await HARNESSES[id]!();
  const { capabilities: abilities } = await describeChannel(id);
  const kit: Kit = {
    id,
    open,
    rooms,
    without,
    abilities,
    applies: (number) => scenario(number).applies(abilities),
    run: (work, policy = OPEN, more = {}) => runScenario(id, open, policy, work, { queueMode: "followup", ...more }),
  };

  describe(id, { skip, concurrency: 2 }, () => {
    defineConfigAndMentionTests(kit);
    defineMediaTests(kit);
    defineEventTests(kit);
    defineButtonAndPreviewTests(kit);
    defineMigrationAndDeadLetterTests(kit);
  });
}

function defineConfigAndMentionTests({ id, rooms, without, run }: Kit): void {
  test(
    "scenario 1: bad configuration is refused with its path, and secrets are masked in the status",
    { skip: without.config ?? false },
    () =>
      run(async (it) => {
        const { secrets, invalidSetting: wrong } = it.platform;
        const ask = (method: string, params: object = {}) => it.operator.request<Record<string, unknown>>(method, params);
        const shown = async (): Promise<string> =>
          JSON.stringify([await ask("channels.status"), await ask("config.get"), it.gateway.output()]);
        const first = await shown();
        for (const secret of secrets) assert.ok(!first.includes(secret), "a secret is shown");
        const { hash } = await ask("config.get");
        const patch = { raw: JSON.stringify({ channels: { [id]: { dmPolicy: "everybody" } } }), baseHash: hash };
        await assert.rejects(ask("config.patch", patch), new RegExp(`channels\\.${id}\\.dmPolicy`));
        await it.kill();
        it.writeConfig(OPEN, { [wrong.key]: wrong.value });
        await it.startWithOperator();
        const row = await until("the refusal", async () =>
          ((await ask("channels.status")) as unknown as Status).channelAccounts[id]?.find(({ state }) => state === "terminal"),
        );
        assert.match(row.lastError ?? "", wrong.message);
        const second = await shown();
        if (wrong.isSecret) assert.ok(!second.includes(String(wrong.value)), "what is wrong is a secret, too");
      }),
  );

  if (rooms)
    test("scenario 6: mention by entity, by pattern and by reply", () =>
      run(
        async (it, ann) => {
          await it.platform.sendMessage(ann, "room", "called by entity", { mention: true });
          await it.untilAnswered(/called by entity/);
          await it.platform.sendMessage(ann, "room", "helper, called by pattern");
          await it.untilAnswered(/called by pattern/);
          if (without.replies === undefined) {
            await it.platform.sendMessage(ann, "room", "called by reply", { reply: true });
            await it.untilAnswered(/called by reply/);
          }
          await it.platform.sendMessage(ann, "room", "addressed to no one");
          await it.platform.sendMessage(ann, "direct", "the marker");
          await it.untilAnswered(/the marker/);
          await it.untilIdle();
          assert.equal(it.countAnswers(/addressed to no one/), 0);
        },
        { ...OPEN, mentionPatterns: ["\\bhelper\\b"] },
      ));
}

function defineMediaTests({ without, abilities, run }: Kit): void {
  if (abilities.media.in)
    test(covers(["media in"], "scenario 28: a picture reaches the model"), () =>
      run(async (it, ann) => {
        await it.platform.sendMessage(ann, "direct", "look at this", { file: picture });
        await it.untilAnswered(/look at this/);
        assert.match(JSON.stringify(it.model.requests().at(-1)!.messages), /"image_url"/, "the model sees it");
      }),
    );

  if (abilities.media.in)
    test(
      "scenario 28: a file that is too large or incomplete is reported, a stalled download delays no other sender",
      { skip: without.downloads ?? false },
      () =>
        run(async (it, ann, bob) => {
          await it.platform.sendMessage(ann, "direct", "and this?", { file: file("large.zip", { claimedSizeBytes: 30 * 1024 * 1024 }) });
          await it.untilAnswered(/large\.zip.*could not be fetched: it has 30\.0 MiB/);
          await it.platform.sendMessage(ann, "direct", "perhaps this", { file: file("broken.zip") });
          await it.untilAnswered(/broken\.zip.*could not be fetched/);
          await it.platform.sendMessage(bob, "direct", "this one takes long", { file: file("stalled.zip") });
          await it.platform.sendMessage(ann, "direct", "am I held up?");
          await it.untilAnswered(/You said: am I held up\?/);
          await it.platform.sendMessage(bob, "direct", "/stop");
          await it.untilAnswered(/Stopped/);
          await it.platform.sendMessage(bob, "direct", "without it, then");
          await it.untilAnswered(/without it, then/);
          assert.doesNotMatch(shownToModel(it), /stalled\.zip.*stored at/);
        }),
    );

  if (abilities.media.in)
    test(
      "scenario 28: a download that stalls is given up, and the message is answered without it",
      { skip: without.downloads ?? (process.env["CHANNEL_KIT"] === undefined && "it takes a minute: npm run channel-kit plays it") },
      () =>
        run(async (it, ann) => {
          await it.platform.sendMessage(ann, "direct", "do you have it?", { file: file("stalled.zip") });
          await until("the end of the patience", () => it.countAnswers(/stalled\.zip.*could not be fetched/) > 0, 90_000);
        }),
    );

  if (abilities.media.out)
    test(covers(["media out"], "scenario 28: a file that an answer names arrives with it"), () =>
      run(
        async (it, ann) => {
          const workspace = join(stateDir(it.home), "workspace");
          mkdirSync(workspace, { recursive: true });
          writeFileSync(join(workspace, "plan.pdf"), "%PDF-1.4 a plan");
          it.model.setBehaviour(() => ({ steps: [{ text: "Here it is:\nMEDIA:plan.pdf" }] }));
          await it.platform.sendMessage(ann, "direct", "the plan, please");
          const sent = await until("the file", () => it.platform.botMessages().find((each) => each.file !== undefined));
          assert.deepEqual([sent.where, sent.file], ["direct", "plan.pdf"]);
          await it.untilIdle();
          assert.equal(it.countAnswers(/MEDIA:/), 0, "the line is an instruction, and not shown");
        },
        OPEN,
        { tools: ["read"] },
      ),
    );
}

function defineEventTests({ abilities, run }: Kit): void {
  if (abilities.events.includes("edit"))
    test(
      covers(
        ["event edit"],
        "scenario 29: an edit changes a waiting message, and becomes a note for the next turn once the message was read",
      ),
      () =>
        run(async (it, ann) => {
          await it.platform.sendMessage(ann, "direct", "the first words");
          await it.untilAnswered(/the first words/);
          await it.platform.editMessage!(ann, "the better words");
          await it.platform.sendMessage(ann, "direct", "slow:300 go on with it please");
          await until("the turn", () => it.model.requests().length === 2);
          assert.match(lastContext(it), /\[edited message\] .*: the better words/);
          await it.platform.sendMessage(ann, "direct", "what was not meant");
          await it.platform.editMessage!(ann, "what was meant");
          await it.untilAnswered(/You said: what was meant/);
          await it.untilIdle();
          assert.doesNotMatch(shownToModel(it), /not meant/);
        }),
    );

  if (abilities.events.includes("delete"))
    test(
      covers(["event delete"], "scenario 29: a deleted waiting message is never run, and the next turn gets a note if it was already read"),
      () =>
        run(async (it, ann) => {
          await it.platform.sendMessage(ann, "direct", "an old secret");
          await it.untilAnswered(/an old secret/);
          await it.platform.deleteMessage!(ann);
          await it.platform.sendMessage(ann, "direct", "slow:300 go on with it please");
          await until("the turn", () => it.model.requests().length === 2);
          assert.match(lastContext(it), /\[deleted message\] .*an old secret/);
          await it.platform.sendMessage(ann, "direct", "never mind this");
          await it.platform.deleteMessage!(ann);
          await it.platform.sendMessage(ann, "direct", "but this");
          await it.untilAnswered(/You said: but this/);
          await it.untilIdle();
          assert.doesNotMatch(shownToModel(it), /never mind/);
        }),
    );

  if (abilities.events.includes("reaction"))
    test(covers(["event reaction"], "scenario 29: a reaction to an answer is a note for the next turn, and runs nothing"), () =>
      run(async (it, ann) => {
        await it.platform.sendMessage(ann, "room", "rate this", { mention: true });
        await it.untilAnswered(/rate this/);
        await it.untilIdle();
        await it.platform.react!(ann, "👍");
        await it.platform.sendMessage(ann, "direct", "the marker");
        await it.untilAnswered(/the marker/);
        await it.untilIdle();
        assert.equal(it.model.requests().length, 2, "nothing runs because of it");
        await it.platform.sendMessage(ann, "room", "and what now", { mention: true });
        await it.untilAnswered(/and what now/);
        assert.match(lastContext(it), /\[reaction 👍 by .* on your message\]/);
      }),
    );
}

function defineButtonAndPreviewTests({ without, applies, run }: Kit): void {
  if (applies(30))
    test(
      covers(["buttons", "event interaction"], "scenario 30: buttons: the right person, the wrong one, twice, expired, after a restart"),
      () =>
        run(
          async (it, ann, bob) => {
            const chosen = /This session uses /;
            const first = await offer(it, ann, 1);
            await first.click(bob);
            await it.untilIdle();
            assert.equal(it.countAnswers(chosen), 0, "only who asked may press");
            await first.click(ann);
            await it.untilAnswered(chosen);
            await first.click(ann);
            await it.untilIdle();
            assert.equal(it.countAnswers(chosen), 1, "a press counts once");
            const second = await offer(it, ann, 2);
            await it.kill();
            await it.start();
            await second.click(ann);
            await it.untilAnswered(chosen, 2);
            const third = await offer(it, ann, 3);
            await it.kill();
            expireButtons(it);
            await it.start();
            await third.click(ann);
            await it.untilAnswered(/no longer valid/);
            await third.click(ann);
            await it.untilIdle();
            assert.equal(it.countAnswers(/no longer valid/), 1, "it is reported once");
            assert.equal(it.countAnswers(chosen), 2);
          },
          OPEN,
          { commandsForAll: true },
        ),
    );

  if (applies(31))
    test(covers(["edit"], "scenario 31: preview, then final: one message remains, also after a crash with the preview on screen"), (t) => {
      if (without.previews !== undefined) return t.skip(without.previews);
      return run(
        async (it, ann) => {
          const answers = (): string[] => it.platform.botMessages().map(({ text }) => text);
          await it.platform.sendMessage(ann, "direct", "slow:250 one two three four five six seven eight nine ten");
          await until("a preview", () => answers().some((text) => text.includes("one") && !text.includes("ten")));
          await it.untilAnswered(/nine ten/);
          await it.untilIdle();
          assert.equal(answers().length, 1, JSON.stringify(answers()));
          await it.platform.sendMessage(ann, "direct", "slow:300 red orange yellow green blue indigo violet black white pink");
          const begun = await until("a preview", () => answers().find((text) => text.includes("red")));
          // It is edited only when it is known on disk which message it is.
          await until("an edit of it", () => answers().some((text) => text.includes("red") && text !== begun));
          assert.equal(it.countAnswers(/white pink/), 0);
          await it.kill();
          await it.start();
          await it.untilAnswered(/white pink/);
          await it.untilIdle();
          assert.equal(it.countAnswers(/\bred\b/), 1, JSON.stringify(answers()));
        },
        { ...OPEN, preview: true },
      );
    });
}

function defineMigrationAndDeadLetterTests({ id, open, applies, run }: Kit): void {
  if (applies(33))
    test(covers(["event migration"], "scenario 33: a room changes its id, and keeps its session and its rules"), () =>
      run(async (it, ann) => {
        await it.platform.sendMessage(ann, "room", "said before", { mention: true });
        await it.untilAnswered(/said before/);
        await it.platform.migrateRoom!();
        await it.platform.sendMessage(ann, "room", "said after", { mention: true });
        await it.untilAnswered(/said after/);
        assert.match(lastContext(it), /said before/, "the same conversation");
        await it.kill();
        await it.start();
        await it.platform.sendMessage(ann, "room", "said later", { mention: true });
        await it.untilAnswered(/said later/);
        assert.match(lastContext(it), /said before[^]*said after/);
      }),
    );

  test("scenario 34: a failing event becomes a dead letter, its lane continues, an operator retries it", () =>
    run(async (it, ann) => {
      await it.kill();
      await it.start("run-started:1");
      const said = Promise.resolve(it.platform.sendMessage(ann, "direct", "a poison"));
      said.catch(() => undefined);
      for (let life = 1; ; life++) {
        await it.gateway.ended;
        if (life === 5) break;
        // What was left behind is taken up before the port is open.
        await it.startProcess("run-started:1").catch((err: Error) => assert.match(err.message, /ended with null before it listened/));
      }
      await it.start();
      await said;
      await it.untilAnswered(/dead letter for the operator/);
      await it.platform.sendMessage(ann, "direct", "after the poison");
      await it.untilAnswered(/You said: after the poison/);
      const [letter, ...others] = await it.deadLetters();
      assert.deepEqual([letter?.kind, letter?.text, others.length], ["inbound", "a poison", 0]);
      await it.operator.request("deadletters.retry", { id: letter!.id });
      await it.untilAnswered(/You said: a poison/);
      await it.untilIdle();
      assert.equal(it.countAnswers(/You said: a poison/), 1);
      assert.deepEqual(await it.deadLetters(), []);
    }));

  test("scenario 34: what cannot be read is kept for the operator, and what comes after it is answered", async (t) => {
    const platform = await open();
    if (!platform.sendMalformed) {
      await platform.close();
      return t.skip("this platform refuses or ignores what cannot be read");
    }
    await runScenario(
      id,
      async () => platform,
      OPEN,
      async (it, ann) => {
        await it.platform.sendMalformed!();
        await it.platform.sendMessage(ann, "direct", "after the nonsense");
        await it.untilAnswered(/You said: after the nonsense/);
        const [letter, ...others] = await it.deadLetters();
        assert.deepEqual([letter?.kind, letter?.state, others.length], ["inbound", "parked", 0]);
        await assert.rejects(it.operator.request("deadletters.retry", { id: letter!.id }), /still cannot be read/);
        await it.operator.request("deadletters.drop", { id: letter!.id });
        assert.deepEqual(await it.deadLetters(), []);
      },
    );
  });
}

/** Every button has become too old, a moment ago. The gateway must not run. */
function expireButtons(it: ScenarioRun): void {
  const db = new DatabaseSync(join(stateDir(it.home), "gateway", "gateway.db"));
  try {
    db.prepare("UPDATE buttons SET expires_at = ?").run(Date.now() - 1);
  } finally {
    db.close();
  }
}
