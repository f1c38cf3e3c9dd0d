import type { ResolvedSandbox } from "../config/sandbox.ts";
import type { Config } from "../config/schema.ts";
import { GatewayError } from "../core/errors.ts";
import type { AgentId, SessionKey } from "../core/ids.ts";
import type { MethodParams, MethodTable } from "../protocol/method.ts";
import type { CommandSettings } from "../tools/commands/gate.ts";
import type { SandboxProbe } from "../tools/sandbox.ts";
import { requireAgent } from "./require-agent.ts";

type Owner = { agentId: AgentId; sessionKey: SessionKey };

/** A container as the engine shows it. `labels`: whose it is. */
type ContainerRow = {
  name: string;
  engine: string;
  image: string;
  isRunning: boolean;
  createdAt: number;
  endedAt: number | null;
  commands: number;
  owner: { scope: string; agentId: string | null; sessionKey: string | null };
};

/** Engines that the configuration names and that do not answer. */
type Unreachable = { backend: string; reason: string }[];

export type SandboxMethodsDeps = {
  sandbox: {
    probe: (owner: Owner) => Promise<SandboxProbe>;
    settings: (agentId: string) => ResolvedSandbox;
    list: () => Promise<{ containers: ContainerRow[]; unreachable: Unreachable }>;
    remove: (isWanted: (row: Pick<ContainerRow, "owner">) => boolean) => Promise<{ removed: string[]; unreachable: Unreachable }>;
  };
  config: () => Config;
  now: () => number;
  resolveSession: (key: string, agentId: string | undefined) => { key: SessionKey; agentId: AgentId };
  commandSettings: (owner: Owner) => CommandSettings;
};

/** sandbox.*: how commands are isolated on this machine, and the containers in which they run. */
export function sandboxMethods(deps: SandboxMethodsDeps) {
  return {
    /** The first call tries it out, which takes a second. */
    "sandbox.explain": {
      scope: "operator.read",
      run: async (params: MethodParams<"sandbox.explain">) => {
        const owner = ownerOf(deps, params);
        const probe = await deps.sandbox.probe(owner);
        const about = { ...owner, ...settingsOf(deps, owner) };
        if (!probe.sandbox) return { ...about, available: false, reason: probe.reason, fix: probe.fix };
        return { ...about, available: true, name: probe.sandbox.name, guarantees: probe.sandbox.guarantees };
      },
    },
    "sandbox.list": {
      scope: "operator.read",
      run: async () => {
        const { containers, unreachable } = await deps.sandbox.list();
        return { ts: deps.now(), containers: containers.map((row) => toWireRow(deps, row)), unreachable };
      },
    },
    "sandbox.recreate": {
      scope: "operator.admin",
      run: async (params: MethodParams<"sandbox.recreate">) => await deps.sandbox.remove(filterOf(deps, params)),
    },
  } satisfies MethodTable;
}

/** The main conversation of the default agent unless the call names another. */
function ownerOf(deps: SandboxMethodsDeps, { agentId, sessionKey }: MethodParams<"sandbox.explain">): Owner {
  if (sessionKey === undefined) {
    const agent = requireAgent(deps.config(), agentId);
    return { agentId: agent, sessionKey: deps.resolveSession("main", agent).key };
  }
  const { key, agentId: agent } = deps.resolveSession(sessionKey, agentId);
  return { agentId: agent, sessionKey: key };
}

/** What decides about the isolation of an operator's commands in this conversation. */
function settingsOf(deps: SandboxMethodsDeps, owner: Owner): Record<string, unknown> {
  const { mode, backend, scope, workspaceAccess, docker, prune } = deps.sandbox.settings(owner.agentId);
  const { host, hostRule, readOnly, egress } = deps.commandSettings(owner);
  return {
    backend,
    mode: mode ?? null,
    host,
    hostRule,
    workspaceAccess: readOnly && workspaceAccess === "rw" ? "ro" : workspaceAccess,
    egress: egress && { allowedHostnames: egress.hosts, allowPrivateNetwork: egress.allowPrivateNetwork, rule: egress.rule },
    ...(backend !== "bubblewrap" && { scope, image: docker.image, prune }),
  };
}

function toWireRow({ sandbox }: SandboxMethodsDeps, { name, engine, image, isRunning, createdAt, endedAt, commands, owner }: ContainerRow) {
  const configured = owner.agentId === null ? null : sandbox.settings(owner.agentId).docker.image;
  return {
    name,
    backend: engine,
    image,
    /** Null for a container that several agents share. */
    imageMatches: configured === null ? null : isSameImage(image, configured),
    status: isRunning ? "running" : "stopped",
    createdAtMs: createdAt,
    lastUsedAtMs: isRunning ? null : endedAt,
    commands,
    ...owner,
  };
}

/** Engines write the place of an image in front of its name: `localhost/`, `docker.io/library/`. */
const isSameImage = (shown: string, configured: string): boolean => shown === configured || shown.endsWith(`/${configured}`);

function filterOf(deps: SandboxMethodsDeps, params: MethodParams<"sandbox.recreate">): (row: Pick<ContainerRow, "owner">) => boolean {
  const { agentId, sessionKey, all } = params;
  if ([agentId !== undefined, sessionKey !== undefined, all === true].filter(Boolean).length !== 1)
    throw new GatewayError("INVALID_REQUEST", "name one of all, agentId and sessionKey: which containers to remove");
  if (all) return () => true;
  if (sessionKey !== undefined) {
    const { key } = deps.resolveSession(sessionKey, undefined);
    return ({ owner }) => owner.sessionKey === key;
  }
  const agent = requireAgent(deps.config(), agentId);
  return ({ owner }) => owner.agentId === agent;
}
