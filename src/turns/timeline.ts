import type { RunStages, RunStep, StepTokens } from "../core/stages.ts";
import type { StageStatus, Timeline, TimelineStage } from "../core/timeline.ts";
import type { AuditRow } from "../store/audit.ts";
import type { InboxRow } from "../store/inbox.ts";
import type { OutboxPart } from "../store/outbox.ts";
import type { Payload } from "./submission.ts";

/**
 * What is stored about one message. `run`: the run that answered it, which is another row where the message was collected into a turn or
 * handed into one.
 */
export type TimelineRows = {
  message: InboxRow<Payload>;
  run: InboxRow<Payload>;
  /** Stages of a run that has not ended. */
  running: RunStages | null;
  /** Events of the run in the audit, the oldest first. */
  audit: readonly Pick<AuditRow, "at" | "kind" | "status" | "callId" | "tool">[];
  parts: readonly OutboxPart[];
};

/** What became of one message, stage by stage, from its rows. Pure. */
export function toTimeline(rows: TimelineRows): Timeline {
  const { message, run, parts } = rows;
  const noted = run.stages ?? rows.running;
  const steps = noted === null ? stepsOfAudit(rows) : noted.steps.map((step) => toStepStage(step, run));
  const stages = [...arrival(rows), ...preparation(run, noted), ...steps, ...answer(run), ...parts.map(toDelivery), ...deadLetters(rows)];
  const models = (noted?.steps ?? []).filter((step) => step.kind === "model");
  const confirmed = parts.filter((part) => part.state === "sent").map((part) => part.updatedAt);
  return {
    runId: message.runId,
    ...(run.runId === message.runId ? {} : { mergedInto: run.runId }),
    state: message.state,
    attempts: message.attempts,
    receivedAt: message.receivedAt,
    ...(run.endedAt !== null && run.state !== "parked" && { answeredAt: run.endedAt }),
    ...(confirmed.length > 0 && confirmed.length === parts.length && { deliveredAt: Math.max(...confirmed) }),
    ...(noted?.firstTokenAt !== undefined && { firstTokenAt: noted.firstTokenAt }),
    tokens: sumTokens(models.map((step) => step.tokens)),
    costUsd: models.reduce((sum, step) => sum + step.costUsd, 0),
    hasSteps: noted !== null,
    omittedSteps: noted?.omitted ?? 0,
    stages: stages.toSorted((a, b) => a.startedAt - b.startedAt),
  };
}

/** From the platform to the turn that takes the message. */
function arrival({ message, run }: TimelineRows): TimelineStage[] {
  const { payload, receivedAt, agentId, sessionKey } = message;
  const committedAt = message.stages?.committedAt ?? receivedAt;
  const sentAt = payload?.sentAt;
  const isOther = run.runId !== message.runId;
  const takenAt = isOther ? Math.max(run.startedAt ?? committedAt, committedAt) : run.startedAt;
  const route = { kind: "routed", route: payload?.route ?? null, agentId, sessionKey } as const;
  const stages: TimelineStage[] = [
    { kind: "stored", startedAt: receivedAt, endedAt: committedAt, status: "done" },
    { ...route, startedAt: receivedAt, endedAt: receivedAt, status: "done" },
  ];
  if (sentAt !== undefined && sentAt < receivedAt)
    stages.unshift({ kind: "platform", startedAt: sentAt, endedAt: receivedAt, status: "done" });
  if (message.state === "parked" && takenAt === null) return stages;
  const startedAt = Math.min(committedAt, takenAt ?? committedAt);
  const end = takenAt ?? message.endedAt;
  const isQueued = message.state === "queued" && !isOther;
  stages.push({
    kind: "waited",
    startedAt,
    ...(isQueued || end === null ? { status: "running" as const } : { endedAt: Math.max(startedAt, end), status: "done" as const }),
    ...(isOther && { into: run.runId }),
  });
  return stages;
}

function preparation({ startedAt: takenAt, endedAt, state }: InboxRow<Payload>, noted: RunStages | null): TimelineStage[] {
  if (takenAt === null || state === "queued") return [];
  // An idle lane takes a message in the transaction that admits it, and begins once it is on disk.
  const startedAt = Math.max(takenAt, noted?.committedAt ?? takenAt);
  const promptedAt = noted?.promptedAt;
  if (promptedAt !== undefined) return [{ kind: "prepared", startedAt, endedAt: Math.max(startedAt, promptedAt), status: "done" }];
  // A command, or a turn that ended before the agent had it: there was no agent.
  if (noted !== null && endedAt !== null) return [];
  return [{ kind: "agent", startedAt, ...(endedAt === null ? { status: "running" } : { endedAt, status: "done" }) }];
}

