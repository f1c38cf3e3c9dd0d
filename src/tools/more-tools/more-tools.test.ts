import assert from "node:assert/strict";
import { test } from "node:test";
import { textOf, toolContext } from "../../../test/fakes/tool-context.ts";
import { isCallable, listedTools, MORE_TOOLS, toMeantCall, TOOL_NAMES, type ToolDescription } from "../tool.ts";
import { createMoreToolsTool } from "./more-tools.ts";
import { rankTools } from "./rank-tools.ts";

const tool = (name: string, description: string, properties: object = {}): ToolDescription => ({
  name,
  description,
  parameters: { type: "object", properties },
});
const TOOLS = [
  tool("sessions_list", "Lists earlier conversations. The newest first."),
  tool("sessions_search", "Finds messages of earlier conversations that contain all of the words.", { query: {} }),
  tool("browser", "Opens web pages and fills forms."),
  tool("message", "Sends a message to a person or a room.", { attachments: {} }),
];
const SOURCE = [tool("books__list", "Lists invoices.")];
const ranked = (query: string): string => rankTools(TOOLS, query).map(({ name }) => name).join(" "); // prettier-ignore

for (const [query, expected] of [
  ["", "sessions_list sessions_search browser message"],
  ["browser", "browser"],
  ["fill a form", "browser message"],
  ["search the session", "sessions_search sessions_list"],
  ["Sending MESSAGES", "message sessions_search"],
  ["attachment", "message"],
  ["résumé", ""],
  ["!?", "sessions_list sessions_search browser message"],
] as const)
  test(`the tools that match ${JSON.stringify(query)}`, () => {
    const found = ranked(query);
    assert.equal(found.split(" ")[0], expected.split(" ")[0]);
    assert.deepEqual(new Set(found.split(" ")), new Set(expected.split(" ")));
  });

test("a turn reads at most 12 tools, and more_tools only when there is something to find", () => {
  assert.ok(listedTools(TOOL_NAMES).length <= 12, listedTools(TOOL_NAMES).join(" "));
  assert.equal(listedTools(TOOL_NAMES).at(-1), MORE_TOOLS);
  assert.deepEqual(listedTools(["read", "exec"]), ["read", "exec"]);
  assert.deepEqual(listedTools(["sessions_list"]), [MORE_TOOLS]);
  assert.deepEqual([isCallable(MORE_TOOLS, ["read"]), isCallable(MORE_TOOLS, ["sessions_list"])], [false, true]);
  assert.deepEqual([isCallable("sessions_list", ["sessions_list"]), isCallable("sessions_search", ["sessions_list"])], [true, false]);
});

const meant = (args: unknown): unknown => toMeantCall({ id: "1", name: MORE_TOOLS, args });

test("a call of more_tools with a name is a call of that tool", () => {
  assert.deepEqual(meant({ name: "bash", arguments: { command: "ls" } }), { id: "1", name: "exec", args: { command: "ls" } });
  assert.deepEqual(meant({ name: "sessions_list" }), { id: "1", name: "sessions_list", args: {} });
  assert.deepEqual(meant({ name: "read", arguments: '{"path":"a"}' }), { id: "1", name: "read", args: { path: "a" } });
  assert.deepEqual(meant({ name: "read", arguments: "{" }), { id: "1", name: "read", args: "{" });
  const nested = { name: MORE_TOOLS, arguments: { name: "exec" } };
  assert.deepEqual(meant(nested), { id: "1", name: MORE_TOOLS, args: { name: "exec" } });
  for (const args of [{ query: "x" }, { name: 1 }, null, "name"]) assert.deepEqual(meant(args), { id: "1", name: MORE_TOOLS, args });
  assert.deepEqual(toMeantCall({ id: "1", name: "exec", args: { name: "read" } }), { id: "1", name: "exec", args: { name: "read" } });
});

test("the answer describes the granted tools that match, the best with their parameters", async (t) => {
  const context = toolContext(t);
  const many = Array.from({ length: 40 }, (_, at) => tool(`tool${at}`, `Does thing ${at}. And more.`, { a: {} }));
  const asked: (readonly string[])[] = [];
  const find = async (found: readonly ToolDescription[], query: string): Promise<string> => {
    const moreTools = createMoreToolsTool({ describe: (names) => (asked.push(names), found), listSource: async () => SOURCE });
    return textOf(await moreTools.run({ query }, { ...context, callId: "1" }));
  };
  const text = await find(TOOLS, "browser");
  assert.match(text, /^Tools that match[^]*browser: Opens web pages and fills forms\.\nParameters: \{"type":"object","properties":\{\}\}$/);
  assert.ok(asked[0]!.includes("sessions_list") && !asked[0]!.includes("read"), "those that are granted and not listed");
  assert.match(await find(TOOLS, "invoices"), /\n\nbooks__list: Lists invoices\.\n/);
  const without = { ...context, caller: { ...context.caller, tools: ["sessions_list" as const] } };
  const unasked = createMoreToolsTool({ describe: () => TOOLS, listSource: () => Promise.reject(new Error("not granted")) });
  assert.doesNotMatch(textOf(await unasked.run({ query: "" }, { ...without, callId: "1" })), /books__list/);
  assert.match(await find(TOOLS, "xyzzy"), /^No tool matches these words\. All further tools:[^]*sessions_list/);
  const long = await find(many, "thing");
  assert.match(long, /\ntool4: Does thing 4\.\n/);
  assert.match(long, /10 more: use other words\.$/);
});
