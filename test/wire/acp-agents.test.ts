// Agents of other vendors in the real process: from the configuration and a chat to an answer, a question, a crash, and the end of the gateway.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { ProtocolClient } from "../../src/client/client.ts";
import { PERSON, TelegramServer, TOKEN } from "../channel-kit/telegram-server.ts";
import { isRunning, untilEnded } from "../fakes/command-tools.ts";
import { startModelServer } from "../model-server.ts";
import { openclaw, openclawJson } from "./cli.ts";
import { dropHome, modelConfig, newHome, startGateway, until, type GatewayUnderTest } from "./gateway-process.ts";

const AGENT = join(import.meta.dirname, "../fakes/acp-agent.mjs");
const SCOPES = ["operator.read", "operator.write", "operator.approvals", "operator.admin"];

const scripted = (home: string, script: object = {}, more: object = {}): object => ({
  command: process.execPath,
  args: [AGENT],
  env: { ACP_SCRIPT: JSON.stringify({ load: true, state: join(home, "acp-state"), log: join(home, "acp-log"), ...script }) },
  ...more,
});

async function open(t: TestContext, make: (home: string) => object, env: Record<string, string> = {}): Promise<GatewayUnderTest> {
  const home = newHome();
  const gateway = await startGateway({ home, config: make(home), env });
  t.after(async () => {
    await gateway.kill("SIGKILL");
    dropHome(home);
  });
  return gateway;
}

const answering = (home: string): object => ({
  acp: { agents: { scripted: scripted(home) } },
  agents: { entries: { main: { runtime: { type: "acp", acp: { agent: "scripted" } } } } },
});

const ask = async ({ home }: GatewayUnderTest, message: string, ...more: string[]): Promise<string> => {
  const answer = await openclawJson<{ result: { payloads: { text: string }[] } }>(home, "agent", "--message", message, ...more);
  return answer.result.payloads.map(({ text }) => text).join("");
};

type Approval = { id: string; request: { title: string; detail: string; allowedDecisions: string[] } };
const question = (client: ProtocolClient): Promise<Approval> =>
  until("the question", async () => (await client.request<Approval[]>("plugin.approval.list", {}))[0]);
const pidOf = (home: string): number =>
  Number(/start (\d+)\n[^]*?$/.exec(readFileSync(join(home, "acp-log"), "utf8").split("start ").at(-1)!.replace(/^/, "start "))![1]);

test("an agent of another vendor answers, asks a person, is killed in the middle of a turn, and goes on after a restart", async (t) => {
  const gateway = await open(t, answering);
  const { home } = gateway;
  assert.equal(await ask(gateway, "hello"), "You said: hello");
  const client = await gateway.connect({ scopes: SCOPES, caps: ["tool-events"] });
  for (const [decision, optionId] of [
    ["allow-once", "yes"],
    ["allow-always", "always"],
    ["deny", "no"],
  ]) {
    const asked = ask(gateway, "permit");
    const { id, request } = await question(client);
    assert.equal(request.title, "scripted: rm -rf build");
    assert.match(request.detail, /"command": "rm -rf build"/);
    assert.deepEqual(request.allowedDecisions, ["allow-once", "allow-always", "deny"]);
    await client.request("plugin.approval.resolve", { id, decision });
    assert.equal(await asked, `chosen: {"outcome":"selected","optionId":"${optionId}"}`);
  }
  const saves = (): number => readFileSync(join(home, "acp-log"), "utf8").split("\nsaved").length;
  const before = saves();
  const hanging = openclaw(home, "agent", "--message", "hang");
  const pid = pidOf(home);
  await until("the turn", () => saves() > before);
  process.kill(pid, "SIGKILL");
  const failed = await hanging;
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /The agent scripted does not run: it ended with exit code 137/);
  assert.equal(await ask(gateway, "recall"), "Before: hello | permit | permit | permit | hang");
  const { events } = await openclawJson<{ events: { toolName?: string; status: string }[] }>(home, "audit", "--limit", "50");
  const agentRows = events.filter(({ toolName }) => toolName === "acp/scripted").map(({ status }) => status);
  assert.deepEqual(agentRows, [
    "succeeded",
    "started",
    "failed",
    "started",
    ...Array.from({ length: 4 }, () => ["succeeded", "started"]).flat(),
  ]);
  await client.close();
  await gateway.kill("SIGTERM");
  await untilEnded(pidOf(home));
  const again = await startGateway({ home, port: gateway.port });
  t.after(() => again.kill("SIGKILL"));
  assert.equal(await ask(again, "recall"), "Before: hello | permit | permit | permit | hang | recall");
});

