import type { ToolCaller } from "../tool.ts";

export type SpawnRequest = {
  task: string;
  label?: string;
  agentId?: string;
  model?: string;
  thinking?: string;
  /** 0: as long as any turn. */
  runTimeoutSeconds?: number;
  /** False: the result is only kept. */
  expectsCompletionMessage?: boolean;
};

/** The result of a task as it is handed to the model: text of another agent, which is data. */
export type TaskResult = { taskId: string; label: string; status: string; result: string };

/** What agents do with tasks for sub-agents, with the rights of their turn. Everything throws GatewayError when it was not done. */
export interface AgentTasks {
  /** Starts a task; the answer is JSON for the model. */
  spawn(request: SpawnRequest, caller: ToolCaller): Promise<unknown>;
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
