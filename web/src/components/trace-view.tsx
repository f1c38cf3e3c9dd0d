import { locale } from "../locale.ts";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { formatCost, formatSpan } from "../../../src/core/quantities.ts";
import { stageFix, stageNote, stageTitle, summarizeTimeline } from "../../../src/core/timeline.ts";
import type { TimelineStage } from "../../../src/core/timeline.ts";
import { maskKeys } from "../mask-keys.ts";
import { channelName } from "../session-list.ts";
import * as store from "../state.ts";
import * as records from "../trace.ts";
import { SessionLink } from "./approval-question.tsx";
import { CommandLine } from "./command-line.tsx";
import { ViewFrame } from "./view-frame.tsx";
import type { Placed, Trace } from "../trace.ts";
import "../styles/trace.css";

/** How often a message to which something still happens is read again. */
const REFRESH_MS = 2_000;

/** What became of one message: each stage from its arrival to the delivery of the answer. */
export function TraceView(): JSX.Element {
  const online = store.isOnline.value;
  const id = store.tracedId.value;
  const { value: trace } = records.trace;
  useEffect(() => void records.loadTrace(), [online, id]);
  const open = trace !== null && records.isOpen(trace);
  useEffect(() => {
    if (!open) return;
    const timer = setInterval(() => {
      if (!document.hidden) void records.loadTrace();
    }, REFRESH_MS);
    return () => clearInterval(timer);
  }, [open]);
  const { value: failed } = records.failed;
  return (
    <ViewFrame view="trace" failed={failed}>
      {trace === null ? (
        failed === null && <p class="panel-empty">Loading…</p>
      ) : (
        <>
          <Summary trace={trace} />
          <Stages trace={trace} />
        </>
      )}
    </ViewFrame>
  );
}

function Summary({ trace: { message, timeline } }: { trace: Trace }): JSX.Element {
  const { tokens, costUsd, attempts, receivedAt, mergedInto, firstTokenAt } = timeline;
  const at = new Date(receivedAt);
  const used = tokens.input + tokens.output;
  return (
    <section class="panel" aria-labelledby="trace-title">
      <h2 class="trace-text" id="trace-title" dir="auto">
        {message.damaged === true ? "Damaged on disk: its words are lost" : maskKeys(message.text) || "A message without text"}
      </h2>
      <p class="hint">
        From <bdi>{senderText(message)}</bdi>, <time dateTime={at.toISOString()}>{at.toLocaleString(locale())}</time>, in{" "}
        <SessionLink sessionKey={message.sessionKey} />
      </p>
      <p class="trace-result">{summarizeTimeline(timeline)}</p>
      <dl class="trace-facts">
        {firstTokenAt !== undefined && <Fact name="First token after" value={formatSpan(firstTokenAt - receivedAt)} />}
        {used > 0 && (
          <Fact name="Tokens" value={`${tokens.input.toLocaleString(locale())} in, ${tokens.output.toLocaleString(locale())} out`} />
        )}
        {costUsd > 0 && <Fact name="Cost" value={formatCost(costUsd)} />}
        {attempts > 1 && <Fact name="Attempts" value={String(attempts)} />}
        <Fact name="Agent" value={message.agentId} />
        <Fact name="Run" value={mergedInto === undefined ? timeline.runId : `${timeline.runId}, answered by ${mergedInto}`} />
      </dl>
    </section>
  );
}

const senderText = ({ senderName, senderId, channel, roomName }: Trace["message"]): string => {
  const sender = senderName ?? senderId;
  const place = `${channelName(channel)}${roomName === undefined ? "" : `, ${roomName}`}`;
  return sender === undefined ? place : `${sender} on ${place}`;
};

function Fact({ name, value }: { name: string; value: string }): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <bdi>{value}</bdi>
      </dd>
    </div>
  );
}

/** Marks of the axis, in parts of the whole. */
const MARKS = [0, 0.25, 0.5, 0.75, 1];

function Stages({ trace: { timeline } }: { trace: Trace }): JSX.Element {
  const { placed, totalMs } = records.placeStages(timeline.stages, Date.now());
  return (
    <section class="panel" aria-labelledby="stages-title">
      <div class="panel-head">
        <h2 id="stages-title">Stages</h2>
        <button type="button" class="quiet" onClick={() => void records.loadTrace()}>
          Read again
        </button>
      </div>
      <div class="trace-axis" aria-hidden="true">
        {MARKS.map((mark) => (
          <span key={mark}>{formatSpan(mark * totalMs)}</span>
        ))}
      </div>
      <ol class="trace-stages">
        {placed.map((one, index) => (
          <Stage key={index} placed={one} />
        ))}
      </ol>
      {timeline.omittedSteps > 0 && <p class="hint">{timeline.omittedSteps.toLocaleString(locale())} more steps were not noted.</p>}
      {!timeline.hasSteps && <p class="hint">The steps of the agent were not noted: an earlier release or a crash ended this run.</p>}
    </section>
  );
}

function Stage({ placed: { stage, from, width, startMs, tookMs } }: { placed: Placed }): JSX.Element {
  const note = stageNote(stage);
  const first =
    stage.kind === "model" && stage.firstAt !== undefined ? `first token after ${formatSpan(stage.firstAt - stage.startedAt)} · ` : "";
  return (
    <li class="trace-stage" data-status={stage.status}>
      <p class="trace-name">
        <span>{stageTitle(stage)}</span>
        <span class="trace-time">
          {tookMs === null ? `at +${formatSpan(startMs)}` : `${formatSpan(tookMs)}${stage.status === "running" ? " so far" : ""}`}
        </span>
      </p>
      <div class="trace-lane" aria-hidden="true">
        <div
          class="trace-bar"
          data-kind={kindOf(stage)}
          data-moment={tookMs === null || undefined}
          style={{ insetInlineStart: `${from}%`, inlineSize: `${width}%` }}
        />
      </div>
      {(first !== "" || note !== "") && (
        <p class="trace-note" dir="auto">
          {first}
          {note}
        </p>
      )}
      {stage.kind === "dead-letter" && <DeadLetter stage={stage} />}
    </li>
  );
}

/** Who works in a stage: the gateway, the model, a tool, a platform; or something is waited for. */
function kindOf({ kind }: TimelineStage): string {
  if (kind === "model" || kind === "agent") return "model";
  if (kind === "tool") return "tool";
  if (kind === "waited" || kind === "approval" || kind === "retry") return "wait";
  return kind === "delivery" || kind === "platform" ? "platform" : "gateway";
}

function DeadLetter({ stage }: { stage: Extract<TimelineStage, { kind: "dead-letter" }> }): JSX.Element {
  const disabled = records.busy.value;
  if (!store.mayAdminister.value) return <CommandLine text={stageFix(stage)!.replace(/^.*: /, "")} />;
  const askToDrop = (): void => {
    store.confirmQuestion.value = {
      title: "Drop this message?",
      text: "It will not be tried again, and cannot be brought back.",
      action: "Drop",
      onConfirm: () => {
        store.confirmQuestion.value = null;
        void records.settleDeadLetter("drop", stage.id);
      },
    };
  };
  return (
    <p class="trace-actions">
      <button type="button" class="primary small" disabled={disabled} onClick={() => void records.settleDeadLetter("retry", stage.id)}>
        {stage.direction === "outbound" ? "Send again" : "Try again"}
      </button>
      <button type="button" class="quiet" disabled={disabled} onClick={askToDrop}>
        Drop
      </button>
      {stage.status === "unknown" && <span class="hint">Look first whether it arrived: it may come twice.</span>}
    </p>
  );
}
