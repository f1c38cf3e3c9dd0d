import assert from "node:assert/strict";
import { test } from "node:test";
import { accessOf, countsText, stateOf, type McpToolRow } from "./mcp-servers.ts";
import { isSignInAnswer, takeSignInAnswer } from "./mcp-sign-in.ts";

const tool = (more: Partial<McpToolRow> = {}): McpToolRow => ({
  name: "read",
  id: "one__read",
  description: "",
  withheld: null,
  isGranted: true,
  rule: "rule",
  ...more,
});

const at = (search: string): Location =>
  ({ search, pathname: "/base/", href: `https://gateway.example/base/${search}` }) as unknown as Location;

test("a server says whether it works, and a new state is shown as it is", () => {
  assert.deepEqual(stateOf({ state: "failed" }), { text: "Does not work", tone: "bad" });
  assert.deepEqual(stateOf({ state: "dreaming" }), { text: "dreaming", tone: "off" });
});

test("a withheld tool is not allowed, whatever the settings say", () => {
  assert.deepEqual(accessOf(tool()), { text: "Allowed", tone: "good", reason: "rule" });
  assert.equal(accessOf(tool({ isGranted: false })).text, "Denied");
  assert.deepEqual(accessOf(tool({ withheld: "new" })), {
    text: "Withheld",
    tone: "bad",
    reason: "The server added it after its tools were accepted.",
  });
  const rows = [tool(), tool({ isGranted: false }), tool({ withheld: "changed" })];
  assert.equal(countsText({ resources: null, prompts: null }, rows), "3 tools, 1 allowed");
  assert.equal(countsText({ resources: 1, prompts: 0 }, [tool()]), "1 tool, 1 allowed · 1 resource · 0 prompts");
});

test("the answer to a sign-in is taken out of the address, and belongs to the server at which it was begun", () => {
  assert.ok(isSignInAnswer("?code=a&state=b") && isSignInAnswer("?error=access_denied&state=b"));
  for (const search of ["", "?code=a", "?state=b", "?q=1"]) assert.ok(!isSignInAnswer(search), search);
  const shown: unknown[] = [];
  const history = { replaceState: (...[, , address]: unknown[]) => shown.push(address) } as unknown as History;
  const kept = new Map([["gateway.mcp-sign-in", "docs"]]);
  const storage = { getItem: (key: string) => kept.get(key) ?? null, removeItem: (key: string) => kept.delete(key) } as unknown as Storage;
  assert.equal(takeSignInAnswer(at(""), history, storage), null);
  assert.deepEqual(takeSignInAnswer(at("?code=a&state=b"), history, storage), {
    name: "docs",
    callback: "https://gateway.example/base/?code=a&state=b",
  });
  assert.equal(takeSignInAnswer(at("?code=a&state=b"), history, storage), null, "it is used once");
  assert.deepEqual(shown, ["/base/#mcp", "/base/#mcp"]);
});