/** A step that did not end in a turn that has ended was ended with it. */
function toStepStage(step: RunStep, { endedAt: runEndedAt }: InboxRow<Payload>): TimelineStage {
  const { endedAt = runEndedAt ?? undefined, ...rest } = step;
  const status: StageStatus =
    endedAt === undefined ? "running" : hasFailed(step) ? "failed" : step.endedAt === undefined ? "unknown" : "done";
  const { isError: _isError, ...known } = rest as typeof rest & { isError?: boolean };
  return { ...known, ...(endedAt === undefined ? {} : { endedAt }), status } as TimelineStage;
}

const hasFailed = (step: RunStep): boolean =>
  step.kind === "retry" || (step.kind === "tool" && step.isError === true) || (step.kind === "model" && step.stopReason === "error");

const CALL_STATUS: Readonly<Record<string, StageStatus>> = { succeeded: "done", unknown: "unknown" };

/** The calls of tools of a run whose steps were not noted. */
function stepsOfAudit({ audit, run }: TimelineRows): TimelineStage[] {
  const calls = audit.filter((row) => row.kind === "tool" && row.callId !== null);
  return calls
    .filter((row) => row.status === "started")
    .map(({ callId, tool, at }): TimelineStage => {
      const end = calls.find((row) => row.callId === callId && row.status !== "started");
      const stage = { kind: "tool", tool: tool ?? "", callId: callId! } as const;
      if (end) return { ...stage, startedAt: at, endedAt: end.at, status: CALL_STATUS[end.status] ?? "failed" };
      return { ...stage, startedAt: at, status: run.endedAt === null ? "running" : "unknown" };
    });
}

function answer({ endedAt, outcome, state }: InboxRow<Payload>): TimelineStage[] {
  if (endedAt === null || outcome === null || state === "parked") return [];
  const { error, status } = outcome;
  return [
    {
      kind: "answered",
      startedAt: endedAt,
      endedAt,
      status: status === "error" ? "failed" : "done",
      outcome: state === "dropped" ? "dropped" : status,
      ...(error && { cause: error.message, errorKind: error.kind }),
    },
  ];
}

const DELIVERY_STATUS: Readonly<Record<OutboxPart["state"], StageStatus>> = {
  queued: "running",
  attempting: "running",
  sent: "done",
  parked: "failed",
  unknown: "unknown",
  dropped: "failed",
  held: "failed",
};

function toDelivery(part: OutboxPart, index: number): TimelineStage {
  const { state, attempts, attemptedAt, createdAt, updatedAt, platformIds, cause } = part;
  const isOpen = state === "queued" || state === "attempting";
  return {
    kind: "delivery",
    part: index + 1,
    startedAt: createdAt,
    ...(isOpen ? {} : { endedAt: Math.max(createdAt, updatedAt) }),
    status: DELIVERY_STATUS[state],
    state,
    attempts,
    ...(attemptedAt !== null && { attemptedAt }),
    platformIds,
    ...(cause !== null && { cause }),
  };
}

function deadLetters({ message, parts }: TimelineRows): TimelineStage[] {
  const inbound: TimelineStage[] =
    message.state === "parked"
      ? [
          {
            kind: "dead-letter",
            id: `in:${message.runId}`,
            direction: "inbound",
            startedAt: message.endedAt ?? message.receivedAt,
            status: "failed",
            cause: message.outcome?.error?.message ?? "the session had too many messages waiting",
          },
        ]
      : [];
  const outbound = parts.filter((part) => part.state === "parked" || part.state === "unknown").map(toDeadPart);
  return [...inbound, ...outbound];
}

const toDeadPart = (part: OutboxPart): TimelineStage => ({
  kind: "dead-letter",
  id: `out:${part.partKey}`,
  direction: "outbound",
  startedAt: part.updatedAt,
  status: part.state === "unknown" ? "unknown" : "failed",
  cause: part.cause ?? "no reason was given",
});

const sumTokens = (all: readonly StepTokens[]): StepTokens =>
  all.reduce(
    (sum, each) => ({
      input: sum.input + each.input,
      output: sum.output + each.output,
      cacheRead: sum.cacheRead + each.cacheRead,
      cacheWrite: sum.cacheWrite + each.cacheWrite,
    }),
    { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
  );
