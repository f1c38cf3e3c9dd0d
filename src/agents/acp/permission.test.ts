import assert from "node:assert/strict";
import { test } from "node:test";
import { ACP_LIMITS } from "./limits.ts";
import { offeredDecisions, readOptions, toOutcome, toQuestion } from "./permission.ts";

const once = { optionId: "yes", name: "Yes", kind: "allow_once" };
const always = { optionId: "all", name: "Yes to all", kind: "allow_always" };
const no = { optionId: "no", name: "No", kind: "reject_once" };
const never = { optionId: "never", name: "Never", kind: "reject_always" };

const selected = (optionId: string) => ({ outcome: { outcome: "selected", optionId } });
const cancelled = { outcome: { outcome: "cancelled" } };

/** What each list offers, and what the two answers of a person choose. */
const LISTS: readonly [name: string, options: unknown, offered: string[], allowOnce: object, deny: object][] = [
  ["the usual order", [once, always, no, never], ["allow-once", "allow-always", "deny"], selected("yes"), selected("no")],
  ["always first", [always, once, no], ["allow-once", "allow-always", "deny"], selected("yes"), selected("no")],
  ["reject first", [no, never, once], ["allow-once", "deny"], selected("yes"), selected("no")],
  ["nothing allows once", [always, no], ["allow-always", "deny"], cancelled, selected("no")],
  ["nothing rejects", [once], ["allow-once", "deny"], selected("yes"), cancelled],
  ["only forever", [once, never], ["allow-once", "deny"], selected("yes"), selected("never")],
  ["an empty list", [], ["deny"], cancelled, cancelled],
  ["no list", "allow_once", ["deny"], cancelled, cancelled],
  [
    "unknown kinds",
    [
      { ...once, kind: "allow_forever" },
      { ...always, kind: "ALLOW_ONCE" },
      { ...no, kind: "allow_once " },
    ],
    ["deny"],
    cancelled,
    cancelled,
  ],
  [
    "no kind, and a kind that is not a text",
    [{ optionId: "yes", name: "Allow" }, { ...once, kind: ["allow_once"] }, no],
    ["deny"],
    cancelled,
    selected("no"),
  ],
  [
    "no id, and an id that is not a text",
    [{ ...once, optionId: "" }, { ...once, optionId: 1 }, null, 7, no],
    ["deny"],
    cancelled,
    selected("no"),
  ],
  [
    "one id for both answers",
    [
      { ...once, optionId: "x" },
      { ...no, optionId: "x" },
    ],
    ["deny"],
    cancelled,
    cancelled,
  ],
  ["one id for an unknown kind too", [once, { ...once, kind: "allow_everything" }, no], ["deny"], cancelled, selected("no")],
  ["two of one kind", [once, { ...once, optionId: "yes2" }, no], ["allow-once", "deny"], selected("yes"), selected("no")],
  [
    "more than are read",
    [...Array.from({ length: ACP_LIMITS.options }, (_, at) => ({ optionId: `o${at}`, name: "?", kind: "?" })), once],
    ["deny"],
    cancelled,
    cancelled,
  ],
];

for (const [name, list, offered, allowOnce, deny] of LISTS) {
  test(`a list of options is read by kind: ${name}`, () => {
    const options = readOptions(list);
    assert.deepEqual(offeredDecisions(options), offered);
    assert.deepEqual(toOutcome("allow-once", options), allowOnce);
    assert.deepEqual(toOutcome("deny", options), deny);
    assert.deepEqual(toOutcome(null, options), cancelled, "no answer chooses nothing");
  });
}

test("a question shows the command in full, and what each answer chooses", () => {
  const toolCall = { toolCallId: "c", title: "Run\n a command", kind: "execute", rawInput: { command: "rm -rf build" } };
  const question = toQuestion("codex", { toolCall }, undefined, readOptions([once, always, no]))!;
  assert.equal(question.title, "codex: Run a command");
  assert.match(question.detail, /Kind: execute\n[^]*rm -rf build/);
  assert.match(question.warnings.join("\n"), /outside of the sandbox[^]*allow-once answers: Yes\.[^]*allow-always answers: Yes to all\./);
});

test("a call that was reported before is described by that report", () => {
  const known = { title: "Edit a file", kind: "edit", input: { path: "/a" } };
  const question = toQuestion("codex", { toolCall: { toolCallId: "c" } }, known, readOptions([once]))!;
  assert.equal(question.title, "codex: Edit a file");
  assert.match(question.detail, /Kind: edit\n[^]*"\/a"/);
});

test("a command that is too long to be shown is not asked about; a long change is, with a warning", () => {
  const long = "x".repeat(ACP_LIMITS.detailChars);
  const options = readOptions([once, no]);
  assert.equal(toQuestion("codex", { toolCall: { kind: "execute", rawInput: { command: long } } }, undefined, options), null);
  const content = [{ type: "diff", path: "/a", oldText: null, newText: long }];
  const question = toQuestion("codex", { toolCall: { kind: "edit", content } }, undefined, options)!;
  assert.match(question.warnings.join("\n"), /Only the first 16384 of \d+ characters are shown\./);
});
