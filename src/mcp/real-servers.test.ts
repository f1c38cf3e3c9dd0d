// Group: wire
// Servers as they are published.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { mcpBench, mcpServer } from "../../test/fakes/mcp-bench.ts";
import { textOf, toolContext } from "../../test/fakes/tool-context.ts";

const EVERYTHING = fileURLToPath(import.meta.resolve("@modelcontextprotocol/server-everything/dist/index.js"));
const MEMORY = fileURLToPath(import.meta.resolve("@modelcontextprotocol/server-memory/dist/index.js"));
const command = process.execPath;

test("the reference servers start, list their tools and answer calls", async (t) => {
  const { workspace } = toolContext(t);
  const bench = mcpBench(t, {
    everything: mcpServer({ command, args: [EVERYTHING] }),
    memory: mcpServer({ command, args: [MEMORY], vars: { MEMORY_FILE_PATH: `${workspace}/memory.json` } }),
  });
  assert.equal((await bench.servers.probe("everything")).cause, null);
  assert.equal((await bench.servers.probe("memory")).cause, null);
  const names = (await bench.servers.list(new AbortController().signal)).map(({ name }) => name);
  for (const name of ["everything__echo", "everything__get-sum", "memory__create_entities", "memory__read_graph"])
    assert.ok(names.includes(name), name);
  assert.deepEqual([bench.report("everything").leftOut, bench.report("memory").leftOut], [[], []]);
  assert.match(textOf(await bench.call("everything__get-sum", { a: 2, b: 3 })), /\n> .*5/);
  const image = await bench.call("everything__get-tiny-image");
  assert.ok(image.content.some((each) => each.type === "image" && each.mimeType === "image/png"));
  assert.match(textOf(await bench.call("everything__resources_list")), /\n> demo:\/\//);
  const uri = /> (demo:\/\/resource\/static\/\S+)/.exec(textOf(await bench.call("everything__resources_list")))![1]!;
  assert.match(textOf(await bench.call("everything__resources_read", { uri })), new RegExp(`\n> ${uri}\n> \\S`));
  assert.match(textOf(await bench.call("everything__prompts_list", { search: "simple" })), /\n> simple-prompt\(\)/);
  assert.match(textOf(await bench.call("everything__prompts_get", { name: "simple-prompt" })), /\n> user:\n> \S/);
  const { resources, prompts } = bench.report("everything");
  assert.ok(resources! > 0 && prompts! > 0);
  const entity = { name: "gateway", entityType: "program", observations: ["runs"] };
  assert.ok(!(await bench.call("memory__create_entities", { entities: [entity] })).isError);
  assert.match(textOf(await bench.call("memory__read_graph")), /"name": "gateway"/);
  assert.ok((await bench.call("memory__create_entities", { entities: "none" })).isError);
});
