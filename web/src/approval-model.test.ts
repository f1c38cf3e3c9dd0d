import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { asId } from "../../src/core/ids.ts";
import { toRequestedEvent, toResolvedEvent, toSnapshot } from "../../src/methods/approval-shapes.ts";
import {
  endOfEvent,
  endOfSnapshot,
  endText,
  hasPathPlace,
  lengthText,
  mergeQuestions,
  patternText,
  timeLeftText,
  toQuestion,
  toVisibleText,
} from "./approval-model.ts";
import type { ApprovalRow } from "../../src/store/approvals.ts";
import type { ApprovalSnapshot, Question, RequestedApproval, ResolvedApproval } from "./approval-model.ts";

const BROWSER = "b".repeat(64);

/** A row as the gateway stores it. */
const row: ApprovalRow = {
  id: "4f2a00000000",
  kind: "exec",
  status: "pending",
  grant: null,
  agentId: asId("main"),
  sessionKey: asId("agent:main:main"),
  runId: asId("run1"),
  callId: "call1",
  subject: {
    commandText: "git push origin main",
    cwd: "/srv/agent",
    host: "gateway",
    resolvedPath: "/usr/bin/git",
    warnings: ["It runs outside of the sandbox.", "It sets HOME."],
    patterns: [{ pattern: "/usr/bin/git", argPattern: 'words:["push","origin","main"]' }],
  },
  digest: "d",
  createdAt: 1_000,
  expiresAt: 61_000,
  decision: null,
  reason: null,
  resolver: null,
  resolvedAt: null,
  usedAt: null,
};
const denied: ApprovalRow = {
  ...row,
  status: "denied",
  decision: "deny",
  reason: "user",
  resolver: { kind: "channel", id: "irc:ann" },
  resolvedAt: 9_000,
};

const question = (id: string, end: Question["end"] = null): Question => ({
  ...toQuestion({ id, request: { command: "true" }, createdAtMs: 0, expiresAtMs: 1 }),
  end,
});
const ENDED = { status: "denied", decision: "deny", reason: "user", by: "irc:ann", atMs: 1, isOwn: false } as const;

describe("questions about commands as the gateway sends them", () => {
  test("a question has everything that a person needs for an answer", () => {
    const shown = toQuestion(toRequestedEvent(row) as unknown as RequestedApproval);
    assert.deepEqual(shown, {
      id: row.id,
      kind: "exec",
      asker: null,
      isGrantable: false,
      command: "git push origin main",
      cwd: "/srv/agent",
      host: "gateway",
      agentId: "main",
      sessionKey: "agent:main:main",
      runId: "run1",
      callId: "call1",
      warnings: row.subject.warnings,
      patterns: row.subject.patterns,
      decisions: ["allow-once", "allow-always", "deny"],
      askedAtMs: 1_000,
      expiresAtMs: 61_000,
      answering: false,
      end: null,
    });
  });

  test("a question of a gateway that says less can be allowed once or denied", () => {
    const shown = toQuestion({ id: "1", request: { command: "ls", warningText: "Careful." }, createdAtMs: 1, expiresAtMs: 2 });
    assert.deepEqual([shown.decisions, shown.warnings, shown.cwd], [["allow-once", "deny"], ["Careful."], null]);
  });

  test("the event and the row of the history say the same about an end", () => {
    const end = { status: "denied", decision: "deny", reason: "user", by: "irc:ann", atMs: 9_000 };
    assert.deepEqual(endOfEvent(toResolvedEvent(denied) as unknown as ResolvedApproval), end);
    assert.deepEqual(endOfSnapshot(toSnapshot(denied) as unknown as ApprovalSnapshot), end);
  });
});

describe("lists of questions", () => {
  test("known questions keep their place, also ended ones, and new ones follow", () => {
    const merged = mergeQuestions([question("a"), question("b", ENDED), question("c")], [question("d"), question("c"), question("a")]);
    assert.deepEqual(
      merged.map(({ id }) => id),
      ["a", "b", "c", "d"],
    );
  });

  test("a question that has ended unseen is gone", () => {
    assert.deepEqual(mergeQuestions([question("a")], []), []);
  });

  test("an answer that is on its way stays so", () => {
    assert.equal(mergeQuestions([{ ...question("a"), answering: true }], [question("a")])[0]?.answering, true);
  });
});

