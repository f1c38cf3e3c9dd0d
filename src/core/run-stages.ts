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

/** Why a message from a channel was answered, by which agent. */
export type RouteReason = {
  /** The rule that chose the agent: `peer`, `guild`, `default` ... */
  rule: string;
  /** Position of the binding in the configuration; absent where none matched. */
  binding?: number;
  /** Why the sender is answered, in one word, and in a sentence. */
  access: string;
  detail: string;
};
