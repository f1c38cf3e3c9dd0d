import { join } from "node:path";
import { reasonOf } from "../core/errors.ts";
import { asArray, asNumber, asString, fieldsOf, isObject, tryParseJson, type JsonObject } from "../core/json.ts";
import { nextDue } from "../schedule/due-times.ts";
import { toDefinition } from "../schedule/edit.ts";
import { nextAtOf, type Job } from "../schedule/job.ts";
import { openForeignDatabase } from "../store/foreign-database.ts";
import { notTaken, type AdoptItem } from "./item.ts";
import { readJsonFile, type Original } from "./original.ts";
import { attempt } from "./sessions.ts";
import { toUuid } from "./transcript.ts";

/** The jobs of the original as it keeps them: rows of its database, and the file of earlier releases. */
export function readJobs(original: Original): { jobs: readonly JsonObject[]; problems: readonly AdoptItem[] } {
  const jobs = new Map<string, JsonObject>();
  const problems: AdoptItem[] = [];
  const add = (job: unknown): void => {
    if (!isObject(job)) return void problems.push(notTaken("job", "an entry", "it is not a job"));
    const id = asString(job["id"]) || toUuid(JSON.stringify(job));
    if (!jobs.has(id)) jobs.set(id, { ...job, id });
  };
  const database = join(original.dir, "state", "openclaw.sqlite");
  const read = (): void => {
    const db = openForeignDatabase(database);
    if (db === null) return;
    try {
      if (!db.has("cron_jobs", ["job_json", "sort_order"])) return;
      for (const { text } of db.all<{ text: string }>("SELECT job_json AS text FROM cron_jobs ORDER BY sort_order"))
        add(tryParseJson(text));
    } finally {
      db.close();
    }
  };
  attempt(problems, database, read, "job");
  const file = join(original.dir, "cron", "jobs.json");
  const readFile = (): void => {
    const value = readJsonFile(file);
    for (const job of asArray(Array.isArray(value) ? value : fieldsOf(value)["jobs"])) add(job);
  };
  attempt(problems, file, readFile, "job");
  return { jobs: [...jobs.values()], problems };
}

/** What the original notes about a job, which follows from its runs here. */
const NOTES = ["id", "createdAtMs", "updatedAtMs", "state", "configRevision", "scheduledToolPolicy", "declarationKey", "owner", "notify"];
/** What has no effect here, and without which a job does the same. */
const LEFT = {
  job: ["failureAlert"],
  payload: ["lightContext", "fallbacks", "allowUnsafeExternalContent", "toolsAllowIsDefault"],
  delivery: ["failureDestination", "completionDestination"],
} as const;

export type JobContext = {
  now: number;
  zone: string;
  agents: readonly string[];
  /** Why taken jobs do not run yet; null: they run. */
  pause: string | null;
};

export type AdoptedJob = { readonly job: Job; readonly detail: string; readonly isPaused: boolean } | { readonly refusal: string };

/** A job of the original as one of ours. Pure. */
export function toJob(given: JsonObject, { now, zone, agents, pause }: JobContext): AdoptedJob {
  const id = asString(given["id"]);
  const left: string[] = [];
  if (typeof given["declarationKey"] === "string") return { refusal: "the original makes it by itself" };
  const payload = fieldsOf(given["payload"]);
  if (payload["kind"] === "heartbeat") return { refusal: "heartbeats follow from agents.defaults.heartbeat of the configuration" };
  const agentId = asString(given["agentId"]);
  if (agentId !== "" && !agents.includes(agentId.toLowerCase())) return { refusal: `the agent ${agentId} does not exist here` };
  const params = {
    ...without(given, [...NOTES, ...LEFT.job, "payload", "delivery", "schedule"], LEFT.job, left),
    schedule: toSchedule(fieldsOf(given["schedule"])),
    ...toPayload(payload, given["delivery"], left),
  };
  try {
    const createdAtMs = asNumber(given["createdAtMs"]) ?? now;
    const definition = toDefinition(params, { createdAtMs, grant: { by: "operator" } }, { now, zone });
    const nextDueMs = nextDue(definition.schedule, now, id);
    if (nextDueMs === null) return { refusal: "its time has passed" };
    // What an agent asked for had the rights of that agent; as a job of the operator it waits for the operator's consent.
    const isByAgent = isObject(given["owner"]);
    const wanted = given["enabled"] !== false;
    const enabled = wanted && !isByAgent && pause === null;
    const state = { nextDueMs, scheduleActivatedAtMs: now, consecutiveErrors: 0, consecutiveSkipped: 0 };
    const details = [
      ...(!wanted ? ["off, as in the original"] : isByAgent ? [`off: an agent made it; openclaw cron enable ${id.slice(0, 8)}`] : []),
      ...(wanted && !isByAgent && pause !== null ? [pause] : []),
      ...(left.length > 0 ? [`without ${left.join(", ")}`] : []),
    ];
    const job: Job = { id, enabled, nextAt: enabled ? nextAtOf(state) : null, definition, state, updatedAt: now };
    return { job, detail: details.join("; "), isPaused: wanted && !isByAgent && pause !== null };
  } catch (err) {
    return { refusal: reasonOf(err) };
  }
}

/** A copy without some fields; those of `named` are noted when they were there. */
function without(value: JsonObject, fields: readonly string[], named: readonly string[], left: string[]): JsonObject {
  left.push(...named.filter((name) => value[name] !== undefined));
  return Object.fromEntries(Object.entries(value).filter(([name]) => !fields.includes(name)));
}

/** Earlier releases wrote the time of a job as a number, and days without seconds. */
function toSchedule(schedule: JsonObject): JsonObject {
  const { atMs, ...rest } = schedule;
  const at = asNumber(atMs);
  return schedule["kind"] === "at" && at !== null ? { ...rest, at: new Date(at).toISOString() } : rest;
}

/** Earlier releases wrote in the payload where the answer goes. */
function toPayload(payload: JsonObject, given: unknown, left: string[]): JsonObject {
  const { deliver, channel, to, bestEffortDeliver: _bestEffort, ...rest } = payload;
  const kept = without(rest, LEFT.payload, LEFT.payload, left);
  const { toolsAllow } = kept;
  const isAll = Array.isArray(toolsAllow) && toolsAllow.includes("*");
  const cleaned = isAll ? without(kept, ["toolsAllow"], [], left) : kept;
  const old =
    deliver === true ? { mode: "announce", ...(channel !== undefined && { channel }), ...(to !== undefined && { to }) } : undefined;
  const delivery = isObject(given) ? withoutNoise(without(given, LEFT.delivery, LEFT.delivery, left)) : old;
  return { payload: cleaned, ...(delivery !== undefined && { delivery }) };
}

const withoutNoise = ({ mode, ...rest }: JsonObject): JsonObject =>
  mode === "none"
    ? { mode }
    : { mode, ...Object.fromEntries(Object.entries(rest).filter(([name, value]) => name !== "bestEffort" || value === true)) };
