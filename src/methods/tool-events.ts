import type { Clock } from "../core/clock.ts";
import { LIMITS } from "../core/limits.ts";
import type { TurnEvents } from "../turns/events.ts";

type ToolEvent = TurnEvents["turn.tool"];
type Wire = Record<string, unknown>;

/** Characters at the end of an update by which the next one is recognized as its continuation. */
const OVERLAP_CHARS = 64;
/** The end of an output that is shown where neither all of it nor what is new fits, and the bytes that this may take. */
const SHORT_CHARS = 400;
const SHORT_BYTES = 3 * SHORT_CHARS;
const SECOND_MS = 1_000;

const textContent = (text: string): Wire => ({ content: [{ type: "text", text }] });
const bytesOf = (text: string): number => Buffer.byteLength(JSON.stringify(text));

/**
 * What has come since `before`, where both are the end of one growing text; null where they do not touch. Where a text repeats itself it
 * may be more than that, never less. Pure.
 */
export function newPart(before: string, now: string): string | null {
  if (now.startsWith(before)) return now.slice(before.length);
  if (before.length < OVERLAP_CHARS) return null;
  const at = now.indexOf(before.slice(-OVERLAP_CHARS));
  return at < 0 ? null : now.slice(at + OVERLAP_CHARS);
}

/** The beginning and the end of a text that is longer than events carry; the transcript has all of it. Pure. */
export function shortenResult(text: string): string {
  const { toolEventHeadChars: head, toolEventTailChars: tail } = LIMITS;
  const cut = text.length - head - tail;
  return cut <= 0 ? text : `${text.slice(0, head)}\n[${cut} characters are left out here]\n${text.slice(-tail)}`;
}

/** What clients have of the output of a running call, and the bytes that its next updates may take. */
class ShownOutput {
  #shown = "";
  #bytes: number = LIMITS.toolEventBytes;
  #at: number;

  constructor(now: number) {
    this.#at = now;
  }

  /** An update: all of the output while that is little, then what is new, then only its end. Null: it is left out. */
  next(output: string, now: number): Wire | null {
    const { toolEventBytes: most, toolEventBytesPerSecond: rate } = LIMITS;
    this.#bytes = Math.min(most, this.#bytes + ((now - this.#at) * rate) / SECOND_MS);
    this.#at = now;
    const part = newPart(this.#shown, output);
    if (part === "") return null;
    const whole = bytesOf(output);
    if (this.#bytes - whole >= most / 2) return this.#take(output, whole, { partialResult: textContent(output) });
    if (part !== null && bytesOf(part) <= this.#bytes) return this.#take(output, bytesOf(part), { delta: part });
    const short = output.slice(-SHORT_CHARS);
    return this.#bytes < SHORT_BYTES ? null : this.#take(output, bytesOf(short), { partialResult: textContent(short) });
  }

  #take(output: string, bytes: number, wire: Wire): Wire {
    this.#shown = output;
    this.#bytes -= bytes;
    return wire;
  }
}

/** The events of the stream `tool`, which carry a limited part of what the calls of tools give. */
export class ToolEvents {
  readonly #clock: Pick<Clock, "monotonic">;
  /** By run, then by call. */
  readonly #running = new Map<string, Map<string, ShownOutput>>();

  constructor(clock: Pick<Clock, "monotonic">) {
    this.#clock = clock;
  }

  /** The data of an event; null when nothing is sent. */
  toData(event: ToolEvent): Wire | null {
    const { runId, id, name } = event;
    const common = { name, toolCallId: id };
    const calls = this.#running.get(runId) ?? new Map<string, ShownOutput>();
    this.#running.set(runId, calls);
    if (event.phase === "start") return { ...common, phase: "start", args: event.args };
    if (event.phase === "update") {
      const now = this.#clock.monotonic();
      const output = calls.get(id) ?? new ShownOutput(now);
      calls.set(id, output);
      const update = output.next(event.partial, now);
      return update && { ...common, phase: "update", ...update };
    }
    calls.delete(id);
    const { isError, durationMs, result } = event;
    return { ...common, phase: "result", isError, durationMs, result: textContent(shortenResult(result)) };
  }

  /** The run has ended. */
  forget(runId: string): void {
    this.#running.delete(runId);
  }
}
