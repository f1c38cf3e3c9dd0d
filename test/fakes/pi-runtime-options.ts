import { commandMarker, piDirs, toCommandEnv } from "../../src/agents/pi/files.ts";
import type { PiRuntimeOptions } from "../../src/agents/pi/runtime.ts";
import { silentLog } from "../../src/core/log.ts";
import { createBuiltInTools } from "../../src/tools/built-in.ts";
import { createToolExecutor } from "../../src/tools/executor.ts";
import type { ToolExecutor } from "../../src/tools/tool.ts";

/** The tools as the gateway builds them. */
export function testTools(stateDir: string): ToolExecutor {
  const tempDir = piDirs(stateDir).temp;
  const tools = createBuiltInTools({ env: toCommandEnv(process.env, tempDir), marker: commandMarker(stateDir), tempDir });
  return createToolExecutor({ tools, log: silentLog });
}

/** All agents in one kind of host, with the default settings of the other options. */
export const testHosts = (host: "shared" | "process"): Pick<PiRuntimeOptions, "hostOf" | "defaultHost" | "shared"> => ({
  hostOf: () => ({ host, isolation: "none" }),
  defaultHost: () => host,
  shared: () => ({ shards: 1, maxIdleSessions: 100, idleMs: 0 }),
});
