// Another program replaces parts of a path with links while the tools for files use it: nothing outside is shown or changed.
import assert from "node:assert/strict";
import { readFile, realpath } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { textOf } from "../fakes/tool-context.ts";
import { startSwapping } from "./link-swapper.ts";
import { CANARY, INSIDE, openOutsideBench, type OutsideBench } from "./outside-bench.ts";

const CALLS = 2_000;

/** `dir` becomes a link to a directory outside with files of the same names, and `inside.txt` one to a file outside. */
async function race(t: TestContext, use: (bench: OutsideBench) => Promise<void>): Promise<number> {
  const bench = openOutsideBench(t, {}, undefined, ["outside/inside.txt", "outside/deep/inside.txt"]);
  const inside = `${INSIDE}\n`;
  const dir = { path: join(bench.workspace, "dir"), files: { "inside.txt": inside, "deep/inside.txt": inside } };
  const swapping = startSwapping([
    { ...dir, link: "../outside" },
    { path: join(bench.workspace, "inside.txt"), link: `${bench.base}/secret.txt`, files: inside },
    { ...dir, link: `${bench.base}/outside` },
  ]);
  try {
    await use(bench);
  } finally {
    await swapping.stop();
  }
  return swapping.rounds();
}

/** Repeats the calls one after the other; counts those that did what was asked, and those that met a link that leads out. */
async function raceTools(t: TestContext, calls: readonly (readonly [tool: string, args: object])[], count = CALLS): Promise<void> {
  let [succeeded, refused] = [0, 0];
  const swaps = await race(t, async (bench) => {
    for (let call = 0; call < count; call += 1) {
      const [tool, args] = calls[call % calls.length]!;
      const result = await bench.run(tool, args);
      const text = textOf(result);
      assert.ok(!text.includes(CANARY), `${tool} shows ${text}`);
      if (!result.isError) succeeded += 1;
      else if (/out of the workspace|outside of the workspace/.test(text)) refused += 1;
      if (call % 100 === 0) bench.assertUnchanged(tool);
    }
    bench.assertUnchanged(calls[0]![0]);
  });
  t.diagnostic(`${swaps} rounds of swaps, ${succeeded} calls succeeded, ${refused} met a link that leads out`);
  assert.ok(succeeded > 0 && refused > 0, `${succeeded} succeeded, ${refused} refused`);
}

test("the race is real: a path that is checked before it is opened leads out", async (t) => {
  let [reads, escapes] = [0, 0];
  await race(t, async ({ workspace }) => {
    const readChecked = async (path: string): Promise<string> => {
      const real = await realpath(path);
      return real.startsWith(`${workspace}/`) ? readFile(path, "utf8") : "";
    };
    for (; reads < 100_000 && escapes === 0; reads += 1) {
      const text = await readChecked(join(workspace, "dir/inside.txt")).catch((err: NodeJS.ErrnoException) => String(err.code));
      if (text.includes(CANARY)) escapes += 1;
    }
  });
  t.diagnostic(`escaped in read ${reads}`);
  assert.equal(escapes, 1);
});

test("reading shows nothing outside", (t) =>
  raceTools(t, [
    ["read", { path: "dir/inside.txt" }],
    ["read", { path: "inside.txt" }],
    ["read", { path: "dir/deep/inside.txt" }],
  ]));

test("listing shows nothing outside", (t) =>
  raceTools(t, [
    ["ls", { path: "dir" }],
    ["ls", { path: "dir/deep" }],
    ["find", { path: ".", pattern: "*.txt" }],
    ["find", { path: "dir", pattern: "*" }],
  ]));

test("searching shows nothing outside", (t) =>
  raceTools(
    t,
    [
      ["grep", { path: "dir", pattern: "." }],
      ["grep", { path: "inside.txt", pattern: "." }],
      ["grep", { path: ".", pattern: "." }],
    ],
    CALLS / 5,
  ));

test("writing changes nothing outside", (t) =>
  raceTools(t, [
    ["write", { path: "dir/inside.txt", content: `${INSIDE}\n` }],
    ["write", { path: "dir/new/a.txt", content: `${INSIDE}\n` }],
    ["write", { path: "inside.txt", content: `${INSIDE}\n` }],
    ["edit", { path: "dir/deep/inside.txt", edits: [{ oldText: INSIDE, newText: `${INSIDE}+` }] }],
    ["edit", { path: "dir/deep/inside.txt", edits: [{ oldText: `${INSIDE}+`, newText: INSIDE }] }],
  ]));

const patch = (...lines: string[]): readonly [string, object] => [
  "apply_patch",
  { input: ["*** Begin Patch", ...lines, "*** End Patch"].join("\n") },
];

test("patching changes nothing outside", (t) =>
  raceTools(t, [
    patch("*** Add File: dir/made/b.txt", "+b", "*** Update File: dir/inside.txt", "@@", `+${INSIDE}`, "*** End of File"),
    patch("*** Delete File: dir/made/b.txt", "*** Update File: inside.txt", "@@", `-${INSIDE}`, `+${INSIDE}`, "+more"),
    patch("*** Update File: inside.txt", "*** Move to: dir/moved.txt"),
    patch("*** Update File: dir/moved.txt", "*** Move to: inside.txt"),
  ]));
