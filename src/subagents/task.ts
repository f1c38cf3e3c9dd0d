import type { AgentId, RunId, SessionKey } from "../core/ids.ts";
import type { SubagentTaskRow, SubagentTasks } from "../store/subagent-tasks.ts";
import type { Submission } from "../turns/submission.ts";

/** What the turn had that gave the task: the task never has more, and its result is handed back with it. */
export type TaskGrant = Pick<Submission, "tools" | "provenance" | "target" | "roomTools">;

/** The way of work from agent to agent. */
export type Trail = {
  /** The sessions that wait for it, from the first one on: no message goes back into one of them. */
  path: readonly SessionKey[];
  /** Messages between agents on the way so far; answers that led to a further message count as well. */
  hops: number;
};

/** What is stored of a task. */
export type TaskRecord = {
  /** `message`: a message to a session that belongs to others, which answers it. Absent: a task with a session of its own. */
  kind?: "message";
  trail?: Trail;
  /** The agent in whose usage it counts: the first one that gave work away. Absent in tasks of older versions: the one that works. */
  payer?: AgentId;
  task: string;
  label: string;
  agentId: AgentId;
  model: string | null;
  thinking: string | null;
  /** Null: as any turn. */
  timeoutMs: number | null;
  /** 1 for a task that a conversation with people gave. */
  depth: number;
  parentAgentId: AgentId;
  parentRunId: RunId | null;
  /** The conversation that gets the result: after a reset it is another one. */
  parentSessionId: string;
  grant: TaskGrant;
  /** Files of the task, as its message has them. */
  files?: Pick<Submission, "images" | "attached">;
  /** The last text of the sub-agent, cut. */
  result?: string;
  /** Why it failed. */
  error?: string;
  usage?: unknown;
  /** Times that a person had the result handed back again. */
  retries?: number;
};

export type Task = SubagentTaskRow<TaskRecord>;
export type TaskRows = SubagentTasks<TaskRecord>;

/** What the rest of the gateway may know about tasks, as it happens. */
export type SubagentEvents = { "task.changed": { runId: RunId } };

/** What the configuration says about the sub-agents of one agent. */
export type SubagentSettings = {
  maxConcurrent: number;
  maxSpawnDepth: number;
  maxChildrenPerAgent: number;
  /** Seconds; 0: as any turn. */
  runTimeoutSeconds: number;
  model: string | null;
  thinking: string | null;
  /** Ids of the agents that may be given tasks besides the agent itself; `*`: all. */
  allowAgents: readonly string[];
};

export const isMessage = ({ record }: Pick<Task, "record">): boolean => record.kind === "message";

export const hasEnded = ({ state }: Pick<Task, "state">): boolean => state !== "waiting" && state !== "running";
