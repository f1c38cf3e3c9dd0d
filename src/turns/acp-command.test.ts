import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentProcessStatus } from "../agents/runtime.ts";
import { asId } from "../core/ids.ts";
import type { SessionRow } from "../store/sessions.ts";
import { answerAcp, type AcpCommandContext } from "./acp-command.ts";
import { isForOwnersOnly, parseCommand } from "./commands.ts";

const session = (model: string | null = null): SessionRow => ({ key: asId("agent:main:main"), model }) as SessionRow;
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
  canReopen: true,
};
const context = (more: Partial<AcpCommandContext> = {}): AcpCommandContext => ({
  names: () => ["codex", "pi"],
  defaultName: () => null,
  processes: () => [],
  ...more,
});

test("spawn chooses a configured agent as what answers, with a model of it where one is named", () => {
  assert.deepEqual(answerAcp("spawn codex", session(), context()).changes, { model: "acp/codex", agent_mode: null });
  assert.deepEqual(answerAcp("spawn codex/gpt-5", session(), context()).changes, { model: "acp/codex/gpt-5", agent_mode: null });
  assert.deepEqual(answerAcp("spawn", session(), context({ defaultName: () => "pi" })).changes, { model: "acp/pi", agent_mode: null });
});

test("an agent that is not configured is not spawned; the answer names those that are", () => {
  for (const text of ["spawn", "spawn nothing", "spawn codexx/gpt", "spawn codex --cwd /etc"]) {
    const answer = answerAcp(text, session(), context());
    assert.deepEqual(answer.changes, {}, text);
    assert.match(answer.text, text.includes("--cwd") ? /takes one name/ : /Agents: codex, pi\./);
  }
});

test("close gives the conversation back and ends what runs; without an agent it changes nothing", () => {
  const answer = answerAcp("close", session("acp/codex"), context());
  assert.deepEqual([answer.changes, answer.forgets], [{ model: null, checkpoint: null, agent_mode: null }, true]);
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
  assert.deepEqual(answerAcp("reset-options", here, known).changes, { model: "acp/codex", agent_mode: null });
  for (const text of ["model x", "set-mode x", "reset-options"])
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

test("what OpenClaw has and is not served here is refused by name", () => {
  for (const action of ["permissions", "set", "install"])
    assert.match(answerAcp(action, session(), context()).text, new RegExp(`/acp ${action} is not served here`));
});
