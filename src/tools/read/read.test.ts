import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { textOf, toolContext, type TestToolContext } from "../../../test/fakes/tool-context.ts";
import type { ToolResult } from "../tool.ts";
import { WorkspaceFiles } from "../workspace-files.ts";
import { createReadTool } from "./read.ts";

type Reader = {
  context: TestToolContext;
  file: (name: string, content: string | Uint8Array) => string;
  read: (path: string, range?: object) => Promise<ToolResult>;
};

function reader(t: TestContext): Reader {
  const context = toolContext(t);
  const tool = createReadTool(new WorkspaceFiles({ home: join(context.workspace, "home") }));
  const file = (name: string, content: string | Uint8Array): string => {
    writeFileSync(join(context.workspace, name), content);
    return name;
  };
  return { context, file, read: (path, range = {}) => tool.run({ path, ...range }, context) };
}

const lines = (count: number, text = "line"): string => Array.from({ length: count }, (_, index) => `${text} ${index + 1}\n`).join("");

test("a file within the limits is returned as it is", async (t) => {
  const { read, file } = reader(t);
  for (const content of ["", "a", "a\nb\n", "\uFEFFä€😀\r\n", lines(2_000, ""), `${"x".repeat(51_199)}\n`])
    assert.equal(textOf(await read(file("a", content))), content);
});

test("offset and limit select lines, and a notice names the next offset", async (t) => {
  const { read, file } = reader(t);
  const name = file("a", "1\n2\n3\n4");
  assert.equal(textOf(await read(name, { offset: 3 })), "3\n4");
  assert.equal(textOf(await read(name, { offset: 2, limit: 2 })), "2\n3\n\n[Lines 2 to 3 of 4 lines. Continue with offset=4.]");
  assert.equal(textOf(await read(name, { offset: 3, limit: 9 })), "3\n4");
  assert.equal(textOf(await read(name, { offset: -1, limit: 1 })), "1\n\n[Lines 1 to 1 of 4 lines. Continue with offset=2.]");
  await assert.rejects(read(name, { offset: 5 }), /offset 5 is behind the end of the file, which has 4 lines/);
});

test("a long file is cut after 2000 lines or 50 KB, and following the notices gives all of it", async (t) => {
  const { read, file } = reader(t);
  const content = lines(7_000) + lines(900, "x".repeat(100));
  const name = file("a", content);
  let all = "";
  for (let offset = 1; ;) {
    const text = textOf(await read(name, { offset }));
    const [notice, next] = /\n\n\[Lines \d+ to \d+ of 7901 lines\. Continue with offset=(\d+)\.\]$/.exec(text) ?? ["", ""];
    assert.ok(Buffer.byteLength(text) <= 51_200 + notice.length);
    all += text.slice(0, text.length - notice.length);
    if (next === "") break;
    all += "\n";
    offset = Number(next);
  }
  assert.equal(all, content);
});

test("a line that is longer than a result is described, and the lines after it can be read", async (t) => {
  const { read, file } = reader(t);
  const name = file("a", `1\n${"x".repeat(600_000)}\n3\n`);
  assert.match(textOf(await read(name, { offset: 2 })), /^\[Line 2 has 585\.9 KB, more than the 50\.0 KB of a result\./);
  assert.equal(textOf(await read(name, { offset: 3 })), "3\n");
});

test("a very large file is read in its part, without counting all lines", async (t) => {
  const { read, file, context } = reader(t);
  const name = file("a", lines(3_000));
  truncateSync(join(context.workspace, name), 300_000_000);
  const text = textOf(await read(name, { offset: 10, limit: 2 }));
  assert.match(text, /^line 10\nline 11\n\n\[Lines 10 to 11 of more than \d+ lines\. Continue with offset=12\.\]$/);
});

test("home, URLs, the @ of a mention and the spellings of macOS lead to the file", async (t) => {
  const { read, file, context } = reader(t);
  mkdirSync(join(context.workspace, "home"));
  file("home/a", "home");
  file("b c", "space");
  file("it\u2019s \u0065\u0301 1\u202FPM.txt", "never");
  file("e\u0301", "decomposed");
  file("don\u2019t", "curly");
  file("Shot 1\u202FAM.txt", "narrow");
  const texts = ["~/a", "@b c", "b\u00A0c", `file://${context.workspace}/b%20c`, "\u00E9", "don't", "Shot 1 AM.txt"].map(async (path) =>
    textOf(await read(path)),
  );
  assert.deepEqual(await Promise.all(texts), ["home", "space", "space", "space", "decomposed", "curly", "narrow"]);
});

test("what is not a regular file is refused at once", async (t) => {
  const { read, context } = reader(t);
  spawnSync("mkfifo", [join(context.workspace, "pipe")]);
  await assert.rejects(read("pipe"), /Cannot read pipe: it is a device, a pipe or a socket/);
  context.outside = ["/dev"];
  await assert.rejects(read("/dev/zero"), /not a regular file/);
  await assert.rejects(read("."), /it is a directory \(EISDIR\)/);
  await assert.rejects(read("none"), /it does not exist \(ENOENT\)/);
  await assert.rejects(read("a\0"), /NUL character/);
});

test("a stopped call rejects", async (t) => {
  const { read, file, context } = reader(t);
  const name = file("a", "x");
  context.stop();
  await assert.rejects(read(name), /stopped/);
});
