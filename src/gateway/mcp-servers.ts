import { homedir } from "node:os";
import { commandMarker } from "../agents/pi/files.ts";
import { McpServers } from "../mcp/servers.ts";
import { decideMcpTool, type ToolDecision } from "../tools/policy.ts";
import { errorResult } from "../tools/results.ts";
import type { ToolCaller, ToolDescription, ToolExecutor } from "../tools/tool.ts";
import type { ToolSource } from "../tools/tool-source.ts";
import { createVault } from "../store/vault.ts";
import type { GatewayBase } from "./base.ts";
import type { RunningConfig } from "./running-config.ts";
import type { Storage } from "./storage.ts";

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

/** Whether such a caller may call a tool of an MCP server with the configuration that holds now. Every room of the turn has to allow it. */
export function decideMcpCall(
  { agents }: Pick<RunningConfig, "agents">,
  { agentId, surface, rooms = [] }: Pick<ToolCaller, "agentId" | "surface" | "rooms">,
  name: string,
): Omit<ToolDecision, "tool"> {
  const decisions = [null, ...rooms].map((room) => decideMcpTool(agents.policyLayers(agentId, room), surface, name));
  return decisions.find(({ isGranted }) => !isGranted) ?? decisions.at(-1)!;
}

/** An executor that also runs the calls of a source's tools, after the policy has allowed them. */
export function withSource(executor: ToolExecutor, source: ToolSource, running: Pick<RunningConfig, "agents">): ToolExecutor {
  return {
    describe: (names) => executor.describe(names),
    async run(call, context) {
      if (!source.has(call.name)) return await executor.run(call, context);
      const { isGranted, rule } = decideMcpCall(running, context.caller, call.name);
      return isGranted ? await source.run(call, context) : errorResult(`The tool ${call.name} is denied by ${rule}; nothing was run.`);
    },
    endSession: (sessionKey) => executor.endSession(sessionKey),
    async stop() {
      await Promise.all([executor.stop(), source.stop()]);
    },
  };
}

/** The tools of a source that the policy lets this caller call. */
export async function listAllowed(
  source: ToolSource,
  running: Pick<RunningConfig, "agents">,
  caller: ToolCaller,
  signal: AbortSignal,
): Promise<readonly ToolDescription[]> {
  const tools = await source.list(signal);
  return tools.filter(({ name }) => decideMcpCall(running, caller, name).isGranted);
}
