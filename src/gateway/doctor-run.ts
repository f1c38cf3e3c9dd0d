import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { DoctorProblem, DoctorReport } from "../core/doctor-report.ts";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { asArray, asString, fieldsOf, tryParseJson } from "../core/json.ts";
import { LIMITS } from "../core/limits.ts";
import { clip } from "../core/text.ts";

const MAIN = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "../main.ts" : "./main.js", import.meta.url));

/** Runs `openclaw doctor --json` in a process of its own, for the gateway of this state directory. Throws GatewayError UNAVAILABLE. */
export function runDoctor(now: () => number): Promise<DoctorReport> {
  const limits = { timeout: LIMITS.doctorMs, maxBuffer: LIMITS.doctorBytes, killSignal: "SIGKILL" } as const;
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [MAIN, "doctor", "--json"], limits, (err, stdout, stderr) => {
      // It ends with a code of its own when it has found problems.
      const report = toDoctorReport(tryParseJson(stdout), now());
      if (report !== null) return resolve(report);
      const why =
        err?.killed === true ? "it took too long" : clip(stderr.trim() || (err ? reasonOf(err) : "its answer cannot be read"), 300);
      reject(
        new GatewayError("UNAVAILABLE", `openclaw doctor gave no answer: ${why}`, {
          fix: "Run openclaw doctor on the gateway's machine.",
          ...(err && { cause: err }),
        }),
      );
    });
  });
}

/** The report in the output of `openclaw doctor --json`; null where it is none. Pure. */
export function toDoctorReport(output: unknown, ts: number): DoctorReport | null {
  const { problems, warnings, fine, findings } = fieldsOf(output);
  if (typeof problems !== "number" || typeof warnings !== "number" || typeof fine !== "number" || !Array.isArray(findings)) return null;
  return { ts, problems, warnings, fine, findings: asArray(findings).flatMap(toProblem) };
}

function toProblem(finding: unknown): DoctorProblem[] {
  const { check, severity, title, why, fix } = fieldsOf(finding);
  if (severity !== "problem" && severity !== "warning") return [];
  return [{ check: asString(check), severity, title: asString(title), why: asString(why), fix: asString(fix) }];
}
