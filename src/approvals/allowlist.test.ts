import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "../core/limits.ts";
import { silentLog, type Log } from "../core/log.ts";
import { CommandAllowlist, type AllowlistDocument } from "./allowlist.ts";

function open(document?: unknown, log: Log = silentLog, isDamaged = false): CommandAllowlist {
  let kept: unknown = document ?? null;
  const keyValue = {
    get: (): unknown => kept,
    isDamaged: () => isDamaged && kept === null,
    set: (_name: string, value: unknown) => void (kept = value),
    remove: () => false,
  };
  return new CommandAllowlist({ keyValue, now: () => 1, log });
}

const REFUSED: readonly [document: Partial<AllowlistDocument> & Record<string, unknown>, error: RegExp][] = [
  [{ defaults: { security: "some" } }, /^defaults.security must be one of deny, allowlist, full$/],
  [{ agents: { main: { ask: "often" } } }, /^agents.main.ask must be one of/],
  [{ defaults: { askFallback: "full" } }, /askFallback has no effect here: no answer always means no/],
  [{ agents: { "*": { autoAllowSkills: true } } }, /autoAllowSkills has no effect/],
  [{ agents: { main: { mcpTools: [{}] } } }, /mcpTools has no effect/],
  [{ socket: { path: "/x" } }, /^socket has no effect/],
  [{ agents: { main: { allowlist: [{ pattern: " " }] } } }, /allowlist\[0\].pattern is empty/],
  [
    { agents: { main: { allowlist: [{ pattern: "ls", argPattern: "^-l$" }] } } },
    /argPattern is of another form than .*; regular expressions are not read/,
  ],
  [{ agents: { main: { allowlist: [{ pattern: "ls", argPattern: "words:-l" }] } } }, /argPattern is of another form/],
];
for (const [document, error] of REFUSED) {
  test(`a document is refused whole: ${JSON.stringify(document)}`, () => {
    const allowlist = open();
    const before = allowlist.hash;
    assert.throws(() => allowlist.replace({ version: 1, ...document }, undefined), { message: error });
    assert.equal(allowlist.hash, before);
  });
}

for (const [what, document, isDamaged] of [
  ["cannot be parsed", null, true],
  ["is a list", [], false],
  ["is of another version", { version: 2, defaults: {} }, false],
  ["has an agent that is a text", { version: 1, agents: { main: "full" } }, false],
] as const) {
  test(`a stored document that ${what} permits no command until it is replaced, and the log says so once`, () => {
    const errors: string[] = [];
    const allowlist = open(document, { ...silentLog, error: (message: string) => void errors.push(message) }, isDamaged);
    for (let n = 0; n < 2; n++) assert.deepEqual(allowlist.limits("main"), { security: "deny" });
    assert.deepEqual(allowlist.entries("main"), []);
    assert.deepEqual(errors, ["the allowlist cannot be read, and no command runs"]);
    allowlist.replace({ version: 1 }, allowlist.hash);
    assert.deepEqual(allowlist.limits("main"), {});
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

test("a full allowlist loses the program that was added first, and the log names it", () => {
  const warnings: unknown[] = [];
  const log = { ...silentLog, warn: (_message: string, fields?: object) => void warnings.push(fields) };
  const programs = Array.from({ length: LIMITS.allowedPrograms }, (_, index) => ({
    pattern: `p${index}`,
    lastUsedAt: index === 0 ? 9 : 1,
  }));
  const allowlist = open({ version: 1, agents: { main: { allowlist: programs } } }, log);
  allowlist.add("main", [{ pattern: "new" }], "new");
  const kept = allowlist.entries("main").map(({ pattern }) => pattern);
  assert.deepEqual([kept.length, kept[0], kept.at(-1)], [LIMITS.allowedPrograms, "p1", "new"]);
  assert.deepEqual(warnings, [{ agent: "main", dropped: ["p0"] }]);
});
