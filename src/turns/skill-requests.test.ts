import assert from "node:assert/strict";
import { test } from "node:test";
import { asId } from "../core/ids.ts";
import { echoScript, gatedScript } from "../../test/fakes/fake-runtime.ts";
import { event, inGroup, irc, account, OPEN_POLICY, openIngest } from "../../test/fakes/ingest-bench.ts";
import { message, openTurnBench, until, type TurnBench } from "../../test/fakes/turn-bench.ts";
import { parseCommand } from "./commands.ts";
import { findSkill, isForGateway, NO_SKILLS, skillListText, skillNote, unknownSkillText, type TurnSkills } from "./skill-requests.ts";

const skill = (name: string) => ({ name, description: `What ${name} is for.`, file: `/skills/${name}/SKILL.md` });
const SKILLS: TurnSkills = { list: "# Skills\n\n- weather", invocable: ["weather", "my notes", "my"].map(skill) };
const source = async (): Promise<TurnSkills> => SKILLS;
const NOTE =
  "[The message asks for the skill weather: read /skills/weather/SKILL.md first and follow it. What comes after the name of the skill is the request.]";

test("/skill with a request is for the agent, and alone for the gateway", () => {
  assert.deepEqual(parseCommand("/skill weather Berlin"), { name: "skill", immediate: false, arg: "weather Berlin", toAgent: true });
  assert.equal(isForGateway(parseCommand("/skill weather")), false);
  assert.equal(isForGateway(parseCommand("/skill")), true);
  assert.equal(isForGateway(parseCommand("/status")), true);
  assert.equal(isForGateway(null), false);
});

/** Requests -> the skill that is meant. */
const REQUESTS: readonly (readonly [request: string, name: string | null])[] = [
  ["weather", "weather"],
  ["Weather Berlin", "weather"],
  ["weather\nBerlin", "weather"],
  ["weathers", null],
  ["weath", null],
  ["my notes of today", "my notes"],
  ["my dog", "my"],
  ["", null],
];
for (const [request, name] of REQUESTS)
  test(`the skill of a request: ${JSON.stringify(request)}`, () => assert.equal(findSkill(request, SKILLS)?.name ?? null, name));

test("a skill that there is not is named, and the list has a limit", () => {
  assert.equal(unknownSkillText("weather now", SKILLS), null);
  assert.equal(unknownSkillText("gone now", SKILLS), 'Skill "gone" was not found in this conversation. /skill lists the available ones.');
  assert.match(unknownSkillText("gone", NO_SKILLS)!, /There are no skills in this conversation/);
  assert.match(skillNote("gone", SKILLS), /asks for a skill that is not available here/);
  const many = { list: "", invocable: Array.from({ length: 70 }, (_, index) => skill(`s${index}`)) };
  assert.match(skillListText(many), /- s59: What s59 is for\.\nand 10 more$/);
});

const ended = (bench: TurnBench, runId: string) => bench.turns.runs.waitForOutcome(asId(runId), 5_000);

test("the agent reads what was written, with the file of the skill before it, and the list of the turn", async () => {
  const bench = openTurnBench({ skills: source });
  await bench.turns.admission.submit(message("/skill weather Berlin", "e1"));
  const prompt = await until(() => bench.runtime.prompts[0]);
  assert.equal(prompt.text, `${NOTE}\n\n/skill weather Berlin`);
  assert.equal(prompt.skills, SKILLS.list);
  await ended(bench, "e1");
  bench.close();
});

test("an unknown skill, and /skill alone, are answered without the agent", async () => {
  const bench = openTurnBench({ skills: source });
  await bench.turns.admission.submit(message("/skill gone", "e1"));
  assert.match((await ended(bench, "e1"))!.text, /Skill "gone" was not found/);
  await bench.turns.admission.submit(message("/skill", "e2"));
  assert.match((await ended(bench, "e2"))!.text, /- weather: What weather is for\./);
  assert.equal(bench.runtime.prompts.length, 0);
  bench.close();
});

test("a request for a skill is not handed into a running turn", async () => {
  const bench = openTurnBench({ skills: source });
  bench.runtime.script = gatedScript;
  await bench.turns.admission.submit(message("one", "e1"));
  await until(() => bench.turns.runs.inflight(asId("agent:main:main"))[0]?.text);
  await bench.turns.admission.submit(message("/skill weather now", "e2", { queueMode: "steer" }));
  bench.runtime.script = echoScript;
  bench.runtime.release("e1");
  await ended(bench, "e2");
  assert.equal(bench.turns.runs.find("e2")?.mergedInto, null);
  assert.match(bench.runtime.prompts[1]!.text, /asks for the skill weather/);
  bench.close();
});

test("in a turn of several messages the agent answers for a skill that there is not", async () => {
  const bench = openTurnBench({ skills: source });
  bench.runtime.script = gatedScript;
  await bench.turns.admission.submit(message("one", "e1"));
  await until(() => bench.turns.runs.inflight(asId("agent:main:main"))[0]?.text);
  for (const [text, id] of [
    ["/skill gone", "e2"],
    ["and this", "e3"],
  ] as const)
    await bench.turns.admission.submit(message(text, id, { queueMode: "collect" }));
  bench.runtime.script = echoScript;
  bench.runtime.release("e1");
  await ended(bench, "e3");
  assert.match(
    bench.runtime.prompts[1]!.text,
    /^\[The message asks for a skill that is not available here\. Say so\.\]\n\n\/skill gone\n\nand this$/,
  );
  bench.close();
});

test("people who may use commands ask for skills, in a room with their name; others write a message", async () => {
  const commands = { ownerAllowFrom: ["irc:alice"], allowFrom: { "*": ["alice"] } };
  const bench = openIngest({ ...OPEN_POLICY, commands }, { skills: source });
  await bench.ingest.admit(irc, account, [inGroup("g1", "/skill weather Rome", { mentionsSelf: true })]);
  assert.equal((await until(() => bench.runtime.prompts[0])).text, `${NOTE}\n\nAlice: /skill weather Rome`);
  const mallory = {
    sender: { id: asId<never>("mallory"), isBot: false, isSelf: false },
    chat: { kind: "direct" as const, id: asId<never>("mallory") },
  };
  await bench.ingest.admit(irc, account, [event("m1", "/skill weather Oslo", mallory)]);
  assert.equal((await until(() => bench.runtime.prompts[1])).text, "/skill weather Oslo");
  bench.close();
});
