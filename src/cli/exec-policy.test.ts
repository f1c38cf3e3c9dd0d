import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { callCli, type CliCall } from "../../test/cli-call.ts";
import { startApprovalsBench } from "../../test/fakes/approvals-bench.ts";

const OPEN = {
  isGranted: true,
  mode: "full",
  rule: 'agents.entries.open.tools.exec.mode "full"',
  host: "gateway",
  hostRule: "agents.entries.open.tools.exec.host",
  alwaysAsk: false,
  readOnly: false,
};
const ASK = {
  isGranted: true,
  mode: "ask",
  rule: 'tools.exec.mode "ask"',
  host: "auto",
  hostRule: "the default",
  alwaysAsk: true,
  readOnly: false,
};
const SANDBOX = { ...ASK, mode: "auto", rule: 'the default mode "auto"', host: "sandbox", alwaysAsk: false, readOnly: true };
const DENIED = { ...OPEN, isGranted: false };

/** The agents of the gateway: `open` has everything for everyone, `main` the sandbox for people on channels, `closed` no tools. */
const bench = await startApprovalsBench({
  "agents.list": { scope: "operator.read", run: () => ({ agents: [{ id: "main" }, { id: "open" }, { id: "closed" }], defaultId: "main" }) },
  "channels.status": {
    scope: "operator.read",
    run: () => ({ channelOrder: ["irc"], channelAccounts: { irc: [{ accountId: "default", connected: true, state: "ready" }] } }),
  },
  "sandbox.explain": {
    scope: "operator.read",
    run: () => ({ available: false, reason: "bwrap is not installed", fix: "Install it." }),
  },
  "tools.explain": {
    scope: "operator.read",
    run: ({ agentId = "main", channel }: { agentId?: string; channel?: string }) => ({
      agentId,
      surface: channel === undefined ? "operator" : "channel",
      tools: [],
      files: { workspace: "/w", outside: [], rule: "the default" },
      commands: agentId === "open" ? OPEN : agentId === "closed" ? DENIED : channel === undefined ? ASK : SANDBOX,
    }),
  },
});
after(() => bench.stop());
const CONFIG = join(bench.state, "openclaw.json");
const configured = (): unknown => JSON.parse(readFileSync(CONFIG, "utf8"));
const configure = (value: object): void =>
  writeFileSync(CONFIG, JSON.stringify({ agents: { entries: { main: {}, open: {}, closed: {} } }, ...value }));
const policy = (...words: string[]): Promise<CliCall> => callCli(bench.state, ["exec-policy", ...words]);
configure({});

test("exec-policy show says what holds, which setting says so, and what it amounts to", async () => {
  const { code, out, err } = await policy();
  assert.equal(code, 0);
  assert.equal(
    out,
    'Agent main, your own messages\nsetting  value  decided by\nmode     ask    tools.exec.mode "ask"\nhost     auto   the default\n',
  );
  assert.match(
    err,
    /^A person is asked, except about commands that only read\.\n.*ask always: no program is exempt.*\nThey run as the gateway's user, unless .*\n$/,
  );
  const other = await policy("show", "--channel", "irc");
  assert.match(other.out, /^Agent main, messages of irc\n[^]*\nhost +sandbox +the default\n$/);
  assert.match(other.err, /with a workspace that they cannot change/);
  assert.match((await policy("show", "--agent", "closed")).err, /^The tools for commands are denied, .*openclaw tools explain closed\n$/);
  const onChannel = await policy("show", "--agent", "closed", "--channel", "irc");
  assert.match(onChannel.err, /openclaw tools explain closed --channel irc\n$/);
  const json = await policy("show", "--agent", "open", "--json");
  assert.deepEqual(JSON.parse(json.out), { agentId: "open", surface: "operator", ...OPEN });
  assert.equal((await policy("show", "--agent", "opne")).code, 2);
});

test("tools explain has one line about commands", async () => {
  const { out } = await callCli(bench.state, ["tools", "explain"]);
  assert.match(out, /\nCommands: mode ask \(tools\.exec\.mode "ask"\), host auto \(the default\)\n$/);
});

