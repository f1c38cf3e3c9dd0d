import { readFileSync, statSync } from "node:fs";
import type { Socket } from "node:net";
import { isAbsent } from "../../core/files.ts";

/** Where tailscaled listens for its program; the owner of this socket is the user that it runs as. */
const DAEMON_SOCKETS = ["/var/run/tailscale/tailscaled.sock", "/run/tailscale/tailscaled.sock"];

/**
 * Whether the program at the other end of a loopback connection may be Tailscale: it runs as root, as the user of tailscaled, or as this
 * user, who can read the gateway's own credentials anyway. Other users of the machine could write any header. Only Linux can tell.
 */
export function mayBeTailscale(socket: Pick<Socket, "remotePort" | "localPort">): boolean {
  if (process.platform !== "linux") return true;
  const { remotePort = 0, localPort = 0 } = socket;
  const uid = peerUser(readFileSync("/proc/net/tcp", "utf8"), remotePort, localPort);
  return uid !== null && new Set([0, process.getuid?.() ?? 0, ...daemonUsers()]).has(uid);
}

function daemonUsers(): number[] {
  return DAEMON_SOCKETS.flatMap((path) => {
    try {
      return [statSync(path).uid];
    } catch (err) {
      if (isAbsent(err)) return [];
      throw err;
    }
  });
}

/** As the table writes it. */
const end = (port: number): string => `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;

/** The user of the connection from `from` to `to` on 127.0.0.1 in a table like /proc/net/tcp; null when there is none. Pure. */
export function peerUser(table: string, from: number, to: number): number | null {
  for (const line of table.split("\n")) {
    const fields = line.trim().split(/\s+/);
    if (fields[1] === end(from) && fields[2] === end(to)) return Number(fields[7]);
  }
  return null;
}
