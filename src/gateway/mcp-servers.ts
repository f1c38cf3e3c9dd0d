import { homedir } from "node:os";
import { commandMarker } from "../agents/pi/files.ts";
import { McpServers } from "../mcp/servers.ts";
import { decideMcpTool, type ToolDecision } from "../tools/policy.ts";
import { createVault } from "../store/vault.ts";
import type { GatewayBase } from "./base.ts";
import type { RunningConfig } from "./running-config.ts";
import type { Storage } from "./storage.ts";
import { decideForRooms, type PolicyCaller } from "./tool-sources.ts";

type McpInput = Pick<GatewayBase, "paths" | "log" | "metrics" | "clock"> & Pick<Storage, "store" | "keyValue"> & { running: RunningConfig };

/** The MCP servers of the configuration. None is started here. */
export function createMcpServers({ paths, log, metrics, clock, store, keyValue, running }: McpInput): McpServers {
  const { PATH = "/usr/local/bin:/usr/bin:/bin", HOME = homedir(), LANG } = process.env;
  return new McpServers({
    config: () => running.config.mcp,
    env: { PATH, HOME, ...(LANG !== undefined && { LANG }) },
    marker: commandMarker(paths.state),
    pins: { keyValue, write: (change) => store.write(change), now: () => clock.now() },
    vault: (server) => createVault(store, "mcp:oauth", server),
    clock,
    log: log.child({ subsystem: "mcp" }),
    metrics,
  });
}

/** Whether such a caller may call a tool of an MCP server with the configuration that holds now. */
export const decideMcpCall = (running: Pick<RunningConfig, "agents">, caller: PolicyCaller, name: string): Omit<ToolDecision, "tool"> =>
  decideForRooms(running, caller, (layers) => decideMcpTool(layers, caller.surface, name));
