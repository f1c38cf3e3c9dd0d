import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentProcessStatus } from "../agents/runtime.ts";
import { asId } from "../core/ids.ts";
import type { SessionRow } from "../store/sessions.ts";
import { answerAcp, type AcpCommandContext } from "./acp-command.ts";
import { isForOwnersOnly, parseCommand } from "./commands.ts";

const session = (model: string | null = null): SessionRow => ({ key: asId("agent:main:main"), model }) as SessionRow;
const NOTHING = { agent_mode: null, agent_options: null };
const running: AgentProcessStatus = {
  name: "codex",
  sessionKey: asId("agent:main:main"),
  pid: 42,
  state: "ready",
  version: "Codex 1.2",
  agentSessionId: "abc",
  mode: "ask",
  model: null,
  modes: ["ask", "code"],
  models: [],
  options: [],
  canReopen: true,
};
const context = (more: Partial<AcpCommandContext> = {}): AcpCommandContext => ({
  names: () => ["codex", "pi"],
  defaultName: () => null,
  processes: () => [],
  isDirectory: (path) => path.startsWith("/srv"),
  ...more,
});

test("spawn chooses a configured agent as what answers, with a model of it where one is named", () => {
  assert.deepEqual(answerAcp("spawn codex", session(), context()).changes, { model: "acp/codex", ...NOTHING });
  assert.deepEqual(answerAcp("spawn codex/gpt-5", session(), context()).changes, { model: "acp/codex/gpt-5", ...NOTHING });
  assert.deepEqual(answerAcp("spawn", session(), context({ defaultName: () => "pi" })).changes, { model: "acp/pi", ...NOTHING });
  const bound = answerAcp("spawn codex --bind here --thread=auto --mode persistent --cwd /srv/a", session(), context());
  assert.deepEqual(bound.changes, { model: "acp/codex", agent_mode: null, agent_options: '{"cwd":"/srv/a"}' });
});

test("what is longer or more than is kept is refused, and never cut", () => {
  const long = "x".repeat(201);
  for (const text of [`set a ${long}`, `set ${long} a`, `set-mode ${long}`, "set model a b", "set mode a b"])
    assert.deepEqual(answerAcp(text, session("acp/codex"), context()).changes, {}, text);
  let here = session("acp/codex");
  for (let index = 0; index < 20; index++) here = { ...here, ...answerAcp(`set o${index} on`, here, context()).changes };
  const { text, changes } = answerAcp("set o20 on", here, context());
  assert.deepEqual([changes, /20 options are set here already/.test(text)], [{}, true]);
  assert.match(answerAcp("set o3 off", here, context()).text, /o3 "off" from the next message on/);
});

test("an agent that is not configured is not spawned; the answer names those that are", () => {
  for (const [text, expected] of [
    ["spawn", /Agents: codex, pi\./],
    ["spawn nothing", /Agents: codex, pi\./],
    ["spawn codexx/gpt", /Agents: codex, pi\./],
    ["spawn codex pi", /takes one name/],
    ["spawn codex --cwd /etc", /"\/etc" is not a directory/],
    ["spawn codex --cwd srv", /not an absolute path/],
    ["spawn codex --bind off", /--bind "off" is not served here/],
    ["spawn codex --mode oneshot", /--mode "oneshot" is not served/],
    ["spawn codex --label x", /does not take --label/],
  ] as const) {
    const answer = answerAcp(text, session(), context());
    assert.deepEqual(answer.changes, {}, text);
    assert.match(answer.text, expected);
  }
});

test("close gives the conversation back and ends what runs; without an agent it changes nothing", () => {
  const answer = answerAcp("close", session("acp/codex"), context());
  assert.deepEqual([answer.changes, answer.forgets], [{ model: null, checkpoint: null, ...NOTHING }, true]);
  assert.deepEqual(answerAcp("close", session("test/echo"), context()).changes, {});
});

test("status shows the process, and the list all of them", () => {
  const shown = answerAcp("status", session("acp/codex"), context({ processes: () => [running] })).text;
  assert.equal(shown, "codex (Codex 1.2), ready, pid 42; its session abc; mode ask of ask, code.");
  assert.match(answerAcp("status", session("acp/codex"), context()).text, /does not run now; the next message starts it/);
  assert.match(answerAcp("sessions", session(), context({ processes: () => [running] })).text, /^agent:main:main: codex/);
});

