import { formatCost, formatSpan } from "../core/quantities.ts";
import {
  stageFix,
  stageNote,
  stageTitle,
  summarizeTimeline,
  type StageStatus,
  type Timeline,
  type TimelineStage,
} from "../core/timeline.ts";
import type { CommandHandler } from "./command.ts";
import { callGateway } from "./connect.ts";
import { requireKnownAgent } from "./known-names.ts";
import type { Output, TerminalStyle } from "./output.ts";
import { sanitizeLine, truncateText } from "./terminal-text.ts";

type TracedMessage = {
  runId: string;
  channel: string;
  account: string;
  agentId: string;
  sessionKey: string;
  text: string;
  senderName?: string;
  senderId?: string;
  damaged?: boolean;
};
type Answer = { message: TracedMessage; timeline: Timeline };

/** `openclaw trace [id]` */
export const trace: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const id = invocation.args[0];
  const key = invocation.text("session-key");
  const agentId = requireKnownAgent(invocation, invocation.text("agent"));
  const params = { ...(id !== undefined && { id }), ...(key !== undefined && { key }), ...(agentId !== undefined && { agentId }) };
  const answer = await callGateway<Answer>(invocation, ["operator.read"], "sessions.timeline", params);
  out.result(answer, () => {
    showMessage(out, answer);
    out.line();
    showStages(out, answer.timeline, host.now());
    showFixes(out, answer.timeline);
  });
};

function showMessage(out: Output, { message, timeline }: Answer): void {
  const { tokens, costUsd } = timeline;
  const sender = message.senderName ?? message.senderId;
  const used = tokens.input + tokens.output > 0;
  out.pairs([
    ["message", message.damaged ? "damaged on disk" : sanitizeLine(message.text)],
    ["from", `${sender === undefined ? "" : `${sender} on `}${message.channel}${message.account === "" ? "" : `/${message.account}`}`],
    ["session", message.sessionKey],
    ["run", timeline.mergedInto === undefined ? timeline.runId : `${timeline.runId}, answered by ${timeline.mergedInto}`],
    ["received", new Date(timeline.receivedAt).toISOString()],
    ...(used ? ([["tokens", `${tokens.input} in, ${tokens.output} out${costUsd > 0 ? `, ${formatCost(costUsd)}` : ""}`]] as const) : []),
    ...(timeline.attempts > 1 ? ([["attempts", String(timeline.attempts)]] as const) : []),
    ["result", summarizeTimeline(timeline)],
  ]);
}

const STATUS_STYLE: Readonly<Record<StageStatus, TerminalStyle | null>> = { done: null, running: "cyan", failed: "red", unknown: "yellow" };
const BAR_WIDTH = 24;

function showStages(out: Output, timeline: Timeline, now: number): void {
  const { stages } = timeline;
  const from = Math.min(...stages.map((stage) => stage.startedAt));
  const to = Math.max(...stages.map((stage) => endOf(stage, now)), from + 1);
  out.table(
    [
      { title: "at", align: "right" },
      { title: "stage" },
      { title: "took", align: "right" },
      { title: "" },
      { title: "details", truncate: true },
    ],
    stages.map((stage) => [
      `+${formatSpan(stage.startedAt - from)}`,
      stageTitle(stage),
      isMoment(stage) ? "" : `${formatSpan(endOf(stage, now) - stage.startedAt)}${stage.endedAt === undefined ? " …" : ""}`,
      barOf(stage, { from, to, now }),
      truncateText(detailsOf(stage), 200),
    ]),
  );
  if (timeline.omittedSteps > 0) out.note(`${timeline.omittedSteps} more steps were not noted.`);
}

const isMoment = (stage: TimelineStage): boolean => stage.endedAt === stage.startedAt || stage.kind === "dead-letter";
const endOf = (stage: TimelineStage, now: number): number =>
  stage.endedAt ?? (stage.status === "running" ? Math.max(now, stage.startedAt) : stage.startedAt);

function detailsOf(stage: TimelineStage): string {
  const first =
    stage.kind === "model" && stage.firstAt !== undefined ? `first token after ${formatSpan(stage.firstAt - stage.startedAt)}` : "";
  return [first, stageNote(stage)].filter(Boolean).join(" · ");
}

/** The stage on the time axis of all stages. */
function barOf(stage: TimelineStage, { from, to, now }: { from: number; to: number; now: number }): string {
  const column = (at: number): number => Math.round(((at - from) / (to - from)) * (BAR_WIDTH - 1));
  const start = column(stage.startedAt);
  const end = Math.max(start, column(endOf(stage, now)));
  const mark = isMoment(stage) ? "┃" : "█".repeat(end - start + 1);
  return (" ".repeat(start) + mark).padEnd(BAR_WIDTH);
}

function showFixes(out: Output, { stages }: Timeline): void {
  const failed = stages.filter((stage) => STATUS_STYLE[stage.status] !== null && stage.kind === "dead-letter");
  for (const stage of failed) {
    const fix = stageFix(stage);
    if (fix !== null) out.line(out.paint(STATUS_STYLE[stage.status] ?? "red", fix));
  }
}
