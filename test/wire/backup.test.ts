// Backups of the real process: made while turns run, verified, and restored into a directory from which another gateway answers.
import assert from "node:assert/strict";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { openclaw, openclawJson } from "./cli.ts";
import { dropHome, modelConfig, newHome, startGateway, stateDir, until, type GatewayUnderTest } from "./gateway-process.ts";

type Packed = { ok: boolean; file: string; messages: number; sessions: number; verified: boolean; skipped: unknown[] };
type History = { messages: { role: string; content: unknown }[] };

let model: ModelServer;
let gateway: GatewayUnderTest;
const home = newHome();
const homes = [home];

before(async () => {
  model = await startModelServer();
  gateway = await startGateway({ home, config: modelConfig(model.url) });
});
after(async () => {
  await gateway?.kill();
  await model.close();
  for (const each of homes) dropHome(each);
});

async function say(at: GatewayUnderTest, text: string, key: string, wait = true): Promise<void> {
  const client = await at.connect();
  try {
    await client.request("chat.send", { sessionKey: "main", message: text, idempotencyKey: key });
    if (wait) await client.request("agent.wait", { runId: key, timeoutMs: 30_000 });
  } finally {
    await client.close();
  }
}

const textsOf = ({ messages }: History): string => JSON.stringify(messages);

test("a backup that is made while turns run, restored, answers with the old conversations", async () => {
  await say(gateway, "my cat is called Minka", "m-1");
  // A turn that lasts as long as the backup.
  await say(gateway, "slow:40 one two three four five six seven eight nine ten eleven twelve", "m-2", false);
  const packed = await openclawJson<Packed>(home, "backup", "create", "--verify");
  assert.deepEqual([packed.ok, packed.verified, packed.sessions, packed.skipped], [true, true, 1, []]);
  assert.ok(packed.messages >= 2);
  assert.equal(existsSync(join(stateDir(home), "gateway", "backup-staging")), false);

  const verified = await openclawJson<{ rows: Record<string, number>; configErrors: number }>(home, "backup", "verify", "latest");
  assert.deepEqual([verified.rows["messages"], verified.configErrors], [packed.messages, 0]);
  const listed = await openclawJson<{ backups: { file: string; messages: number }[]; last: { ok: boolean } }>(home, "backup", "list");
  assert.deepEqual([listed.backups.map(({ file }) => file), listed.last.ok], [[packed.file], true]);

  const other = newHome();
  homes.push(other);
  const refused = await openclaw(home, "backup", "restore", packed.file);
  assert.equal(refused.code, 69);
  assert.match(refused.stderr, /a gateway runs in .*\n.*never restored over a running gateway/);
  const restored = await openclaw(home, "backup", "restore", packed.file, "--target", stateDir(other));
  assert.equal(restored.code, 0, restored.stderr);
  const second = await startGateway({ home: other });
  try {
    const client = await second.connect();
    const history = await client.request<History>("chat.history", { sessionKey: "main" });
    assert.match(textsOf(history), /my cat is called Minka/);
    assert.match(textsOf(history), /You said: my cat is called Minka/);
    await client.close();
    await say(second, "and what now", "m-3");
    // The model gets the messages from before.
    const asked = model.requests().at(-1)!;
    assert.match(JSON.stringify(asked.messages), /my cat is called Minka.*and what now/);
    assert.equal(second.token(), gateway.token());
  } finally {
    await second.kill();
  }
});

test("the first gateway went on meanwhile", async () => {
  const client = await gateway.connect();
  await client.request("agent.wait", { runId: "m-2", timeoutMs: 30_000 });
  assert.match(textsOf(await client.request<History>("chat.history", { sessionKey: "main" })), /You said: slow:40 one two three/);
  await client.close();
});

test("a gateway that is killed while it makes a backup leaves complete archives only, and the next start makes one", async () => {
  const state = stateDir(home);
  const dir = join(state, "backups");
  for (const name of existsSync(dir) ? readdirSync(dir) : []) rmSync(join(dir, name), { recursive: true });
  writeFileSync(join(state, "workspace", "large.bin"), Buffer.alloc(30_000_000, "x"));
  const client = await gateway.connect();
  const making = client.request("backup.create", {}).catch(() => null);
  await until("the archive that is not complete", () => existsSync(dir) && readdirSync(dir).some((name) => name.endsWith(".tmp")));
  await gateway.kill("SIGKILL");
  await making;
  await until("the end of its process", () => !readdirSync(dir).some((name) => name.startsWith(".")));
  for (const name of readdirSync(dir).filter((each) => each.endsWith(".zip")))
    assert.equal((await openclaw(home, "backup", "verify", join(dir, name))).code, 0, "an archive with its name is complete");
  gateway = await startGateway({ home });
  const packed = await openclawJson<Packed>(home, "backup", "create", "--no-include-workspace");
  assert.equal(packed.verified, true);
  assert.deepEqual(
    readdirSync(dir).filter((name) => name.startsWith(".")),
    [],
  );
});

test("an exported conversation is imported under another key and goes on there", async () => {
  const file = join(home, "main.jsonl");
  const exported = await openclawJson<{ messages: number }>(home, "sessions", "export", "agent:main:main", "--output", file);
  assert.ok(exported.messages >= 4);
  const refused = await openclaw(home, "sessions", "import", file);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /the session agent:main:main exists/);
  const imported = await openclawJson<{ added: number; key: string }>(home, "sessions", "import", file, "--key", "agent:main:copy");
  assert.deepEqual([imported.added, imported.key], [exported.messages, "agent:main:copy"]);
  const client = await gateway.connect();
  await client.request("chat.send", { sessionKey: "agent:main:copy", message: "what is her name", idempotencyKey: "m-9" });
  await client.request("agent.wait", { runId: "m-9", timeoutMs: 30_000 });
  await client.close();
  assert.match(JSON.stringify(model.requests().at(-1)!.messages), /my cat is called Minka.*what is her name/);
});

test("without a gateway the files are backed up as they are, and the schedule is in the configuration", async () => {
  await gateway.kill();
  const output = join(home, "offline.zip");
  const packed = await openclawJson<Packed>(home, "backup", "create", "--output", output, "--no-secrets");
  assert.deepEqual([packed.file, packed.verified], [output, true]);
  assert.equal((await openclaw(home, "backup", "create", "--output", output)).code, 69);
  const plan = await openclawJson<{ enabled: boolean; keep: number; nextAt: number }>(
    home,
    "backup",
    "schedule",
    "--at",
    "04:15",
    "--keep",
    "3",
  );
  assert.deepEqual([plan.enabled, plan.keep, new Date(plan.nextAt).getMinutes()], [true, 3, 15]);
  gateway = await startGateway({ home });
  const status = await openclawJson<{ nextAt: number | null }>(home, "backup", "list");
  assert.equal(status.nextAt, plan.nextAt);
  assert.equal((await openclawJson<{ enabled: boolean }>(home, "backup", "schedule", "--off")).enabled, false);
});
