// Agents from npm that need no account, in the real process: `pi-acp` with a real Pi against the scripted model, and the example agent of the SDK.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { test } from "node:test";
import { startModelServer } from "../model-server.ts";
import { openclaw, openclawJson } from "./cli.ts";
import { dropHome, newHome, startGateway, until } from "./gateway-process.ts";

const MODULES = join(import.meta.dirname, "../../node_modules");
const PATH = [dirname(process.execPath), join(MODULES, ".bin"), process.env["PATH"] ?? ""].join(delimiter);

const answering = (agent: string, entry: object): object => ({
  acp: { agents: { [agent]: entry } },
  agents: { entries: { main: { runtime: { type: "acp", acp: { agent } } } } },
});

const ask = async (home: string, message: string): Promise<string> => {
  const answer = await openclawJson<{ result: { payloads: { text: string }[] } }>(home, "agent", "--message", message);
  return answer.result.payloads.map(({ text }) => text).join("");
};

test("pi-acp answers with the scripted model, is killed in the middle of a turn, and goes on where it was", async (t) => {
  const model = await startModelServer();
  const home = newHome();
  const pi = join(home, "pi");
  mkdirSync(pi, { recursive: true });
  const provider = {
    baseUrl: `${model.url}/v1`,
    apiKey: "test-key",
    api: "openai-completions",
    models: [{ id: "echo", name: "Echo", contextWindow: 128_000, maxTokens: 4_096 }],
  };
  writeFileSync(join(pi, "models.json"), JSON.stringify({ providers: { test: provider } }));
  writeFileSync(join(pi, "settings.json"), JSON.stringify({ defaultProvider: "test", defaultModel: "echo", quietStartup: true }));
  const env = { PI_CODING_AGENT_DIR: pi, PI_OFFLINE: "1", PI_TELEMETRY: "0", PI_SKIP_VERSION_CHECK: "1", PATH };
  const gateway = await startGateway({ home, config: answering("pi", { env }), env: { PATH } });
  t.after(async () => {
    await gateway.kill("SIGKILL");
    await model.close();
    dropHome(home);
  });
  assert.match(await ask(home, "my number is 4711"), /You said: my number is 4711/);
  const hanging = openclaw(home, "agent", "--message", "hang");
  await until("the turn", () => model.requests().some(({ messages }) => JSON.stringify(messages.at(-1)).includes("hang")));
  const client = await gateway.connect();
  const { agentRuntime } = await client.request<{ agentRuntime: { agents: { pid: number }[] } }>("status", {});
  process.kill(agentRuntime.agents[0]!.pid, "SIGKILL");
  await client.close();
  assert.equal((await hanging).code, 1);
  assert.match(await ask(home, "and now"), /You said: and now/);
  assert.match(JSON.stringify(model.requests().at(-1)!.messages), /my number is 4711/, "the agent has its earlier conversation");
});

test("the example agent of the SDK asks for permission, and acts on the answer", async (t) => {
  const example = join(MODULES, "acp-example/dist/examples/agent.js");
  const home = newHome();
  const gateway = await startGateway({ home, config: answering("example", { command: process.execPath, args: [example] }) });
  t.after(async () => {
    await gateway.kill("SIGKILL");
    dropHome(home);
  });
  const running = ask(home, "change the configuration");
  const client = await gateway.connect({ scopes: ["operator.read", "operator.approvals"] });
  const approval = await until(
    "the question",
    async () => (await client.request<{ id: string; request: { allowedDecisions: string[] } }[]>("plugin.approval.list", {}))[0],
  );
  assert.deepEqual(approval.request.allowedDecisions, ["allow-once", "deny"]);
  await client.request("plugin.approval.resolve", { id: approval.id, decision: "allow-once" });
  await client.close();
  assert.match(await running, /Perfect! I've successfully updated the configuration/);
});
