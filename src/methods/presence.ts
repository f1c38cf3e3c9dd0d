import { hostname, networkInterfaces, release, type NetworkInterfaceInfo } from "node:os";
import { LIMITS } from "../core/limits.ts";
import { VERSION } from "../core/version.ts";
import type { Hub, Peer } from "../protocol/hub.ts";

export type PresenceDeps = {
  now: () => number;
  hub: Pick<Hub, "peers">;
  startedAt: number;
  /** Stays the same over restarts. */
  instanceId: string;
};

/** What a device says of itself with `system-event`. */
export type Beacon = {
  text: string;
  deviceId?: string;
  instanceId?: string;
  host?: string;
  ip?: string;
  mode?: string;
  version?: string;
  platform?: string;
  deviceFamily?: string;
  modelIdentifier?: string;
  lastInputSeconds?: number;
  reason?: string;
  roles?: string[];
  scopes?: string[];
  tags?: string[];
};

type BeaconRow = Beacon & { ts: number };

/** Clients that connect for one request or belong to the gateway itself; presence lists leave them out. */
const HIDDEN_MODES: ReadonlySet<string> = new Set(["cli", "backend", "probe", "test"]);

/** Whether a connection appears in the presence list. */
export const isVisible = ({ client, role }: Pick<Peer, "client" | "role">): boolean => role !== "peer" && !HIDDEN_MODES.has(client.mode);

/** Who is there: this gateway, its connected clients and nodes, and devices that announce themselves with `system-event`. */
export class Presence {
  readonly #deps: PresenceDeps;
  /** By device, instance or host, the least recent first. */
  readonly #beacons = new Map<string, BeaconRow>();

  constructor(deps: PresenceDeps) {
    this.#deps = deps;
  }

  /** Keeps what a device says of itself, instead of what it said before. False for a text that names no device. */
  record(beacon: Beacon): boolean {
    const key = beacon.deviceId ?? beacon.instanceId ?? beacon.host;
    if (key === undefined) return false;
    this.#beacons.delete(key);
    this.#beacons.set(key, { ...beacon, ts: this.#deps.now() });
    if (this.#beacons.size > LIMITS.presenceRows) this.#beacons.delete(this.#beacons.keys().next().value!);
    return true;
  }

  /** Rows of system-presence and of hello-ok: this gateway first, then clients and devices, newest first. */
  rows(): Record<string, unknown>[] {
    const { hub, now } = this.#deps;
    const peers = hub.peers().filter(isVisible);
    // Those that connected last are the last ones.
    const newest = peers.slice(-LIMITS.presenceRows);
    const connected = new Set(this.#beacons.size === 0 ? [] : peers.flatMap(({ device, client }) => [device, client.instanceId ?? null]));
    const oldest = now() - LIMITS.beaconMs;
    for (const [key, { ts }] of this.#beacons) if (ts < oldest) this.#beacons.delete(key);
    const beacons = [...this.#beacons.values()].filter(
      ({ deviceId, instanceId }) => !connected.has(deviceId ?? "") && !connected.has(instanceId ?? ""),
    );
    const others = [...newest.map(toPeerRow), ...beacons.map(toBeaconRow)].toSorted((a, b) => b.ts - a.ts);
    return [selfRow(this.#deps), ...others.slice(0, LIMITS.presenceRows)];
  }
}

type Row = Record<string, unknown> & { ts: number };

/** Where this machine is. Read again after a while, because networks change; not for each caller, because that is slow. */
let machine: { host: string; ip: string | undefined; readAt: number } | null = null;
const MACHINE_MS = 60_000;

function thisMachine(): { host: string; ip: string | undefined } {
  const now = performance.now();
  if (!machine || now - machine.readAt > MACHINE_MS) {
    const interfaces = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    machine = { host: hostname() || "gateway", ip: ownAddress(interfaces), readAt: now };
  }
  return machine;
}

function selfRow({ startedAt, instanceId }: Pick<PresenceDeps, "startedAt" | "instanceId">): Row {
  const { host, ip } = thisMachine();
  return {
    host,
    ...(ip === undefined ? {} : { ip }),
    version: VERSION,
    platform: `${process.platform} ${release()}`,
    mode: "gateway",
    reason: "self",
    instanceId,
    text: `Gateway: ${host}${ip === undefined ? "" : ` (${ip})`}, version ${VERSION}`,
    ts: startedAt,
  };
}

/** The address under which others may find this machine; undefined when it has only itself. */
function ownAddress(interfaces: readonly NetworkInterfaceInfo[]): string | undefined {
  return interfaces.find((each) => !each.internal && each.family === "IPv4")?.address;
}

function toPeerRow(peer: Peer): Row {
  const { client } = peer;
  const host = client.displayName || client.id;
  return {
    host,
    ...(client.version ? { version: client.version } : {}),
    ...(client.platform ? { platform: client.platform } : {}),
    ...(client.deviceFamily ? { deviceFamily: client.deviceFamily } : {}),
    mode: client.mode,
    reason: "connect",
    ...(peer.device === null ? {} : { deviceId: peer.device }),
    roles: [peer.role],
    scopes: [...peer.scopes],
    instanceId: client.instanceId || peer.conn,
    text: `${peer.role === "node" ? "Node" : "Client"}: ${host}, mode ${client.mode}`,
    onlineSince: peer.connectedAt,
    ts: peer.connectedAt,
  };
}

const toBeaconRow = (beacon: BeaconRow): Row => ({ reason: "beacon", ...beacon });
