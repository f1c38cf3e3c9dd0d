import { checkEnvironment } from "../config/environment.ts";
import { systemTimeZone, TIME_ZONE_FIX } from "../config/time-zone.ts";
import { okFinding, type DoctorFinding } from "./doctor-finding.ts";
import type { Invocation } from "./invocation.ts";
import { configOf } from "./gateway-target.ts";

const VARIABLE_REASONS: Readonly<Record<string, string>> = {
  TZ: "the agent's date and daily resets use the time zone.",
};

/** Variables that are set and have no effect, or another one than it seems. This command's environment may differ from the gateway's. */
export function checkVariables(invocation: Invocation): DoctorFinding[] {
  const { env } = invocation.host;
  const referenced = new Set((configOf(invocation).raw ?? "").match(/OPENCLAW_[A-Z0-9_]+/g));
  const findings = checkEnvironment(env, referenced).map(({ name, message, fix }): DoctorFinding => ({
    check: name === "TZ" ? "time-zone" : `environment:${name}`,
    severity: "warning",
    title: message,
    why: VARIABLE_REASONS[name] ?? "the gateway does not read this variable.",
    fix,
  }));
  return findings.some((finding) => finding.check === "time-zone") ? findings : [...findings, checkMachineZone(env)];
}

function checkMachineZone(env: NodeJS.ProcessEnv): DoctorFinding {
  const { name, problem } = systemTimeZone(env);
  if (problem === null) return okFinding("time-zone", `the time zone is ${name}`);
  return { check: "time-zone", severity: "warning", title: `${problem}; UTC is used`, why: VARIABLE_REASONS["TZ"]!, fix: TIME_ZONE_FIX };
}
