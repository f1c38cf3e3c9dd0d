// Where the tools for files work, in the real process: from the configuration to a chat, an HTTP call and the command line.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { http } from "../server-bench.ts";
import { openclaw, openclawJson } from "./cli.ts";
import { dropHome, modelConfig, newHome, startGateway, stateDir, type GatewayUnderTest } from "./gateway-process.ts";

const home = newHome();
const data = join(home, "data");
let model: ModelServer;
let gateway: GatewayUnderTest;

before(async () => {
  model = await startModelServer();
  mkdirSync(data);
  writeFileSync(join(data, "report.txt"), "numbers of the month");
  writeFileSync(join(home, "private.txt"), "a private note");
  const config = {
    ...modelConfig(model.url),
    agents: {
      defaults: { model: { primary: "test/echo" } },
      entries: { main: {}, analyst: { tools: { fs: { paths: ["~/data"] } } }, free: { tools: { fs: { workspaceOnly: false } } } },
    },
    tools: { exec: { applyPatch: { enabled: false } } },
  };
  gateway = await startGateway({ home, config });
});

after(async () => {
  await gateway.kill();
  await model.close();
  dropHome(home);
});

type Invoked = { result?: { content: { text: string }[] }; error?: { message: string } };

async function invoke(agentId: string, tool: string, args: object): Promise<string> {
  const headers = { authorization: `Bearer ${gateway.token()}`, "content-type": "application/json" };
  const { body } = await http(gateway.port, "/tools/invoke", { method: "POST", headers, body: JSON.stringify({ tool, args, agentId }) });
  const answer = JSON.parse(body) as Invoked;
  return answer.error?.message ?? answer.result!.content.map(({ text }) => text).join("");
}

test("an agent reads and writes its workspace and the directories that its settings name", async () => {
  const [report, note] = [{ path: "~/data/report.txt" }, { path: join(home, "private.txt") }];
  assert.match(
    await invoke("main", "read", report),
    /it is outside of the workspace \(.*\)\. The setting tools\.fs\.paths names directories/,
  );
  assert.equal(await invoke("analyst", "read", report), "numbers of the month");
  assert.match(await invoke("analyst", "read", note), /it is outside of the workspace/);
  assert.match(await invoke("analyst", "write", { path: join(home, "new.txt"), content: "x" }), /it is outside of the workspace/);
  assert.equal(existsSync(join(home, "new.txt")), false);
  assert.match(await invoke("analyst", "write", { path: "~/data/new.txt", content: "x" }), /^Wrote 1 bytes/);
  assert.equal(readFileSync(join(data, "new.txt"), "utf8"), "x");
  assert.equal(await invoke("free", "read", note), "a private note");
  assert.match(await invoke("free", "apply_patch", { input: "" }), /the tool apply_patch is denied by tools\.exec\.applyPatch\.enabled/);
});

test("a model gets the same answer as a caller", async () => {
  const client = await gateway.connect();
  try {
    const sessionKey = "agent:main:main";
    const message = `tool:read:${join(home, "private.txt")}`;
    const { runId } = await client.request<{ runId: string }>("chat.send", { sessionKey, message, idempotencyKey: "outside" });
    await client.request("agent.wait", { runId, timeoutMs: 20_000 });
    const history = JSON.stringify(await client.request("chat.history", { sessionKey }));
    assert.match(history, /it is outside of the workspace/);
    assert.doesNotMatch(history, /a private note/);
  } finally {
    await client.close();
  }
});

test("openclaw tools explain shows the directories and the setting that decides", async () => {
  const { files } = await openclawJson<{ files: object }>(home, "tools", "explain", "analyst");
  const workspace = join(stateDir(home), "workspace-analyst");
  assert.deepEqual(files, { workspace, outside: [data], rule: "agents.entries.analyst.tools.fs.paths" });
  const text = await openclaw(home, "tools", "explain", "main", "--channel", "irc");
  assert.match(text.stdout, /^Files: \S+workspace \(the tools for files work in the workspace unless a setting names more\)$/m);
});
