import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { builtInTools } from "../../test/fakes/built-in-tools.ts";
import { TOOL_ENTRIES } from "./built-in.ts";
import { MORE_TOOLS, TOOL_NAMES, TOOL_SOURCES, TOOLS } from "./tool.ts";

const read = (path: string): string => readFileSync(join(import.meta.dirname, path), "utf8");

test("every folder with a tool has one line in the registry, and no other file names it", () => {
  const found = globSync("**/*.ts", { cwd: import.meta.dirname }).flatMap((path) =>
    [...read(path).matchAll(/^export const (\w+): ToolEntry =/gm)].map(([, name]) => `export { ${name} } from "./${path}";`),
  );
  const lines = read("registry.ts")
    .split("\n")
    .filter((line) => line.startsWith("export"));
  assert.deepEqual(lines.toSorted(), found.toSorted());
  // The tool that finds others is made of all of them.
  for (const file of globSync("*.ts", { cwd: import.meta.dirname })) {
    if (file === "registry.ts" || file.endsWith(".test.ts")) continue;
    const creators = [...read(file).matchAll(/\bcreate\w+Tools?\b/g)].map(([name]) => name);
    assert.deepEqual(
      creators.filter((name) => name !== "createBuiltInTools" && name !== "createMoreToolsTool"),
      [],
      file,
    );
  }
});

test("an entry creates the tools of its facts, and the table of all tools has the facts of every entry", () => {
  const facts = TOOL_ENTRIES.flatMap((entry) => Object.entries(entry.facts));
  assert.deepEqual(Object.fromEntries(facts), TOOLS);
  assert.equal(facts.length, TOOL_NAMES.length);
  const created = builtInTools().map(({ name }) => name);
  assert.deepEqual(created.toSorted(), [...TOOL_NAMES.filter((name) => !TOOL_SOURCES.includes(name)), MORE_TOOLS].toSorted());
});
