import { LIMITS } from "../core/limits.ts";
import type { DoctorReport } from "../core/doctor-report.ts";
import type { MethodTable } from "../protocol/method.ts";

export type DoctorDeps = {
  /** Monotonic, in milliseconds. */
  elapsed: () => number;
  /** Runs `openclaw doctor` and reads what it found. */
  run: () => Promise<DoctorReport>;
};

/**
 * gateway.doctor: what `openclaw doctor` finds. The checks run in a process of their own, at most once in LIMITS.doctorCacheMs and never
 * twice at a time, however many ask; `ts` says when they ran.
 */
export function doctorMethods({ elapsed, run }: DoctorDeps) {
  let last: { at: number; report: Promise<DoctorReport>; isRunning: boolean } | null = null;
  const report = (): Promise<DoctorReport> => {
    if (last !== null && (last.isRunning || elapsed() - last.at < LIMITS.doctorCacheMs)) return last.report;
    const begun = { at: elapsed(), report: run(), isRunning: true };
    last = begun;
    begun.report.then(
      () => {
        begun.at = elapsed();
        begun.isRunning = false;
      },
      // What failed is not an answer for the next one.
      () => (last = null),
    );
    return begun.report;
  };
  return { "gateway.doctor": { scope: "operator.read", waits: true, run: report } } satisfies MethodTable;
}
