// The tools for files with a thousand ways to write a path that leads out of the workspace: nothing outside is shown or changed.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { holdByPath, type HoldDirectory } from "../../src/core/held-directory.ts";
import { textOf } from "../fakes/tool-context.ts";
import { CANARY, INSIDE, openOutsideBench, type OutsideBench } from "./outside-bench.ts";
import { hostileLinks, hostilePaths } from "./path-forms.ts";

const patch = (...lines: string[]): object => ({ input: ["*** Begin Patch", ...lines, "*** End Patch"].join("\n") });

/** What shows something, and what changes something. */
const READING: Readonly<Record<string, (path: string) => [tool: string, args: object]>> = {
  read: (path) => ["read", { path }],
  ls: (path) => ["ls", { path }],
  find: (path) => ["find", { path, pattern: "*" }],
  grep: (path) => ["grep", { path, pattern: "." }],
};
const CHANGING: typeof READING = {
  write: (path) => ["write", { path, content: "overwritten" }],
  edit: (path) => ["edit", { path, edits: [{ oldText: "-", newText: "+" }] }],
  "apply_patch, a new file": (path) => ["apply_patch", patch(`*** Add File: ${path}`, "+added")],
  "apply_patch, a changed file": (path) => ["apply_patch", patch(`*** Update File: ${path}`, "@@", "+added", "*** End of File")],
  "apply_patch, a file that is moved in": (path) => ["apply_patch", patch(`*** Update File: ${path}`, "*** Move to: moved.txt")],
  "apply_patch, a file that is moved out": (path) => ["apply_patch", patch("*** Update File: mover.txt", `*** Move to: ${path}`)],
  "apply_patch, a removed file": (path) => ["apply_patch", patch(`*** Delete File: ${path}`)],
};

/** Links that lead to each other are tried from both ends and around the 40 that are followed. */
const isTried = (link: string): boolean =>
  !link.startsWith("chain") || ["chain0", "chain1", "chain39", "chain40", "chain59"].includes(link);

const openDescriptors = (): number => (process.platform === "linux" ? readdirSync("/proc/self/fd").length : 0);

/** Of a thousand calls none leaves a directory open; a few descriptors belong to the watcher of processes. */
const assertClosed = (before: number): void => assert.ok(openDescriptors() < before + 5, `${before} before, ${openDescriptors()} after`);

function openBench(t: TestContext, hold: HoldDirectory | undefined): { bench: OutsideBench; paths: readonly string[] } {
  const links = hostileLinks();
  const bench = openOutsideBench(t, links, hold);
  const paths = hostilePaths(bench.base, bench.descriptor, Object.keys(links).filter(isTried));
  assert.ok(paths.length >= 900, `${paths.length} paths`);
  // The second way takes the same paths through the same walk.
  return { bench, paths: hold === undefined ? paths : paths.filter((_path, index) => index % 3 === 0) };
}

for (const [way, hold] of [["", undefined] as const, [" where the system names no open directory", holdByPath] as const]) {
  for (const [operation, callOf] of Object.entries(READING))
    test(`no path makes ${operation} show something outside${way}`, async (t) => {
      const { bench, paths } = openBench(t, hold);
      const before = openDescriptors();
      let shown = 0;
      for (const path of paths) {
        const result = await bench.run(...callOf(path));
        const text = textOf(result);
        assert.ok(!text.includes(CANARY), `${JSON.stringify(path)} shows ${text}`);
        bench.assertUnchanged(path);
        if (result.isError) continue;
        shown += 1;
        if (operation === "read") assert.equal(text, `${INSIDE}\n`, path);
        if (operation === "grep") assert.match(text, new RegExp(`^(?:\\S+:1: ${INSIDE}\n?)+$`), path);
      }
      t.diagnostic(`${paths.length} paths, of which ${shown} lead to something inside`);
      assertClosed(before);
      assert.equal((await bench.run(...callOf(operation === "read" ? "dir/../inside.txt" : "dir"))).isError, false);
    });

  for (const [operation, callOf] of Object.entries(CHANGING))
    test(`no path makes ${operation} change something outside${way}`, async (t) => {
      const { bench, paths } = openBench(t, hold);
      const before = openDescriptors();
      let changed = 0;
      for (const path of paths) {
        const result = await bench.run(...callOf(path));
        assert.ok(!textOf(result).includes(CANARY), `${JSON.stringify(path)} shows ${textOf(result)}`);
        bench.assertUnchanged(path);
        if (existsSync(join(bench.workspace, "moved.txt")))
          assert.equal(readFileSync(join(bench.workspace, "moved.txt"), "utf8"), `${INSIDE}\n`, path);
        if (result.isError) continue;
        changed += 1;
        bench.reset();
      }
      t.diagnostic(`${paths.length} paths, of which ${changed} change something inside`);
      assertClosed(before);
      const [inside] = operation.endsWith("new file") || operation.endsWith("moved out") ? ["new/file.txt"] : ["dir/../inside.txt"];
      const control = await bench.run(...callOf(inside!));
      assert.equal(control.isError, false, textOf(control));
    });
}

