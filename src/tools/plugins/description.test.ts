import assert from "node:assert/strict";
import { test } from "node:test";
import { readPluginDescription, type PluginDescription } from "./description.ts";

const TOOL = { name: "weather", description: "Tells the weather. Now.", effect: "fetch", parameters: { type: "object" }, run: true };
const read = (value: object): PluginDescription | string => readPluginDescription("w", { id: "w", tools: [TOOL], ...value });

test("a description becomes tools with their origin", () => {
  const found = read({ label: "Weather", config: { type: "object" } });
  assert.deepEqual(found, {
    label: "Weather",
    config: { type: "object" },
    tools: [
      {
        description: { name: "weather", description: "Tells the weather. Now. (Of the plugin w.)", parameters: { type: "object" } },
        effect: "fetch",
        asks: false,
        timeoutMs: 60_000,
      },
    ],
    leftOut: [],
  });
});

const BAD_PLUGINS: readonly [title: string, value: unknown, problem: RegExp][] = [
  ["nothing", undefined, /^its default export is not an object/],
  ["a list", [TOOL], /^its default export is not an object/],
  ["another id", { id: "x", tools: [TOOL] }, /^its id is "x", but the configuration calls it "w"/],
  ["no id", { tools: [TOOL] }, /^its id is missing/],
  ["no tools", { id: "w" }, /^it has no tools/],
  ["an empty list of tools", { id: "w", tools: [] }, /^it has no tools/],
  ["a bad schema of its settings", { id: "w", tools: [TOOL], config: { type: "string" } }, /^the schema of its settings is not valid/],
  ["too much text", { id: "w", tools: [{ ...TOOL, description: "x".repeat(300_000) }] }, /too large/],
];
for (const [title, value, problem] of BAD_PLUGINS)
  test(`a plugin with ${title} is refused`, () => {
    const found = readPluginDescription("w", value);
    assert.ok(typeof found === "string");
    assert.match(found, problem);
  });

const BAD_TOOLS: readonly [title: string, tool: unknown, reason: RegExp][] = [
  ["no name", { ...TOOL, name: undefined }, /^its name must be/],
  ["capital letters", { ...TOOL, name: "Weather" }, /^its name must be/],
  ["the form of a tool of an MCP server", { ...TOOL, name: "a__b" }, /^its name must be/],
  ["a name that is too long", { ...TOOL, name: "a".repeat(65) }, /^its name must be/],
  ["a name that ends a line", { ...TOOL, name: "a\nb" }, /^its name must be/],
  ["the name of a built-in tool", { ...TOOL, name: "read" }, /^a built-in tool has this name/],
  ["a further name of a built-in tool", { ...TOOL, name: "bash" }, /^a built-in tool has this name/],
  ["the name of the search", { ...TOOL, name: "more_tools" }, /^a built-in tool has this name/],
  ["the name of all plugins", { ...TOOL, name: "plugins" }, /^a built-in tool has this name/],
  ["the same name", { ...TOOL, name: "weather" }, /^another tool of the plugin has the same name/],
  ["no description", { ...TOOL, name: "a", description: " " }, /^it has no description/],
  ["no effect", { ...TOOL, name: "a", effect: undefined }, /^its effect must be one of list, read, write,/],
  ["the effect of MCP servers", { ...TOOL, name: "a", effect: "mcp" }, /^its effect must be one of/],
  [
    "bad parameters",
    { ...TOOL, name: "a", parameters: { type: "object", oneOf: [] } },
    /^its parameters are not valid: the schema has the key "oneOf"/,
  ],
  ["too much to read", { ...TOOL, name: "a", description: "x".repeat(5_000) }, /more than 4096 bytes/],
  ["a time of days", { ...TOOL, name: "a", timeoutSeconds: 86_400 }, /^its timeoutSeconds must be a number up to 600/],
  ["no function", { ...TOOL, name: "a", run: false }, /^its run must be a function/],
  ["a text in its place", "weather", /^its name must be/],
];
for (const [title, tool, reason] of BAD_TOOLS)
  test(`a tool with ${title} is left out, and the others are offered`, () => {
    const found = read({ tools: [TOOL, tool] });
    assert.ok(typeof found !== "string");
    assert.deepEqual(
      found.tools.map(({ description }) => description.name),
      ["weather"],
    );
    assert.match(found.leftOut[0]!.reason, reason);
  });

test("a plugin has at most 32 tools", () => {
  const found = read({ tools: Array.from({ length: 33 }, (_, at) => ({ ...TOOL, name: `t${at}` })) });
  assert.ok(typeof found !== "string");
  assert.equal(found.tools.length, 32);
  assert.deepEqual(found.leftOut, [{ name: "t32", reason: "the plugin has more than 32 tools" }]);
});