test("cancel stops like /stop, what only shows overtakes, and what changes waits", () => {
  assert.deepEqual(parseCommand("/acp cancel"), { name: "stop", immediate: true, arg: "" });
  for (const [text, immediate] of [
    ["/acp status", true],
    ["/acp", true],
    ["/acp spawn codex", false],
    ["/acp close", false],
    ["/acp model gpt-5", false],
    ["/acp set-mode code", false],
    ["/acp reset-options", false],
  ] as const)
    assert.equal(parseCommand(text)?.immediate, immediate, text);
  assert.ok(isForOwnersOnly(parseCommand("/acp spawn codex")!));
  assert.ok(!isForOwnersOnly(parseCommand("/status")!));
});

test("the model and the mode are those that the agent has, as far as that is known, and both can be taken back", () => {
  const known = context({ processes: () => [{ ...running, models: ["gpt-5", "gpt-5-mini"] }] });
  const here = session("acp/codex/gpt-5");
  assert.deepEqual(answerAcp("model gpt-5-mini", here, known).changes, { model: "acp/codex/gpt-5-mini" });
  assert.match(answerAcp("model other", here, known).text, /does not have the model "other"\. It has: gpt-5, gpt-5-mini\./);
  assert.deepEqual(answerAcp("model other", here, known).changes, {});
  assert.deepEqual(answerAcp("set-mode code", here, known).changes, { agent_mode: "code" });
  assert.match(answerAcp("set-mode yolo", here, known).text, /It has: ask, code\./);
  assert.deepEqual(answerAcp("set-mode any", here, context()).changes, { agent_mode: "any" }, "it does not run; the next message says so");
  assert.deepEqual(answerAcp("reset-options", here, known).changes, { model: "acp/codex", ...NOTHING });
  for (const text of ["model x", "set-mode x", "set a b", "cwd /srv", "timeout 60", "permissions ask", "reset-options"])
    assert.match(answerAcp(text, session("test/echo"), known).text, /No agent was spawned here/);
});

test("what steers goes to the agent as a message, and without a text is explained", () => {
  assert.deepEqual(parseCommand("/acp steer look at the tests first"), {
    name: "acp",
    immediate: false,
    arg: "look at the tests first",
    toAgent: true,
  });
  assert.match(answerAcp("steer", session("acp/codex"), context()).text, /\/acp steer <text>/);
});

test("a directory, a time, the answer to questions and options of the agent are chosen for the conversation, and shown", () => {
  const options = [{ id: "thought", value: "low", values: ["low", "high"] }];
  const known = context({ processes: () => [{ ...running, options }] });
  let here = session("acp/codex");
  const say = (text: string): string => {
    const { changes, text: answer } = answerAcp(text, here, known);
    here = { ...here, ...changes };
    return answer;
  };
  assert.match(say("cwd /srv/project"), /works in \/srv\/project/);
  assert.match(say("timeout 60"), /after 60 s of silence/);
  assert.match(say("set thought high"), /thought "high"/);
  assert.match(say("permissions deny-all"), /answered with no/);
  assert.deepEqual(JSON.parse(here.agent_options!), {
    cwd: "/srv/project",
    timeoutSeconds: 60,
    permissions: "deny-all",
    config: { thought: "high" },
  });
  assert.match(
    say("status"),
    /thought low of low, high\. Chosen here: directory \/srv\/project; silence of 60 s at most; its questions are/,
  );
  assert.match(say("set permissions ask"), /A person is asked again/);
  assert.match(say("set mode code"), /in the mode code/);
  for (const [text, expected] of [
    ["cwd", /Name a directory/],
    ["cwd project", /not an absolute path/],
    ["cwd /etc", /is not a directory/],
    ["timeout soon", /from 10 to 86400/],
    ["timeout 5", /from 10 to 86400/],
    ["set", /Name an option[^]*thought \(low; low, high\)/],
    ["set color red", /does not have the option "color"/],
    ["set thought medium", /takes: low, high/],
    ["permissions", /Say who decides/],
    ["permissions approve-all", /approve-all is not served here/],
    ["permissions approve-reads", /approve-reads is not served here/],
  ] as const) {
    const before = here;
    assert.match(say(text), expected, text);
    assert.equal(before.agent_options, here.agent_options, text);
  }
});

test("install names the command of the package, and installs nothing", () => {
  assert.match(answerAcp("install qwen", session(), context()).text, /npm install -g @qwen-code\/qwen-code\nThen allow it: [^]*"qwen"/);
  assert.match(answerAcp("install", session(), context()).text, /codex: npm install[^]*pi: npm install/);
  assert.match(answerAcp("install nothing", session(), context()).text, /is not known here\. Known: claude/);
});

test("an action that is not one of these is refused by name", () => {
  assert.match(answerAcp("fork", session(), context()).text, /\/acp fork is not served here/);
});
