import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { openApprovals, type TestApprovals } from "../../test/fakes/test-approvals.ts";
import { testPermit } from "../../test/fakes/tool-permit.ts";
import type { ApprovalVerdict } from "../approvals/approvals.ts";
import type { GrantRequest } from "../core/approval-words.ts";
import { asId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { silentLog } from "../core/log.ts";
import type { ApprovalResolver } from "../store/approvals.ts";
import { openStore } from "../store/open.ts";
import { SettingsCommandGate, type CommandSettings } from "../tools/commands/gate.ts";
import type { ToolCaller } from "../tools/tool.ts";
import { approvalDesk, toolAsker } from "./approval-desk.ts";

const HOUR = 3_600_000;
const ANN: ApprovalResolver = { kind: "channel", id: "irc:ann" };

type Call = { cwd?: string; env?: Record<string, string>; ownVariables?: string[]; input?: "none" | "pipe"; caller?: Partial<ToolCaller> };
type Setup = { settings?: Partial<CommandSettings>; /** No one answers. */ isSilent?: boolean };

/** The gate for commands with real questions over a real store. `run` says how many questions a command has led to. */
function open(t: TestContext, { settings = {}, isSilent = false }: Setup = {}) {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "approval-desk-")));
  const store = openStore({ dir: join(root, "store"), log: silentLog });
  t.after(() => {
    store.close();
    rmSync(root, { recursive: true, force: true });
  });
  const workspace = join(root, "workspace");
  for (const directory of [join(workspace, "src"), join(root, "bin")]) mkdirSync(directory, { recursive: true });
  const program = (text: string): void => {
    writeFileSync(join(root, "bin/deploy"), `#!/bin/sh\n${text}\n`);
    chmodSync(join(root, "bin/deploy"), 0o755);
  };
  program("echo one");
  const clock = new FakeClock();
  let conversation = "c1";
  let parts: TestApprovals;
  let gate: SettingsCommandGate;
  let verdict: ApprovalVerdict = { decision: "deny" };
  let resolver = ANN;
  const changed = { ...settings };
  /** As after a restart: over the same store. */
  const start = (): void => {
    parts = openApprovals(store, { clock, conversationOf: () => conversation });
    const { approvals, allowlist, grants, bus } = parts;
    if (!isSilent) bus.on("approval.requested", ({ approval }) => void approvals.answer(approval.id, verdict, resolver).catch(() => {}));
    gate = new SettingsCommandGate({
      settings: () => ({
        mode: "ask",
        rule: 'tools.exec.mode "ask"',
        host: "gateway",
        hostRule: "tools.exec.host",
        alwaysAsk: false,
        readOnly: false,
        workspaceAccess: "rw",
        egress: null,
        ...changed,
      }),
      sandbox: () => Promise.resolve({ sandbox: null, reason: "bwrap is missing", fix: "Install it." }),
      desk: approvalDesk(approvals, allowlist, grants),
      log: silentLog,
    });
  };
  start();
  let calls = 0;
  const run = async (command: string, { cwd = workspace, env = {}, ownVariables = [], input = "none", caller = {} }: Call = {}) => {
    const before = parts.approvals.history(null, 100).length;
    const permit = testPermit(workspace);
    const request = {
      callId: `c${++calls}`,
      command,
      cwd,
      env: { PATH: `${join(root, "bin")}:/usr/bin:/bin`, ...env },
      ownVariables,
      input,
      host: undefined,
    };
    const asked = { ...permit, caller: { ...permit.caller, runId: asId<never>(`run-${calls}`), ...caller } };
    const text = await gate.allow(request, asked, new AbortController().signal).then(
      () => "runs",
      (err: unknown) => (err as Error).message,
    );
    return { text, questions: parts.approvals.history(null, 100).length - before };
  };
  /** Allows the next question for some time. */
  const allow = (grant: GrantRequest): void => void (verdict = { decision: "allow-once", grant });
  const deny = (by: ApprovalResolver = ANN): void => {
    verdict = { decision: "deny" };
    resolver = by;
  };
  return {
    root,
    clock,
    run,
    allow,
    deny,
    program,
    start,
    changed,
    parts: () => parts,
    reset: () => (conversation = "c2"),
    /** Allows a command for some time; from then on every question is denied. */
    grant: async (command: string, grant: GrantRequest, more?: Call) => {
      allow(grant);
      const first = await run(command, more);
      deny();
      assert.deepEqual(first, { text: "runs", questions: 1 });
    },
  };
}

