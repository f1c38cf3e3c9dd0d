import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { get } from "node:http";
import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import { detailError, GatewayError } from "../core/errors.ts";
import { PRODUCT, PRODUCT_HEADER } from "./exchange.ts";

export type BindMode = "loopback" | "lan" | "tailnet" | "auto" | "custom";

export type BindOptions = {
  mode: BindMode;
  /** Address of mode `custom`. */
  host: string | null;
  /** Whether someone without a credential is kept out: false for mode `none`. */
  authenticated: boolean;
};

/** Whether Tailscale gives out such addresses: 100.64.0.0/10 and fd7a:115c:a1e0::/48. */
export function isTailnetAddress(address: string): boolean {
  const [a, b] = address.split(".").map(Number);
  if (isIP(address) === 4) return a === 100 && b !== undefined && b >= 64 && b < 128;
  return isIP(address) === 6 && address.toLowerCase().startsWith("fd7a:115c:a1e0:");
}

/** The address of this machine in the tailnet, IPv4 first. */
export function tailnetAddress(interfaces = networkInterfaces()): string | null {
  const all = Object.values(interfaces).flatMap((each) => each ?? []);
  const found = all.filter(({ address }) => isTailnetAddress(address));
  return (found.find(({ family }) => family === "IPv4") ?? found[0])?.address ?? null;
}

/** The addresses of this machine in its tailnet. */
export function tailnetAddresses(interfaces = networkInterfaces()): { ipv4: string | null; ipv6: string | null } {
  const all = Object.values(interfaces).flatMap((each) => each ?? []);
  const of = (wanted: string): string | null =>
    all.find(({ address, family }) => family === wanted && isTailnetAddress(address))?.address ?? null;
  return { ipv4: of("IPv4"), ipv6: of("IPv6") };
}

const isLoopback = (address: string): boolean => address === "::1" || (isIP(address) === 4 && address.startsWith("127."));

const LOOPBACK = ["127.0.0.1", "::1"] as const;

/**
 * The addresses to listen on; the first is the one that is shown. Every mode but `lan` includes loopback, because the command
 * line of the same machine comes that way. Throws GatewayError when the address is not usable, or when anyone could come in.
 */
export function resolveBind(options: BindOptions): readonly string[] {
  const addresses = addressesOf(options);
  if (!options.authenticated && addresses.some((address) => !isLoopback(address))) {
    throw detailError("BIND_WITHOUT_AUTH", `refused to listen on ${addresses[0]} without a credential`, {
      fix: "Set gateway.auth.mode to token or password, or gateway.bind to loopback.",
    });
  }
  return addresses;
}

function addressesOf({ mode, host }: BindOptions): readonly string[] {
  switch (mode) {
    case "loopback":
      return LOOPBACK;
    case "lan":
      return ["0.0.0.0", "::1"];
    case "auto": {
      const tailnet = tailnetAddress();
      return tailnet === null ? LOOPBACK : [...LOOPBACK, tailnet];
    }
    case "tailnet": {
      const tailnet = tailnetAddress();
      return tailnet === null ? LOOPBACK : [tailnet, ...LOOPBACK];
    }
    case "custom": {
      if (host === null || isIP(host) === 0) {
        throw new GatewayError("INVALID_REQUEST", "gateway.bind custom needs an address", {
          fix: "Set gateway.customBindHost to an IP address of this machine.",
        });
      }
      return isLoopback(host) || host === "0.0.0.0" || host === "::" ? [host] : [host, ...LOOPBACK];
    }
  }
}

export type PortHolder = { pid: number | null; command: string | null; ours: boolean };

/** Who listens on the port: on Linux by the process table, and whether it is a gateway of ours by its own word. */
export async function portHolder(host: string, port: number): Promise<PortHolder> {
  const owner = process.platform === "linux" ? listenerOf(port) : null;
  return { pid: owner?.pid ?? null, command: owner?.command ?? null, ours: await isOurGateway(host, port) };
}

/** The error for a port that someone else has. */
export function portTakenError(host: string, port: number, holder: PortHolder): GatewayError {
  const by = holder.pid === null ? "another process" : `process ${holder.pid}${holder.command === null ? "" : ` (${holder.command})`}`;
  return detailError("PORT_TAKEN", `port ${port} on ${host} is taken by ${by}${holder.ours ? ", a gateway like this one" : ""}`, {
    details: { pid: holder.pid, command: holder.command, ours: holder.ours },
    fix: holder.ours
      ? "Stop it, use --force to take over, or choose another port with --port."
      : "Stop that program, or choose another port with --port.",
  });
}

/** State of a listening socket in /proc/net/tcp. */
const TCP_LISTEN = "0A";

function listenerOf(port: number): { pid: number; command: string } | null {
  const inodes = new Set<string>();
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const line of readOr(table, "").split("\n").slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[3] === TCP_LISTEN && fields[1]?.endsWith(`:${wanted}`)) inodes.add(`socket:[${fields[9]}]`);
    }
  }
  if (inodes.size === 0) return null;
  for (const pid of namesIn("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    for (const fd of namesIn(`/proc/${pid}/fd`)) {
      if (!inodes.has(linkOf(`/proc/${pid}/fd/${fd}`))) continue;
      const command = readOr(`/proc/${pid}/cmdline`, "").split("\0").filter(Boolean).slice(0, 3).join(" ").slice(0, 120);
      return { pid: Number(pid), command };
    }
  }
  return null;
}

// Processes end while they are looked at, and those of other users cannot be read: both are no answer, not a failure.
function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return otherwise;
  }
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

/** How long a listener may take to say what it is. */
const PROBE_TIMEOUT_MS = 400;

async function isOurGateway(host: string, port: number): Promise<boolean> {
  if (await answersAsGateway(get, host, port)) return true;
  const { get: getEncrypted } = await import("node:https");
  return answersAsGateway(getEncrypted, host, port);
}

function answersAsGateway(ask: typeof get, host: string, port: number): Promise<boolean> {
  const target = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  // Who it is does not matter: nothing is sent to it.
  const options = { host: target, port, path: "/healthz", agent: false, timeout: PROBE_TIMEOUT_MS, rejectUnauthorized: false };
  return new Promise((resolve) => {
    const request = ask(options, (response) => {
      resolve(response.headers[PRODUCT_HEADER] === PRODUCT);
      request.destroy();
    });
    const deadline = setTimeout(() => request.destroy(), PROBE_TIMEOUT_MS);
    request.on("timeout", () => request.destroy());
    request.on("error", () => resolve(false));
    request.on("close", () => {
      clearTimeout(deadline);
      resolve(false);
    });
  });
}
