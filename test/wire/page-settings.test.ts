// What the page changes, with the real process: plans and versions of the configuration, keys of providers, files of agents.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ProtocolClient } from "../../src/client/client.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { openclaw, openclawJson } from "./cli.ts";
import { dropHome, modelConfig, newHome, startGateway, stateDir, until, type GatewayUnderTest } from "./gateway-process.ts";

type Change = { path: string; effect: string };
type Version = { id: number; author: string | null; changes: Change[]; current: boolean; text?: string };
type File = { hash: string; raw: string };

const SECRET = "a-secret-of-the-configuration";
const PASTED = "a-key-that-was-pasted";
let model: ModelServer;
const home = newHome();
let gateway: GatewayUnderTest;
let client: ProtocolClient;

before(async () => {
  model = await startModelServer();
  const { models, ...rest } = modelConfig(model.url) as { models: { providers: { test: Record<string, unknown> } } };
  models.providers.test["apiKey"] = SECRET;
  await start({ models, ...rest });
});
after(async () => {
  await gateway.kill("SIGKILL");
  await model.close();
  dropHome(home);
});

async function start(config?: unknown): Promise<void> {
  gateway = await startGateway({ home, ...(config !== undefined && { config }) });
  client = await gateway.connect();
}

const read = (): Promise<File> => client.request<File>("config.get", {});
const versions = async (): Promise<Version[]> => (await client.request<{ versions: Version[] }>("config.history", {})).versions;

let sent = 0;
async function say(text: string): Promise<void> {
  const runId = `run-${++sent}`;
  await client.request("agent", { message: text, sessionKey: `agent:main:s${sent}`, idempotencyKey: runId });
  const { status } = await client.request<{ status: string }>("agent.wait", { runId, timeoutMs: 60_000 });
  assert.equal(status, "ok", text);
}

test("a plan says what changes, and the text of the plan is what is applied", async () => {
  const { raw, hash } = await read();
  const edits = [
    { path: ["messages", "responsePrefix"], value: "=> " },
    { path: ["session", "dmScope"], value: "per-peer" },
  ];
  const plan = await client.request<{ raw: string; changes: Change[]; valid: boolean }>("config.plan", { raw, edits, baseHash: hash });
  assert.equal(plan.valid, true);
  assert.deepEqual(plan.changes.map(({ path }) => path).toSorted(), ["messages.responsePrefix", "session.dmScope"]);
  assert.equal((await read()).hash, hash, "nothing is written");
  const applied = await client.request<{ changedPaths: string[] }>("config.apply", {
    raw: plan.raw,
    baseHash: hash,
    restartDelayMs: 600_000,
  });
  assert.deepEqual(applied.changedPaths.toSorted(), plan.changes.map(({ path }) => path).toSorted());
  await assert.rejects(client.request("config.apply", { raw: plan.raw, baseHash: hash }), /config changed since last load/);
});

test("versions survive a restart without a secret, and an earlier one is applied with the secrets of today", async () => {
  await gateway.kill();
  await start();
  const list = await versions();
  assert.deepEqual(
    list.map(({ id, current }) => [id, current]),
    [
      [2, true],
      [1, false],
    ],
  );
  assert.match(list[0]!.author ?? "", /^config\.apply, /);
  const answer = await openclawJson<{ changedPaths: string[] }>(home, "config", "rollback", "1", "--yes");
  assert.ok(answer.changedPaths.includes("messages.responsePrefix"));
  const file = readFileSync(join(stateDir(home), "openclaw.json"), "utf8");
  assert.ok(file.includes(SECRET) && !file.includes("responsePrefix"));
  await until("the third version", async () => (await versions()).length === 3);
  const { version } = await openclawJson<{ version: Version }>(home, "config", "history", "2");
  assert.ok(version.text!.includes("responsePrefix") && !version.text!.includes(SECRET));
  // The store has none of it either.
  const stored = readdirSync(join(stateDir(home), "gateway")).filter((name) => name.startsWith("gateway.db"));
  for (const name of stored) assert.equal(readFileSync(join(stateDir(home), "gateway", name)).includes(SECRET), false, name);
});

test("a pasted key is tested, kept in a private file, used by the next turn, and in no answer, log or store", async () => {
  const kept = await client.request<Record<string, unknown>>("models.key.set", { provider: "test", key: PASTED });
  assert.deepEqual([kept["status"], kept["tested"]], ["ok", true]);
  await say("hello");
  assert.equal(model.requests().at(-1)!.headers["authorization"], `Bearer ${PASTED}`);
  const status = await client.request("models.authStatus", {});
  const config = await read();
  assert.ok(!JSON.stringify([kept, status, config]).includes(PASTED));
  const dir = join(stateDir(home), "gateway");
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const holders = files.filter(({ parentPath, name }) => readFileSync(join(parentPath, name)).includes(PASTED));
  assert.deepEqual(
    holders.map(({ parentPath }) => parentPath),
    [join(dir, "keys")],
  );
  assert.equal(statSync(join(dir, "keys", holders[0]!.name)).mode & 0o777, 0o600);
  assert.equal((await openclaw(home, "models", "test", "test")).code, 0);
  await client.request("models.key.remove", { provider: "test" });
  assert.deepEqual(readdirSync(join(dir, "keys")), []);
});

test("a file of an agent is part of the next system prompt", async () => {
  await client.request("agents.files.set", { agentId: "main", name: "SOUL.md", content: "Speak like a lighthouse keeper.\n" });
  await say("hello again");
  assert.match(JSON.stringify(model.requests().at(-1)!.messages[0]), /lighthouse keeper/);
  const { files } = await client.request<{ files: { name: string; missing: boolean }[] }>("agents.files.list", { agentId: "main" });
  assert.equal(files.find(({ name }) => name === "SOUL.md")!.missing, false);
});

test("who may only read sees versions and files, and changes nothing", async () => {
  const reader = await gateway.connect({ scopes: ["operator.read"] });
  await reader.request("config.history", {});
  await reader.request("agents.files.get", { agentId: "main", name: "SOUL.md" });
  for (const [method, params] of [
    ["config.plan", { raw: "{}" }],
    ["models.key.set", { provider: "test", key: PASTED }],
    ["models.key.remove", { provider: "test" }],
    ["models.probe", { provider: "test" }],
    ["agents.files.set", { agentId: "main", name: "SOUL.md", content: "x" }],
    ["sessions.rewind", { sessionKey: "main", entryId: "x" }],
    ["sessions.branches.switch", { sessionKey: "main", leafEntryId: "x" }],
    ["sessions.fork", { sessionKey: "main", entryId: "x" }],
  ] as const)
    await assert.rejects(reader.request(method, params), /missing scope/, method);
});