test("a command that is allowed for an hour runs without a question in later turns, and not a moment longer", async (t) => {
  const { clock, grant, run } = open(t);
  await grant("touch ./a", { minutes: 60 });
  assert.deepEqual(await run("touch ./b src/c"), { text: "runs", questions: 0 });
  clock.advance(HOUR - 1);
  assert.equal((await run("touch ./a")).questions, 0);
  clock.advance(1);
  assert.equal((await run("touch ./a")).questions, 1);
});

test("a grant survives a restart until it expires", async (t) => {
  const { clock, grant, run, start } = open(t);
  await grant("touch ./a", { minutes: 60 }, { env: { OPENCLAW_RUNNER: "first start" } });
  start();
  assert.equal((await run("touch ./a", { env: { OPENCLAW_RUNNER: "second start" } })).questions, 0);
  clock.advance(HOUR);
  start();
  assert.equal((await run("touch ./a")).questions, 1);
});

test("a grant for the conversation ends when it is reset, and at the latest after a day", async (t) => {
  const { clock, grant, run, reset, parts } = open(t);
  await grant("touch ./a", { session: true });
  clock.advance(LIMITS.grantMs - 1);
  assert.equal((await run("touch ./a")).questions, 0);
  reset();
  assert.equal((await run("touch ./a")).questions, 1);
  const [ended] = await parts().grants.list(10);
  assert.deepEqual([ended!.revokedBy, ended!.useCount], ["the end of its conversation", 1]);
  await grant("touch ./a", { session: true });
  clock.advance(LIMITS.grantMs);
  assert.equal((await run("touch ./a")).questions, 1);
});

test("a revoked grant ends at once, also in the turn that has used it", async (t) => {
  const { grant, run, parts } = open(t);
  const turn = { caller: { runId: asId<never>("one turn") } };
  await grant("touch ./a", { minutes: 60 }, turn);
  assert.equal((await run("touch ./b", turn)).questions, 0);
  const [held] = await parts().grants.list(10);
  assert.equal((await parts().grants.revoke(held!.id.slice(0, 4), "laptop")).outcome, "revoked");
  assert.equal((await run("touch ./b", turn)).questions, 1);
  assert.equal((await parts().grants.revoke(held!.id, "laptop")).outcome, "already-revoked");
  assert.equal((await parts().grants.revoke("zzzz", "laptop")).outcome, "not-found");
});

const OTHERS: readonly [what: string, command: string, call: Call][] = [
  ["other arguments", "touch -c ./a", {}],
  ["a file outside of the workspace", "touch ../a", {}],
  ["a second program", "touch ./a && mkdir ./d", {}],
  ["another environment", "touch ./a", { env: { LANG: "C" } }],
  ["a variable of the call", "touch ./a", { ownVariables: ["LANG"] }],
  ["an input", "touch ./a", { input: "pipe" }],
  ["another agent", "touch ./a", { caller: { agentId: asId("other") } }],
  ["another session", "touch ./a", { caller: { sessionKey: asId("agent:main:other") } }],
  ["people on a channel", "touch ./a", { caller: { surface: "channel" } }],
  ["a conversation that others read", "touch ./a", { caller: { isPrivate: false } }],
];
for (const [what, command, call] of OTHERS)
  test(`a grant does not cover ${what}`, async (t) => {
    const { grant, run } = open(t);
    await grant("touch ./a", { minutes: 60 }, { caller: { isPrivate: true, surface: "operator" } });
    const { questions } = await run(command, { ...call, caller: { isPrivate: true, surface: "operator", ...call.caller } });
    assert.equal(questions, 1);
  });

test("a grant does not cover another directory", async (t) => {
  const { grant, run, root } = open(t);
  await grant("touch ./a", { minutes: 60 });
  assert.equal((await run("touch ./a", { cwd: join(root, "workspace/src") })).questions, 1);
});

test("a grant ends when its program changes", async (t) => {
  const { grant, run, program } = open(t);
  await grant("deploy now", { minutes: 60 });
  assert.equal((await run("deploy now")).questions, 0);
  program("echo two");
  assert.equal((await run("deploy now")).questions, 1);
});

