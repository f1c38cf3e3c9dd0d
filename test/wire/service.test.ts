// The gateway as a service: installed through the command line, told to a service manager, and held back when it keeps crashing.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { freePort } from "../channel-kit/ngircd.ts";
import type { CliRun } from "./cli.ts";
import { dropHome, MAIN, newHome, startGateway, stateDir, until } from "./gateway-process.ts";
import { COMPILE_CACHE } from "./warm-start.ts";

const homes: string[] = [];
const home = (): string => {
  const made = newHome();
  homes.push(made);
  return made;
};
after(() => homes.forEach(dropHome));

/** One command with a scripted systemctl in front of the system's programs. */
async function withSystemd(at: string, ...args: string[]): Promise<CliRun> {
  const bin = join(at, "bin");
  if (!existsSync(bin)) {
    mkdirSync(bin);
    const fake = fileURLToPath(new URL("../fakes/fake-systemctl.mjs", import.meta.url));
    writeFileSync(join(bin, "systemctl"), `#!/bin/sh\nexec "${process.execPath}" "${fake}" "$@"\n`);
    writeFileSync(join(bin, "loginctl"), '#!/bin/sh\necho Linger=no\n[ "$1" = show-user ]\n');
    for (const name of ["systemctl", "loginctl"]) chmodSync(join(bin, name), 0o755);
    symlinkSync(process.execPath, join(bin, "node"));
  }
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: {
      PATH: `${bin}:/usr/bin:/bin`,
      HOME: at,
      TMPDIR: tmpdir(),
      NODE_COMPILE_CACHE: COMPILE_CACHE,
      FAKE_SYSTEMD: join(at, "systemd"),
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const run: CliRun = { code: null, stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => (run.stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (run.stderr += chunk.toString()));
  run.code = await new Promise((resolve) => child.once("close", resolve));
  return run;
}

test(
  "install starts the service and waits until it is ready; stop, start, restart and uninstall act on it",
  { skip: process.platform !== "linux" && "systemd" },
  async (t) => {
    const at = home();
    const state = stateDir(at);
    const unit = join(at, ".config/systemd/user/openclaw-gateway.service");
    mkdirSync(state, { recursive: true });
    writeFileSync(join(state, "openclaw.json"), JSON.stringify({ gateway: { port: await freePort() } }));
    t.after(() => withSystemd(at, "gateway", "uninstall"));

    assert.match((await withSystemd(at, "gateway", "start")).stderr, /no service is installed/);
    const installed = await withSystemd(at, "gateway", "install", "--json");
    assert.equal(installed.code, 0, installed.stderr + installed.stdout);
    const answer = JSON.parse(installed.stdout) as {
      result: string;
      message: string;
      service: { pid: number; loaded: boolean };
      warnings: string[];
    };
    assert.deepEqual([answer.result, answer.service.loaded], ["installed", true]);
    assert.match(answer.message, /^The gateway is ready at ws:\/\/127\.0\.0\.1:\d+ \(pid \d+\)\.$/);
    assert.match(answer.warnings.join(), /enable-linger/);
    const bytes = readFileSync(unit);
    const journal = readFileSync(join(at, "systemd/openclaw-gateway.service.log"), "utf8");
    assert.match(journal, /listens on ws:/);
    assert.ok(!journal.includes("#k="), "a journal gets no sign-in link");

    const again = await withSystemd(at, "daemon", "install", "--json");
    assert.deepEqual([again.code, (JSON.parse(again.stdout) as { result: string }).result], [0, "unchanged"]);
    assert.deepEqual(readFileSync(unit), bytes, "the same bytes");

    const deep = await withSystemd(at, "gateway", "status", "--deep", "--json");
    const status = JSON.parse(deep.stdout) as { service: { active: boolean; pid: number }; others: string[]; rpc: { ok: boolean } };
    assert.deepEqual([deep.code, status.service.active, status.service.pid, status.rpc.ok], [0, true, answer.service.pid, true]);
    assert.deepEqual(status.others, ["openclaw-gateway-old.service (user)"]);

    const restarted = await withSystemd(at, "gateway", "restart", "--json");
    assert.equal(restarted.code, 0, restarted.stderr + restarted.stdout);
    assert.match((await withSystemd(at, "gateway", "stop")).stdout, /Stopped the service .*starts again with the machine/);
    const stopped = await withSystemd(at, "gateway", "status", "--deep");
    assert.equal(stopped.code, 69);
    assert.match(stopped.stdout, /inactive, dead/);
    assert.equal((await withSystemd(at, "gateway", "start")).code, 0);
    assert.match((await withSystemd(at, "gateway", "stop", "--disable")).stdout, /does not start by itself any more/);
    assert.equal((await withSystemd(at, "gateway", "uninstall")).code, 0);
    assert.ok(!existsSync(unit));
    const calls = readFileSync(join(at, "systemd/calls"), "utf8");
    assert.match(calls, /--user disable --now openclaw-gateway.service\n--user daemon-reload/);
  },
);

const RECEIVER = `
import os, socket, sys
path = sys.argv[1]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(path)
print("bound", flush=True)
while True:
    data, fds, _, _ = socket.recv_fds(s, 65536, 8)
    for fd in fds: os.close(fd)
    print(data.decode().replace("\\n", "\\t"), flush=True)
`;
const noReceiver =
  (spawnSync("systemd-notify", ["--version"]).error !== undefined || spawnSync("python3", ["--version"]).error !== undefined) &&
  "no systemd-notify or python3";

test("a service manager is notified that the gateway is ready, that it lives, and that it stops", { skip: noReceiver }, async (t) => {
  const at = home();
  const socket = join(at, "notify");
  const receiver = spawn("python3", ["-c", RECEIVER, socket], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => receiver.kill("SIGKILL"));
  let said = "";
  receiver.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
  await until("the receiver", () => said.startsWith("bound"));
  const gateway = await startGateway({ home: at, config: {}, env: { NOTIFY_SOCKET: socket, WATCHDOG_USEC: "3000000" } });
  await until("the readiness", () => /READY=1\tSTATUS=ready/.test(said));
  await until("two signs of life", () => said.split("WATCHDOG=1").length > 2);
  const client = await gateway.connect();
  await client.request("gateway.restart.request", { delayMs: 0 });
  await until("the restart", () => /RELOADING=1\tMONOTONIC_USEC=\d+/.test(said) && said.split("READY=1").length > 2);
  await client.close();
  await gateway.kill();
  await until("the stop", () => /STOPPING=1\tSTATUS=stopping: SIGTERM/.test(said));
  assert.ok(said.indexOf("READY=1") < said.indexOf("STOPPING=1"));
});

test("a gateway that keeps being killed under a service manager serves its clients and leaves its channels down", async (t) => {
  const at = home();
  const env = { OPENCLAW_SERVICE_MARKER: "openclaw" };
  const config = { channels: { irc: { host: "127.0.0.1", port: 9, tls: false, nick: "bot" } } };
  for (let n = 0; n < 3; n++) await (await startGateway({ home: at, config, env })).kill("SIGKILL");
  const gateway = await startGateway({ home: at, env });
  t.after(() => gateway.kill());
  const client = await gateway.connect();
  const health = await client.request<{ degraded: string[]; parts: { name: string; cause: string }[] }>("health");
  assert.ok(health.degraded.includes("crash-loop"));
  assert.match(
    health.parts.find(({ name }) => name === "crash-loop")!.cause,
    /ended 3 times within 5 minutes without a stop; channels and jobs stay down/,
  );
  type Channels = { channelAccounts?: Record<string, unknown[]> };
  assert.equal(
    Object.values((await client.request<Channels>("channels.status", {})).channelAccounts ?? {})
      .flat()
      .some((row) => (row as { running?: boolean }).running === true),
    false,
  );
  assert.equal((await fetch(`${gateway.http}/readyz`)).status, 200);
  // A person who restarts it wants the channels.
  await client.request("gateway.restart.request", { delayMs: 0 });
  await client.close();
  const later = await until("the restart", async () => {
    try {
      const next = await gateway.connect();
      const { degraded } = await next.request<{ degraded: string[] }>("health");
      await next.close();
      return degraded.includes("crash-loop") ? null : true;
    } catch {
      return null;
    }
  });
  assert.equal(later, true);
});

test("without a service manager no start is counted", async (t) => {
  const at = home();
  for (let n = 0; n < 3; n++) await (await startGateway({ home: at, config: {} })).kill("SIGKILL");
  const gateway = await startGateway({ home: at });
  t.after(() => gateway.kill());
  const client = await gateway.connect();
  assert.ok(!(await client.request<{ degraded: string[] }>("health")).degraded.includes("crash-loop"));
  await client.close();
});
