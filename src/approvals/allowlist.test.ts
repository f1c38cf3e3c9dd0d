import assert from "node:assert/strict";
import { test } from "node:test";
import { CommandAllowlist, type AllowlistDocument } from "./allowlist.ts";

function open(document?: unknown): CommandAllowlist {
  let kept: unknown = document ?? null;
  const keyValue = { get: (): unknown => kept, set: (_name: string, value: unknown) => void (kept = value), remove: () => false };
  return new CommandAllowlist({ keyValue, now: () => 1 });
}

const REFUSED: readonly [document: Partial<AllowlistDocument> & Record<string, unknown>, error: RegExp][] = [
  [{ defaults: { security: "some" } }, /^defaults.security must be one of deny, allowlist, full$/],
  [{ agents: { main: { ask: "often" } } }, /^agents.main.ask must be one of/],
  [{ defaults: { askFallback: "full" } }, /askFallback has no effect here: no answer always means no/],
  [{ agents: { "*": { autoAllowSkills: true } } }, /autoAllowSkills has no effect/],
  [{ agents: { main: { mcpTools: [{}] } } }, /mcpTools has no effect/],
  [{ socket: { path: "/x" } }, /^socket has no effect/],
  [{ agents: { main: { allowlist: [{ pattern: " " }] } } }, /allowlist\[0\].pattern is empty/],
  [{ agents: { main: { allowlist: [{ pattern: "ls", argPattern: "^-l$" }] } } }, /argPattern is a regular expression/],
];
for (const [document, error] of REFUSED) {
  test(`a document is refused whole: ${JSON.stringify(document)}`, () => {
    const allowlist = open();
    const before = allowlist.hash;
    assert.throws(() => allowlist.replace({ version: 1, ...document }, undefined), { message: error });
    assert.equal(allowlist.hash, before);
  });
}

test("a document that was changed meanwhile is not overwritten", () => {
  const allowlist = open();
  const { hash } = allowlist;
  allowlist.replace({ version: 1, agents: { main: { allowlist: [{ pattern: "touch" }] } } }, hash);
  assert.throws(() => allowlist.replace({ version: 1 }, hash), /changed meanwhile/);
  assert.equal(allowlist.entries("main").length, 1);
});

test("entries for every agent count for each, and the strictest limit holds", () => {
  const allowlist = open({
    version: 1,
    defaults: { security: "full", ask: "off" },
    agents: { "*": { allowlist: [{ pattern: "a" }], ask: "on-miss" }, main: { allowlist: [{ pattern: "b" }], security: "allowlist" } },
  });
  assert.deepEqual(
    allowlist.entries("main").map(({ pattern }) => pattern),
    ["a", "b"],
  );
  assert.deepEqual(allowlist.limits("main"), { security: "allowlist", ask: "on-miss" });
  assert.deepEqual(allowlist.limits("other"), { security: "full", ask: "on-miss" });
  assert.deepEqual(open().limits("main"), {});
});