for (const command of [
  "sh -c ls",
  "bash -c 'touch a'",
  "python3 -c 1",
  "node -e 1",
  "awk 1",
  "sed p a",
  "env touch a",
  "xargs touch",
  "find . -delete",
  "git status",
  "npm test",
  "make",
  "touch $HOME/a",
  "touch $(id)",
  "touch a > b",
  "touch a &",
])
  test(`${command} is never allowed for longer than once`, async (t) => {
    const { allow, run, parts, deny } = open(t);
    allow({ minutes: 60 });
    const asked: (string | undefined)[] = [];
    parts().bus.on("approval.requested", ({ approval }) => {
      asked.push(approval.subject.binding);
      // The answer with a time was refused, and the question waits still.
      deny();
      void parts().approvals.answer(approval.id, { decision: "deny" }, ANN);
    });
    assert.match((await run(command)).text, /irc:ann denied it/);
    assert.deepEqual(asked, [undefined]);
    assert.deepEqual(await parts().grants.list(10), []);
  });

test("a grant neither is offered nor holds where every command has to be asked about, and never widens the mode", async (t) => {
  const { grant, run, allow, changed, clock, parts } = open(t);
  await grant("touch ./a", { minutes: 60 });
  clock.advance(1);
  changed.alwaysAsk = true;
  assert.equal((await run("touch ./a")).questions, 1);
  assert.equal(parts().approvals.history(null, 1)[0]!.subject.binding, undefined);
  changed.alwaysAsk = false;
  allow({ minutes: 60 });
  for (const mode of ["allowlist", "deny"] as const) {
    changed.mode = mode;
    assert.match((await run("touch ./a")).text, /^Not run: commands .*denied by/);
  }
});

test("times that are not times are refused, and the question waits on", async (t) => {
  const { parts, run } = open(t);
  const refused: string[] = [];
  parts().bus.on("approval.requested", ({ approval }) => {
    const { approvals } = parts();
    for (const minutes of [0, -1, Number.NaN, LIMITS.grantMs / 60_000 + 1])
      try {
        approvals.prepareAnswer(approval.id, { decision: "allow-once", grant: { minutes } }, ANN);
      } catch (err) {
        refused.push((err as Error).message);
      }
    assert.throws(() => approvals.prepareAnswer(approval.id, { decision: "deny", grant: { minutes: 5 } }, ANN), /deny has no time/);
  });
  await run("touch ./a");
  assert.deepEqual(refused, Array(4).fill("a grant lasts from 1 to 1440 minutes"));
});

/** What must never be in a denial: it would teach an agent, or the person whom it asks, to switch questions off. */
const WIDER =
  /allow-always|full|exec-policy|openclaw |preset|yolo|tools\.exec\.(?:mode|host)(?! "(?:deny|ask|allowlist)")|turn off|disable/i;
const ISO = "\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z";

test("a denial names who denied, when, and what is allowed, and recommends no wider policy", async (t) => {
  const { run, deny, changed } = open(t);
  const rows: readonly [by: ApprovalResolver, expected: RegExp][] = [
    [
      ANN,
      new RegExp(
        `^Not run: irc:ann denied it at ${ISO} \\(approval [0-9a-f]{4}\\)\\..*Commands that only read .* run without a question\\.$`,
      ),
    ],
    [{ kind: "device", id: "laptop" }, new RegExp(`^Not run: laptop denied it at ${ISO}`)],
    [{ kind: "device" }, new RegExp(`^Not run: a person denied it at ${ISO}`)],
  ];
  for (const [by, expected] of rows) {
    deny(by);
    const { text } = await run("touch ./a");
    assert.match(text, expected);
    assert.doesNotMatch(text, WIDER);
  }
  const modes: readonly [mode: CommandSettings["mode"], rule: string, expected: RegExp][] = [
    ["deny", 'tools.exec.mode "deny"', /^Not run: commands are denied by tools\.exec\.mode "deny"\. None is allowed here\.$/],
    [
      "allowlist",
      'tools.exec.mode "allowlist"',
      /denied by tools\.exec\.mode "allowlist"\. Allowed are commands that only read .* the allowlist\.$/,
    ],
  ];
  for (const [mode, rule, expected] of modes) {
    Object.assign(changed, { mode, rule });
    const { text } = await run("touch ./a");
    assert.match(text, expected);
    assert.doesNotMatch(text, WIDER);
  }
});

