// The real process on a clock that jumps, on a disk that is slow or fails, and stopped by a signal. A preloaded library makes the faults.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { openClient, type ProtocolClient } from "../../src/client/client.ts";
import { ClientError } from "../../src/client/errors.ts";
import { Secret } from "../../src/core/secret.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { dropHome, modelConfig, newHome, startGateway, until, WARM_AGENTS, type GatewayUnderTest } from "./gateway-process.ts";

const HOUR_S = 3_600;
const { EIO, EROFS } = constants.errno;

const built = mkdtempSync(join(tmpdir(), "process-faults-"));
const library = join(built, "faults.so");

/** Why the faults cannot be made here, or false. */
function whyNot(): string | false {
  if (process.platform !== "linux") return "needs LD_PRELOAD as Linux has it";
  const source = fileURLToPath(new URL("./preload/faults.c", import.meta.url));
  const compiled = spawnSync("cc", ["-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], { encoding: "utf8" });
  if (compiled.error) return `no C compiler: ${compiled.error.message}`;
  assert.equal(compiled.status, 0, compiled.stderr);
  const seen = spawnSync(process.execPath, ["-p", "Date.now()"], {
    env: { ...process.env, LD_PRELOAD: library, FAULTS: faultsIn(built, { clock_s: HOUR_S }) },
    encoding: "utf8",
  });
  return Number(seen.stdout) > Date.now() + 1_000_000 ? false : "this Node does not take its clock from a library that can be replaced";
}

/** Writes the faults of a gateway; returns their directory. */
function faultsIn(home: string, faults: Readonly<Record<string, number>>): string {
  const dir = join(home, "faults");
  mkdirSync(dir, { recursive: true });
  for (const [name, value] of Object.entries(faults)) writeFileSync(join(dir, name), String(value));
  return dir;
}

const skip = whyNot();
let model: ModelServer;
before(async () => {
  model = await startModelServer();
});
after(async () => {
  await model.close();
  rmSync(built, { recursive: true, force: true });
});

async function start(t: TestContext, home = newHome()): Promise<GatewayUnderTest> {
  const env = { ...WARM_AGENTS, LD_PRELOAD: library, FAULTS: faultsIn(home, {}) };
  const gateway = await startGateway({ home, config: modelConfig(model.url), env });
  t.after(async () => {
    await gateway.kill("SIGKILL");
    dropHome(home);
  });
  return gateway;
}

const send = (client: ProtocolClient, key: string, message: string): Promise<{ status: string }> =>
  client.request("chat.send", { sessionKey: "faults", message, idempotencyKey: key });

const endOf = (client: ProtocolClient, runId: string): Promise<{ status: string }> =>
  client.request("agent.wait", { runId, timeoutMs: 30_000 }, { timeoutMs: 40_000 });

async function userTexts(client: ProtocolClient): Promise<string[]> {
  const { messages } = await client.request<{ messages: { role: string; content: string }[] }>("chat.history", {
    sessionKey: "faults",
    limit: 1_000,
  });
  return messages.filter((row) => row.role === "user").map((row) => row.content);
}

/** Resolves when the model was asked with this text. */
const asked = (text: string): Promise<unknown> =>
  until(`the model is asked "${text}"`, () => model.requests().some(({ messages }) => JSON.stringify(messages.at(-1)).includes(text)));

const strictlyReady = async ({ http }: GatewayUnderTest): Promise<boolean> => (await fetch(`${http}/readyz?strict`)).ok;

for (const hours of [1, -1, 24, -24])
  test(`a clock that is set by ${hours} hours within a turn loses neither the turn nor a connection`, { skip }, async (t) => {
    const gateway = await start(t);
    const client = await gateway.connect();
    t.after(() => client.close());
    const make = (more: object): Promise<{ token: string }> => client.request("tokens.create", { scopes: ["operator.read"], ...more });
    const short = await make({ name: "short", expiresInMs: HOUR_S * 500 });
    const long = await make({ name: "long" });
    await send(client, "k1", `slow:150 one two three four set by ${hours}`);
    await asked(`set by ${hours}`);
    const beforeJump = (await client.request<{ ts: number }>("health")).ts;
    faultsIn(gateway.home, { clock_s: hours * HOUR_S });
    const jumped = (await client.request<{ ts: number }>("health")).ts - beforeJump;
    assert.ok(Math.abs(jumped - hours * HOUR_S * 1_000) < 60_000, "the gateway sees the new time");
    assert.equal((await endOf(client, "k1")).status, "ok");
    await send(client, "k2", "and after it");
    assert.equal((await endOf(client, "k2")).status, "ok");
    const { uptimeMs } = (await (await fetch(`${gateway.http}/readyz`)).json()) as { uptimeMs: number };
    assert.ok(uptimeMs > 0 && uptimeMs < 300_000, `an uptime of ${uptimeMs} ms`);
    const signIn = async (token: string): Promise<boolean> => {
      try {
        await (
          await openClient({ url: gateway.url, credentials: { token: new Secret(token) }, scopes: ["operator.read"], caps: [] })
        ).close();
        return true;
      } catch (err) {
        if (err instanceof ClientError) return false;
        throw err;
      }
    };
    assert.equal(await signIn(long.token), true);
    assert.equal(await signIn(short.token), hours < 0, "what lives half an hour has expired only when the clock went forward");
  });

for (const [what, name, errno] of [
  ["a sync that fails with EIO", "fsync_errno", EIO],
  ["a write that fails with EIO", "write_errno", EIO],
  ["a disk that becomes read-only", "write_errno", EROFS],
] as const)
  test(`${what} refuses what it cannot keep, is seen from outside, and goes on by itself`, { skip }, async (t) => {
    const gateway = await start(t);
    const client = await gateway.connect();
    await send(client, "k1", "before");
    assert.equal((await endOf(client, "k1")).status, "ok");
    faultsIn(gateway.home, { [name]: errno });
    await assert.rejects(send(client, "k2", "refused"), (err: ClientError) => {
      assert.equal(err.code, "UNAVAILABLE");
      assert.equal((err.details as { code?: string }).code, "STORAGE_FAILED");
      return true;
    });
    assert.equal(await strictlyReady(gateway), false);
    assert.equal((await fetch(`${gateway.http}/healthz`)).status, 200);
    faultsIn(gateway.home, { [name]: 0 });
    await until("it writes again without being asked", () => strictlyReady(gateway));
    await send(client, "k3", "after");
    assert.equal((await endOf(client, "k3")).status, "ok");
    await gateway.kill("SIGKILL");
    const again = await start(t, gateway.home);
    const seen = await again.connect();
    assert.deepEqual(await userTexts(seen), ["before", "after"], "what was acknowledged is there once, what was refused is not");
    await seen.close();
  });

test("on a slow disk every acknowledged message is kept and answered, in order", { skip }, async (t) => {
  const gateway = await start(t);
  const client = await gateway.connect();
  faultsIn(gateway.home, { fsync_ms: 60 });
  const texts = Array.from({ length: 8 }, (_, n) => `message ${n}`);
  for (const [n, text] of texts.entries()) await send(client, `k${n}`, text);
  await gateway.kill("SIGKILL");
  faultsIn(gateway.home, { fsync_ms: 0 });
  const again = await start(t, gateway.home);
  const seen = await again.connect();
  for (const n of texts.keys()) assert.equal((await endOf(seen, `k${n}`)).status, "ok");
  assert.deepEqual(await userTexts(seen), texts);
  await seen.close();
});

test(
  "a process that was stopped within a turn goes on with the turn, its connection and what came meanwhile",
  { skip: process.platform !== "linux" && "looks into /proc" },
  async (t) => {
    const home = newHome();
    const gateway = await startGateway({ home, config: modelConfig(model.url), env: WARM_AGENTS });
    t.after(async () => {
      await gateway.kill("SIGKILL");
      dropHome(home);
    });
    const client = await gateway.connect();
    await send(client, "k1", "slow:100 stopped in the middle of this");
    await asked("stopped in the middle");
    process.kill(gateway.pid, "SIGSTOP");
    await until("it is stopped", () => /^State:\s+T/m.test(readFileSync(`/proc/${gateway.pid}/status`, "utf8")));
    const meanwhile = send(client, "k2", "said meanwhile");
    process.kill(gateway.pid, "SIGCONT");
    await meanwhile;
    for (const runId of ["k1", "k2"]) assert.equal((await endOf(client, runId)).status, "ok");
    await client.close();
  },
);
