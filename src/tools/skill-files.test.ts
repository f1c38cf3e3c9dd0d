import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { temporaryDirectory } from "../../test/fakes/skill-folders.ts";
import { testPermit } from "../../test/fakes/tool-permit.ts";
import type { SkillPermit } from "./tool.ts";
import { OutsidePathError, WorkspaceFiles } from "./workspace-files.ts";

/** A skill beside a workspace, with a file, and links in it and to it. */
function openBench(t: TestContext) {
  const root = temporaryDirectory(t);
  const [workspace, skill] = [join(root, "workspace"), join(root, "skills/weather")];
  mkdirSync(workspace);
  mkdirSync(join(skill, "scripts"), { recursive: true });
  writeFileSync(join(skill, "SKILL.md"), "text");
  writeFileSync(join(root, "skills/beside"), "secret");
  symlinkSync("../beside", join(skill, "out"));
  symlinkSync("SKILL.md", join(skill, "in"));
  symlinkSync(skill, join(workspace, "link"));
  const files = new WorkspaceFiles({ home: root });
  const skills: SkillPermit = { directories: [skill], env: {} };
  return { files, skill, permit: { ...testPermit(workspace), skills } };
}

test("the files of a skill can be opened to be read, also by a link in it or to it", async (t) => {
  const { files, skill, permit } = openBench(t);
  for (const path of [join(skill, "SKILL.md"), join(skill, "in"), "link/SKILL.md", "../skills/weather/scripts/../SKILL.md"]) {
    const handle = await files.openFile(path, permit);
    assert.equal(await handle.readFile("utf8"), "text", path);
    await handle.close();
  }
});

test("nothing beside a skill is opened, and a skill is neither listed nor changed", async (t) => {
  const { files, skill, permit } = openBench(t);
  for (const path of [join(skill, "../beside"), join(skill, "out"), "../skills/beside"])
    await assert.rejects(files.openFile(path, permit), OutsidePathError, path);
  await assert.rejects(files.openDirectory(skill, permit), OutsidePathError);
  await assert.rejects(files.openPlace(join(skill, "SKILL.md"), permit), OutsidePathError);
  for (const path of [join(skill, "SKILL.md"), "link/SKILL.md", join(skill, "new")])
    await assert.rejects(files.findTarget(path, permit), OutsidePathError, path);
  const { skills: _, ...without } = permit;
  await assert.rejects(files.openFile(join(skill, "SKILL.md"), without), OutsidePathError);
});
