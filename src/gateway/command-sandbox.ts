import { createHash } from "node:crypto";
import { existsSync, realpathSync } from "node:fs";
import { resolveSandbox, type ResolvedSandbox } from "../config/sandbox.ts";
import { reasonOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { readProxySettings } from "../core/proxy.ts";
import type { SandboxProbe } from "../tools/sandbox.ts";
import type { CommandEgressProxies } from "../tools/sandbox/command-egress.ts";
import type { Containers } from "../tools/sandbox/containers/containers.ts";
import type { ContainerRecord } from "../tools/sandbox/containers/records.ts";
import type { ContainerSettings, EngineName } from "../tools/sandbox/containers/settings.ts";
import { toProxyRoutes } from "../tools/upstream-proxy.ts";
import type { ToolCaller } from "../tools/tool.ts";
import type { GatewayBase } from "./base.ts";
import type { RunningConfig } from "./running-config.ts";

type SandboxOwner = Pick<ToolCaller, "agentId" | "sessionKey">;

/** For whose commands a container is. */
type ContainerOwner = { scope: string; agentId: string | null; sessionKey: string | null };
/** An engine that cannot be asked about its containers, and why. */
type UnreachableEngine = { backend: EngineName; reason: string };
type OwnedContainer = ContainerRecord & { engine: EngineName; commands: number; owner: ContainerOwner };

const HASH_CHARS = 12;

/**
 * Where commands are isolated: by bubblewrap, or in containers, as the agent's settings say. Whether that works is found out by a trial
 * when it is asked for the first time, and loaded then. There is no other backend in the place of one that does not work. Commands reach
 * neither the state directory nor the configuration.
 */
export class CommandSandboxes {
  readonly #base: Pick<GatewayBase, "log" | "clock" | "metrics" | "paths">;
  readonly #running: Pick<RunningConfig, "config" | "agents">;
  #egress: CommandEgressProxies | null = null;
  readonly #engines = new Map<EngineName, Containers>();
  #bubblewrap: (() => Promise<SandboxProbe>) | null = null;

  constructor(base: Pick<GatewayBase, "log" | "clock" | "metrics" | "paths">, running: Pick<RunningConfig, "config" | "agents">) {
    this.#base = base;
    this.#running = running;
  }

  settings(agentId: string): ResolvedSandbox {
    return resolveSandbox(this.#running.config, agentId);
  }

  /** The sandbox of a caller's commands, or why there is none. */
  async probe(owner: SandboxOwner): Promise<SandboxProbe> {
    const settings = this.settings(owner.agentId);
    if (settings.backend === "bubblewrap") return await this.#withEgress(await this.#probeBubblewrap());
    const containers = await this.#containers(settings.backend);
    const containerSettings = toContainerSettings(settings, settings.backend);
    const probe = await containers.probe(containerSettings);
    return probe.sandboxFor === null
      ? { sandbox: null, reason: probe.reason, fix: probe.fix }
      : { sandbox: probe.sandboxFor(containerSettings, owner) };
  }

  /** The containers of the engines that the configuration names, and the engines that do not answer. */
  async list(): Promise<{ containers: OwnedContainer[]; unreachable: UnreachableEngine[] }> {
    const { found, unreachable } = await this.#ofEngines((containers) => containers.list());
    return { containers: found.map(({ engine, value }) => ({ ...value, engine, owner: ownerOf(value) })), unreachable };
  }

  /** Removes those that are wanted; gives their names. */
  async remove(
    isWanted: (container: { owner: ContainerOwner }) => boolean,
  ): Promise<{ removed: string[]; unreachable: UnreachableEngine[] }> {
    const { found, unreachable } = await this.#ofEngines((containers) =>
      containers.remove((record) => isWanted({ owner: ownerOf(record) })),
    );
    return { removed: found.map(({ value }) => value), unreachable };
  }

  async #ofEngines<T>(
    get: (containers: Containers) => Promise<T[]>,
  ): Promise<{ found: { engine: EngineName; value: T }[]; unreachable: UnreachableEngine[] }> {
    const unreachable: UnreachableEngine[] = [];
    const found = (await this.#configured()).map(async ([engine, containers]) => {
      try {
        return (await get(containers)).map((value) => ({ engine, value }));
      } catch (err) {
        unreachable.push({ backend: engine, reason: reasonOf(err) });
        return [];
      }
    });
    return { found: (await Promise.all(found)).flat(), unreachable };
  }

  /** Ends all containers. */
  async stop(): Promise<void> {
    await Promise.all([this.#egress?.stop(), ...[...this.#engines.values()].map((containers) => containers.stop())]);
  }

  /** Of engines that the configuration names, and of those that were used since the start. */
  async #configured(): Promise<[EngineName, Containers][]> {
    const backends = this.#running.agents.ids().map((agentId) => this.settings(agentId).backend);
    for (const backend of backends) if (backend !== "bubblewrap") await this.#containers(backend);
    return [...this.#engines];
  }

  /** The proxy is loaded where the configuration lists a host. */
  async #withEgress(probe: SandboxProbe): Promise<SandboxProbe> {
    const { agents } = this.#running.config;
    const isUsed = [agents.defaults, ...Object.values(agents.entries)].some(({ sandbox }) => sandbox?.egress?.allowedHostnames?.length);
    if (!probe.sandbox || !isUsed) return probe;
    if (this.#egress === null) {
      const { CommandEgressProxies: Proxies } = await import("../tools/sandbox/command-egress.ts");
      const { paths, metrics } = this.#base;
      const proxies = toProxyRoutes(readProxySettings(process.env));
      this.#egress ??= new Proxies({ directory: paths.gateway, proxies, log: this.#log, metrics });
    }
    return { sandbox: this.#egress.around(probe.sandbox) };
  }

  async #probeBubblewrap(): Promise<SandboxProbe> {
    if (this.#bubblewrap === null) {
      const { createSandboxProbe } = await import("../tools/sandbox/probe.ts");
      const { clock, paths } = this.#base;
      this.#bubblewrap ??= createSandboxProbe({ hidden: this.#hidden, directory: paths.gateway, clock, log: this.#log });
    }
    return await this.#bubblewrap();
  }

  async #containers(engine: EngineName): Promise<Containers> {
    const { Containers: ContainersOf } = await import("../tools/sandbox/containers/containers.ts");
    const { clock, metrics, paths } = this.#base;
    const known = this.#engines.get(engine);
    if (known) return known;
    const stateId = createHash("sha256").update(realpathSync(paths.state)).digest("hex").slice(0, HASH_CHARS);
    const made = new ContainersOf({ engine, hidden: this.#hidden, directory: paths.gateway, stateId, clock, metrics, log: this.#log });
    this.#engines.set(engine, made);
    return made;
  }

  get #hidden(): string[] {
    const { paths } = this.#base;
    return [paths.state, paths.config].filter((path) => existsSync(path)).map((path) => realpathSync(path));
  }

  get #log(): Log {
    return this.#base.log.child({ subsystem: "sandbox" });
  }
}

const ownerOf = ({ labels }: ContainerRecord): ContainerOwner => ({
  scope: labels["openclaw.scope"] ?? "",
  agentId: labels["openclaw.agentId"] || null,
  sessionKey: labels["openclaw.sessionKey"] || null,
});

const toContainerSettings = ({ scope, prune, docker }: ResolvedSandbox, engine: EngineName): ContainerSettings => ({
  engine,
  scope,
  prune,
  ...docker,
});
