import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { until } from "../until.ts";
import { openTestHost } from "./test-host.ts";
import { NUMBER, SignalServer } from "./signal-server.ts";
import type { Channel } from "../../src/channels/channel.ts";
import { createSignalChannel } from "../../src/channels/signal/index.ts";

/**
 * What signal-cli 0.13.19, started with `daemon --http` and no account, was seen to answer. The scripted server has to answer the same,
 * and so has the real program where it is there: SIGNAL_CLI names it, and it needs Java 21.
 */
type Line = { name: string; request?: string; status?: number; rpc?: unknown; body?: string; answer?: unknown; code?: number };
const CONTRACT = JSON.parse(readFileSync(new URL("signal-contract.json", import.meta.url), "utf8")) as Line[];

async function ask(url: string, line: Line): Promise<void> {
  if (line.request !== undefined) {
    const [method, path] = line.request.split(" ") as [string, string];
    const response = await fetch(`${url}${path}`, { method, ...(method === "POST" && { body: "x" }) });
    await response.body?.cancel();
    return assert.equal(response.status, line.status, line.name);
  }
  const body = line.body ?? JSON.stringify(line.rpc);
  const response = await fetch(`${url}/api/v1/rpc`, { method: "POST", headers: { "content-type": "application/json" }, body });
  assert.equal(response.status, 200);
  const answer = (await response.json()) as { error?: { code: number } };
  if (line.code === undefined) assert.deepEqual(answer, line.answer, line.name);
  else assert.equal(answer.error?.code, line.code, line.name);
}

for (const line of CONTRACT)
  test(`the scripted daemon answers like signal-cli: ${line.name}`, async () => {
    const server = await SignalServer.start();
    server.accounts.clear();
    try {
      await ask(server.url, line);
    } finally {
      await server.close();
    }
  });

const program = process.env["SIGNAL_CLI"];

test(
  "the real signal-cli answers as recorded, and our channel says what it lacks",
  { skip: program ? false : "SIGNAL_CLI is not set" },
  async () => {
    const dir = mkdtempSync(join(tmpdir(), "real-signal-cli-"));
    const port = await freePort();
    const args = ["--config", dir, "daemon", "--http", `127.0.0.1:${port}`, "--no-receive-stdout", "--receive-mode", "on-connection"];
    const child = spawn(program!, args, { stdio: "ignore", detached: true });
    const url = `http://127.0.0.1:${port}`;
    try {
      await answering(url);
      for (const line of CONTRACT) await ask(url, line);
      const channel = createSignalChannel() as Channel;
      const external = await openTestHost(channel, { account: NUMBER, transport: { kind: "external-native", url } });
      const status = await external.state("terminal");
      assert.match(status.cause!, /has no account/);
      await external.close();
      const managed = await openTestHost(channel, { account: NUMBER, transport: { cliPath: program, configPath: join(dir, "other") } });
      await managed.until(() => managed.host.status()[0]!.state === "terminal", "the refusal");
      assert.match(managed.host.status()[0]!.cause!, /has no account/);
      await managed.close();
    } finally {
      process.kill(-child.pid!, "SIGKILL");
      rmSync(dir, { recursive: true, force: true });
    }
  },
);

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function answering(url: string): Promise<void> {
  await until(
    "an answer of the real daemon",
    async () => {
      const response = await fetch(`${url}/api/v1/check`).catch(() => null);
      await response?.body?.cancel();
      return response?.status === 200;
    },
    60_000,
  );
}
