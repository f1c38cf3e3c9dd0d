import { reasonOf } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import type { Log } from "../../core/log.ts";
import { PiTimeoutError, type PiCommand, type PiExit, type PiProcess, type PiRecord } from "./process.ts";
import { toLoaded } from "./process-slot.ts";
import { HOST, type ToolRequest } from "./records.ts";
import type { LoadedSession, PiSlot, SlotListener } from "./slot.ts";

/** Resolves with the promise, or after `ms`. */
async function within(promise: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([promise, new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}

/** A session of the shared host as a slot. */
export class SharedSession implements PiSlot {
  /** Path of the session file; a session of the host never changes it. */
  readonly file: string;
  /** Its number in the records. */
  readonly number: number;
  readonly #process: PiProcess;
  readonly #log: Log;
  readonly #onFailure: (file: string) => void;
  state: "idle" | "busy" | "ended" = "idle";
  loaded: LoadedSession | null = null;
  /** Monotonic. */
  lastUsed = 0;
  /** Resolves when the host no longer has the file open, after `end`. */
  closing: Promise<void> = Promise.resolve();
  #listener: SlotListener | null = null;

  /** `onFailure`: the session was ended because it did not behave. */
  constructor(file: string, number: number, process: PiProcess, log: Log, onFailure: (file: string) => void) {
    this.file = file;
    this.number = number;
    this.#process = process;
    this.#log = log;
    this.#onFailure = onFailure;
  }

  get pid(): number {
    return this.#process.pid;
  }

  get isAlive(): boolean {
    return this.state !== "ended" && this.#process.isAlive;
  }

  listen(listener: SlotListener | null): void {
    this.#listener = listener;
  }

  async load(file: string, cwd: string): Promise<void> {
    const state = await this.request({ type: HOST.open, path: file, cwd }, LIMITS.piSwitchMs);
    this.loaded = toLoaded(state, file, cwd);
  }

  async unload(): Promise<void> {
    if (!this.loaded) return;
    this.loaded = null;
    await this.request({ type: HOST.close }, LIMITS.piSwitchMs);
  }

  async prompt(message: string, images: readonly unknown[]): Promise<void> {
    await this.#process.request({ type: "prompt", s: this.number, message, images, grant: this.#listener?.grant }, undefined);
  }

  request(command: PiCommand, timeoutMs?: number): Promise<unknown> {
    if (!this.isAlive) return Promise.reject(new PiTimeoutError("The agent's session has ended."));
    return this.#process.request({ ...command, s: this.number }, timeoutMs);
  }

  kill(): void {
    this.#onFailure(this.file);
    void this.end(LIMITS.piCommandMs);
  }

  /** Ends the session at once; waits for at most `graceMs` until the host has closed it. */
  async end(graceMs: number): Promise<void> {
    if (!this.isAlive) return;
    this.closing = this.#close();
    this.ended({ code: null, signal: null });
    await within(this.closing, graceMs);
  }

  /** Never rejects. Other turns run in the host: it is killed only when it does not close the session for long. */
  async #close(): Promise<void> {
    try {
      await this.request({ type: HOST.close }, LIMITS.piSessionCloseMs);
    } catch (err) {
      this.#log.error("the agent host did not close a session and is killed", { pid: this.pid, reason: reasonOf(err) });
      if (!(err instanceof PiTimeoutError) || !this.#process.isAlive) return;
      this.#process.kill("SIGKILL", false);
      await this.#process.exited;
    }
  }

  /** The session is gone; its turn ends. */
  ended(exit: Pick<PiExit, "code" | "signal">): void {
    if (this.state === "ended") return;
    this.state = "ended";
    this.loaded = null;
    this.#listener?.onExit(exit);
  }

  onRecord(record: PiRecord): void {
    const listener = this.#listener;
    if (record.type === HOST.toolRequest) return this.#onToolRequest(record["call"] as ToolRequest);
    if (record.type === HOST.providerWait) return listener?.onProviderWait(Number(record["ms"]), record["waits"] === true);
    if (record.type === HOST.modelRequest) return listener?.onModelRequest(String(record["spanId"]));
    listener?.onRecord(record);
  }

  #onToolRequest(call: ToolRequest): void {
    const answer = (type: string, reply: unknown): void => this.#process.send({ type, s: this.number, call: call.id, reply });
    if (!this.#listener) return answer(HOST.toolResult, { content: [{ type: "text", text: "No turn is running." }], isError: true });
    this.#listener.onToolCall(call, (reply) => answer("isError" in reply ? HOST.toolResult : HOST.toolUpdate, reply));
  }
}