test("a conversation chooses the model and the mode of its agent, takes that back, and stops an answer for another message", async (t) => {
  const gateway = await open(t, (home) => ({
    acp: {
      agents: { scripted: scripted(home, { modes: ["ask", "code"], models: ["small", "large"], options: { thought: ["low", "high"] } }) },
    },
    agents: { entries: { main: { runtime: { type: "acp", acp: { agent: "scripted" } } } } },
  }));
  const client = await gateway.connect({ scopes: SCOPES });
  const sessionKey = "agent:main:options";
  const say = async (message: string): Promise<string> => {
    const { runId } = await client.request<{ runId: string }>("chat.send", { sessionKey, message, idempotencyKey: crypto.randomUUID() });
    await client.request("agent.wait", { runId, timeoutMs: 60_000 });
    const { messages } = await client.request<{ messages: { role: string }[] }>("chat.history", { sessionKey });
    return JSON.stringify(messages.findLast(({ role }) => role === "assistant"));
  };
  assert.match(await say("/acp spawn scripted"), /answers here from the next message on/);
  assert.match(await say("cwd"), /mode.{1,6}ask.*model.{1,6}small/);
  assert.match(await say("/acp set-mode yolo"), /does not have the mode.*It has: ask, code/);
  assert.match(await say("/acp set-mode code"), /in the mode code/);
  assert.match(await say("/acp model large"), /the model large/);
  assert.match(await say("cwd"), /mode.{1,6}code.*model.{1,6}large/);
  assert.match(await say("/acp set thought high"), /works with thought .{1,3}high/);
  assert.match(await say(`/acp cwd ${gateway.home}`), /from the next message on/);
  assert.match(await say("/acp timeout 30"), /after 30 s of silence/);
  assert.match(await say("cwd"), new RegExp(`cwd.{1,6}${gateway.home}.*mode.{1,6}code.*thought.{1,6}high`));
  assert.match(await say("/acp permissions deny-all"), /answered with no/);
  assert.match(await say("permit"), /chosen: .*no/);
  assert.match(await say("run:touch made"), /refused: .*denies everything/);
  assert.deepEqual(await client.request("plugin.approval.list", {}), []);
  assert.match(await say("/acp reset-options"), /works as it is configured/);
  // A new process goes on with the session, and nothing is chosen in it.
  assert.doesNotMatch(await say("cwd"), /code|large/);
  await client.request("chat.send", { sessionKey, message: "hang", idempotencyKey: "hang" });
  await until("the turn", async () => /"busy":1/.test(JSON.stringify(await client.request("status", {}))));
  assert.match(await say("/acp steer look at the tests"), /You said: look at the tests/);
  await client.close();
});

for (const [when, message] of [
  ["between turns", "hello"],
  ["in a turn", "hang"],
  ["while an agent that ignores the end of its input runs", "deaf"],
] as const)
  test(`no process of an agent outlives a gateway that was killed ${when}, nor does what it has started`, async (t) => {
    const gateway = await open(t, (home) => ({ ...answering(home), acp: { agents: { scripted: scripted(home, { child: true }) } } }));
    const running = openclaw(gateway.home, "agent", "--message", message);
    if (message === "hello") await running;
    else
      await until(
        "the prompt",
        () => existsSync(join(gateway.home, "acp-log")) && /session\/prompt/.test(readFileSync(join(gateway.home, "acp-log"), "utf8")),
      );
    const lines = readFileSync(join(gateway.home, "acp-log"), "utf8");
    const pids = [...lines.matchAll(/^(?:start|child) (\d+)$/gm)].map((match) => Number(match[1]));
    assert.equal(pids.length, 2);
    assert.ok(pids.every(isRunning));
    await gateway.kill("SIGKILL");
    await Promise.all([...pids.map(untilEnded), running]);
  });

