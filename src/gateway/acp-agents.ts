import { parseAcpModel, type AcpAgentSpec } from "../agents/acp/agent-spec.ts";
import type { PermissionDecision, PermissionQuestion } from "../agents/acp/permission.ts";
import { parseConversationOptions, withConversationOptions } from "../agents/acp/conversation-options.ts";
import type { AcpServices, OwnCall, Workbench } from "../agents/acp/services.ts";
import { commandMarker, piDirs } from "../agents/pi/files.ts";
import type { AgentRuntime, ModelRef, Turn } from "../agents/runtime.ts";
import type { CommandAllowlist } from "../approvals/allowlist.ts";
import type { Approvals } from "../approvals/approvals.ts";
import { resolveAcpAgent } from "../config/acp-agents.ts";
import { toCommandEnv } from "../core/command-env.ts";
import { MARKER_VARIABLE } from "../core/marked-processes.ts";
import type { ApprovalSubject } from "../store/approvals.ts";
import { GroupWatcher } from "../tools/group-watcher.ts";
import type { ToolPermit } from "../tools/tool.ts";
import { createHash } from "node:crypto";
import type { GatewayBase } from "./base.ts";
import type { Storage } from "./storage.ts";
import type { RunningConfig } from "./running-config.ts";
import { commandSettings } from "./tool-permits.ts";

export type AcpAgentsInput = Pick<GatewayBase, "paths" | "log" | "metrics" | "clock"> &
  Pick<Storage, "sessions"> & {
    running: RunningConfig;
    approvals: Approvals;
    allowlist: CommandAllowlist;
    workbench: () => Workbench;
  };

/** The runtime of agents of other vendors. Nothing of it is loaded before the first turn of one. */
export async function loadAcpRuntime(input: AcpAgentsInput): Promise<AgentRuntime> {
  const { running, clock, metrics, paths } = input;
  const marker = commandMarker(paths.state);
  const { AcpRuntime } = await import("../agents/acp/runtime.ts");
  return new AcpRuntime({
    services: acpServices(input, marker),
    limits: () => {
      const { maxConcurrentSessions, runtime } = running.config.acp;
      return { maxSessions: maxConcurrentSessions, idleMs: runtime.ttlMinutes * 60_000 };
    },
    watcher: new GroupWatcher({ clock, marker }),
    clock,
    log: input.log.child({ subsystem: "agents" }),
    metrics,
  });
}

function acpServices({ running, sessions, approvals, allowlist, paths, workbench }: AcpAgentsInput, marker: string): AcpServices {
  const baseEnv = { ...toCommandEnv(process.env, piDirs(paths.state).temp), [MARKER_VARIABLE]: marker };
  const isDenied = ({ caller }: ToolPermit): boolean =>
    parseConversationOptions(sessions.get(caller.sessionKey)?.agent_options).permissions === "deny-all";
  return {
    spec(turn, model) {
      const spec = agentSpec(running, baseEnv, turn, model);
      const session = sessions.get(turn.sessionKey);
      return withConversationOptions({ ...spec, mode: session?.agent_mode ?? spec.mode }, parseConversationOptions(session?.agent_options));
    },
    refuse: ({ caller }) => {
      const { mode, rule, host, hostRule } = commandSettings(running, allowlist, caller);
      if (mode === "deny") return `no program may run here (${rule})`;
      if (mode === "allowlist")
        return `only listed commands may run here (${rule}), and what this agent runs is not compared with the list`;
      if (host === "sandbox") return `programs run in the sandbox only here (${hostRule}), and this agent runs outside of it`;
      return null;
    },
    ask: async (question, permit, signal) => (isDenied(permit) ? "deny" : await askPerson(approvals, question, permit, signal)),
    workbench: deniable(workbench(), isDenied),
  };
}

/** Refuses what changes something while the conversation denies everything. */
function deniable(workbench: Workbench, isDenied: (permit: ToolPermit) => boolean): Workbench {
  const check = ({ permit }: OwnCall): void => {
    if (isDenied(permit)) throw new Error("this conversation denies everything that an agent asks for (/acp permissions deny-all)");
  };
  return {
    readFile: workbench.readFile,
    async writeFile(path, content, call) {
      check(call);
      await workbench.writeFile(path, content, call);
    },
    async runCommand(command, call) {
      check(call);
      return await workbench.runCommand(command, call);
    },
  };
}

/** Throws, with the reason and the fix, for an agent that may not be used. */
function agentSpec(
  { config, agents }: Pick<RunningConfig, "config" | "agents">,
  baseEnv: Readonly<Record<string, string>>,
  { agentId }: Pick<Turn, "agentId">,
  { id }: ModelRef,
): AcpAgentSpec {
  const { agent: name, model } = parseAcpModel(id);
  const resolved = resolveAcpAgent(config, name);
  const answering = agents.acpOf(agentId);
  const own = answering?.agent === name ? answering : null;
  return {
    ...resolved,
    name,
    cwd: own?.cwd ?? resolved.cwd,
    // The configuration cannot replace the mark by which what is left over is found.
    env: { ...baseEnv, ...resolved.env, [MARKER_VARIABLE]: baseEnv[MARKER_VARIABLE] ?? "" },
    model: model ?? resolved.model,
    options: {},
    lifetime: own?.mode ?? "persistent",
  };
}

const DESCRIPTION_CHARS = 512;
const TITLE_CHARS = 80;

/** One question to people, whose answer is used once. Null: no answer. */
async function askPerson(
  approvals: Approvals,
  { callId, title, detail, warnings, offered }: PermissionQuestion,
  { caller }: ToolPermit,
  signal: AbortSignal,
): Promise<PermissionDecision | null> {
  const { agentId, sessionKey, runId } = caller;
  const description = detail.length <= DESCRIPTION_CHARS ? detail : `${detail.slice(0, DESCRIPTION_CHARS - 1)}…`;
  const shortTitle = title.length <= TITLE_CHARS ? title : `${title.slice(0, TITLE_CHARS - 1)}…`;
  const pluginId = title.slice(0, title.indexOf(":"));
  const subject: ApprovalSubject = {
    commandText: `${title}\n${description}`,
    cwd: "",
    host: "gateway",
    resolvedPath: null,
    warnings: [...warnings, ...(detail === description ? [] : ["Not everything is shown here: openclaw approvals show has the rest."])],
    patterns: [],
    plugin: { title: shortTitle, description, detail, severity: "warning", pluginId, toolName: "permission", mcpTool: null },
    offered: [...offered],
  };
  const digest = createHash("sha256")
    .update(JSON.stringify([title, detail, callId]))
    .digest("hex");
  const approval = await approvals.ask({ agentId, sessionKey, runId, callId, subject, digest }, signal);
  if (approval.status === "denied") return "deny";
  if (approval.status !== "allowed" || approval.decision === null || signal.aborted) return null;
  return (await approvals.use(approval.id)) ? approval.decision : null;
}
