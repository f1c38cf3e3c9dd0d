import type { Writable } from "node:stream";

type TextDelta = { s: number; kind: "text_delta" | "thinking_delta"; contentIndex: number; parts: string[] };

/** Deltas of one session that come within this time after the last record with text travel together. */
const COALESCE_MS = 12;
/** With more bytes unread by the gateway, sessions wait before they go on. */
const HIGH_WATER_BYTES = 1_048_576;

/**
 * Writes the host's records. Text deltas of a session are joined when they follow each other closely, so that a fast model costs one
 * record each 12 ms and not one for each token; the first one after a pause leaves at once. Order within a session is kept.
 */
export class HostOutput {
  readonly #socket: Writable;
  readonly #deltas = new Map<number, TextDelta>();
  /** When the last text of a session left, in milliseconds of the process. */
  readonly #sentAt = new Map<number, number>();
  #lines: string[] = [];
  #isTimerSet = false;
  #drained: PromiseWithResolvers<void> | null = null;

  constructor(socket: Writable) {
    this.#socket = socket;
    socket.on("drain", () => {
      this.#drained?.resolve();
      this.#drained = null;
    });
  }

  /** One record; of a session, after the deltas that wait. */
  send(record: { s?: number } & Record<string, unknown>): void {
    if (record.s !== undefined) this.#flushDelta(record.s);
    this.#write(record);
  }

  delta(s: number, kind: TextDelta["kind"], contentIndex: number, delta: string): void {
    const waiting = this.#deltas.get(s);
    if (waiting?.kind === kind && waiting.contentIndex === contentIndex) {
      waiting.parts.push(delta);
      return;
    }
    if (waiting) this.#flushDelta(s);
    this.#deltas.set(s, { s, kind, contentIndex, parts: [delta] });
    if (performance.now() - (this.#sentAt.get(s) ?? 0) >= COALESCE_MS) this.#flushDelta(s);
    else this.#flushLater();
  }

  /** A session is closed: nothing of it waits any more. */
  forget(s: number): void {
    this.#deltas.delete(s);
    this.#sentAt.delete(s);
  }

  /** Resolves when the gateway reads fast enough. */
  readonly drained = async (): Promise<void> => {
    if (this.#socket.writableLength < HIGH_WATER_BYTES) return;
    await (this.#drained ??= Promise.withResolvers<void>()).promise;
  };

  #flushLater(): void {
    if (this.#isTimerSet) return;
    this.#isTimerSet = true;
    setTimeout(() => this.#flushDeltas(), COALESCE_MS);
  }

  #flushDeltas(): void {
    this.#isTimerSet = false;
    for (const s of this.#deltas.keys()) this.#flushDelta(s);
  }

  #flushDelta(s: number): void {
    const waiting = this.#deltas.get(s);
    if (!waiting) return;
    this.#deltas.delete(s);
    this.#sentAt.set(s, performance.now());
    const { kind, contentIndex, parts } = waiting;
    this.#write({ s, type: "message_update", assistantMessageEvent: { type: kind, contentIndex, delta: parts.join("") } });
  }

  /** Records of one round of the event loop leave in one write. */
  #write(record: Record<string, unknown>): void {
    if (this.#lines.push(JSON.stringify(record)) > 1) return;
    setImmediate(() => {
      const lines = this.#lines;
      this.#lines = [];
      this.#socket.write(`${lines.join("\n")}\n`);
    });
  }
}
