/** A stage that has ended: when it began, in milliseconds since the epoch with fractions, and how long it took. */
export type StageTime = { startedAt: number; durationMs: number };

/** The run that a stage is part of. `channel`: where its message came from. */
type StageRun = { runId: string; agentId: string; channel: string };

/** The model of a call; the names are those of the configuration. */
type StageModel = { provider: string; model: string };

type StageUsage = { input: number; output: number; cacheRead: number; cacheWrite: number; totalTokens: number; costUsd: number };

/**
 * The stages of a message on its way, each emitted when it has ended. Metrics and traces are derived from them, and nothing else is:
 * without a listener they have no effect.
 */
export type StageEvents = {
  /** A message is on disk. `source`: `channel`, `cron`, `subagent`, or how a client sent it (`rpc`, `http`). */
  "stage.admitted": StageRun & StageTime & { source: string; sessionId: string; traceparent: string | null };
  /** A turn has left the queue of its session. `agent`: it asks the agent, and is not a command. */
  "stage.waited": StageRun & StageTime & { trigger: string; agent: boolean; traceparent: string | null };
  /** A request to a model has ended. `spanId`: the span that the request named as its parent. */
  "stage.model": StageRun &
    StageTime &
    StageModel & {
      sessionId: string;
      outcome: "ok" | "error" | "aborted";
      errorKind: string | null;
      httpStatus: number | null;
      firstTokenMs: number | null;
      stopReason: string | null;
      usage: StageUsage | null;
      spanId: string | null;
      /** What was answered, without the model's thinking. */
      output: readonly StageOutput[];
    };
  /** Another model takes over from one that failed. */
  "stage.failover": StageRun & { from: StageModel; to: StageModel; reason: string };
  /** A call of a tool has ended. `denied`: it was refused before it ran. */
  "stage.tool": StageRun &
    StageTime & { callId: string; tool: string; outcome: "ok" | "error" | "blocked"; denied: string | null; args: unknown; result: string };
  /** The agent has answered, or will not. */
  "stage.run": StageRun &
    StageTime &
    StageModel & {
      sessionId: string;
      trigger: string;
      outcome: "ok" | "error" | "aborted";
      errorKind: string | null;
      usage: StageUsage;
      input: string;
      skill: string | null;
    };
  /** The outcome of a message is on disk. `mergedInto`: another run has answered it. */
  "stage.processed": StageRun &
    StageTime & {
      source: string;
      sessionId: string;
      outcome: "ok" | "error" | "aborted";
      errorKind: string | null;
      traceparent: string | null;
      mergedInto: string | null;
    };
  /** One attempt to hand a part of a reply to its platform. `ok`: the platform has acknowledged it. */
  "stage.delivery": StageTime & StagePart & { attempt: number; outcome: "ok" | "error" | "unknown"; errorKind: string | null };
  /** What became of a part: its time in the outbox, with all attempts. */
  "stage.part": StageTime & StagePart & { outcome: string };
  /** A request of a client was answered. `firstAnswerMs`: until its first answer; `admissionMs`: until its method ran. */
  "stage.rpc": StageTime & {
    method: string;
    outcome: string;
    firstAnswerMs: number;
    admissionMs: number | null;
    traceparent: string | null;
  };
  /** A platform has called a webhook. */
  "stage.webhook": StageTime & { channel: string; outcome: "ok" | "error" };
};

type StageOutput = { type: "text"; text: string } | { type: "toolCall"; id: string; name: string; arguments: unknown };

/** A part of a reply. `runId`: the run whose reply it is; null for a message that no run of a session has made. */
type StagePart = { partKey: string; intentId: string; runId: string | null; channel: string; kind: "text" | "media" | "edit" };

/** When the stages of a run were reached: what no other row says. Times are milliseconds since 1970. */
export type RunStages = {
  /** The message was on disk; absent where an earlier process admitted it. */
  committedAt?: number;
  /** The agent was given the prompt. */
  promptedAt?: number;
  /** A model accepted it. */
  acceptedAt?: number;
  /** The first text, thinking or call of a tool. */
  firstTokenAt?: number;
  /** What the agent did, in order of the beginning. */
  steps: RunStep[];
  /** Steps that were left out, because there were too many. */
  omitted?: number;
};

/** `endedAt` is absent while the step runs, and where its end is not known. */
export type RunStep = { startedAt: number; endedAt?: number } & (
  | { kind: "model"; model: string; stopReason: string; firstAt?: number; tokens: StepTokens; costUsd: number }
  | { kind: "tool"; callId: string; tool: string; isError?: boolean }
  | { kind: "approval"; approvalId: string; callId: string }
  | { kind: "retry"; attempt: number; delayMs: number; reason: string }
  | { kind: "compaction" }
);

export type StepTokens = { input: number; output: number; cacheRead: number; cacheWrite: number };
