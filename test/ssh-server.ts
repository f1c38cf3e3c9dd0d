// A real sshd of Debian on a free loopback port, with keys of its own, as a child of the test.
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { freePort } from "./channel-kit/ngircd.ts";
import { until } from "./until.ts";

const SSHD = "/usr/sbin/sshd";

/** Why the tests against a real sshd cannot run, or false. */
export const sshSkip = (): string | false =>
  existsSync(SSHD) && existsSync("/usr/bin/ssh") ? false : "openssh-server is not installed; npm run setup:tests installs it";

export type SshServer = {
  port: number;
  /** `user@127.0.0.1:port` */
  target: string;
  /** A private key that it accepts. */
  identity: string;
  /** The known hosts of the clients. */
  knownHosts: string;
  /** A program that is ssh with these known hosts. */
  program: string;
  /** Process ids of the connections that it serves. */
  connections: () => number[];
  /** Gives it another host key, as if another machine answered. */
  changeHostKey: () => Promise<void>;
  stop: () => Promise<void>;
};

export async function startSshServer(): Promise<SshServer> {
  const dir = mkdtempSync(join(tmpdir(), "sshd-"));
  const port = await freePort();
  const path = (name: string): string => join(dir, name);
  const keygen = (name: string): void => void execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", path(name)]);
  for (const name of ["host", "other-host", "client"]) keygen(name);
  writeFileSync(path("authorized"), readFileSync(path("client.pub")));
  // sshd wants it, and Debian makes it when the service starts.
  if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true });
  const writeConfig = (hostKey: string): void =>
    writeFileSync(
      path("sshd_config"),
      [
        `ListenAddress 127.0.0.1:${port}`,
        `HostKey ${path(hostKey)}`,
        `AuthorizedKeysFile ${path("authorized")}`,
        "PidFile none",
        "StrictModes no",
        "UsePAM no",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin yes",
        "AllowTcpForwarding yes",
        "",
      ].join("\n"),
    );
  const hostLine = readFileSync(path("host.pub"), "utf8").split(" ").slice(0, 2).join(" ");
  writeFileSync(path("known_hosts"), `[127.0.0.1]:${port} ${hostLine}\n`);
  writeFileSync(
    path("ssh"),
    `#!/bin/sh\nexec /usr/bin/ssh -F none -o UserKnownHostsFile=${path("known_hosts")} -o IdentitiesOnly=yes "$@"\n`,
  );
  chmodSync(path("ssh"), 0o755);
  let child: ChildProcess;
  const start = async (hostKey: string): Promise<void> => {
    writeConfig(hostKey);
    child = spawn(SSHD, ["-D", "-e", "-f", path("sshd_config")], { stdio: "ignore" });
    await until("sshd listens", () => accepts(port));
  };
  const end = async (): Promise<void> => {
    const ended = new Promise((resolve) => child.once("close", resolve));
    for (const pid of connections()) process.kill(pid, "SIGKILL");
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await ended;
  };
  const connections = (): number[] => childrenOf(child.pid!);
  await start("host");
  return {
    port,
    target: `${userInfo().username}@127.0.0.1:${port}`,
    identity: path("client"),
    knownHosts: path("known_hosts"),
    program: path("ssh"),
    connections,
    changeHostKey: async () => {
      await end();
      await start("other-host");
    },
    stop: async () => {
      await end();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(/\s+/).filter(Boolean).map(Number);
  } catch (err) {
    if (["ENOENT", "ESRCH"].includes((err as NodeJS.ErrnoException).code ?? "")) return [];
    throw err;
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}
