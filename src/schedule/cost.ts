import { asNumber, fieldsOf } from "../core/json.ts";
import { upcoming } from "./due-times.ts";
import type { Job, JobRun } from "./job.ts";
import { SCHEDULE_LIMITS } from "./limits.ts";

/** What a job costs, as far as it is known. `runs`: by its last runs; `price`: by the price of its model, before the first one. */
export type JobCost = {
  basis: "runs" | "price" | "none";
  perRunUsd: number | null;
  perMonthUsd: number | null;
  runsPerMonth: number;
  text: string;
};

const MONTH_MS = 30 * 86_400_000;

/** How often a job is due in 30 days, by its next times. Pure. */
export function runsPerMonth({ definition: { schedule }, id }: Pick<Job, "definition" | "id">, now: number): number {
  if (schedule.kind === "at") return Date.parse(schedule.at) > now ? 1 : 0;
  const times = upcoming(schedule, now, SCHEDULE_LIMITS.costTimes, id);
  if (times.length < SCHEDULE_LIMITS.costTimes) return times.filter((at) => at <= now + MONTH_MS).length;
  return Math.round((times.length * MONTH_MS) / (times.at(-1)! - now));
}

/** `runs`: the last ones that asked a model; `firstRunUsd`: what one would cost by the price of the model, null where it has none. Pure. */
export function estimateCost(
  job: Pick<Job, "definition" | "id">,
  runs: readonly JobRun[],
  firstRunUsd: number | null,
  now: number,
): JobCost {
  const count = runsPerMonth(job, now);
  const asked = runs.filter(({ record }) => record.usage !== undefined);
  const known = asked.filter(({ record }) => record.isUnpriced !== true);
  const spent = known.reduce((sum, { record }) => sum + (asNumber(fieldsOf(fieldsOf(record.usage)["cost"])["total"]) ?? 0), 0);
  const basis = known.length > 0 ? "runs" : firstRunUsd !== null ? "price" : "none";
  const perRunUsd = known.length > 0 ? spent / known.length : firstRunUsd;
  const perMonthUsd = perRunUsd === null ? null : perRunUsd * count;
  return { basis, perRunUsd, perMonthUsd, runsPerMonth: count, text: textOf(perRunUsd, count, basis, asked.length > 0) };
}

const usd = (value: number): string => `$${value === 0 || value >= 0.01 ? value.toFixed(2) : value.toPrecision(2)}`;

function textOf(perRun: number | null, count: number, basis: JobCost["basis"], hasRun: boolean): string {
  const often = count === 1 ? "1 run in 30 days" : `${count} runs in 30 days`;
  if (perRun === null)
    return `${often}, cost unknown: ${hasRun ? "the price of the model is not known" : "it is known after the first run"}`;
  const by = basis === "runs" ? "by its last runs" : "by the price of the model, before the first run";
  return `about ${usd(perRun)} a run, ${usd(perRun * count)} in 30 days (${often}), ${by}`;
}
