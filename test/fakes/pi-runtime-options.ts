import { noConversations } from "./no-conversations.ts";
import { noJobs } from "./no-jobs.ts";
import { noTasks } from "./no-tasks.ts";
import { noNodes } from "./no-nodes.ts";
import { noMessages } from "./no-messages.ts";
import { noImageModels } from "./no-image-models.ts";
import { noNotes } from "./no-notes.ts";
import { commandMarker, piDirs } from "../../src/agents/pi/files.ts";
import type { PiRuntimeOptions } from "../../src/agents/pi/runtime.ts";
import type { PiAgents } from "../../src/agents/pi/settings.ts";
import { toCommandEnv } from "../../src/core/command-env.ts";
import { LIMITS } from "../../src/core/limits.ts";
import { silentLog } from "../../src/core/log.ts";
import { createBuiltInTools } from "../../src/tools/built-in.ts";
import { createToolExecutor } from "../../src/tools/executor.ts";
import { openGate } from "./open-gate.ts";
import type { ToolExecutor } from "../../src/tools/tool.ts";

/** The tools as the gateway builds them. */
export function testTools(stateDir: string): ToolExecutor {
  const tempDir = piDirs(stateDir).temp;
  const env = toCommandEnv(process.env, tempDir);
  const tools = createBuiltInTools({
    env,
    marker: commandMarker(stateDir),
    tempDir,
    config: () => ({}),
    variables: () => undefined,
    conversations: noConversations,
    notes: noNotes,
    messages: noMessages,
    images: noImageModels,
    jobs: noJobs,
    tasks: noTasks,
    nodes: noNodes,
    gate: openGate,
  });
  return createToolExecutor({ tools, log: silentLog });
}

/** All agents have the default settings and run in one kind of host. Providers and keys may change at any time. */
export const testAgents = (host: "shared" | "process", env: NodeJS.ProcessEnv): PiAgents => ({
  version: {},
  hostOf: () => ({ host, isolation: "none" }),
  promptLimits: () => ({ fileChars: LIMITS.workspaceFileChars, totalChars: LIMITS.workspaceChars }),
  providerEnv: () => env,
});

/** All agents in one kind of host, with the default settings of the other options. */
export const testHosts = (
  host: "shared" | "process",
  env: NodeJS.ProcessEnv = process.env,
): Pick<PiRuntimeOptions, "agents" | "defaultHost" | "shared"> => ({
  agents: () => testAgents(host, env),
  defaultHost: () => host,
  shared: () => ({ shards: 1, maxIdleSessions: 100, idleMs: 0 }),
});
