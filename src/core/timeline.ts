/** The timeline of one message as `sessions.timeline` answers it, and its words. */
import { formatCost, formatSeconds, formatSpan } from "./quantities.ts";
import type { StepTokens } from "./stages.ts";

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

export type StageStatus = "done" | "running" | "failed" | "unknown";

/**
 * One stage. `startedAt` without `endedAt`: it runs, or its end is not known (`status`). A moment has both, and they are equal.
 */
export type TimelineStage = { startedAt: number; endedAt?: number; status: StageStatus } &
  /** From the platform's time of the message until the gateway had it. */
  (
    | { kind: "platform" }
    /** Until the message was on disk. */
    | { kind: "stored" }
    | { kind: "routed"; route: RouteReason | null; agentId: string; sessionKey: string }
    /** In its lane, behind other messages or for a free slot. */
    | { kind: "waited"; into?: string }
    /** Workspace, skills and context, until the agent had the prompt. */
    | { kind: "prepared" }
    | { kind: "model"; model: string; firstAt?: number; tokens: StepTokens; costUsd: number; stopReason: string }
    | { kind: "tool"; tool: string; callId: string }
    | { kind: "approval"; approvalId: string; callId: string }
    | { kind: "retry"; attempt: number; delayMs: number; reason: string }
    | { kind: "compaction" }
    /** What ran when nothing more is known of it. */
    | { kind: "agent" }
    /** The outcome and its outgoing messages were stored. */
    | { kind: "answered"; outcome: string; cause?: string; errorKind?: string }
    /** From its storage until the platform had confirmed it. `attemptedAt`: when the last attempt began. */
    | {
        kind: "delivery";
        part: number;
        state: string;
        attempts: number;
        attemptedAt?: number;
        platformIds: readonly string[];
        cause?: string;
      }
    | { kind: "dead-letter"; id: string; direction: "inbound" | "outbound"; cause: string }
  );

export type Timeline = {
  /** The run of the message itself. */
  runId: string;
  /** The run that answered it, where that is another one. */
  mergedInto?: string;
  state: string;
  attempts: number;
  receivedAt: number;
  /** When the answer was stored, and when the last part of it was confirmed. */
  answeredAt?: number;
  deliveredAt?: number;
  firstTokenAt?: number;
  tokens: StepTokens;
  costUsd: number;
  /** Whether the times of the agent's steps are known: they are not of runs that an earlier release or a crash ended. */
  hasSteps: boolean;
  omittedSteps: number;
  /** In order of the beginning. */
  stages: TimelineStage[];
};

const TITLES: Readonly<Record<TimelineStage["kind"], string>> = {
  platform: "On the platform",
  stored: "Received and stored",
  routed: "Routed",
  waited: "Waited",
  prepared: "Prepared",
  model: "Model",
  tool: "Tool",
  approval: "Approval",
  retry: "Repeated",
  compaction: "Compacted",
  agent: "Answered by the agent",
  answered: "Answer stored",
  delivery: "Delivery",
  "dead-letter": "Dead letter",
};

/** What a stage is called: "Tool read", "Delivery, part 2". Pure. */
export function stageTitle(stage: TimelineStage): string {
  if (stage.kind === "tool") return `Tool ${stage.tool}`;
  if (stage.kind === "delivery" && stage.part > 1) return `Delivery, part ${stage.part}`;
  if (stage.kind === "answered" && stage.outcome !== "ok") return OUTCOMES[stage.outcome] ?? stage.outcome;
  return TITLES[stage.kind];
}

const OUTCOMES: Readonly<Record<string, string>> = { error: "Failed", aborted: "Stopped", dropped: "Dropped" };

/** What is worth saying about a stage in one line; empty for nothing. Pure. */
export function stageNote(stage: TimelineStage): string {
  switch (stage.kind) {
    case "routed":
      return routeNote(stage);
    case "waited":
      if (stage.into !== undefined) return "taken into another turn";
      return stage.endedAt === stage.startedAt ? "not at all" : "behind other messages, or for a free place";
    case "model":
      return modelNote(stage);
    case "tool":
      return CALL_NOTES[stage.status];
    case "approval":
      return stage.status === "running" ? "waits for a person" : "a person was asked";
    case "retry":
      return `attempt ${stage.attempt}, after ${formatSeconds(stage.delayMs)}: ${stage.reason}`;
    case "answered":
      return stage.cause ?? "";
    case "delivery":
      return deliveryNote(stage);
    case "dead-letter":
      return stage.cause;
    case "agent":
      return stage.status === "running" ? "runs" : "its steps were not noted";
    case "platform":
    case "stored":
    case "prepared":
    case "compaction":
      return "";
  }
}