test("a question without an answer says until when it waited, and one whose turn was stopped that it was", async (t) => {
  const { parts, clock } = open(t, { isSilent: true });
  const { approvals, allowlist, grants, bus } = parts();
  const desk = approvalDesk(approvals, allowlist, grants);
  const question = {
    caller: testPermit("/workspace").caller,
    callId: "c",
    command: "touch ./a",
    cwd: "/workspace",
    host: "gateway" as const,
    resolvedPath: null,
    warnings: [],
    patterns: [],
    digest: "d",
    binding: null,
  };
  const noteOf = async (signal: AbortSignal): Promise<string> => {
    const answer = await desk.ask(question, signal);
    return answer.allowed ? "allowed" : answer.note;
  };
  const stopped = await noteOf(AbortSignal.abort());
  assert.match(stopped, new RegExp(`^the turn was stopped at ${ISO} before there was an answer`));
  bus.on("approval.requested", () => clock.advance(LIMITS.approvalMs));
  const late = await noteOf(new AbortController().signal);
  assert.match(late, new RegExp(`^there was no answer until ${ISO} \\(approval [0-9a-f]{4}\\)\\. Ask whether to try again`));
  for (const text of [late, stopped]) assert.doesNotMatch(text, WIDER);
});

test("the same call of a tool of a server is asked about once in a turn, and every other call again", async (t) => {
  const { parts } = open(t, { isSilent: true });
  const { approvals, bus, grants } = parts();
  let verdict: ApprovalVerdict = { decision: "allow-once" };
  bus.on("approval.requested", ({ approval }) => void approvals.answer(approval.id, verdict, ANN));
  const ask = toolAsker(approvals, grants);
  const { caller } = testPermit("/workspace");
  const asked = (): number => approvals.history(null, 100).length;
  let calls = 0;
  const call = (args: object, { tool = "write", runId = "run-1", isMcp = true, hash = "h1" } = {}): Promise<string | null> =>
    ask(
      {
        title: "T",
        about: "A.",
        args,
        pluginId: null,
        toolName: `files__${tool}`,
        ...(isMcp && {
          mcpTool: { server: "files", tool },
          grant: { binding: ["mcp", "files", tool, hash], text: `any call of files__${tool}` },
        }),
      },
      { caller: { ...caller, runId: asId(runId) }, callId: `c${++calls}`, signal: new AbortController().signal },
    );
  assert.deepEqual(await Promise.all([call({ path: "a" }), call({ path: "a" })]), [null, null]);
  assert.equal(await call({ path: "a" }), null);
  assert.equal(asked(), 1, "three times the same");
  await call({ path: "b" });
  await call({ path: "a" }, { tool: "remove" });
  await call({ path: "a" }, { runId: "run-2" });
  assert.equal(asked(), 4, "other arguments, another tool, another turn");
  const tools = approvals.history(null, 100).map(({ kind, subject }) => `${kind} ${subject.plugin?.mcpTool?.tool}`);
  assert.deepEqual(tools.toSorted(), ["plugin remove", "plugin write", "plugin write", "plugin write"]);
  await call({ path: "a" }, { isMcp: false });
  await call({ path: "a" }, { isMcp: false });
  assert.equal(asked(), 6, "tools of plugins are asked about each time");
  verdict = { decision: "deny" };
  assert.match((await call({ path: "c" }))!, /^irc:ann denied it/);
  verdict = { decision: "allow-once", grant: { minutes: 60 } };
  assert.equal(await call({ path: "c" }), null, "a refusal covers no later call");
  const before = asked();
  assert.deepEqual(
    [await call({ path: "d" }, { runId: "run-3" }), asked()],
    [null, before],
    "it is allowed for an hour, whatever its arguments",
  );
  const [held] = await grants.list(10);
  assert.deepEqual([held!.subject.commandText, held!.sessionKey], ["any call of files__write", caller.sessionKey]);
  await call({ path: "d" }, { runId: "run-3", tool: "remove" });
  await call({ path: "d" }, { runId: "run-3", hash: "h2" });
  assert.equal(asked(), before + 2, "another tool, and the tool after a change, are asked about");
  await grants.revoke(held!.id, "ann");
  await call({ path: "d" }, { runId: "run-3" });
  assert.equal(asked(), before + 3, "a revoked grant covers nothing, also in the same turn");
});
