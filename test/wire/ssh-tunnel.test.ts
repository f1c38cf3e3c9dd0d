// Tunnels over a real sshd. They start processes.
import assert from "node:assert/strict";
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { sshSkip, startSshServer, type SshServer } from "../ssh-server.ts";
import { dropHome, MAIN, newHome, startGateway, until } from "./gateway-process.ts";
import { systemClock } from "../../src/core/clock.ts";
import { GatewayError } from "../../src/core/errors.ts";
import { parseSshTarget } from "../../src/remote/ssh/target.ts";
import { SshTunnel, type TunnelOptions, type TunnelState } from "../../src/remote/ssh/tunnel.ts";

const skip = sshSkip();
/** Why a command cannot get a configuration of ssh of its own, or false. */
const unshareSkip = (): string | false =>
  process.getuid?.() === 0 && existsSync("/etc/ssh/ssh_config") ? false : "needs root, for a mount of its own";

async function startBackend(t: TestContext): Promise<number> {
  const server = createHttpServer((_request, response) => response.end("behind the tunnel"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

const options = (sshd: SshServer, remotePort: number, states: TunnelState[] = []): TunnelOptions => ({
  target: parseSshTarget(sshd.target)!,
  identity: sshd.identity,
  hostKeyPolicy: "strict",
  remotePort,
  localPort: 0,
  clock: systemClock,
  random: () => 0,
  program: sshd.program,
  env: process.env,
  onState: (state) => states.push(state),
});

const read = async (port: number): Promise<string> =>
  (await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" } })).text();

test("a tunnel that loses its connection comes back at the same port, and a request meanwhile waits for it", { skip }, async (t) => {
  const sshd = await startSshServer();
  t.after(() => sshd.stop());
  const states: TunnelState[] = [];
  const tunnel = await SshTunnel.open(options(sshd, await startBackend(t), states));
  t.after(() => tunnel.close());
  const { port, sshPid } = tunnel;
  assert.equal(await read(port), "behind the tunnel");
  for (const pid of sshd.connections()) process.kill(pid, "SIGKILL");
  await until("the end is noticed", () => states.some(({ state }) => state === "down"));
  assert.equal(await read(port), "behind the tunnel");
  assert.equal(tunnel.port, port);
  assert.notEqual(tunnel.sshPid, sshPid);
  // The end of ssh itself is the same.
  process.kill(tunnel.sshPid!, "SIGKILL");
  await until("the end is noticed", () => states.filter(({ state }) => state === "down").length === 2);
  assert.equal(await read(port), "behind the tunnel");
});

test("another host key ends the tunnel, with the command that forgets the old one", { skip }, async (t) => {
  const sshd = await startSshServer();
  t.after(() => sshd.stop());
  const states: TunnelState[] = [];
  const tunnel = await SshTunnel.open(options(sshd, await startBackend(t), states));
  t.after(() => tunnel.close());
  await sshd.changeHostKey();
  await until("it ends", () => states.some((each) => each.state === "down" && each.retryInMs === null));
  const last = states.at(-1)!;
  assert.ok(last.state === "down");
  assert.match(last.failure.reason, /host key .* is another one than before/);
  assert.match(last.failure.fix, new RegExp(`ssh-keygen -R '\\[127\\.0\\.0\\.1\\]:${sshd.port}'`));
  await assert.rejects(read(tunnel.port));
  await assert.rejects(
    SshTunnel.open(options(sshd, 1)),
    (err: unknown) => err instanceof GatewayError && /ssh-keygen -R/.test(err.fix ?? ""),
  );
});

const dirs = (): number => readdirSync(tmpdir()).filter((name) => name.startsWith("openclaw-ssh-")).length;

test("a tunnel that cannot be opened says why, and leaves neither process nor file", { skip }, async (t) => {
  const sshd = await startSshServer();
  t.after(() => sshd.stop());
  const before = dirs();
  const wrongKey = SshTunnel.open({ ...options(sshd, 1), identity: `${sshd.program}.missing` });
  await assert.rejects(wrongKey, /accepts none of the keys/);
  await assert.rejects(SshTunnel.open({ ...options(sshd, 1), target: { destination: "x@127.0.0.1", port: 1 } }), /no SSH server answers/);
  await assert.rejects(SshTunnel.open({ ...options(sshd, 1), program: "/nonexistent/ssh" }), GatewayError);
  assert.equal(dirs(), before);
  assert.ok(existsSync(sshd.identity));
});

test("commands, the page and a second command reach a gateway through openclaw remote ssh", { skip: skip || unshareSkip() }, async (t) => {
  const sshd = await startSshServer();
  t.after(() => sshd.stop());
  const gateway = await startGateway();
  const home = newHome();
  t.after(async () => {
    await gateway.kill();
    dropHome(gateway.home);
    dropHome(home);
  });
  const env = { OPENCLAW_GATEWAY_TOKEN: gateway.token() };
  const args = ["--ssh-identity", sshd.identity, "--remote-port", String(gateway.port)];
  const tunnel = startOpenclaw(home, sshd, env, ["remote", "ssh", sshd.target, ...args, "--save", "--json"]);
  t.after(() => tunnel.stop());
  await until("the tunnel is open", () => /"url"/.test(tunnel.output()) || tunnel.ended());
  assert.ok(!tunnel.ended(), tunnel.output());
  const { url, page } = JSON.parse(tunnel.output()) as { url: string; page: string };
  assert.match(url, /^ws:\/\/127\.0\.0\.1:\d+$/);
  assert.match(page, new RegExp(`^${url.replace("ws", "http")}/#k=ocl_`));
  const html = await fetch(page.split("#")[0]!);
  assert.equal(html.status, 200);

  // The tunnel that is open is used; without it each command opens its own.
  const through = await runOpenclaw(home, sshd, env, ["gateway", "status"]);
  assert.equal(through.code, 0, through.output);
  assert.match(through.output, /the tunnel to .* that is open/);
  assert.equal(sshd.connections().length, 1);
  await tunnel.stop();
  await until("ssh has ended", () => sshd.connections().length === 0);
  const alone = await runOpenclaw(home, sshd, env, ["gateway", "status"]);
  assert.equal(alone.code, 0, alone.output);
  await until("its ssh has ended", () => sshd.connections().length === 0);

  const probe = await runOpenclaw(newHomeOf(t), sshd, env, ["gateway", "probe", "--ssh", sshd.target, ...args]);
  assert.equal(probe.code, 0, probe.output);
});

function newHomeOf(t: TestContext): string {
  const home = newHome();
  t.after(() => dropHome(home));
  return home;
}

/** Runs the command line where ssh knows the test's server: the configuration of ssh of the system is another one there. */
function startOpenclaw(home: string, sshd: SshServer, env: Record<string, string>, args: readonly string[]) {
  const config = join(home, "ssh_config");
  mkdirSync(home, { recursive: true });
  writeFileSync(config, `Host *\n  UserKnownHostsFile ${sshd.knownHosts}\n  IdentitiesOnly yes\n`);
  const script = `mount --bind ${config} /etc/ssh/ssh_config && exec "$@"`;
  const child = spawn("unshare", ["-m", "sh", "-c", script, "sh", process.execPath, MAIN, ...args], {
    env: { PATH: process.env["PATH"] ?? "", HOME: home, TMPDIR: tmpdir(), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  let hasEnded = false;
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const end = new Promise<number | null>((resolve) =>
    child.once("close", (code) => {
      hasEnded = true;
      resolve(code);
    }),
  );
  return {
    output: () => text,
    ended: () => hasEnded,
    end,
    stop: async () => {
      if (!hasEnded) child.kill("SIGTERM");
      return await end;
    },
  };
}

async function runOpenclaw(home: string, sshd: SshServer, env: Record<string, string>, args: readonly string[]) {
  const run = startOpenclaw(home, sshd, env, args);
  const code = await run.end;
  return { code, output: run.output() };
}