type StageOf<K extends TimelineStage["kind"]> = Extract<TimelineStage, { kind: K }>;

const CALL_NOTES: Readonly<Record<StageStatus, string>> = {
  done: "",
  running: "runs",
  failed: "failed or was refused",
  unknown: "its end is not known",
};

function routeNote({ route, agentId }: StageOf<"routed">): string {
  if (route === null) return `to agent ${agentId}, which the client chose`;
  const rule =
    route.rule === "default"
      ? "no binding matches"
      : route.rule === "broadcast"
        ? "one of several agents"
        : `rule ${route.rule}${route.binding === undefined ? "" : `, binding ${route.binding}`}`;
  return `to agent ${agentId} (${rule}); answered because ${route.detail}`;
}

function modelNote({ model, tokens, costUsd, status }: StageOf<"model">): string {
  const cached = tokens.cacheRead > 0 ? `, ${tokens.cacheRead} cached` : "";
  const isUsed = tokens.input + tokens.output > 0;
  const used = `${tokens.input} tokens in${cached}, ${tokens.output} out`;
  return [model, isUsed ? used : "", costUsd > 0 ? formatCost(costUsd) : "", status === "failed" ? "failed" : ""]
    .filter(Boolean)
    .join(" · ");
}

const DELIVERY_WORDS: Readonly<Record<string, string>> = {
  queued: "waits to be sent",
  attempting: "is being sent",
  sent: "confirmed by the platform",
  parked: "not sent",
  unknown: "may have been sent",
  dropped: "discarded",
};

function deliveryNote({ state, attempts, platformIds, cause }: StageOf<"delivery">): string {
  const ids = platformIds.length > 0 ? `as ${platformIds.join(", ")}` : "";
  const tries = attempts > 1 ? `${attempts} attempts` : "";
  return [[DELIVERY_WORDS[state] ?? state, ids].filter(Boolean).join(" "), tries, cause ?? ""].filter(Boolean).join(" · ");
}

/** How to help a message that did not arrive; null where nothing has to be done. Pure. */
export function stageFix(stage: TimelineStage): string | null {
  if (stage.kind === "dead-letter")
    return stage.status === "unknown"
      ? `Look whether it arrived. Send it again: openclaw dead-letters retry ${stage.id}`
      : `Try it again: openclaw dead-letters retry ${stage.id}`;
  return null;
}

/** The whole in one sentence. Pure. */
export function summarizeTimeline({ state, receivedAt, answeredAt, deliveredAt, stages, mergedInto }: Timeline): string {
  const into = mergedInto === undefined ? "" : ", together with other messages";
  const failed = stages.find((stage) => stage.kind === "dead-letter");
  if (state === "parked") return "It could not be run and waits as a dead letter.";
  if (state === "dropped") return "An operator discarded it.";
  if (answeredAt === undefined) return state === "queued" ? "It waits for its turn." : "It is being answered.";
  const took = formatSpan(answeredAt - receivedAt);
  const answered =
    state === "failed"
      ? `It failed after ${took}`
      : state === "aborted"
        ? `It was stopped after ${took}`
        : `It was answered in ${took}${into}`;
  if (failed) return `${answered}, but the answer ${failed.status === "unknown" ? "may not have been delivered" : "was not delivered"}.`;
  if (deliveredAt !== undefined && state === "failed")
    return `${answered}; the notice was delivered in ${formatSpan(deliveredAt - receivedAt)}.`;
  if (deliveredAt !== undefined) return `${answered} and delivered in ${formatSpan(deliveredAt - receivedAt)}.`;
  return stages.some((stage) => stage.kind === "delivery" && stage.status === "running")
    ? `${answered}; the answer is being delivered.`
    : `${answered}.`;
}
