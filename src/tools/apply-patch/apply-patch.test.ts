import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { textOf, toolContext, type TestToolContext } from "../../../test/fakes/tool-context.ts";
import { settled } from "../../../test/until.ts";
import { holdDirectory, type HeldDirectory } from "../../core/held-directory.ts";
import { FileLocks } from "../file-locks.ts";
import { WorkspaceFiles } from "../workspace-files.ts";
import { createApplyPatchTool } from "./apply-patch.ts";

type Patcher = {
  context: TestToolContext;
  /** Applies the sections; resolves to the text of the result. */
  patch: (...lines: string[]) => Promise<string>;
  /** Every file of the workspace with its content; directories end with `/`. */
  files: () => Record<string, string>;
};

function patcher(
  t: TestContext,
  files: Readonly<Record<string, string | Uint8Array>>,
  hold = holdDirectory,
  locks = new FileLocks(),
): Patcher {
  const context = toolContext(t);
  const dir = context.workspace;
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), content);
  }
  const tool = createApplyPatchTool(new WorkspaceFiles({ home: "/nowhere", hold }), locks);
  return {
    context,
    patch: async (...lines) => textOf(await tool.run({ input: ["*** Begin Patch", ...lines, "*** End Patch"].join("\n") }, context)),
    files: () =>
      Object.fromEntries(
        readdirSync(dir, { recursive: true, encoding: "utf8" })
          .toSorted()
          .map((path) => (statSync(join(dir, path)).isDirectory() ? [`${path}/`, ""] : [path, readFileSync(join(dir, path), "utf8")])),
      ),
  };
}

test("one patch adds, changes, moves and removes files", async (t) => {
  const { context, patch, files } = patcher(t, {
    "a.txt": "1\n2\n3\n",
    "run.sh": "old\n",
    "gone.txt": "x",
    "plain.bin": Buffer.from([255, 0]),
  });
  chmodSync(join(context.workspace, "run.sh"), 0o755);
  const text = await patch(
    "*** Add File: new/deep/b.txt",
    "+hello",
    "*** Update File: a.txt",
    " 1",
    "-2",
    "+two",
    "*** Update File: run.sh",
    "*** Move to: bin/run.sh",
    "-old",
    "+new",
    "*** Update File: plain.bin",
    "*** Move to: moved.bin",
    "*** Delete File: gone.txt",
  );
  assert.equal(text, "The patch was applied:\nA new/deep/b.txt\nM a.txt\nR run.sh -> bin/run.sh\nR plain.bin -> moved.bin\nD gone.txt");
  assert.deepEqual(files(), {
    "a.txt": "1\ntwo\n3\n",
    "bin/": "",
    "bin/run.sh": "new\n",
    "moved.bin": "\uFFFD\0",
    "new/": "",
    "new/deep/": "",
    "new/deep/b.txt": "hello\n",
  });
  assert.deepEqual([...readFileSync(join(context.workspace, "moved.bin"))], [255, 0]);
  const modeOf = (path: string): number => statSync(join(context.workspace, path)).mode & 0o777;
  assert.deepEqual([modeOf("bin/run.sh"), modeOf("new/deep/b.txt"), modeOf("new/deep")], [0o755, 0o600, 0o700]);
});

test("nothing changes when a part of the patch does not fit, and the text says which", async (t) => {
  const start = { "a.txt": "1\n", "dir/c.txt": "c\n", bytes: Buffer.from([255, 10]) };
  const { context, patch, files } = patcher(t, start);
  symlinkSync("a.txt", join(context.workspace, "link"));
  const before = files();
  const good = ["*** Update File: a.txt", "-1", "+one", "*** Add File: new/x.txt", "+x"];
  const cases: [lines: string[], problem: RegExp][] = [
    [["*** Update File: dir/c.txt", "-d", "+x"], /Cannot patch dir\/c\.txt: hunk 1 of dir\/c\.txt \("d"\) does not fit/],
    [["*** Update File: none.txt", "-d", "+x"], /Cannot patch none\.txt: it does not exist \(ENOENT\)/],
    [["*** Update File: none/none.txt", "-d", "+x"], /Cannot patch none\/none\.txt: it does not exist \(ENOENT\)/],
    [["*** Update File: bytes", "-d", "+x"], /Cannot patch bytes: it is not UTF-8 text/],
    [["*** Update File: dir", "-d", "+x"], /Cannot patch dir: it is a directory/],
    [["*** Add File: dir/c.txt", "+x"], /Cannot patch dir\/c\.txt: it exists\. Change it in a section/],
    [["*** Add File: dir/c.txt/below", "+x"], /a part of the path is a file/],
    [["*** Add File: dir", "+x"], /Cannot patch dir: it exists/],
    [["*** Delete File: none.txt"], /Cannot patch none\.txt: it does not exist/],
    [["*** Delete File: dir"], /Cannot patch dir: it is a directory/],
    [["*** Update File: dir/c.txt", "*** Move to: bytes"], /Cannot patch dir\/c\.txt: bytes exists/],
    [["*** Update File: link", "*** Move to: other"], /Cannot patch link: it is a symbolic link/],
    [["*** Update File: link", "-1", "+x"], /link and a\.txt are one file: change it in one section/],
    [["*** Delete File: a.txt"], /a\.txt and a\.txt are one file/],
    [["*** Add File: new", "+x"], /new would be both a file and a directory/],
    [["*** Add File: ../x", "+x"], /it is outside of the workspace .* Use write or edit for others\./],
    [["*** Add File: a\0b", "+x"], /NUL character/],
    [["*** Add File: fine.txt", "text"], /line 8 of the patch: each line of a new file must begin with \+\./],
    [[`*** Add File: made/${"x".repeat(250)}`, "+x"], /Cannot write made\/x+: the name is too long/],
  ];
  for (const [lines, problem] of cases) {
    await assert.rejects(
      patch(...good, ...lines),
      (err: Error) => problem.test(err.message) && err.message.startsWith("Nothing was changed"),
    );
    assert.deepEqual(files(), before, lines[0]);
  }
  assert.match(await patch(...good), /^The patch was applied/);
});

