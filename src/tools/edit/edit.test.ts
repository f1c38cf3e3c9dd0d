import assert from "node:assert/strict";
import { chmodSync, lstatSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { textOf, toolContext, type TestToolContext } from "../../../test/fakes/tool-context.ts";
import { FileLocks } from "../file-locks.ts";
import type { ToolResult } from "../tool.ts";
import { WorkspaceFiles } from "../workspace-files.ts";
import { createEditTool, toEditList } from "./edit.ts";

type Editor = { context: TestToolContext; file: string; edit: (...edits: [string, string][]) => Promise<ToolResult>; read: () => string };

function editor(t: TestContext, content: string | Uint8Array): Editor {
  const context = toolContext(t);
  const file = join(context.workspace, "a.txt");
  writeFileSync(file, content);
  const tool = createEditTool(new WorkspaceFiles({ home: context.workspace }), new FileLocks());
  const edit = (...edits: [string, string][]): Promise<ToolResult> =>
    tool.run({ path: "a.txt", edits: edits.map(([oldText, newText]) => ({ oldText, newText })) }, context);
  return { context, file, edit, read: () => readFileSync(file, "utf8") };
}

test("several edits are searched in the original content", async (t) => {
  const { edit, read } = editor(t, "a\nb\nc\n");
  assert.equal(textOf(await edit(["c", "a"], ["a\n", "b\nb\n"])), "Replaced 2 texts in a.txt.");
  assert.equal(read(), "b\nb\nb\na\n");
});

test("replacements are literal text", async (t) => {
  const { edit, read } = editor(t, "a(b)");
  await edit(["(b)", "$&$1\\n"]);
  assert.equal(read(), "a$&$1\\n");
});

test("a missing, ambiguous, empty or overlapping text and an edit without effect change nothing and say which edit", async (t) => {
  const { edit, read } = editor(t, "one\ntwo\ntwo\n");
  await assert.rejects(edit(["three", "x"]), /^Error: oldText was not found in a\.txt/);
  await assert.rejects(edit(["one", "x"], ["three", "x"]), /edits\[1\]\.oldText was not found/);
  await assert.rejects(edit(["two", "x"]), /oldText occurs 2 times in a\.txt/);
  await assert.rejects(edit(["", "x"]), /oldText is empty/);
  await assert.rejects(edit(["one\nt", "x"], ["one", "x"]), /edits\[0\] and edits\[1\] overlap/);
  await assert.rejects(edit(["one", "one"]), /was not changed/);
  assert.equal(read(), "one\ntwo\ntwo\n");
});

test("byte order mark and CRLF are kept; lines that are not touched keep their own line break", async (t) => {
  const { edit, read } = editor(t, "\uFEFFa\r\nb\r\nc\r\n");
  await edit(["a\nb", "x\ny\nz"]);
  assert.equal(read(), "\uFEFFx\r\ny\r\nz\r\nc\r\n");
  const mixed = editor(t, "a\r\nb\nc\rd\n");
  await mixed.edit(["b", "x"]);
  assert.equal(mixed.read(), "a\r\nx\r\nc\rd\n");
});

test("typographic characters and spaces at the end of a line do not hinder a match, and other lines keep them", async (t) => {
  const { edit, read } = editor(t, "keep \u201Cthis\u201D  \nsay \u2018hi\u2019 \u2013 now  \nkeep\u00A0that\n");
  await edit(["say 'hi' - now\n", "said\n"]);
  assert.equal(read(), "keep \u201Cthis\u201D  \nsaid\nkeep\u00A0that\n");
});

test("texts that differ only in typographic characters are ambiguous", async (t) => {
  const { edit } = editor(t, "a-b\na\u2013b\n");
  await assert.rejects(edit(["a-b", "x"]), /occurs 2 times/);
});

test("a file that is not UTF-8 or does not exist is refused and not damaged", async (t) => {
  const bytes = Buffer.from([0xff, 0x41, 10]);
  const { edit, file, context } = editor(t, bytes);
  await assert.rejects(edit(["A", "B"]), /not UTF-8 text/);
  assert.deepEqual(readFileSync(file), bytes);
  const tool = createEditTool(new WorkspaceFiles({ home: "/" }), new FileLocks());
  await assert.rejects(
    tool.run({ path: "none", edits: [{ oldText: "a", newText: "b" }] }, context),
    /Cannot edit none: it does not exist \(ENOENT\)/,
  );
});

test("mode and link of an edited file are kept, and no temporary file is left", async (t) => {
  const { edit, file, context, read } = editor(t, "a");
  mkdirSync(join(context.workspace, "real"));
  const target = join(context.workspace, "real", "b.sh");
  writeFileSync(target, "a");
  chmodSync(target, 0o755);
  rmSync(file);
  symlinkSync("real/b.sh", file);
  await edit(["a", "b"]);
  assert.deepEqual([read(), lstatSync(file).isSymbolicLink(), statSync(target).mode & 0o777], ["b", true, 0o755]);
  assert.deepEqual(readdirSync(join(context.workspace, "real")), ["b.sh"]);
});

test("calls that edit one file at the same time do not lose each other's changes", async (t) => {
  const names = Array.from({ length: 20 }, (_, index) => `<${index}>`);
  const { edit, read } = editor(t, names.join("\n"));
  await Promise.all(names.map((name) => edit([name, `${name}!`])));
  assert.equal(read(), names.map((name) => `${name}!`).join("\n"));
});

test("a stopped call changes nothing", async (t) => {
  const { edit, read, context } = editor(t, "a");
  context.stop();
  await assert.rejects(edit(["a", "b"]), /stopped/);
  assert.equal(read(), "a");
});

test("older and other forms of the edits become a list", () => {
  const [oldText, newText] = ["a", "b"];
  const list = [{ oldText, newText }];
  for (const args of [{ oldText, newText }, { edits: list[0] }, { edits: JSON.stringify(list) }, { edits: JSON.stringify(list[0]) }])
    assert.deepEqual(toEditList({ path: "p", ...args })["edits"], list);
  assert.deepEqual(toEditList({ edits: [{ oldText: "x", newText: "y" }], oldText, newText })["edits"], [
    { oldText: "x", newText: "y" },
    ...list,
  ]);
  const broken = { path: "p", edits: "[{" };
  assert.equal(toEditList(broken), broken);
});
