import assert from "node:assert/strict";
import { test } from "node:test";
import { plainHeader } from "../../test/fakes/skill-header.ts";
import { toSkillPrompt } from "./prompt.ts";
import type { Skill } from "./skill.ts";

const skillAt = (directory: string, name: string, description: string): Skill => ({
  ...plainHeader(name, description),
  directory,
  path: directory,
  source: "openclaw-workspace",
});

const many = (count: number, chars: number): Skill[] =>
  Array.from({ length: count }, (_, index) => skillAt(`/ws/skills/skill-${index}`, `skill-${index}`, `${index} `.padEnd(chars, "d")));

test("the list names each directory once, those of the workspace as the tools do, and a folder with another name than its skill", () => {
  const skills = [
    skillAt("/ws/skills/weather", "weather", "Says it."),
    skillAt("/home/s/f", "vault", "Opens."),
    skillAt("/ws/skills/b", "b", "B."),
  ];
  const { text, leftOut, shortened } = toSkillPrompt(skills, "/ws", 2_048);
  assert.deepEqual([leftOut, shortened], [[], []]);
  assert.match(text, /^# Skills\n\nA skill is /);
  assert.ok(text.endsWith("\n\nIn skills/:\n- weather: Says it.\n- b: B.\n\nIn /home/s/:\n- vault (f): Opens."), text);
});

test("without skills there is no list", () => {
  assert.deepEqual(toSkillPrompt([], "/ws", 2_048), { text: "", leftOut: [], shortened: [] });
});

test("a list that is too long has shorter descriptions first, as long as the limit permits", () => {
  const skills = many(10, 400);
  const { text, leftOut, shortened } = toSkillPrompt(skills, "/ws", 2_048);
  assert.ok(text.length <= 2_048 && text.length > 2_000, `${text.length} characters`);
  assert.deepEqual([leftOut, shortened.length], [[], 10]);
  assert.match(text, /- skill-9: 9 d+…$/);
});

test("where even short descriptions do not fit, the last skills are left out, and the list says how many", () => {
  const { text, leftOut } = toSkillPrompt(many(60, 200), "/ws", 2_048);
  assert.ok(text.length <= 2_048);
  assert.ok(leftOut.length > 30 && leftOut.at(-1) === "skill-59");
  assert.ok(text.endsWith(`\n\n${leftOut.length} more skills are not listed here.`));
});

test("a limit of a few characters, and of 0, leaves no list", () => {
  for (const limit of [0, 100])
    assert.deepEqual(toSkillPrompt(many(2, 10), "/ws", limit), { text: "", leftOut: ["skill-0", "skill-1"], shortened: [] });
});
