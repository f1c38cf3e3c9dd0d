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
  assert.deepEqual(answerAcp("spawn codex", session(), context()).changes, { model: "acp/codex" });
  assert.deepEqual(answerAcp("spawn codex/gpt-5", session(), context()).changes, { model: "acp/codex/gpt-5" });
  assert.deepEqual(answerAcp("spawn", session(), context({ defaultName: () => "pi" })).changes, { model: "acp/pi" });
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
  assert.deepEqual([answer.changes, answer.forgets], [{ model: null, checkpoint: null }, true]);
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
  ] as const)
    assert.equal(parseCommand(text)?.immediate, immediate, text);
  assert.ok(isForOwnersOnly(parseCommand("/acp spawn codex")!));
  assert.ok(!isForOwnersOnly(parseCommand("/status")!));
});

test("what OpenClaw has and is not served here is refused by name", () => {
  for (const action of ["steer", "set-mode", "install"])
    assert.match(answerAcp(action, session(), context()).text, new RegExp(`/acp ${action} is not served here`));
});
