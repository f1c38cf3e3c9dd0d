import { homedir } from "node:os";
import { commandMarker } from "../agents/pi/files.ts";
import { McpServers } from "../mcp/servers.ts";
import { decideMcpTool, type ToolDecision } from "../tools/policy.ts";
import { createVault } from "../store/vault.ts";
import type { CommandSettings } from "../tools/commands/gate.ts";
import type { ToolCall } from "../tools/tool.ts";
import type { GatewayBase } from "./base.ts";
import type { RunningConfig } from "./running-config.ts";
import type { Storage } from "./storage.ts";
import { decideForRooms, type CallQuestion, type PolicyCaller } from "./tool-sources.ts";

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

/**
 * What a person is asked before a call of a tool of an MCP server; null where none is asked. `settingsOf`: what holds for commands of the
 * caller. The server is asked what it says of the tool only where that matters.
 */
export async function questionOfMcp(
  mcp: Pick<McpServers, "askOf" | "find">,
  { name, args }: Pick<ToolCall, "name" | "args">,
  { settingsOf, signal }: { settingsOf: () => Pick<CommandSettings, "mode" | "alwaysAsk">; signal: AbortSignal },
): Promise<CallQuestion | null> {
  const { mode, alwaysAsk } = settingsOf();
  const { ask = mode === "ask" ? "acting" : "never" } = mcp.askOf(name) ?? {};
  if (ask === "never") return null;
  await mcp.find(name, signal);
  const found = mcp.askOf(name);
  if (found === null || (ask === "acting" && found.readsOnly)) return null;
  const { server, tool, isProgram, hash } = found;
  const rights = isProgram ? ", which has the rights of the gateway's user" : "";
  return {
    title: `MCP server ${server}: ${tool}`,
    about: `An agent wants to call a tool of the MCP server ${server}${rights}.`,
    args,
    pluginId: null,
    toolName: name,
    mcpTool: { server, tool },
    ...(ask === "acting" && !alwaysAsk && { grant: { binding: ["mcp", server, tool, hash], text: `any call of ${name}` } }),
  };
}

/** Whether such a caller may call a tool of an MCP server with the configuration that holds now. */
export const decideMcpCall = (running: Pick<RunningConfig, "agents">, caller: PolicyCaller, name: string): Omit<ToolDecision, "tool"> =>
  decideForRooms(running, caller, (layers) => decideMcpTool(layers, caller.surface, name));
