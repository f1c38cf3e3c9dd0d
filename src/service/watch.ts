import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import type { ServiceSocket } from "./notify.ts";

export type WatchDeps = {
  readonly socket: ServiceSocket;
  readonly clock: Clock;
  readonly log: Pick<Log, "warn" | "error">;
  /** Resolves when the store has answered, also with a refusal. */
  readonly probeStore: () => Promise<void>;
  /** Turns that run, and sessions that wait. */
  readonly load: () => { running: number; waiting: number };
  /** Whether all vital parts work, and one line about the others. */
  readonly condition: () => { ready: boolean; text: string };
};

/** How long sessions may wait while no turn runs, before that counts as a stall. */
const STALLED_MS = 300_000;
/** How long a gateway that serves may not be ready before the manager is notified that it has started: reading works, and it recovers. */
const NOT_READY_MS = 20_000;
const CHECK_MS = 1_000;
/** Signs of life in each period of the watchdog: one may be lost. */
const SIGNS = 3;

/**
 * Tells the service manager when the gateway is ready, what it is doing, and that it lives. It counts as alive while the event loop turns,
 * the store answers, and turns are started: never by a timer alone.
 */
export class ServiceWatch {
  readonly #deps: WatchDeps;
  #cancel: () => void = () => {};
  #isStopped = false;
  #isProbing = false;
  #storeAnsweredAt: number;
  #lastMoveAt: number;
  #hasWarned = false;
  #said = "";
  #isStarted = false;
  readonly #startedAt: number;

  constructor(deps: WatchDeps) {
    this.#deps = deps;
    this.#startedAt = deps.clock.monotonic();
    this.#storeAnsweredAt = this.#startedAt;
    this.#lastMoveAt = this.#startedAt;
  }

  /** The gateway serves. */
  start(): void {
    this.#tick();
  }

  /** Another one takes over. */
  pause(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  async stop(reason: string): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#cancel();
    await this.#deps.socket.send(["STOPPING=1", `STATUS=stopping: ${reason}`]);
  }

  #tick(): void {
    if (this.#isStopped) return;
    const { clock, socket } = this.#deps;
    this.#report();
    const problem = this.#stall();
    if (problem === null) {
      this.#hasWarned = false;
      if (socket.watchdogMs !== null) void socket.send(["WATCHDOG=1"]);
    } else if (!this.#hasWarned) {
      this.#hasWarned = true;
      this.#deps.log.error("the gateway stalls, and the service manager gets no sign of life", { cause: problem });
    }
    const pause = socket.watchdogMs === null ? CHECK_MS * 10 : socket.watchdogMs / SIGNS;
    this.#cancel = clock.after(this.#isStarted ? pause : Math.min(pause, CHECK_MS), () => this.#tick());
  }

  #report(): void {
    const { clock, socket, condition } = this.#deps;
    const { ready, text } = condition();
    const mayStart = ready || clock.monotonic() - this.#startedAt >= NOT_READY_MS;
    if (!this.#isStarted && mayStart) {
      this.#isStarted = true;
      this.#said = text;
      // Waits until the manager has read it: a lost message would be a failed start.
      void socket.send(["READY=1", `STATUS=${text}`], { wait: true }).then((sent) => {
        if (!sent)
          this.#deps.log.warn("the service manager could not be notified that the gateway is ready", { program: "systemd-notify" });
      });
    } else if (text !== this.#said) {
      this.#said = text;
      void socket.send([`STATUS=${text}`]);
    }
  }

  /** Why it does not count as alive; null: it does. */
  #stall(): string | null {
    const { clock, load, probeStore, socket } = this.#deps;
    const now = clock.monotonic();
    if (!this.#isProbing) {
      this.#isProbing = true;
      void probeStore().finally(() => {
        this.#isProbing = false;
        this.#storeAnsweredAt = clock.monotonic();
      });
    }
    const { running, waiting } = load();
    if (running > 0 || waiting === 0) this.#lastMoveAt = now;
    const storeMs = socket.watchdogMs ?? STALLED_MS;
    if (now - this.#storeAnsweredAt > storeMs / 2 && this.#isProbing) return "the store does not answer";
    if (now - this.#lastMoveAt > STALLED_MS) return `${waiting} sessions wait, and no turn runs`;
    return null;
  }
}
