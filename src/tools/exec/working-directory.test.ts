// Group: wire
import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { commandTools, type CommandTools } from "../../../test/fakes/command-tools.ts";
import { textOf, toolContext } from "../../../test/fakes/tool-context.ts";

/** A workspace with a directory, a file, and a link out of it. */
function workspace(
  t: TestContext,
): CommandTools & { beside: string; pwd: (workdir: string, outside?: readonly string[]) => Promise<string> } {
  const tools = commandTools(t);
  const { workspace: beside } = toolContext(t);
  mkdirSync(join(tools.context.workspace, "inner"));
  writeFileSync(join(tools.context.workspace, "file"), "");
  symlinkSync(beside, join(tools.context.workspace, "link"));
  symlinkSync("inner", join(tools.context.workspace, "alias"));
  const pwd = async (workdir: string, outside: readonly string[] = []): Promise<string> =>
    textOf(await tools.exec({ command: "pwd -P", workdir }, { ...tools.context, outside })).trim();
  return { ...tools, beside, pwd };
}

test("a relative directory lies in the workspace, also through a link within it", async (t) => {
  const { pwd, context } = workspace(t);
  const inner = join(context.workspace, "inner");
  assert.equal(await pwd(""), context.workspace);
  assert.equal(await pwd("."), context.workspace);
  for (const name of ["inner", "./inner/../inner", "alias", inner]) assert.equal(await pwd(name), inner, name);
});

test("a directory outside of the workspace is refused, in whatever form", async (t) => {
  const { pwd, beside } = workspace(t);
  for (const name of ["..", "inner/../..", "link", "link/.", beside, "/", "/proc/self/root", "~", "file:///"])
    assert.match(await pwd(name), /^Cannot run a command in .+: it is outside the workspace .+ Nothing was run\.$/, name);
});

test("a directory that the settings name beside the workspace is allowed, and only that one", async (t) => {
  const { pwd, beside } = workspace(t);
  assert.equal(await pwd(beside, [beside]), beside);
  assert.equal(await pwd("link", [beside]), beside);
  assert.equal(await pwd("/", ["/"]), "/");
  assert.match(await pwd("/", [beside, "/nonexistent"]), /outside the workspace/);
  assert.match(await pwd(`${beside}/..`, [beside]), /outside the workspace/);
});

test("a directory that does not exist, and a file, are errors that say so", async (t) => {
  const { pwd, exec, context } = workspace(t);
  assert.match(await pwd("none"), /Cannot run a command in .*none: it does not exist/);
  assert.match(await pwd("file"), /Cannot run a command in .*file: .*not a directory/i);
  const gone = { ...context, workspace: "/nonexistent/x" };
  assert.match(textOf(await exec({ command: "true" }, gone)), /Cannot run a command in \/nonexistent\/x: it does not exist/);
});
