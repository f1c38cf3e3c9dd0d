import type { AgentEvent } from "../agents/runtime.ts";
import type { Bus } from "../core/bus.ts";
import type { Clock } from "../core/clock.ts";
import { LIMITS } from "../core/limits.ts";
import type { RunRef, TurnEvents } from "./events.ts";
import { initialTurnState, reduce, visibleText, type TurnState } from "./reduce.ts";
import type { InflightRun } from "./runs.ts";
import type { ActiveIndicators } from "./turn-indicators.ts";

type TurnStreamDeps = { bus: Bus<TurnEvents>; clock: Clock };
type TurnNote = { kind: "retry"; text: string } | { kind: "compaction"; phase: "start" | "end" };
type ToolEvent = Extract<AgentEvent, { type: "tool" }>;

/** The events of one turn on their way to clients: reduced to a state, numbered, and with deltas that are combined. */
export class TurnStream {
  readonly #deps: TurnStreamDeps;
  readonly #ref: RunRef;
  readonly #inflight: InflightRun;
  /** What is shown on the channel while the turn runs; null when nothing is. */
  indicators: ActiveIndicators | null = null;
  #state: TurnState = initialTurnState;
  /** How much of the text and of the thinking clients have, and which revision of the text. */
  #emitted = { chars: 0, thinking: 0, revision: 0 };
  #toolUpdateAt = -Infinity;
  #cancelFlush: (() => void) | null = null;

  constructor(deps: TurnStreamDeps, ref: RunRef, inflight: InflightRun) {
    this.#deps = deps;
    this.#ref = ref;
    this.#inflight = inflight;
  }

  get state(): TurnState {
    return this.#state;
  }

  emitStarted(model: string): void {
    const { startedAt } = this.#inflight;
    // The start is sent to clients as two events, the lifecycle and its model: it takes two numbers.
    const seq = this.nextSeq();
    this.nextSeq();
    this.#deps.bus.emit("turn.started", { ...this.#ref, seq, model, startedAt });
  }

  onEvent(event: AgentEvent): void {
    const streams = event.type === "text" || event.type === "thinking";
    if (!streams) this.flush();
    this.#state = reduce(this.#state, event);
    this.#onStreamed(streams);
    if (event.type === "thinking") this.indicators?.thinking();
  }

  emitTool(event: ToolEvent): void {
    const { type: _type, ...tool } = event;
    if (!this.#isTooSoon(event))
      this.#deps.bus.emit("turn.tool", { ...this.#ref, seq: this.nextSeq(), ...tool } as TurnEvents["turn.tool"]);
  }

  emitNote(note: TurnNote): void {
    this.#deps.bus.emit("turn.note", { ...this.#ref, seq: this.nextSeq(), ...note });
  }

  nextSeq(): number {
    return ++this.#inflight.seq;
  }

  /** Each update repeats the output so far: some are left out, and the result has everything. */
  #isTooSoon(event: ToolEvent): boolean {
    if (event.phase !== "update") return false;
    const now = this.#deps.clock.monotonic();
    if (now - this.#toolUpdateAt < LIMITS.toolUpdateMs) return true;
    this.#toolUpdateAt = now;
    return false;
  }

  /** The first piece is sent at once, the following ones together every LIMITS.deltaCoalesceMs. */
  #onStreamed(streams: boolean): void {
    const { revision, thinking } = this.#state;
    const first = this.#emitted.chars === 0;
    if (thinking.length < this.#emitted.thinking) this.#emitted.thinking = 0;
    this.#inflight.text = visibleText(this.#state);
    const changed = revision !== this.#emitted.revision || this.#inflight.text.length !== this.#emitted.chars;
    if (!changed && thinking.length === this.#emitted.thinking) return;
    if (!streams || (changed && first)) this.flush();
    else this.#cancelFlush ??= this.#deps.clock.after(LIMITS.deltaCoalesceMs, () => this.flush());
  }

  /** Sends what clients do not have yet. */
  flush(): void {
    this.#cancelFlush?.();
    this.#cancelFlush = null;
    const { bus } = this.#deps;
    const { thinking, revision } = this.#state;
    const { text } = this.#inflight;
    const before = this.#emitted;
    this.#emitted = { chars: text.length, thinking: thinking.length, revision };
    if (thinking.length > before.thinking)
      bus.emit("turn.thinking", { ...this.#ref, seq: this.nextSeq(), delta: thinking.slice(before.thinking), text: thinking });
    const replace = revision !== before.revision;
    if (!replace && text.length === before.chars) return;
    // A preview cannot be empty.
    this.indicators?.text(text || "…");
    const delta = replace ? text : text.slice(before.chars);
    bus.emit("turn.text", { ...this.#ref, seq: this.nextSeq(), delta, text, ...(replace ? { replace } : {}) });
  }
}
