import { isRepeating, type Job, type JobState } from "./job.ts";

/** What people read about a job that fails, or works again; null: nothing. */
export type FailureAlert = { kind: "failing" | "recovered"; text: string };

export type FailureAlertSettings = { enabled: boolean; after: number };

const CAUSE_CHARS = 300;

/** One alert for each incident, after so many failed runs in a row, and one when the job works again. Pure. */
export function decideAlert(
  { definition }: Pick<Job, "definition">,
  next: { state: JobState; enabled: boolean },
  { settings, error, now }: { settings: FailureAlertSettings; error: string | undefined; now: number },
): { state: JobState; alert: FailureAlert | null } {
  const { alertedAtMs, ...rest } = next.state;
  const name = JSON.stringify(definition.displayName ?? definition.name);
  if (error === undefined) {
    if (alertedAtMs === undefined) return { state: next.state, alert: null };
    return { state: rest, alert: { kind: "recovered", text: `The job ${name} works again.` } };
  }
  // What is due once has no second run that could fail.
  const isLast = !isRepeating(definition) && next.state.retry === undefined;
  const isDue = settings.enabled && (isLast || next.state.consecutiveErrors >= settings.after);
  if (alertedAtMs !== undefined || !isDue) return { state: next.state, alert: null };
  const end = next.state.autoDisabled ? " It is disabled now." : "";
  const text = `The job ${name} fails: ${error.slice(0, CAUSE_CHARS).toWellFormed()}${/[.!?]$/.test(error) ? "" : "."}${end} openclaw cron runs shows its runs.`;
  return { state: { ...rest, alertedAtMs: now }, alert: { kind: "failing", text } };
}
