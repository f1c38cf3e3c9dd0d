import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { testPermit } from "../../../test/fakes/tool-permit.ts";
import { silentLog } from "../../core/log.ts";
import { asId } from "../../core/ids.ts";
import { Secret } from "../../core/secret.ts";
import type { CommandHost, CommandRequest } from "../command-gate.ts";
import type { Sandbox } from "../sandbox.ts";
import { toArgPattern } from "../../core/arg-pattern.ts";
import type { SkillPermit } from "../tool.ts";
import type { AllowedProgram } from "./decide.ts";
import { SettingsCommandGate, type ApprovalAnswer, type CommandQuestion, type CommandSettings } from "./gate.ts";

const PATH = "/usr/bin:/bin";

type GateCase = {
  settings?: Partial<CommandSettings>;
  allowlist?: readonly AllowedProgram[];
  sandbox?: boolean;
  answer?: (question: CommandQuestion) => ApprovalAnswer | Promise<ApprovalAnswer>;
  use?: (id: string) => Promise<boolean>;
  runId?: string | null;
  skills?: SkillPermit;
};

type CallOptions = { host?: CommandHost; ownVariables?: string[]; input?: CommandRequest["input"]; cwd?: string; signal?: AbortSignal };

/** A gate in a workspace with some files, and what it asked. */
function openGate(t: TestContext, { settings = {}, allowlist = [], sandbox = false, answer, use, runId = "r1", skills }: GateCase = {}) {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "command-gate-")));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const workspace = join(root, "workspace");
  mkdirSync(join(workspace, "src"), { recursive: true });
  writeFileSync(join(workspace, "a.txt"), "a");
  writeFileSync(join(workspace, "run.sh"), "#!/bin/sh\necho 1\n");
  chmodSync(join(workspace, "run.sh"), 0o755);
  writeFileSync(join(root, "secret"), "s");
  symlinkSync(join(root, "secret"), join(workspace, "link"));
  symlinkSync(join(root, "later"), join(workspace, "dangling"));
  // As in a workspace of npm: the link leads to a directory that lies higher in the tree.
  mkdirSync(join(workspace, "node_modules/@o"), { recursive: true });
  mkdirSync(join(workspace, "packages/p"), { recursive: true });
  symlinkSync("../../packages/p", join(workspace, "node_modules/@o/p"));
  const asked: CommandQuestion[] = [];
  const used = new Set<string>();
  const isolated: Sandbox = {
    name: "test",
    guarantees: [],
    wrap: ({ argv, env, cwd, workspaceAccess, readable, egress }) => ({
      argv: ["sandboxed", workspaceAccess, ...readable, ...(egress?.hosts ?? []), ...argv],
      env,
      cwd,
      inputs: [],
    }),
  };
  const gate = new SettingsCommandGate({
    settings: () => ({
      mode: "ask",
      rule: "tools.exec.mode",
      host: "auto",
      hostRule: "tools.exec.host",
      alwaysAsk: false,
      readOnly: false,
      workspaceAccess: "rw",
      egress: null,
      ...settings,
    }),
    sandbox: () => Promise.resolve(sandbox ? { sandbox: isolated } : { sandbox: null, reason: "bwrap is missing", fix: "Install it." }),
    desk: {
      ask: async (question) => {
        asked.push(question);
        return answer ? await answer(question) : { allowed: false, note: "a person denied it." };
      },
      use: use ?? ((id) => Promise.resolve(!used.has(id) && used.add(id) !== undefined)),
      useGrant: () => Promise.resolve(false),
      allowlist: () => allowlist,
    },
    log: silentLog,
  });
  const permit = {
    ...testPermit(workspace),
    ...(skills && { skills }),
    caller: { ...testPermit(workspace).caller, runId: runId === null ? null : asId(runId) },
  };
  let calls = 0;
  const allow = (command: string, more: CallOptions = {}) => {
    const { host, ownVariables = [], input = "none", cwd = workspace, signal = new AbortController().signal } = more;
    return gate.allow({ callId: `c${++calls}`, command, cwd, env: { PATH }, ownVariables, input, host }, permit as never, signal);
  };
  /** `runs`, or why not. */
  const outcome = async (command: string, more = {}): Promise<string> => {
    try {
      return `runs on the ${(await allow(command, more)).host}`;
    } catch (err) {
      return (err as Error).message;
    }
  };
  return { allow, outcome, asked, workspace, root };
}

