import type { HostChoice } from "./settings.ts";

/** How processes are currently started. A process with an outdated `generation` is ended as soon as it is idle. */
export type LaunchSpec = {
  generation: string;
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  keys: Readonly<Record<string, string>>;
  cwd: string;
  marker: string;
};

/** Says how processes of both kinds are started. */
export interface Launcher {
  /** Writes the configuration files if they have changed. */
  spec(kind: HostChoice["host"]): Promise<LaunchSpec>;
  /** The generation that `spec` would have now. */
  generation(): string;
  /** A process has ended unexpectedly: what it left is removed before the next one is started. */
  onCrash(): void;
}
