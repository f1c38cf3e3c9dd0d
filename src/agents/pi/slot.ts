import { GatewayError } from "../../core/errors.ts";
import type { ModelPrice } from "../runtime.ts";
import type { PiCommand, PiExit, PiRecord } from "./process.ts";
import type { ToolReply, ToolRequest, TurnGrant } from "./records.ts";

/** What Pi has loaded in a slot, as Pi last reported it. */
export type LoadedSession = {
  /** Path of the session file. */
  file: string;
  cwd: string;
  /** `provider/id`. */
  model: string | null;
  thinking: string | null;
  contextWindow: number;
  /** Tokens of an answer at most; 0 when unknown. */
  maxTokens: number;
  /** Of Pi's catalog. */
  price: ModelPrice | null;
};

/** What the holder of a slot receives, and its answers. */
export type SlotListener = {
  /** System prompt and tools of the next run. */
  grant: TurnGrant;
  onRecord: (record: PiRecord) => void;
  /** What served the session has ended. */
  onExit: (exit: Pick<PiExit, "code" | "signal">) => void;
  /** Pi wants a tool to run: any number of updates and one result are expected. */
  onToolCall: (call: ToolRequest, reply: (reply: ToolReply) => void) => void;
  /** A provider requested a wait; `waits` is false when it is not granted. */
  onProviderWait: (ms: number, waits: boolean) => void;
  /** A request to a provider begins, with this span as its parent. */
  onModelRequest: (spanId: string) => void;
};

/** One Pi session, held for one turn or one change of its file: a stock process or a session of the shared host. */
export interface PiSlot {
  readonly pid: number;
  readonly isAlive: boolean;
  loaded: LoadedSession | null;
  /** Null: no one listens, and every question is refused. */
  listen(listener: SlotListener | null): void;
  /** Loads a session file, whose tools work in `cwd`. Throws PiTimeoutError when Pi did not open exactly this file. */
  load(file: string, cwd: string): Promise<void>;
  /** Afterwards Pi does not have the file open. */
  unload(): Promise<void>;
  /** Resolves when Pi has accepted the prompt. */
  prompt(message: string, images: readonly unknown[]): Promise<void>;
  /** A command of Pi's RPC mode; see PiProcess.request. */
  request(command: PiCommand, timeoutMs?: number): Promise<unknown>;
  /** The session does not behave: it is ended at once, which counts as a crash. */
  kill(): void;
  /** The session does not stop its turn: it is ended, at the latest by signals after `graceMs`. */
  end(graceMs: number): Promise<void>;
}

/** Why a source refuses a slot while processes keep failing. */
export const keepsFailingError = (): GatewayError =>
  new GatewayError("UNAVAILABLE", "The agent process keeps failing. The gateway tries again in a moment; `openclaw doctor` shows why.");

/** Why a source refuses a slot while the gateway stops. */
export const shuttingDownError = (): GatewayError => new GatewayError("UNAVAILABLE", "The gateway is shutting down.");

/**
 * A place where sessions run: the pool of stock processes or the shared hosts. Their `acquire` gives the slot that has the session
 * file loaded where there is one, and waits while there is none. It rejects UNAVAILABLE when processes keep failing, and with the
 * signal's reason when aborted.
 */
export interface SlotSource {
  /** Starts to warm up; returns at once. */
  start(): void;
  /** The slot that has `file` loaded and is idle, now held; undefined without one. */
  acquireLoaded(file: string): PiSlot | undefined;
  /** Gives a slot back. `isFit`: it is idle and may be used again. */
  release(slot: PiSlot, isFit: boolean): Promise<void>;
  stop(graceMs: number): Promise<void>;
  /** One sentence while processes keep failing. */
  readonly problem: string | undefined;
  readonly isReady: boolean;
}