test("a link is removed itself, and changed through: its file gets the new content", async (t) => {
  const { context, patch, files } = patcher(t, { "a.txt": "1\n", "b.txt": "2\n" });
  symlinkSync("a.txt", join(context.workspace, "one"));
  symlinkSync("b.txt", join(context.workspace, "two"));
  await patch("*** Update File: one", "-1", "+one", "*** Delete File: two");
  assert.deepEqual(files(), { "a.txt": "one\n", "b.txt": "2\n", one: "one\n" });
});

test("byte order mark and line breaks are kept", async (t) => {
  const { patch, files } = patcher(t, { "a.txt": "\uFEFFa\r\nb\r\n" });
  await patch("*** Update File: a.txt", "-a", "+x", "+y");
  assert.deepEqual(files(), { "a.txt": "\uFEFFx\r\ny\r\nb\r\n" });
});

test("when the system refuses a later file, the text says what has been done and what has not", async (t) => {
  /** Another program that removes the directory `late` as soon as the first file is replaced. */
  let hasRemoved = false;
  const hold = async (path: string): Promise<HeldDirectory> => watch(await holdDirectory(path));
  const watch = (held: HeldDirectory): HeldDirectory => ({
    path: held.path,
    get self() {
      return held.self;
    },
    entry: (name) => held.entry(name),
    enter: async (name) => watch(await held.enter(name)),
    close: () => held.close(),
    confirm: async () => {
      const root = join(held.path, "..");
      if (hasRemoved || !held.path.endsWith("/early") || readFileSync(join(root, "early/a.txt"), "utf8") !== "new\n") return;
      hasRemoved = true;
      rmSync(join(root, "late"), { recursive: true });
    },
  });
  const { patch, files } = patcher(t, { "early/a.txt": "old\n", "late/b.txt": "old\n", "gone.txt": "x" }, hold);
  const changes = [
    "*** Delete File: gone.txt",
    "*** Update File: early/a.txt",
    "-old",
    "+new",
    "*** Update File: late/b.txt",
    "-old",
    "+new",
  ];
  await assert.rejects(patch(...changes), {
    message:
      "The patch was applied in part. Done: writing early/a.txt. Not done: writing late/b.txt, removing gone.txt. Cannot change late/b.txt: it does not exist (ENOENT).",
  });
  assert.deepEqual(files(), { "early/": "", "early/a.txt": "new\n", "gone.txt": "x" });
});

test("a call that is stopped while it waits for another change of a file changes nothing", async (t) => {
  const locks = new FileLocks();
  const { context, patch, files } = patcher(t, { "a.txt": "1\n" }, holdDirectory, locks);
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const earlier = locks.withLock(join(context.workspace, "a.txt"), () => gate);
  const later = patch("*** Add File: new/b.txt", "+x", "*** Update File: a.txt", "-1", "+2");
  await settled();
  context.stop();
  open();
  await assert.rejects(later, /The call was stopped/);
  await earlier;
  assert.deepEqual(files(), { "a.txt": "1\n" });
});

test("two patches at the same time do not lose each other's changes", async (t) => {
  const { patch, files } = patcher(t, { "a.txt": "1\n2\n", "b.txt": "1\n2\n" });
  const change = (line: string, ...names: string[]): Promise<string> =>
    patch(...names.flatMap((name) => [`*** Update File: ${name}`, `-${line}`, `+<${line}>`]));
  await Promise.all([change("1", "a.txt", "b.txt"), change("2", "b.txt", "a.txt")]);
  assert.deepEqual(files(), { "a.txt": "<1>\n<2>\n", "b.txt": "<1>\n<2>\n" });
  const results = await Promise.allSettled([patch("*** Add File: c/d", "+1"), patch("*** Add File: c/d", "+2")]);
  assert.deepEqual(results.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
});

test("the description is short and has the whole format", () => {
  const { name, description, parameters } = createApplyPatchTool(new WorkspaceFiles({ home: "/" }), new FileLocks());
  assert.ok(Buffer.byteLength(JSON.stringify({ name, description, parameters })) <= 900);
  for (const part of ["Begin Patch", "Add File", "Update File", "Move to", "@@", "Delete File", "End Patch"])
    assert.ok(description.includes(part));
});
