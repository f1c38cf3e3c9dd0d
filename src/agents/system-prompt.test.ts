import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs, { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { asId } from "../core/ids.ts";
import { ensureWorkspace, findUnreadFiles, loadSystemPrompt, createWorkspaceDir, readWorkspace, toSystemPrompt } from "./system-prompt.ts";

const root = mkdtempSync(join(tmpdir(), "prompt-"));
after(() => rmSync(root, { recursive: true, force: true }));
const dir = (name: string): string => {
  const path = join(root, name);
  mkdirSync(path);
  return path;
};
const turn = (workspace: string, tools: readonly "exec"[] = []) => ({
  tools,
  workspace,
  conversationContext: "IRC, alice.",
  isPrivate: true,
  agentId: asId<never>("main"),
});

test("Existing files come in their order, followed by the situation", async () => {
  const workspace = dir("order");
  for (const name of ["MEMORY.md", "AGENTS.md", "USER.md", "OTHER.md"]) writeFileSync(join(workspace, name), `text of ${name}`);
  const prompt = await loadSystemPrompt(turn(workspace));
  assert.match(prompt, /## AGENTS\.md\n\ntext of AGENTS\.md\n\n## USER\.md[^#]*## MEMORY\.md[^#]*# Situation\n\nIRC, alice\.$/);
  assert.doesNotMatch(prompt, /OTHER/);
  const shared = await loadSystemPrompt({ ...turn(workspace), isPrivate: false });
  assert.match(shared, /text of USER\.md/);
  assert.doesNotMatch(shared, /MEMORY\.md/, "what was noted is not for conversations that others read");
});

test("A missing workspace still yields a prompt", async () => {
  assert.match(await loadSystemPrompt(turn(join(root, "nowhere"))), /IRC, alice/);
});

test("Files are truncated individually and in total, with a mark", async () => {
  const workspace = dir("caps");
  for (const name of ["AGENTS.md", "SOUL.md", "USER.md"]) writeFileSync(join(workspace, name), "ä".repeat(100));
  const files = await readWorkspace(workspace, { fileChars: 80, totalChars: 120 });
  assert.deepEqual(
    files.map(({ name, text }) => [name, text.split("\n")[0]!.length]),
    [
      ["AGENTS.md", 80],
      ["SOUL.md", 40],
    ],
  );
  assert.match(files[0]!.text, /\[AGENTS\.md is longer than 80 characters; the rest was left out\]$/);
});

test("A link out of the workspace is not followed, one inside of it is", async () => {
  const workspace = dir("links");
  writeFileSync(join(root, "secret.txt"), "canary");
  symlinkSync(join(root, "secret.txt"), join(workspace, "AGENTS.md"));
  writeFileSync(join(workspace, "real.md"), "inside");
  symlinkSync("real.md", join(workspace, "SOUL.md"));
  symlinkSync("AGENTS.md", join(workspace, "USER.md"));
  assert.deepEqual(await readWorkspace(workspace), [{ name: "SOUL.md", text: "inside" }]);
});

test("A workspace that is itself a link works", async () => {
  const workspace = dir("target");
  writeFileSync(join(workspace, "AGENTS.md"), "yes");
  symlinkSync(workspace, join(root, "alias"));
  assert.equal((await readWorkspace(join(root, "alias"))).length, 1);
});

test("A directory or a named pipe in place of a file is left out and does not block", async () => {
  const workspace = dir("odd");
  mkdirSync(join(workspace, "AGENTS.md"));
  execFileSync("mkfifo", [join(workspace, "SOUL.md")]);
  assert.deepEqual(await readWorkspace(workspace), []);
});

test("The prompt states whether there are tools", () => {
  assert.match(toSystemPrompt(turn("/w"), []), /You have no tools/);
  assert.match(toSystemPrompt(turn("/w", ["exec"]), []), /Workspace: \/w/);
});

test("A new workspace gets templates once, and existing files are not changed", async () => {
  const workspace = join(root, "fresh");
  assert.deepEqual(await ensureWorkspace(workspace), ["AGENTS.md", "SOUL.md", "USER.md", "IDENTITY.md", "TOOLS.md"]);
  writeFileSync(join(workspace, "SOUL.md"), "mine");
  rmSync(join(workspace, "USER.md"));
  assert.deepEqual(await ensureWorkspace(workspace), []);
  assert.equal(readFileSync(join(workspace, "SOUL.md"), "utf8"), "mine");
  assert.ok(!readdirSync(workspace).includes("USER.md"));
});

test("A workspace is created with its missing parents, and a failure is refused with the reason", async () => {
  await createWorkspaceDir(join(root, "made/a/b/c"));
  assert.ok(statSync(join(root, "made/a/b/c")).isDirectory());
  assert.equal(statSync(join(root, "made/a/b")).mode & 0o777, 0o700);
  await createWorkspaceDir(join(root, "made/a/b/c"));
  writeFileSync(join(root, "file"), "");
  const refused = { name: "GatewayError", code: "INVALID_REQUEST" };
  await assert.rejects(createWorkspaceDir(join(root, "file")), refused);
  await assert.rejects(createWorkspaceDir(join(root, "file/below")), refused);
  await assert.rejects(createWorkspaceDir(join(root, "x".repeat(300))), refused);
  await assert.rejects(createWorkspaceDir(`${root}\0`), /cannot be used: the path contains a NUL character/);
  await assert.rejects(createWorkspaceDir(join(root, "file/below")), /a part of the path is a file|there is a file/);
  if (process.platform === "linux") await assert.rejects(createWorkspaceDir("/proc/1/workspace"), refused);
});

test("A workspace file that is not read is reported with the reason", async () => {
  const dir = mkdtempSync(join(tmpdir(), "prompt-unread-"));
  const outside = mkdtempSync(join(tmpdir(), "prompt-outside-"));
  writeFileSync(join(outside, "SOUL.md"), "kind");
  symlinkSync(join(outside, "SOUL.md"), join(dir, "SOUL.md"));
  symlinkSync(join(dir, "nothing"), join(dir, "USER.md"));
  mkdirSync(join(dir, "TOOLS.md"));
  writeFileSync(join(dir, "AGENTS.md"), "work");
  assert.deepEqual(await findUnreadFiles(dir), [
    { name: "SOUL.md", reason: "it is a link to a file outside the workspace" },
    { name: "USER.md", reason: "it is a link to a file that does not exist" },
    { name: "TOOLS.md", reason: "it is not a regular file" },
  ]);
  assert.deepEqual(await findUnreadFiles(join(dir, "missing")), []);
  for (const each of [dir, outside]) rmSync(each, { recursive: true });
});

test("the files of a local workspace are looked at synchronously, those of a remote one never", async (t) => {
  const workspace = dir("remote");
  writeFileSync(join(workspace, "AGENTS.md"), "work");
  const lstats = t.mock.method(fs, "lstatSync");
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  const expected = [{ name: "AGENTS.md", text: "work" }];
  for (const [isLocal, calls] of [
    [false, 0],
    [true, 6],
    [false, 0],
  ] as const) {
    lstats.mock.resetCalls();
    assert.deepEqual(await readWorkspace(workspace, undefined, undefined, () => Promise.resolve(isLocal)), expected);
    assert.equal(lstats.mock.callCount(), calls);
  }
});