const PRESETS: readonly [name: string, before: object, exec: object][] = [
  ["yolo", {}, { mode: "full", host: "gateway" }],
  ["cautious", { host: "sandbox" }, { mode: "ask", host: "sandbox" }],
  ["deny-all", { mode: "full", host: "gateway" }, { mode: "deny", host: "gateway" }],
];
for (const [name, before, exec] of PRESETS) {
  test(`exec-policy preset ${name} sets its keys, and nothing else`, async () => {
    configure({ tools: { deny: ["edit"], exec: before } });
    const { code, out, err } = await policy("preset", name);
    assert.equal(code, 0, err);
    assert.match(out, /^tools\.exec\.mode = \w+\n/);
    assert.match(err, /Saved in .*openclaw\.json/);
    assert.deepEqual(configured(), { agents: { entries: { main: {}, open: {}, closed: {} } }, tools: { deny: ["edit"], exec } });
  });
}

test("exec-policy set changes what is given, for all agents or for one", async () => {
  configure({});
  assert.equal((await policy("set", "--host", "sandbox")).out, "tools.exec.host = sandbox\n");
  const { out } = await policy("set", "--mode", "ask", "--host", "gateway", "--agent", "open");
  assert.equal(out, "agents.entries.open.tools.exec.mode = ask\nagents.entries.open.tools.exec.host = gateway\n");
  assert.deepEqual(configured(), {
    agents: { entries: { main: {}, open: { tools: { exec: { mode: "ask", host: "gateway" } } }, closed: {} } },
    tools: { exec: { host: "sandbox" } },
  });
  assert.match((await policy("set", "--mode", "deny")).err, /Agents with another setting of their own: open\./);
  assert.doesNotMatch((await policy("set", "--mode", "ask")).err, /of their own/);
});

test("exec-policy set changes an agent of the older list where the file has it", async () => {
  writeFileSync(CONFIG, JSON.stringify({ agents: { list: [{ id: "main" }, { id: "Open" }] } }));
  const { code, err } = await policy("set", "--mode", "ask", "--agent", "open");
  assert.equal(code, 0, err);
  const exec = { tools: { exec: { mode: "ask" } } };
  assert.deepEqual(configured(), { agents: { list: [{ id: "main" }, { id: "Open", ...exec }] } });
});

test("exec-policy set refuses nothing to set, unknown values and unknown agents", async () => {
  configure({});
  const before = configured();
  const refused: [words: string[], message: RegExp][] = [
    [[], /there is nothing to set/],
    [["--mode", "ful"], /Unknown mode "ful"\. Did you mean "full"\?/],
    [["--host", "node"], /Unknown host "node"/],
    [["--mode", "ask", "--agent", "opne"], /Unknown agent "opne"/],
  ];
  for (const [words, message] of refused) {
    const { code, err } = await policy("set", ...words);
    assert.equal(code, 2, err);
    assert.match(err, message);
  }
  assert.equal((await policy("preset", "brave")).code, 2);
  assert.deepEqual(configured(), before);
});

type Finding = { check: string; severity: string; title: string; why?: string; fix?: string };
const findings = async (): Promise<Finding[]> =>
  (JSON.parse((await callCli(bench.state, ["doctor", "--json"])).out) as { findings: Finding[] }).findings;

test("doctor and sandbox explain say what a missing sandbox means under the present policies", async () => {
  const found = (await findings()).find(({ check }) => check === "sandbox")!;
  assert.deepEqual(
    [found.severity, found.why, found.fix],
    ["warning", "bwrap is not installed. Commands of main for people on channels are refused.", "Install it."],
  );
  const { code, out } = await callCli(bench.state, ["sandbox", "explain"]);
  assert.equal(code, 1);
  assert.match(out, /bwrap is not installed\.\nInstall it\.\nCommands of main for people on channels are refused\.\n$/);
});

test("doctor says which value an invalid setting has instead", async () => {
  configure({ tools: { exec: { mode: "askk", host: "docker" } } });
  const about = (await findings()).filter(({ check }) => check === "config");
  configure({});
  assert.deepEqual(
    about.map(({ why }) => why),
    ['the value is ignored; "deny" applies.', 'the value is ignored; "sandbox" applies.'],
  );
});

test("doctor warns about an agent that runs everything for people on channels", async () => {
  const about = (await findings()).filter(({ check }) => check.startsWith("commands:"));
  assert.deepEqual(
    about.map(({ check, severity, fix }) => [check, severity, fix]),
    [
      ["commands:open", "warning", "openclaw exec-policy set --mode auto --host sandbox --agent open"],
      ["commands:main", "ok", undefined],
      ["commands:closed", "ok", undefined],
    ],
  );
  assert.match(about[0]!.title, /people on channels can have agent open run any command/);
  assert.match(about[0]!.why!, /agents\.entries\.open\.tools\.exec\.mode "full" .*agents\.entries\.open\.tools\.exec\.host puts/);
});
