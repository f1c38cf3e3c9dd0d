import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { openSkills, skillText, writeFiles } from "../../test/fakes/skill-folders.ts";
import { assertMatchesResultSchema } from "../../test/result-schema.ts";
import { checkConfigValue } from "../config/load.ts";
import { skillsMethods, type SkillsDeps } from "./skills.ts";

test("a node learns the programs that skills of all agents name, each once", async (t) => {
  const { workspace, skills } = openSkills(t);
  writeFiles(join(workspace, "skills"), {
    "a/SKILL.md": skillText("a", "metadata: {openclaw: {requires: {bins: [gh, jq], anyBins: [rg, grep]}}}\n"),
    "b/SKILL.md": skillText("b", "metadata: {openclaw: {requires: {bins: [gh]}, install: [{kind: node, package: tool, bins: [tool]}]}}\n"),
  });
  const { config } = checkConfigValue({ agents: { entries: { main: {}, ops: {} } } });
  const deps = { skills, loaded: () => ({ config }), workspaceOf: () => workspace, stateDir: workspace };
  const method = skillsMethods(deps as unknown as SkillsDeps)["skills.bins"];
  assert.equal(method.scope, "node");
  const answer = await method.run();
  assertMatchesResultSchema("SkillsBinsResult", answer);
  assert.deepEqual(answer, { bins: ["gh", "grep", "jq", "rg", "tool"] });
});