test("variables of skills reach commands outside of the sandbox, and never replace others; the sandbox shows their directories", async (t) => {
  const env = { KEY: new Secret("value"), PATH: new Secret("/elsewhere") };
  const skills = { directories: ["/tmp", "/tmp/removed-skill"], env };
  const outside = await openGate(t, { settings: { mode: "full" }, skills }).allow("ls");
  assert.deepEqual(outside.env, { KEY: "value", PATH });
  const inside = await openGate(t, { settings: { mode: "auto" }, sandbox: true, skills }).allow("ls");
  assert.deepEqual([inside.env["KEY"], inside.env["PATH"]], [undefined, PATH]);
  assert.deepEqual(inside.argv.slice(0, 4), ["sandboxed", "rw", "/tmp", "/bin/bash"]);
});

let ids = 0;
const yes = (): ApprovalAnswer => ({ allowed: true, id: `id${++ids}` });

const READING = [
  "ls",
  "ls -la src",
  "cat a.txt | head -1",
  "pwd && whoami",
  "grep -rn a src",
  "cd src && ls",
  "wc -l a.txt; date",
  "cat missing.txt",
  "date +%Y",
  "cat src/../a.txt",
  "cd src/.. && cat a.txt",
  "uniq -c a.txt",
  "cat node_modules/@o/p/x",
];
for (const command of READING) {
  test(`it only reads, and is not asked about: ${command}`, async (t) => {
    const { outcome, asked } = openGate(t);
    assert.equal(await outcome(command), "runs on the gateway");
    assert.equal(asked.length, 0);
  });
}

const ASKED = [
  "cat /etc/passwd", "cat ../secret", "cat link", "ls /", "ls ..", "cd .. && ls", "cd /; ls", "cd src; cat ../../secret", "cd missing || cat a.txt",
  "touch b", "rm a.txt", "echo a > b", "sort -o b a.txt", "uniq a.txt b", "find . -exec rm {} ;", "sh -c ls", "./run.sh", "sh run.sh", "env ls",
  "grep -f /etc/passwd a.txt", "date -s 0", "ls $HOME", "cat *", "tree -o x", "A=1 ls", "ls &", "date -f /etc/passwd", "head -c 5 /etc/passwd",
  "cat -- /etc/passwd", "missing-program", "diff src src", "grep -f a.txt src", "rg --pre cat a", "wc --files0-from=a.txt", "sort -T / a.txt", "du -L src", "tail -f ../secret", "cd src | cat a.txt", "grep -R a /etc",
  "true || cd src && cat ../secret", "cat node_modules/@o/p/../../../secret", "cd node_modules/@o/p && cat ../../../secret",
  "cat dangling", "uniq - a.txt", "uniq -- a.txt -b", "date 010100002030", "date -u 010100002030",
]; // prettier-ignore
for (const command of ASKED) {
  test(`it is asked about: ${command}`, async (t) => {
    const { outcome, asked } = openGate(t);
    assert.match(await outcome(command), /^Not run: a person denied it\. Commands that only read/);
    assert.equal(asked.length, 1);
    assert.equal(asked[0]!.command, command);
  });
}

test("a command that sets variables is asked about, whatever it is, and can be allowed once only", async (t) => {
  const { outcome, asked } = openGate(t, { allowlist: [{ pattern: "ls" }] });
  await outcome("ls", { ownVariables: ["LS_COLORS"] });
  await outcome("touch x", { ownVariables: ["A"] });
  assert.deepEqual(
    asked.map(({ patterns, warnings }) => [patterns.length, warnings.some((each) => /The call sets/.test(each))]),
    [
      [0, true],
      [0, true],
    ],
  );
});

const HOSTS: readonly [title: string, gate: GateCase, wanted: CommandHost | undefined, outcome: RegExp][] = [
  ["auto runs in the sandbox without a question", { settings: { mode: "auto" }, sandbox: true }, undefined, /^runs on the sandbox$/],
  ["auto asks where there is no sandbox", { settings: { mode: "auto" } }, undefined, /denied it/],
  ["auto asks when a call wants to leave the sandbox", { settings: { mode: "auto" }, sandbox: true }, "gateway", /denied it/],
  ["full runs outside", { settings: { mode: "full" }, sandbox: true }, undefined, /^runs on the gateway$/],
  ["full in the sandbox", { settings: { mode: "full", host: "sandbox" }, sandbox: true }, undefined, /^runs on the sandbox$/],
  ["a fixed host cannot be changed by a call", { settings: { mode: "full", host: "sandbox" }, sandbox: true }, "gateway", /run on the host "sandbox"/],
  ["a sandbox that is demanded and missing", { settings: { mode: "full", host: "sandbox" } }, undefined, /needs a sandbox \(tools.exec.host\), and bwrap is missing/],
  ["deny", { settings: { mode: "deny" } }, undefined, /denied by tools.exec.mode/],
  ["who may not write runs in the sandbox", { settings: { mode: "full", readOnly: true }, sandbox: true }, undefined, /^runs on the sandbox$/],
  ["who may not write does not leave it", { settings: { mode: "full", readOnly: true }, sandbox: true }, "gateway", /writing is denied to you/],
  ["who may not write runs nothing without one", { settings: { mode: "full", readOnly: true } }, undefined, /writing is denied to you\), and bwrap/],
]; // prettier-ignore
for (const [title, options, host, expected] of HOSTS) {
  test(title, async (t) => assert.match(await openGate(t, options).outcome("touch b", { host }), expected));
}

