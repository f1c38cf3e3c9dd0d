import type { WorkspaceAccess } from "../../sandbox.ts";

export type EngineName = "podman" | "docker";

/** The containers of one agent, as the configuration has them with all defaults. */
export type ContainerSettings = {
  engine: EngineName;
  scope: "session" | "agent" | "shared";
  image: string;
  containerPrefix: string;
  readOnlyRoot: boolean;
  tmpfs: readonly string[];
  env: Readonly<Record<string, string>>;
  setupCommand: string | undefined;
  pidsLimit: number;
  memory: string;
  memorySwap: string | undefined;
  cpus: number | undefined;
  binds: readonly string[];
  prune: { idleHours: number; maxAgeDays: number };
};

/** For whom a container is. */
export type ContainerOwner = { agentId: string; sessionKey: string };

/** What a container shows of this machine: it cannot change while it exists. */
export type ContainerMounts = {
  workspace: string;
  workspaceAccess: WorkspaceAccess;
  readable: readonly string[];
  /** Empty and in memory; null when it lies where something else is shown. */
  home: string | null;
};
