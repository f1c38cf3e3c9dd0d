import { SANDBOX_DEFAULTS } from "./schema/sandbox.ts";
import type { Config } from "./schema.ts";

type Configured = NonNullable<Config["agents"]["defaults"]["sandbox"]>;

/** How the commands of one agent are isolated: nothing is left to be inherited. */
export type ResolvedSandbox = ReturnType<typeof resolveSandbox>;

/** The agent's own settings replace those for all agents, key by key. */
export function resolveSandbox({ agents }: Pick<Config, "agents">, agentId: string) {
  const layers = [agents.entries[agentId]?.sandbox, agents.defaults.sandbox].filter((layer) => layer !== undefined);
  const first = <T>(get: (layer: Configured) => T | undefined): T | undefined => layers.map(get).find((value) => value !== undefined);
  const docker = <K extends keyof NonNullable<Configured["docker"]>>(key: K) => first(({ docker: own }) => own?.[key]);
  const standard = SANDBOX_DEFAULTS;
  return {
    mode: first(({ mode }) => mode),
    backend: first(({ backend }) => backend) ?? standard.backend,
    scope: first(({ scope }) => scope) ?? standard.scope,
    workspaceAccess: first((layer) => layer.workspaceAccess) ?? standard.workspaceAccess,
    docker: {
      image: docker("image") ?? standard.docker.image,
      containerPrefix: docker("containerPrefix") ?? standard.docker.containerPrefix,
      readOnlyRoot: docker("readOnlyRoot") ?? standard.docker.readOnlyRoot,
      tmpfs: docker("tmpfs") ?? standard.docker.tmpfs,
      env: docker("env") ?? standard.docker.env,
      setupCommand: docker("setupCommand"),
      pidsLimit: docker("pidsLimit") ?? standard.docker.pidsLimit,
      memory: docker("memory") ?? standard.docker.memory,
      memorySwap: docker("memorySwap"),
      cpus: docker("cpus"),
      binds: docker("binds") ?? standard.docker.binds,
    },
    prune: {
      idleHours: first(({ prune }) => prune?.idleHours) ?? standard.prune.idleHours,
      maxAgeDays: first(({ prune }) => prune?.maxAgeDays) ?? standard.prune.maxAgeDays,
    },
  };
}

/** What sandboxed commands of an agent may reach of the network, and the key that says so; null: nothing. */
export type ResolvedEgress = { hosts: readonly string[]; allowPrivateNetwork: boolean; rule: string } | null;

/** The agent's own setting replaces the one for all agents as a whole. What holds for all opens nothing for people on channels. */
export function resolveEgress({ agents }: Pick<Config, "agents">, agentId: string, surface: "operator" | "channel"): ResolvedEgress {
  const layers = [
    { key: `agents.entries.${agentId}.sandbox.egress`, egress: agents.entries[agentId]?.sandbox?.egress },
    ...(surface === "operator" ? [{ key: "agents.defaults.sandbox.egress", egress: agents.defaults.sandbox?.egress }] : []),
  ];
  const found = layers.find(({ egress }) => egress !== undefined);
  const hosts = found?.egress?.allowedHostnames ?? [];
  return found === undefined || hosts.length === 0
    ? null
    : { hosts, allowPrivateNetwork: found.egress?.allowPrivateNetwork ?? false, rule: found.key };
}