test("what is started is the text in a shell, or the sandbox around it", async (t) => {
  const { allow, workspace } = openGate(t, { settings: { mode: "full", host: "sandbox", readOnly: true }, sandbox: true });
  const { argv, cwd } = await allow("touch b");
  assert.deepEqual([argv.slice(0, 2), argv.slice(-2), cwd], [["sandboxed", "ro"], ["-c", "touch b"], workspace]);
});

test("a sandboxed command is given the hosts of its caller, and the question and the result name them", async (t) => {
  const egress = { hosts: ["a.example"], allowPrivateNetwork: false, rule: "sandbox.egress" };
  const unasked = await openGate(t, { settings: { mode: "auto", egress }, sandbox: true }).allow("ls");
  assert.deepEqual([unasked.argv[0], unasked.argv[2]], ["sandboxed", "a.example"]);
  assert.match(unasked.isolation!, /^It ran in the sandbox \(test\), with a proxy \(HTTPS_PROXY\) to a\.example as its only network\.$/);
  const { allow, asked } = openGate(t, { settings: { mode: "ask", host: "sandbox", egress }, sandbox: true, answer: yes });
  await allow("touch b");
  assert.ok(asked[0]!.warnings.includes("It can send what it reads to a.example (sandbox.egress)."));
  const outside = openGate(t, { settings: { mode: "ask", egress }, sandbox: true, answer: yes });
  assert.equal((await outside.allow("touch b")).isolation, undefined);
  assert.ok(!outside.asked[0]!.warnings.some((each) => /can send/.test(each)));
  assert.match((await openGate(t, { settings: { mode: "auto" }, sandbox: true }).allow("ls")).isolation!, /with no network\.$/);
});

const ALLOWLISTS: readonly [entry: AllowedProgram, command: string, isAllowed: boolean][] = [
  [{ pattern: "touch" }, "touch b", true],
  [{ pattern: "/usr/bin/touch" }, "touch b", true],
  [{ pattern: "/usr/bin/tou*" }, "touch b", true],
  [{ pattern: "/usr/*/*" }, "touch b", true],
  [{ pattern: "/usr/bin/*x*" }, "touch b", false],
  [{ pattern: "/*" }, "touch b", false],
  [{ pattern: "touch" }, "touch b && ls", true],
  [{ pattern: "touch" }, "touch b && mkdir c", false],
  [{ pattern: "touch" }, "touch b > c", false],
  [{ pattern: "touch", argPattern: toArgPattern(["{path}"]) }, "touch ./b", true],
  [{ pattern: "touch", argPattern: toArgPattern(["{path}"]) }, "touch a.txt ./b src/c", true],
  [{ pattern: "touch", argPattern: toArgPattern(["{path}"]) }, "touch ../b", false],
  [{ pattern: "touch", argPattern: toArgPattern(["{path}"]) }, "touch -a ./b", false],
  [{ pattern: "touch", argPattern: "^.*$" }, "touch b", false],
  [{ pattern: "run.sh" }, "./run.sh", false],
  ...["bash -c ls", "sh run.sh", "python3 -c 1", "env ls", "find . -delete", "xargs ls", "timeout 5 ls", "git status", "npm test", "make", "awk 1", "sed p a.txt", "tar tf x", "perl -e 1", "node -e 1", "ssh h", "sudo ls"].map(
    (command): [AllowedProgram, string, boolean] => [{ pattern: "/*/*/*" }, command, false],
  ),
]; // prettier-ignore
for (const [entry, command, isAllowed] of ALLOWLISTS) {
  test(`${JSON.stringify(entry)} ${isAllowed ? "allows" : "does not allow"} ${command}`, async (t) => {
    const found = await openGate(t, { settings: { mode: "allowlist" }, allowlist: [entry] }).outcome(command);
    assert.equal(found.startsWith("runs"), isAllowed, found);
  });
}

test("what a person would always allow is shown, and allows that command afterwards", async (t) => {
  for (const command of ["touch ./b", "mkdir -p src/x src/y && touch src/x/z", "chmod +x ./run.sh"]) {
    const first = openGate(t);
    await first.outcome(command);
    const { patterns } = first.asked[0]!;
    assert.ok(patterns.length > 0, command);
    const then = openGate(t, { settings: { mode: "allowlist" }, allowlist: patterns });
    assert.match(await then.outcome(command), /^runs/, command);
  }
});

