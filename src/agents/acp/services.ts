import type { ToolPermit } from "../../tools/tool.ts";
import type { ModelRef, Turn } from "../runtime.ts";
import type { PermissionDecision, PermissionQuestion } from "./permission.ts";
import type { AcpAgentSpec } from "./agent-spec.ts";

/** What the gateway does for agents. */
export type AcpServices = {
  /** Throws, with the reason and the fix, for an agent that is not configured or not allowed. */
  spec: (turn: Pick<Turn, "agentId" | "sessionKey">, model: ModelRef) => AcpAgentSpec;
  /** Why an agent may not run in such a turn, in one clause; null: it may. */
  refuse: (permit: ToolPermit) => string | null;
  /** Asks a person. Null: no answer, or the turn was stopped. */
  ask: (question: PermissionQuestion, permit: ToolPermit, signal: AbortSignal) => Promise<PermissionDecision | null>;
  /** Reads and writes files, and runs commands, with the rights of the turn. Null: agents use their own. */
  workbench: Workbench | null;
};

/** One call that the gateway runs for an agent, which the turn has allowed. */
export type OwnCall = { callId: string; permit: ToolPermit; signal: AbortSignal };

/** Files and commands, behind the same gate as the tools of the gateway. What they reject with is an answer for the agent. */
export type Workbench = {
  readFile: (path: string, range: { line: number | null; limit: number | null }, call: OwnCall) => Promise<string>;
  writeFile: (path: string, content: string, call: OwnCall) => Promise<void>;
  runCommand: (command: TerminalCommand, call: OwnCall) => Promise<AgentTerminal>;
};

export type TerminalCommand = { text: string; cwd: string | null; env: Readonly<Record<string, string>>; outputBytes: number };

/** A command that runs for an agent. */
export type AgentTerminal = {
  output(): { text: string; isTruncated: boolean };
  /** Null while it runs. */
  exit(): TerminalExit | null;
  ended: Promise<TerminalExit>;
  kill(): void;
};

export type TerminalExit = { exitCode: number | null; signal: string | null };
