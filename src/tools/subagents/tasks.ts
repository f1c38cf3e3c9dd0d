import type { ToolCaller } from "../tool.ts";

/** A file that the agent gives with a task. */
export type SpawnAttachment = { name: string; content: string; encoding: "utf8" | "base64"; mimeType: string };

export type SpawnRequest = {
  task: string;
  label?: string;
  agentId?: string;
  model?: string;
  thinking?: string;
  /** 0: as long as any turn. */
  runTimeoutSeconds?: number;
  /** `fork`: it begins with a copy of the conversation that gives the task. */
  context?: "isolated" | "fork";
  attachments?: readonly SpawnAttachment[];
  /** False: the result is only kept. */
  expectsCompletionMessage?: boolean;
};

/** The result of a task as it is handed to the model: text of another agent, which is data. */
export type TaskResult = { taskId: string; label: string; status: string; result: string };

/** A message to the agent of another session, which is named by one of the first three. */
export type AgentMessageRequest = {
  sessionKey?: string;
  label?: string;
  agentId?: string;
  message: string;
  /** How long its answer is waited for; 0: it is not asked for. */
  timeoutSeconds?: number;
};

/** `answer`: text of another agent, which is data; null: there is none yet, or none was asked for. */
export type AgentMessageAnswer = {
  status: "accepted" | "timeout" | "ok" | "error";
  runId: string;
  sessionKey: string;
  note?: string;
  answer: string | null;
};

/** What agents do with tasks for sub-agents, with the rights of their turn. Everything throws GatewayError when it was not done. */
export interface AgentTasks {
  /** Starts a task; the answer is JSON for the model. */
  spawn(request: SpawnRequest, caller: ToolCaller): Promise<unknown>;
  /** Writes to another session. `signal` ends the wait for the answer, not the message. */
  send(request: AgentMessageRequest, caller: ToolCaller, signal: AbortSignal): Promise<AgentMessageAnswer>;
  /** The agents that may be given tasks or messages, JSON for the model. */
  agents(caller: ToolCaller): unknown;
  /** Tasks of this conversation, JSON for the model. */
  list(caller: ToolCaller): unknown;
  /** Waits until all of them have ended, or for so long; then their results count as handed back. Empty: all that have not ended. */
  wait(
    caller: ToolCaller,
    taskIds: readonly string[],
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<{ ended: TaskResult[]; open: string[] }>;
  /** Ends tasks and all that they have started. Empty: all that have not ended. */
  cancel(caller: ToolCaller, taskIds: readonly string[]): Promise<unknown>;
}