test("nothing is always allowed with a shell, an interpreter, or a program that the agent can change", async (t) => {
  for (const command of ["sh -c ls", "python3 x.py", "./run.sh", "touch b | xargs rm", "touch $(id)", "find . -delete"]) {
    const { outcome, asked } = openGate(t);
    await outcome(command);
    assert.deepEqual(asked[0]!.patterns, [], command);
  }
});

test("commands of one kind are asked about once in a turn", async (t) => {
  const { outcome, asked } = openGate(t, { answer: yes });
  for (const command of ["touch ./b", "touch ./c", "touch src/d ./e", "mkdir -p src/q", "mkdir -p src/r", "npm test", "npm test"]) {
    assert.match(await outcome(command), /^runs/);
  }
  assert.deepEqual(
    asked.map(({ command }) => command),
    ["touch ./b", "mkdir -p src/q", "npm test"],
  );
  await outcome("npm run build");
  await outcome("touch ../outside");
  assert.equal(asked.length, 5);
});

test("an answer does not cover a call that sets variables, or that the agent can write to", async (t) => {
  const { outcome, asked } = openGate(t, { answer: yes });
  await outcome("touch ./a");
  await outcome("touch ./b", { ownVariables: ["X"] });
  await outcome("touch ./b", { input: "pipe" });
  await outcome("touch ./c", { input: "pipe" });
  assert.deepEqual(
    asked.map(({ command }) => command),
    ["touch ./a", "touch ./b", "touch ./b"],
  );
});

/** While a command is looked up, calls of the file system are active; afterwards it waits for the answer alone. */
const isLooking = (): boolean => process.getActiveResourcesInfo().some((each) => each.startsWith("FSReq"));

test("calls that wait for one answer share a denial, and a later call asks again", async (t) => {
  const answers = Promise.withResolvers<ApprovalAnswer>();
  const { outcome, asked } = openGate(t, { answer: () => answers.promise });
  const all = Promise.all(["touch ./a", "touch ./b", "touch ./c"].map((command) => outcome(command)));
  while (asked.length === 0 || isLooking()) await new Promise((resolve) => setImmediate(resolve));
  answers.resolve({ allowed: false, note: "a person denied it." });
  assert.deepEqual(
    await all,
    Array(3).fill("Not run: a person denied it. Commands that only read files of the workspace run without a question."),
  );
  assert.equal(asked.length, 1);
  await outcome("touch ./a");
  assert.equal(asked.length, 2);
});

test("always means a question also for what the allowlist names, in every mode", async (t) => {
  for (const mode of ["ask", "allowlist"] as const) {
    const { outcome, asked } = openGate(t, { settings: { mode, alwaysAsk: true }, allowlist: [{ pattern: "touch" }], answer: yes });
    assert.match(await outcome("touch ./a"), /^runs/);
    assert.equal(asked.length, 1, mode);
    assert.match(await outcome("mkdir q"), mode === "ask" ? /^runs/ : /denied by tools.exec.mode/);
  }
});

test("an approval whose use cannot be stored is reported as that", async (t) => {
  const { outcome } = openGate(t, { answer: yes, use: () => Promise.reject(new Error("disk full")) });
  assert.match(await outcome("touch ./a"), /^Not run: the use of the approval could not be stored/);
});

test("a call without a turn is asked about each time", async (t) => {
  const { outcome, asked } = openGate(t, { answer: yes, runId: null });
  await outcome("touch ./b");
  await outcome("touch ./b");
  assert.equal(asked.length, 2);
});

test("two calls of one kind at the same time wait for one answer", async (t) => {
  const answers = Promise.withResolvers<ApprovalAnswer>();
  const { outcome, asked } = openGate(t, { answer: () => answers.promise });
  const both = Promise.all([outcome("touch ./b"), outcome("touch ./c")]);
  while (asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
  answers.resolve(yes());
  assert.deepEqual(await both, ["runs on the gateway", "runs on the gateway"]);
  assert.equal(asked.length, 1);
});

test("a script that was changed after the question is not run", async (t) => {
  const gate = openGate(t, {
    answer: () => {
      writeFileSync(join(gate.workspace, "run.sh"), `#!/bin/sh\necho ${gate.asked.length}0\n`);
      return yes();
    },
  });
  for (const command of ["./run.sh", "sh run.sh", "sh -c './run.sh $HOME'"])
    assert.match(await gate.outcome(command), /has changed since it was approved/);
});

test("an answer counts for one command", async (t) => {
  const { outcome } = openGate(t, { runId: null, answer: () => ({ allowed: true, id: "same" }) });
  assert.match(await outcome("touch ./b"), /^runs/);
  assert.match(await outcome("touch ./b"), /was used before/);
});
