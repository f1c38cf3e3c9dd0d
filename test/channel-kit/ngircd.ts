import { spawn, type ChildProcess } from "node:child_process";
import { randomInt } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const BINARY = "/usr/sbin/ngircd";
/** Why the real server cannot be used here, or false. For `test(name, { skip }, ...)`. */
export const noNgircd: string | false = existsSync(BINARY) ? false : `${BINARY} is missing; install the Debian package ngircd`;

/**
 * A port without a listener, below the ephemeral ports: the system could give one of those to a client while the server that uses it
 * is down.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_240, 32_768);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

export type Ngircd = { port: number; stop(signal?: NodeJS.Signals): Promise<void>; restart(): Promise<void>; close(): Promise<void> };

/** Starts a real IRC server on a loopback port. `close` ends it and removes its files. */
export async function startNgircd(options: { password?: string; pingSeconds?: number } = {}): Promise<Ngircd> {
  const dir = mkdtempSync(join(tmpdir(), "ngircd-"));
  const port = await freePort();
  const config = join(dir, "ngircd.conf");
  const lines = ["[Global]", "Name = irc.test.local", "Info = test", "Listen = 127.0.0.1", `Ports = ${port}`, "MotdPhrase = hello"];
  if (process.getuid?.() === 0) lines.push("ServerUID = irc", "ServerGID = irc");
  if (options.password !== undefined) lines.push(`Password = ${options.password}`);
  lines.push(
    "[Limits]",
    "MaxConnectionsIP = 0",
    "MaxNickLength = 20",
    "MaxJoins = 0",
    "MaxPenaltyTime = 0",
    ...(options.pingSeconds === undefined ? [] : [`PingTimeout = ${options.pingSeconds}`, `PongTimeout = ${options.pingSeconds}`]),
    "[Options]",
    "DNS = no",
    "Ident = no",
    "PAM = no",
    "[SSL]",
    "[Channel]",
    "Name = #locked",
    "Modes = +nti",
  );
  writeFileSync(config, `${lines.join("\n")}\n`);
  let child: ChildProcess | null = null;
  const start = async (): Promise<void> => {
    const started = spawn(BINARY, ["-n", "-f", config], { stdio: ["ignore", "pipe", "pipe"] });
    child = started;
    let said = "";
    started.stdout.on("data", (chunk: Buffer) => (said += chunk));
    started.stderr.on("data", (chunk: Buffer) => (said += chunk));
    while (!(await accepts(port))) {
      if (started.exitCode !== null) throw new Error(`ngircd has ended: ${said}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const stop = async (signal: NodeJS.Signals = "SIGKILL"): Promise<void> => {
    const running = child;
    child = null;
    if (!running || running.exitCode !== null) return;
    const ended = new Promise((resolve) => running.once("exit", resolve));
    running.kill(signal);
    await ended;
  };
  await start();
  return {
    port,
    stop,
    restart: start,
    async close() {
      await stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const done = (ok: boolean): void => {
      socket.destroy();
      resolve(ok);
    };
    socket.once("connect", () => done(true));
    socket.once("error", () => done(false));
  });
}
