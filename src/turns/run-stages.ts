import { modelName, type AgentEvent } from "../agents/runtime.ts";
import type { Clock } from "../core/clock.ts";
import { LIMITS } from "../core/limits.ts";
import type { RunStages, RunStep } from "../core/run-stages.ts";
import { clip } from "../core/text.ts";

type OpenStep = RunStep & { kind: "tool" | "approval" | "compaction" };

/** Notes when the stages of a turn are reached. They are stored with its end, in the row that is written then anyway. */
export class StageRecorder {
  readonly stages: RunStages;
  readonly #clock: Pick<Clock, "now">;
  /** Where the model began with the message that it writes. */
  #modelFrom = 0;
  #modelFirstAt: number | null = null;
  #model: string | null = null;

  constructor(clock: Pick<Clock, "now">, committedAt: number | undefined) {
    this.#clock = clock;
    this.stages = { ...(committedAt === undefined ? {} : { committedAt }), steps: [] };
  }

  /** The agent is given the prompt. */
  prompted(): void {
    this.#modelFrom = this.stages.promptedAt = this.#clock.now();
  }

  onEvent(event: AgentEvent): void {
    switch (event.type) {
      case "started":
        this.#model = modelName(event.model);
        this.stages.acceptedAt ??= this.#clock.now();
        break;
      case "text":
      case "thinking":
        if (this.#modelFirstAt === null) this.#firstToken();
        break;
      case "message":
        return this.#endMessage(event);
      case "tool":
        return this.#onTool(event);
      case "retry":
        return this.#onRetry(event);
      case "compaction":
        if (event.phase === "start") this.#add({ kind: "compaction", startedAt: this.#clock.now() });
        else this.#end((step) => step.kind === "compaction");
        break;
      case "end":
        return this.#onEnd(event.reason);
      case "steered":
      case "waiting":
    }
  }

  /** The run waits for a person, or no longer. */
  onApproval({ phase, approvalId, callId }: { phase: "waiting" | "resolved"; approvalId: string; callId: string }): void {
    if (phase === "waiting") this.#add({ kind: "approval", approvalId, callId, startedAt: this.#clock.now() });
    else this.#end((step) => step.kind === "approval" && step.approvalId === approvalId);
  }

  #firstToken(): void {
    this.#modelFirstAt = this.#clock.now();
    this.stages.firstTokenAt ??= this.#modelFirstAt;
  }

  #endMessage({ model, usage, stopReason }: Extract<AgentEvent, { type: "message" }>): void {
    const now = this.#clock.now();
    const { input, output, cacheRead, cacheWrite, costUsd } = usage;
    this.#add({
      kind: "model",
      startedAt: this.#modelFrom,
      endedAt: now,
      model: modelName(model),
      stopReason,
      ...(this.#modelFirstAt === null ? {} : { firstAt: this.#modelFirstAt }),
      tokens: { input, output, cacheRead, cacheWrite },
      costUsd,
    });
    this.#nextMessage(now);
  }

  /** A message of the model that a failure or a stop has cut off is a step too. */
  #onEnd(reason: "stop" | "aborted" | "error"): void {
    const isTool = this.stages.steps.some((step) => step.kind === "tool" && step.endedAt === undefined);
    if (reason === "stop" || this.#model === null || isTool) return;
    this.#add({
      kind: "model",
      startedAt: this.#modelFrom,
      endedAt: this.#clock.now(),
      model: this.#model,
      stopReason: reason,
      ...(this.#modelFirstAt === null ? {} : { firstAt: this.#modelFirstAt }),
      tokens: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
      costUsd: 0,
    });
  }

  #onTool(event: Extract<AgentEvent, { type: "tool" }>): void {
    const { id: callId, name: tool } = event;
    if (event.phase === "start") {
      this.stages.firstTokenAt ??= this.#clock.now();
      this.#add({ kind: "tool", callId, tool, startedAt: this.#clock.now() });
    } else if (event.phase === "end") {
      const step = this.#end((each) => each.kind === "tool" && each.callId === callId);
      if (step?.kind === "tool" && event.isError) step.isError = true;
      this.#nextMessage(this.#clock.now());
    }
  }

  #onRetry({ attempt, delayMs, reason }: Extract<AgentEvent, { type: "retry" }>): void {
    const now = this.#clock.now();
    this.#add({ kind: "retry", startedAt: now, endedAt: now, attempt, delayMs, reason: clip(reason, LIMITS.stageReasonChars) });
    this.#nextMessage(now);
  }

  #nextMessage(now: number): void {
    this.#modelFrom = now;
    this.#modelFirstAt = null;
  }

  #add(step: RunStep): void {
    const { stages } = this;
    if (stages.steps.length < LIMITS.stageSteps) stages.steps.push(step);
    else stages.omitted = (stages.omitted ?? 0) + 1;
  }

  /** Ends the step that runs and matches; undefined where it was left out. */
  #end(matches: (step: OpenStep) => boolean): RunStep | undefined {
    const step = this.stages.steps.findLast(
      (each) => each.endedAt === undefined && each.kind !== "model" && each.kind !== "retry" && matches(each),
    );
    if (step) step.endedAt = this.#clock.now();
    return step;
  }
}