test("directories that the configuration names may be used, and no others", async (t) => {
  const { bench, paths } = openBench(t, undefined);
  const outside = [join(bench.base, "outside")];
  let shown = 0;
  for (const path of paths) {
    for (const callOf of Object.values(READING)) {
      const text = textOf(await bench.run(...callOf(path), outside));
      for (const found of text.matchAll(new RegExp(`${CANARY} in (\\S+)`, "g"))) {
        shown += 1;
        assert.match(found[1]!, /^outside\//, `${JSON.stringify(path)} shows ${text}`);
      }
    }
  }
  assert.ok(shown > 100, `${shown} files were shown`);
  bench.assertUnchanged("reading");
  const written = await bench.run("write", { path: "rel-dir/made/by-write.txt", content: "x" }, outside);
  assert.equal(written.isError, false, textOf(written));
  assert.equal(readFileSync(join(outside[0]!, "made/by-write.txt"), "utf8"), "x");
  const patched = await bench.run("apply_patch", patch("*** Add File: ../outside/by-patch.txt", "+x"), outside);
  assert.match(textOf(patched), /apply_patch changes only files in it/);
  assert.equal(existsSync(join(outside[0]!, "by-patch.txt")), false);
});

test("with / as a directory beside the workspace everything may be used", async (t) => {
  const { bench } = openBench(t, undefined);
  for (const path of [
    "../secret.txt",
    `/proc/self/root${bench.base}/secret.txt`,
    `root/${bench.base}/secret.txt`,
    `self-root/.//${bench.base}/secret.txt`,
  ])
    assert.equal(textOf(await bench.run("read", { path }, ["/"])), `${CANARY} in secret.txt\n`, path);
  assert.match(textOf(await bench.run("read", { path: "chain39/secret.txt" }, ["/"])), /^canary-4711 in outside/);
  assert.match(textOf(await bench.run("read", { path: "chain40/secret.txt" }, ["/"])), /too many symbolic links \(ELOOP\)/);
});

test("a refusal says why and names the setting that helps", async (t) => {
  const { bench } = openBench(t, undefined);
  assert.equal(
    textOf(await bench.run("read", { path: "../secret.txt" })),
    `Cannot read ../secret.txt: it is outside of the workspace (${bench.workspace}). The setting tools.fs.paths names directories that may be used besides.`,
  );
  assert.equal(
    textOf(await bench.run("write", { path: "rel-dir/new.txt", content: "" })),
    `Cannot write rel-dir/new.txt: a link leads out of the workspace (${bench.workspace}). The setting tools.fs.paths names directories that may be used besides.`,
  );
});

test("whether something exists outside cannot be seen", async (t) => {
  const { bench } = openBench(t, undefined);
  for (const callOf of [...Object.values(READING), ...Object.values(CHANGING)])
    for (const [there, missing] of [
      ["../outside/secret.txt", "../outside/nothing.txt"],
      ["rel-dir/secret.txt", "rel-dir/nothing.txt"],
      ["rel-dir/sub/secret.txt", "rel-dir/nothing/secret.txt"],
      ["abs-file", "dangling-file"],
    ] as const) {
      const texts = await Promise.all(
        [there, missing].map(async (path) => textOf(await bench.run(...callOf(path))).replaceAll(path, "PATH")),
      );
      assert.equal(texts[0], texts[1], there);
      bench.reset();
    }
});

test("a file that the gateway has named may be read by its random name, and nothing beside it", async (t) => {
  const { bench } = openBench(t, undefined);
  const [directory, name] = [join(bench.base, "tmp"), "exec-0123456789abcdef.log"];
  await bench.run("exec", {
    command: `mkdir -p ${directory} && echo whole output > ${directory}/${name} && echo ${CANARY} > ${directory}/plain.log`,
  });
  assert.equal(textOf(await bench.run("read", { path: join(directory, name) })), "whole output\n");
  assert.equal(textOf(await bench.run("grep", { path: join(directory, name), pattern: "whole" })), `${name}:1: whole output`);
  symlinkSync("plain.log", join(directory, "fedcba9876543210"));
  writeFileSync(join(bench.workspace, "0123456789abcdef"), "");
  const refused: [string, object][] = [
    ["read", { path: join(directory, "plain.log") }],
    ["read", { path: join(directory, "fedcba9876543210") }],
    ["read", { path: join(directory, name, "../plain.log") }],
    ["ls", { path: directory }],
    ["find", { path: directory, pattern: "*" }],
    ["grep", { path: directory, pattern: "." }],
    ["write", { path: join(directory, name), content: "x" }],
    ["edit", { path: join(directory, name), edits: [{ oldText: "whole", newText: "x" }] }],
    ["apply_patch", patch(`*** Delete File: ${join(directory, name)}`)],
  ];
  for (const [tool, args] of refused) assert.equal((await bench.run(tool, args)).isError, true, `${tool} ${JSON.stringify(args)}`);
  assert.equal(readFileSync(join(directory, name), "utf8"), "whole output\n");
});
