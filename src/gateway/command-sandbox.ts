import { existsSync, realpathSync } from "node:fs";
import type { SandboxProbe } from "../tools/sandbox.ts";
import type { GatewayBase } from "./base.ts";

/**
 * Whether commands can be isolated on this machine: found out by a trial when it is asked for the first time, and loaded then. Commands
 * reach neither the state directory nor the configuration.
 */
export function createCommandSandbox({ log, clock, paths }: Pick<GatewayBase, "log" | "clock" | "paths">): () => Promise<SandboxProbe> {
  let probe: (() => Promise<SandboxProbe>) | null = null;
  return async () => {
    if (probe === null) {
      const { createSandboxProbe } = await import("../tools/sandbox/probe.ts");
      probe ??= createSandboxProbe({
        hidden: [paths.state, paths.config].filter((path) => existsSync(path)).map((path) => realpathSync(path)),
        directory: paths.gateway,
        clock,
        log: log.child({ subsystem: "sandbox" }),
      });
    }
    return await probe();
  };
}
