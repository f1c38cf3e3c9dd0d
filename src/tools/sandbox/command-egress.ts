import { chmod, mkdtemp, readdir, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Log } from "../../core/log.ts";
import type { Metrics } from "../../core/metrics.ts";
import { EgressProxy, type EgressProxyOptions } from "../egress-proxy.ts";
import type { Resolve } from "../egress-rules.ts";
import { TOOL_LIMITS } from "../limits.ts";
import type { CommandEgress, Sandbox, SandboxRequest } from "../sandbox.ts";
import type { ProxyRoutes } from "../upstream-proxy.ts";
import { allowedAddresses } from "./allowed-hosts.ts";
import { withRelay, type RelayTarget } from "./relay.ts";

export type CommandEgressOptions = {
  /** For the sockets; best of the file system of the workspaces. */
  directory: string;
  /** The proxies of the gateway's environment. */
  proxies: ProxyRoutes;
  log: Log;
  metrics: Metrics;
  resolve?: Resolve;
};

/** The kernel takes no longer path for a socket: 107 bytes on Linux, 103 on other systems. */
const SOCKET_PATH_BYTES = 103;
const SOCKET = /^egress-\d+\.sock$/;
/** Of the longest name of a socket. */
const NAME_BYTES = 24;

type Opened = RelayTarget & { proxy: EgressProxy };

async function close({ proxy, socket }: Opened): Promise<void> {
  proxy.close();
  await rm(socket, { force: true });
}

/**
 * The way of sandboxed commands to the hosts that the configuration lists: a proxy of the gateway for each list, on a Unix socket that only
 * the sandboxes with this list see. A sandbox has no network besides, so that what does not use the proxy reaches nothing.
 */
export class CommandEgressProxies {
  readonly #options: CommandEgressOptions;
  readonly #opened = new Map<string, Promise<Opened>>();
  #directory: Promise<string> | null = null;
  /** Made for the sockets; null where they are in the given one. */
  #ownDirectory: string | null = null;
  #sockets = 0;

  constructor(options: CommandEgressOptions) {
    this.#options = options;
  }

  /** A sandbox whose commands reach what their requests name. */
  around({ name, guarantees, wrap }: Sandbox): Sandbox {
    return { name, guarantees, wrap: async (request) => await wrap(await this.#prepare(request)) };
  }

  async stop(): Promise<void> {
    const opened = [...this.#opened.values()];
    this.#opened.clear();
    for (const each of await Promise.allSettled(opened)) if (each.status === "fulfilled") await close(each.value);
    if (this.#ownDirectory !== null) await rm(this.#ownDirectory, { recursive: true, force: true });
  }

  async #prepare(request: SandboxRequest): Promise<SandboxRequest> {
    const { egress } = request;
    if (egress === undefined || egress.hosts.length === 0) return request;
    return withRelay(request, await this.#proxyFor(egress));
  }

  #proxyFor(egress: CommandEgress): Promise<Opened> {
    const key = JSON.stringify([egress.allowPrivateNetwork, egress.hosts]);
    const known = this.#opened.get(key);
    if (known) return known;
    for (const [oldest, opened] of this.#opened) {
      if (this.#opened.size < TOOL_LIMITS.egressProxies) break;
      this.#opened.delete(oldest);
      void opened.then(close).catch(() => {});
    }
    const opening = this.#open(egress);
    this.#opened.set(key, opening);
    // A failure is that of one command; the next one tries again.
    opening.catch(() => this.#opened.delete(key));
    return opening;
  }

  async #open(egress: CommandEgress): Promise<Opened> {
    const { proxies, resolve } = this.#options;
    const proxy = new EgressProxy({ user: "sandbox", onConnection: this.#report() });
    proxy.configure({ addressesOf: (target) => allowedAddresses(target, egress, resolve), proxies });
    this.#directory ??= this.#findDirectory();
    const socket = join(await this.#directory, `egress-${++this.#sockets}.sock`);
    await proxy.listenAt(socket);
    await chmod(socket, 0o600);
    return { proxy, socket, credential: proxy.credential, node: await realpath(process.execPath) };
  }

  /** A directory whose sockets have paths that the kernel takes, without what a killed gateway has left in it. */
  async #findDirectory(): Promise<string> {
    const directory = await realpath(this.#options.directory);
    if (Buffer.byteLength(directory) + NAME_BYTES > SOCKET_PATH_BYTES)
      return (this.#ownDirectory = await mkdtemp(join(await realpath(tmpdir()), "openclaw-")));
    const left = (await readdir(directory)).filter((name) => SOCKET.test(name));
    await Promise.all(left.map((name) => rm(join(directory, name), { force: true })));
    return directory;
  }

  /** Counts connections, and logs each refused host once. */
  #report(): NonNullable<EgressProxyOptions["onConnection"]> {
    const { log, metrics } = this.#options;
    const refused = new Set<string>();
    return (outcome, { host, port }, refusal) => {
      metrics.count("gateway_sandbox_connections_total", { outcome });
      const name = `${host}:${port}`;
      if (refusal === undefined || refused.has(name) || refused.size >= TOOL_LIMITS.egressRefusals) return;
      refused.add(name);
      log.info("a sandboxed command may not reach a host", { host: name, cause: refusal.message, fix: refusal.fix });
    };
  }
}
