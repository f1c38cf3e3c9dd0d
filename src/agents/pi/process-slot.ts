import { reasonOf } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import type { Log } from "../../core/log.ts";
import { modelName } from "../runtime.ts";
import { toModelPrice } from "./fields.ts";
import { PiTimeoutError, type PiCommand, type PiExit, type PiProcess, type PiRecord } from "./process.ts";
import { TOOL_REQUEST, TURN_REQUEST, REQUEST_NOTICE, WAIT_NOTICE, type ToolQuestion } from "./records.ts";
import type { LoadedSession, PiSlot, SlotListener } from "./slot.ts";
import { ToolExchange } from "./tool-exchange.ts";

export type SlotState = "starting" | "idle" | "busy" | "ending";

/** Kinds of request of an extension that wait for an answer. */
const BLOCKING = new Set(["select", "confirm", "input", "editor"]);

export type ProcessSlotOptions = {
  number: number;
  generation: string;
  /** Names a file that is never written, to be loaded instead of a session. */
  parkedFile: (number: number) => string;
  log: Log;
};

/** A stock Pi process as a slot: it has one session loaded at a time. */
export class ProcessSlot implements PiSlot {
  readonly number: number;
  readonly generation: string;
  readonly #options: ProcessSlotOptions;
  process!: PiProcess;
  state: SlotState = "starting";
  loaded: LoadedSession | null = null;
  /** Monotonic. */
  lastUsed = 0;
  /** The session file for which the process is in use, or was last. */
  holder: string | null = null;
  #listener: SlotListener | null = null;
  readonly #tools = new Map<string, ToolExchange>();

  constructor(options: ProcessSlotOptions) {
    this.#options = options;
    this.number = options.number;
    this.generation = options.generation;
  }

  get pid(): number {
    return this.process.pid;
  }

  get isAlive(): boolean {
    return this.process.isAlive;
  }

  listen(listener: SlotListener | null): void {
    this.#listener = listener;
    this.#tools.clear();
  }

  async load(file: string, cwd: string): Promise<void> {
    this.loaded = null;
    await this.request({ type: "switch_session", sessionPath: file }, LIMITS.piSwitchMs);
    this.loaded = await readLoaded(this, file, cwd);
  }

  async unload(): Promise<void> {
    this.loaded = null;
    await this.request({ type: "switch_session", sessionPath: this.#options.parkedFile(this.number) }, LIMITS.piSwitchMs);
  }

  async prompt(message: string, images: readonly unknown[]): Promise<void> {
    await this.process.request({ type: "prompt", message, images }, undefined);
  }

  request(command: PiCommand, timeoutMs?: number): Promise<unknown> {
    return this.process.request(command, timeoutMs);
  }

  kill(): void {
    this.process.kill("SIGKILL", false);
  }

  end(graceMs: number): Promise<void> {
    return this.process.end(graceMs);
  }

  /** Everything that the process writes, except answers. */
  readonly onRecord = (record: PiRecord): void => {
    if (record.type === "extension_error")
      this.#options.log.error("Pi reported a failure of the gateway's extension", { event: record["event"], reason: record["error"] });
    if (record.type !== "extension_ui_request") return this.#listener?.onRecord(record);
    if (record["method"] === "notify") return this.#onNotice(String(record["message"]));
    if (BLOCKING.has(String(record["method"])) && record.id !== undefined) this.#onQuestion(record.id, record);
  };

  onExit(exit: PiExit): void {
    this.#listener?.onExit(exit);
  }

  #onNotice(message: string): void {
    if (message.startsWith(REQUEST_NOTICE)) return this.#listener?.onModelRequest(message.slice(REQUEST_NOTICE.length + 1));
    if (!message.startsWith(WAIT_NOTICE)) return;
    const [, ms, waits] = /^ (\d{1,15}) (waits|fails)$/.exec(message.slice(WAIT_NOTICE.length)) ?? [];
    if (ms !== undefined) this.#listener?.onProviderWait(Number(ms), waits === "waits");
  }

  /** Answers the two questions of our extension and cancels all others. */
  #onQuestion(id: string, record: PiRecord): void {
    const listener = this.#listener;
    const isInput = record["method"] === "input";
    if (isInput && listener && record["title"] === TURN_REQUEST) this.process.answer(id, JSON.stringify(listener.grant));
    else if (isInput && listener && record["title"] === TOOL_REQUEST) this.#onToolQuestion(id, String(record["placeholder"]), listener);
    else this.process.answer(id, undefined);
  }

  #onToolQuestion(id: string, text: string, listener: SlotListener): void {
    let question: ToolQuestion;
    try {
      question = JSON.parse(text) as ToolQuestion;
    } catch (err) {
      this.#options.log.warn("a tool call could not be read and is refused", { pid: this.pid, reason: reasonOf(err) });
      return this.process.answer(id, undefined);
    }
    const isNew = !("next" in question);
    if (isNew) this.#tools.set(question.id, new ToolExchange());
    const exchange = this.#tools.get(question.id);
    if (!exchange) return this.process.answer(id, undefined);
    exchange.ask((reply) => {
      if ("isError" in reply) this.#tools.delete(question.id);
      this.process.answer(id, JSON.stringify(reply));
    });
    if (!("next" in question)) listener.onToolCall(question, (reply) => exchange.push(reply));
  }
}

/** Asks what is loaded; throws PiTimeoutError when it is not `file`. */
async function readLoaded(slot: PiSlot, file: string, cwd: string): Promise<LoadedSession> {
  return toLoaded(await slot.request({ type: "get_state" }), file, cwd);
}

/** The state that Pi reports of a session; throws PiTimeoutError when it is not the one of `file`. */
export function toLoaded(state: unknown, file: string, cwd: string): LoadedSession {
  const { sessionFile, model, thinkingLevel } = state as {
    sessionFile?: string;
    model?: { provider: string; id: string; contextWindow?: number; maxTokens?: number; cost?: unknown };
    thinkingLevel?: string;
  };
  if (sessionFile !== file) throw new PiTimeoutError("The agent process did not open the session.");
  return {
    file,
    cwd,
    model: model ? modelName(model) : null,
    thinking: thinkingLevel ?? null,
    contextWindow: model?.contextWindow ?? 0,
    maxTokens: model?.maxTokens ?? 0,
    price: toModelPrice(model?.cost),
  };
}
