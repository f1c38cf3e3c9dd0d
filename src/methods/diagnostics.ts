import type { MethodTable } from "../protocol/method.ts";

export type DiagnosticsDeps = {
  profiler: { record(kind: "cpu" | "heap", durationMs: number, signal: AbortSignal): Promise<object> };
};

const DEFAULT_MS = 10_000;

/** diagnostics.*: profiles of the running process, written to files of its machine. */
export function diagnosticsMethods({ profiler }: DiagnosticsDeps) {
  return {
    "diagnostics.cpuProfile": {
      scope: "operator.admin",
      waits: true,
      run: ({ durationMs = DEFAULT_MS }, { signal }) => profiler.record("cpu", durationMs, signal),
    },
    "diagnostics.heapProfile": {
      scope: "operator.admin",
      waits: true,
      run: ({ durationMs = DEFAULT_MS }, { signal }) => profiler.record("heap", durationMs, signal),
    },
  } satisfies MethodTable;
}