describe("words about questions", () => {
  test("an end says who decided what", () => {
    const end = { status: "allowed", decision: "allow-once", reason: "user", by: "irc:ann", atMs: 1 } as const;
    assert.equal(endText(end, BROWSER), "Allowed once by irc:ann");
    assert.equal(endText({ ...end, decision: "allow-always", by: BROWSER }, BROWSER), "Always allowed by you");
    assert.equal(endText({ ...end, status: "denied", by: "a1b2c3d4".repeat(8) }, BROWSER), "Denied by another device (a1b2c3d4)");
    assert.equal(endText({ ...end, by: "webchat-ui", isOwn: true }, null), "Allowed once by you");
    assert.equal(endText({ ...end, status: "denied", by: null }, null), "Denied");
  });

  test("an end without an answer says why", () => {
    const end = { decision: null, by: null, atMs: 1 };
    assert.equal(endText({ ...end, status: "expired", reason: "timeout" }, null), "No answer in time, so it did not run");
    assert.equal(endText({ ...end, status: "cancelled", reason: "run-aborted" }, null), "The turn was stopped before an answer");
    assert.equal(endText({ ...end, status: "cancelled", reason: "gateway-restart" }, null), "Closed by a restart of the gateway");
  });

  test("a pattern reads as a command, with its arguments quoted where the shell would need it", () => {
    assert.equal(patternText({ pattern: "/usr/bin/make" }), "/usr/bin/make with any arguments");
    assert.equal(patternText({ pattern: "/bin/ls", argPattern: "words:[]" }), "/bin/ls");
    assert.equal(
      patternText({ pattern: "/usr/bin/git", argPattern: `words:${JSON.stringify(["commit", "-m", "it's done", ""])}` }),
      String.raw`/usr/bin/git commit -m 'it'\''s done' ''`,
    );
    assert.equal(patternText({ pattern: "git", argPattern: "words:no json" }), "git words:no json");
    assert.equal(patternText({ pattern: "git", argPattern: "^push$" }), "git ^push$");
  });

  test("a pattern says whether files of the workspace may take a place in it", () => {
    assert.equal(hasPathPlace({ pattern: "cp", argPattern: 'words:["{path}"]' }), true);
    assert.equal(hasPathPlace({ pattern: "cp", argPattern: 'words:["a"]' }), false);
    assert.equal(hasPathPlace({ pattern: "cp" }), false);
  });

  test("the time that is left is rounded down", () => {
    assert.equal(timeLeftText(30 * 60_000, 1), "29 min left");
    assert.equal(timeLeftText(59_999, 0), "less than 1 min left");
    assert.equal(timeLeftText(0, 60_000), "less than 1 min left");
    assert.equal(timeLeftText(3 * 3_600_000, 0), "3 h left");
  });

  test("only a command whose end may be out of sight has its length beside it", () => {
    assert.equal(lengthText("ls -l"), null);
    assert.equal(lengthText(Array.from({ length: 12 }, () => "echo a").join("\n")), "12 lines, 83 characters");
    assert.equal(lengthText("x".repeat(1_200)), "1 line, 1,200 characters");
  });

  test("characters that hide or reorder others are named, line breaks and tabs stay", () => {
    assert.equal(toVisibleText("ls\n\t-l"), "ls\n\t-l");
    assert.equal(toVisibleText("rm \u202Etxt.exe\u0007\u200B"), "rm ⟨U+202E⟩txt.exe⟨U+0007⟩⟨U+200B⟩");
    assert.equal(toVisibleText("echo \u{E0041}"), "echo ⟨U+E0041⟩");
    assert.equal(toVisibleText("a\rb"), "a⟨U+000D⟩b");
  });
});