test("files and commands that an agent asks the gateway for pass the same gate as its own tools", async (t) => {
  const gateway = await open(t, (home) => {
    const workspace = join(home, "workspace");
    mkdirSync(workspace, { recursive: true });
    writeFileSync(join(workspace, "a.txt"), "one\ntwo\n");
    writeFileSync(join(home, "secret.txt"), "secret");
    return {
      acp: { agents: { scripted: scripted(home) } },
      agents: { entries: { main: { workspace, runtime: { type: "acp", acp: { agent: "scripted" } } } } },
      tools: { exec: { mode: "ask", host: "gateway" } },
    };
  });
  const { home } = gateway;
  assert.equal(await ask(gateway, "read:a.txt"), 'read: {"content":"one\\ntwo\\n"}');
  assert.match(await ask(gateway, `read:${join(home, "secret.txt")}`), /outside of the workspace/);
  assert.equal(await ask(gateway, "write:b.txt:hello"), "wrote: {}");
  assert.equal(readFileSync(join(home, "workspace", "b.txt"), "utf8"), "hello");
  const client = await gateway.connect({ scopes: SCOPES });
  const running = ask(gateway, "run:touch made && echo done");
  const [command] = await until("the question", async () => {
    const list = await client.request<{ id: string; request: { command: string } }[]>("exec.approval.list", {});
    return list.length > 0 && list;
  });
  assert.equal(command!.request.command, "touch made && echo done");
  assert.ok(!existsSync(join(home, "workspace", "made")));
  await client.request("exec.approval.resolve", { id: command!.id, decision: "allow-once" });
  assert.match(await running, /ran: \{"exit":\{"exitCode":0,"signal":null\},"output":\{"output":"done\\n"/);
  assert.ok(existsSync(join(home, "workspace", "made")));
  await client.close();
});

test("a person on a channel gets an agent only with the right to run programs outside of the sandbox, and only owners spawn one", async (t) => {
  const telegram = await TelegramServer.start();
  const model = await startModelServer();
  t.after(() => Promise.all([telegram.close(), model.close()]));
  const GUEST = { ...PERSON, id: 8, first_name: "Gus", username: "gus" };
  await open(
    t,
    (home) => ({
      models: modelConfig(model.url)["models"],
      acp: { agents: { scripted: scripted(home) } },
      agents: {
        defaults: { model: { primary: "test/echo" }, skipBootstrap: true },
        entries: { main: { tools: { allow: ["exec"], exec: { host: "gateway" } } } },
      },
      session: { dmScope: "per-channel-peer" },
      commands: { ownerAllowFrom: [`telegram:${PERSON.id}`] },
      channels: { telegram: { apiRoot: telegram.url, dmPolicy: "allowlist", allowFrom: [`tg:${PERSON.id}`, `tg:${GUEST.id}`] } },
    }),
    { TELEGRAM_BOT_TOKEN: TOKEN },
  );
  const say = (text: string, from = PERSON): void =>
    void telegram.push({ message: telegram.message({ from, chat: { id: from.id, type: "private", first_name: from.first_name }, text }) });
  const heard = (pattern: RegExp, chat = PERSON.id) =>
    until(String(pattern), () => telegram.shown().findLast((each) => String(each.chat) === String(chat) && pattern.test(each.text)));
  say("/acp spawn scripted", GUEST);
  await heard(/Only an owner may use \/acp/, GUEST.id);
  say("/acp spawn nothing");
  await heard(/There is no agent "nothing" here\. Agents: scripted\./);
  say("/acp spawn scripted");
  await heard(/scripted answers here from the next message on/);
  say("cwd");
  await heard(/"cwd":/);
  say("/acp status");
  await heard(/scripted \(scripted 1\.0\), ready, pid \d+; its session/);
  say("permit");
  const { text } = await heard(/rm -rf build[^]*\/approve [0-9a-f]{4}/);
  say(`/approve ${/\/approve ([0-9a-f]{4})/.exec(text)![1]} allow-once`);
  await heard(/chosen: \{"outcome":"selected","optionId":"yes"\}/);
  say("/acp close");
  await heard(/Its process has ended\. The agent of this conversation answers again\./);
  say("back to the model");
  await heard(/You said: [^]*back to the model/);
});

for (const [exec, expected] of [
  [{ host: "sandbox" }, /may not run: programs run in the sandbox only here \(tools\.exec\.host\)/],
  [{ mode: "allowlist" }, /may not run: only listed commands may run here \(tools\.exec\.mode "allowlist"\)/],
  [{ mode: "deny" }, /may not run: no program may run here \(tools\.exec\.mode "deny"\)/],
] as const)
  test(`an agent is refused where its programs would escape what holds for commands: ${JSON.stringify(exec)}`, async (t) => {
    const gateway = await open(t, (home) => ({ ...answering(home), tools: { exec } }));
    const { stderr } = await openclaw(gateway.home, "agent", "--message", "hello");
    assert.match(stderr, expected);
    assert.ok(!existsSync(join(gateway.home, "acp-log")), "nothing was started");
  });

test("nothing of this is loaded while no turn has such an agent", async (t) => {
  const model = await startModelServer();
  t.after(() => model.close());
  const modules = join(newHome(), "modules");
  writeFileSync(modules, "");
  const hook = join(import.meta.dirname, "../fakes/record-modules.mjs");
  const env = { NODE_OPTIONS: `--import=${hook}`, RECORD_MODULES: modules };
  const gateway = await open(t, (home) => ({ ...modelConfig(model.url), acp: { agents: { scripted: scripted(home) } } }), env);
  const isLoaded = (): boolean =>
    /agentclientprotocol|agents\/acp\/(runtime|connection)|dist\/(acp|runtime)-/.test(readFileSync(modules, "utf8"));
  const client = await gateway.connect({ scopes: SCOPES });
  const { models } = await client.request<{ models: { id: string; provider: string }[] }>("models.list", {});
  assert.ok(models.some(({ id, provider }) => provider === "acp" && id === "scripted"));
  await client.close();
  assert.equal(await ask(gateway, "hello"), "You said: hello");
  assert.ok(!isLoaded());
  await openclaw(gateway.home, "agent", "--message", "/model acp/scripted");
  assert.match(await ask(gateway, "hello again"), /is new in this conversation[^]*You said: hello again$/);
  assert.ok(isLoaded(), "the first turn of one loads it");
});

test("the doctor starts each agent, and says what it can do or why it does not run", async (t) => {
  const home = newHome();
  t.after(() => dropHome(home));
  mkdirSync(join(home, ".openclaw"), { recursive: true });
  const agents = { scripted: scripted(home), broken: scripted(home, { start: "exit", code: 4, stderr: "no license" }) };
  writeFileSync(
    join(home, ".openclaw", "openclaw.json"),
    JSON.stringify({ acp: { agents, allowedAgents: ["scripted", "broken", "codex"] } }),
  );
  const { code, stdout } = await openclaw(home, "acp", "doctor");
  assert.equal(code, 1);
  assert.match(stdout, /✓ scripted: scripted 1\.0 \(.*acp-agent\.mjs\); keeps its sessions, takes pictures\n {4}signs in with: login/);
  assert.match(stdout, /✗ broken[^]*ended with exit code 4[^]*no license/);
  assert.match(stdout, /✗ codex \(codex-acp\)\n[^]*was not found\. Install it/);
});
