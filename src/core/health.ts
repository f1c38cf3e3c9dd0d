export type HealthPartState = "starting" | "ready" | "degraded" | "failing";

export type HealthPart = {
  /** `store`, `server`, `agents`, `channel:irc/libera`, ... */
  name: string;
  state: HealthPartState;
  /** The cause if it is not ready; one sentence. */
  cause: string | null;
  /** Start of the current state, ms. */
  since: number;
  /** The gateway is not ready unless this part is. */
  vital: boolean;
};

/** What a part tells about itself. */
export type HealthReporter = {
  report(part: string, state: HealthPartState, cause?: string): void;
  /** Removes a part, e.g. one that the configuration switched off. */
  forget(part: string): void;
};

/** Response of /readyz. `failing`: vital parts that do not work; `degraded`: all other parts with problems. */
export type Readiness = { ready: boolean; failing: string[]; degraded: string[]; parts: HealthPart[] };

/** State of the event loop in the last `intervalMs`. Shape of `eventLoop` in channels.status and of /readyz. */
export type LoopReading = {
  degraded: boolean;
  reasons: ("event_loop_delay" | "event_loop_utilization")[];
  intervalMs: number;
  delayP99Ms: number;
  delayMaxMs: number;
  /** Share of the interval in which the loop was working, 0 to 1. */
  utilization: number;
  /** CPU time of the process per wall time; above 1 with several threads. */
  cpuCoreRatio: number;
};
