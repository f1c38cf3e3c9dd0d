import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { sleep } from "../core/async.ts";
import type { Clock } from "../core/clock.ts";
import { GatewayError } from "../core/errors.ts";
import { ensureDirectory, writeFileAtomic } from "../core/files.ts";

export type ProfileKind = "cpu" | "heap";
export type RecordedProfile = { readonly file: string; readonly bytes: number; readonly durationMs: number };

/** Profiles that are kept; older ones are removed. */
const KEPT = 6;
const SUFFIX = { cpu: "cpuprofile", heap: "heapprofile" } as const;

/**
 * Records where the process spends its time, or which functions allocate its memory, by sampling: names and places of functions, no
 * values. One at a time. Nothing of it is loaded before the first one. V8 lists all compiled functions when a CPU profile starts and
 * resolves them when it ends: about 60 and 30 ms in which nothing else runs.
 */
export class Profiler {
  readonly #dir: string;
  readonly #clock: Clock;
  #isRecording = false;

  constructor(dir: string, clock: Clock) {
    this.#dir = dir;
    this.#clock = clock;
  }

  /** Records until the time is over, or the caller is gone. */
  async record(kind: ProfileKind, durationMs: number, signal: AbortSignal): Promise<RecordedProfile> {
    if (this.#isRecording)
      throw new GatewayError("UNAVAILABLE", "a profile is being recorded", { retryable: true, fix: "Wait for its end." });
    this.#isRecording = true;
    try {
      const began = this.#clock.monotonic();
      const text = JSON.stringify(await this.#sample(kind, durationMs, signal));
      await ensureDirectory(this.#dir);
      const stamp = new Date(this.#clock.now()).toISOString().replaceAll(/[:.]/g, "-");
      const file = join(this.#dir, `${stamp}.${SUFFIX[kind]}`);
      await writeFileAtomic(file, text);
      const names = (await readdir(this.#dir)).filter((name) => /\.(?:cpu|heap)profile$/.test(name)).toSorted();
      for (const name of names.slice(0, -KEPT)) await rm(join(this.#dir, name), { force: true });
      return { file, bytes: Buffer.byteLength(text), durationMs: Math.round(this.#clock.monotonic() - began) };
    } finally {
      this.#isRecording = false;
    }
  }

  async #sample(kind: ProfileKind, durationMs: number, signal: AbortSignal): Promise<object> {
    const { Session } = await import("node:inspector/promises");
    const session = new Session();
    session.connect();
    try {
      if (kind === "cpu") {
        await session.post("Profiler.enable");
        await session.post("Profiler.start");
      } else await session.post("HeapProfiler.startSampling");
      // A caller that leaves ends it early; what there is by then is kept.
      await sleep(this.#clock, durationMs, signal);
      return kind === "cpu" ? (await session.post("Profiler.stop")).profile : (await session.post("HeapProfiler.stopSampling")).profile;
    } finally {
      session.disconnect();
    }
  }
}
