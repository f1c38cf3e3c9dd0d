import { isTimeZone } from "../config/time-zone.ts";
import { detailError, GatewayError } from "../core/errors.ts";
import { asArray, asNumber, asObject, asString, isObject, type JsonObject } from "../core/json.ts";
import { THINKING_CHOICES, toThinkingLevel } from "../core/thinking.ts";
import { expressionProblem, upcoming } from "./due-times.ts";
import { MISSED_POLICIES, OVERLAP_POLICIES, type JobDefinition, type JobDelivery, type JobPayload, type JobSchedule } from "./job.ts";
import { SCHEDULE_LIMITS } from "./limits.ts";

/** A field of a request that is wrong. */
export const invalidField = (field: string, why: string, fix?: string): GatewayError =>
  new GatewayError("INVALID_REQUEST", `${field}: ${why}`, { details: { field }, ...(fix === undefined ? {} : { fix }) });

/** A field, or a value of one, that would have no effect here. */
const notServed = (field: string, why: string): GatewayError =>
  detailError("PARAM_NOT_SERVED", `${field} is not served: ${why}`, { details: { param: field } });

type EditContext = {
  now: number;
  /** The zone of this machine, for schedules that name none. */
  zone: string;
};

/** Refuses every field that is not one of `known`; `refused` says why for those that other gateways have. */
function checkFields(value: JsonObject, path: string, known: readonly string[], refused: Readonly<Record<string, string>> = {}): void {
  for (const [name, given] of Object.entries(value)) {
    if (known.includes(name) || given === undefined) continue;
    throw notServed(`${path}.${name}`, refused[name] ?? "this gateway does not know it");
  }
}

function requireText(value: unknown, field: string, maxChars: number): string {
  const text = asString(value).trim();
  if (text === "") throw invalidField(field, "a text is required");
  if (text.length > maxChars) throw invalidField(field, `${text.length} characters; at most ${maxChars} are accepted`);
  return text;
}

/** The schedule of a request, with what it left out. */
export function toSchedule(value: unknown, { now, zone }: EditContext): JobSchedule {
  const schedule = asObject(value) ?? {};
  const { kind } = schedule;
  if (kind === "at") {
    checkFields(schedule, "schedule", ["kind", "at"]);
    const text = requireText(schedule["at"], "schedule.at", 64);
    // A time without an offset is UTC, as the protocol says.
    const at = Date.parse(/(?:[zZ]|[+-]\d\d:?\d\d)$/.test(text) || !text.includes("T") ? text : `${text}Z`);
    if (Number.isNaN(at))
      throw invalidField("schedule.at", `${JSON.stringify(text)} is not a time`, "Write it as 2027-01-31T09:00:00+01:00.");
    return { kind, at: new Date(at).toISOString() };
  }
  if (kind === "every") {
    checkFields(schedule, "schedule", ["kind", "everyMs", "anchorMs"]);
    const everyMs = asNumber(schedule["everyMs"]) ?? 0;
    const { minIntervalMs } = SCHEDULE_LIMITS;
    if (!Number.isInteger(everyMs) || everyMs < minIntervalMs)
      throw invalidField("schedule.everyMs", `at least ${minIntervalMs} ms are required`);
    return { kind, everyMs, anchorMs: asNumber(schedule["anchorMs"]) ?? now };
  }
  if (kind === "cron") return toCronSchedule(schedule, { now, zone });
  if (kind === "on-exit" || kind === "stream")
    throw notServed("schedule.kind", `${kind} watches a program; jobs here are due at times: at, every or cron`);
  throw invalidField("schedule.kind", "one of at, every, cron is required");
}

function toCronSchedule(schedule: JsonObject, { now, zone }: EditContext): JobSchedule {
  checkFields(schedule, "schedule", ["kind", "expr", "tz", "staggerMs"]);
  const expr = requireText(schedule["expr"], "schedule.expr", SCHEDULE_LIMITS.exprChars).replaceAll(/\s+/g, " ");
  const named = asString(schedule["tz"]).trim();
  const tz = named === "" ? zone : named;
  if (!isTimeZone(tz))
    throw invalidField(
      "schedule.tz",
      `${JSON.stringify(tz.slice(0, 60))} is not a time zone`,
      "Use a name of the IANA list, such as Europe/Berlin or UTC.",
    );
  const problem = expressionProblem(expr, tz, now);
  if (problem !== null)
    throw invalidField(
      "schedule.expr",
      `${JSON.stringify(expr)} cannot be used: ${problem}`,
      "Write minute, hour, day of the month, month and weekday, such as 0 9 * * 1-5.",
    );
  const staggerMs = asNumber(schedule["staggerMs"]) ?? 0;
  return { kind: "cron", expr, tz, ...(staggerMs > 0 && { staggerMs }) };
}

const AGENT_TURN_REFUSED = {
  fallbacks: "the agent's own list of models has the fallbacks",
  allowUnsafeExternalContent: "text from outside is always marked as such",
  lightContext: "every turn has the agent's whole system prompt",
  toolsAllowIsDefault: "a list of tools that is given is always meant",
};

/** What a run does, from a request. */
export function toPayloadOfJob(value: unknown, before?: JobPayload): JobPayload {
  const given = asObject(value) ?? {};
  const { kind } = given;
  const base: JsonObject = before?.kind === kind ? { ...before } : {};
  const payload = withoutNulls({ ...base, ...given });
  if (kind === "systemEvent") {
    checkFields(payload, "payload", ["kind", "text"], {
      toolsAllow: "the tools of a session's turn are those of its agent",
      toolsAllowIsDefault: "see toolsAllow",
    });
    return { kind, text: requireText(payload["text"], "payload.text", SCHEDULE_LIMITS.promptChars) };
  }
  if (kind === "agentTurn") {
    const fields = ["kind", "message", "model", "thinking", "timeoutSeconds", "toolsAllow"];
    checkFields(payload, "payload", fields, AGENT_TURN_REFUSED);
    const thinking = asString(payload["thinking"]);
    if (thinking !== "" && toThinkingLevel(thinking) === null)
      throw invalidField(
        "payload.thinking",
        `${JSON.stringify(thinking.slice(0, 40))} is not a level`,
        `The levels are ${THINKING_CHOICES.join(", ")}.`,
      );
    const { toolsAllow } = payload;
    const timeoutSeconds = asNumber(payload["timeoutSeconds"]);
    const model = asString(payload["model"]).trim();
    return {
      kind,
      message: requireText(payload["message"], "payload.message", SCHEDULE_LIMITS.promptChars),
      ...(model !== "" && { model }),
      ...(thinking !== "" && { thinking }),
      ...(timeoutSeconds !== null && { timeoutSeconds }),
      ...(toolsAllow !== undefined && { toolsAllow: asArray(toolsAllow).map(String) }),
    };
  }
  if (kind === "command" || kind === "script" || kind === "heartbeat" || kind === "skillCollectionReview")
    throw notServed("payload.kind", `${kind} is not run here; use agentTurn, or systemEvent in the main session`);
  throw invalidField("payload.kind", "agentTurn or systemEvent is required");
}

const DELIVERY_REFUSED = {
  failureDestination: "failed runs are in openclaw cron runs and in the metrics",
  completionDestination: "the end of a run is not posted anywhere",
};

/** Where answers go, from a request. */
export function toDelivery(value: unknown, before?: JobDelivery): JobDelivery | undefined {
  if (value === undefined || value === null) return before;
  const given = withoutNulls({ ...(before?.mode === "announce" ? before : {}), ...asObject(value) });
  const mode = given["mode"] ?? before?.mode;
  if (mode === "webhook") throw notServed("delivery.mode", "webhook: the end of a run is not posted anywhere; use announce or none");
  if (mode === "none") {
    const { mode: _mode, ...rest } = asObject(value)!;
    const named = Object.entries(rest).find(([, each]) => each !== undefined && each !== null && each !== "last")?.[0];
    if (named !== undefined) throw invalidField(`delivery.${named}`, "it has no effect with the mode none");
    return { mode };
  }
  if (mode !== "announce") throw invalidField("delivery.mode", "announce or none is required");
  checkFields(given, "delivery", ["mode", "channel", "to", "accountId", "threadId", "bestEffort"], DELIVERY_REFUSED);
  if (given["bestEffort"] === false)
    throw notServed("delivery.bestEffort", "an answer that is not delivered never makes the run fail; the log of runs says so");
  const { channel, to, accountId, threadId } = given;
  if (to !== undefined && (channel === undefined || channel === "last"))
    throw invalidField("delivery.channel", "a channel is required beside a recipient");
  if (channel !== undefined && channel !== "last" && to === undefined)
    throw invalidField("delivery.to", `a recipient on ${String(channel)} is required`);
  return {
    mode,
    ...(channel !== undefined && { channel: String(channel) }),
    ...(to !== undefined && { to: String(to) }),
    ...(accountId !== undefined && { accountId: String(accountId) }),
    ...(threadId !== undefined && { threadId: String(threadId) }),
    ...(given["bestEffort"] === true && { bestEffort: true }),
  };
}

const withoutNulls = (value: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(value).filter(([, each]) => each !== null && each !== undefined));

const OWN_FIELDS = ["missed", "overlap", "maxRetries"] as const;
const DEFINITION_FIELDS = [
  "name",
  "displayName",
  "agentId",
  "sessionKey",
  "description",
  "deleteAfterRun",
  "schedule",
  "sessionTarget",
  "wakeMode",
  "payload",
  "delivery",
  ...OWN_FIELDS,
];
const DEFINITION_REFUSED = {
  pacing: "jobs here are due at fixed times",
  trigger: "a job runs whenever it is due",
  failureAlert: "cron.failureAlert of the configuration holds for all jobs",
  state: "the state of a job follows from its runs",
};

/** A whole definition: that of a new job, or of one that is changed by `given`. Throws for everything that would have no effect. */
export function toDefinition(
  given: JsonObject,
  base: Partial<JobDefinition> & Pick<JobDefinition, "createdAtMs" | "grant">,
  context: EditContext,
): JobDefinition {
  checkFields(given, "job", ["enabled", ...DEFINITION_FIELDS], DEFINITION_REFUSED);
  const has = (name: string): boolean => given[name] !== undefined;
  const text = (name: "displayName" | "description" | "agentId" | "sessionKey", maxChars: number): string | undefined => {
    if (!has(name)) return base[name];
    const value = asString(given[name]).trim();
    return value === "" ? undefined : requireText(value, name, maxChars);
  };
  const schedule = has("schedule") ? toSchedule(given["schedule"], context) : base.schedule!;
  const deleteAfterRun = has("deleteAfterRun") ? given["deleteAfterRun"] === true : base.deleteAfterRun === true;
  if (deleteAfterRun && schedule.kind !== "at")
    throw invalidField("deleteAfterRun", "it has an effect only for a job that is due once (schedule.kind at)");
  const optional = {
    displayName: text("displayName", SCHEDULE_LIMITS.nameChars),
    description: text("description", SCHEDULE_LIMITS.descriptionChars),
    agentId: text("agentId", 128),
    sessionKey: text("sessionKey", 512),
    delivery: toDelivery(given["delivery"], base.delivery),
    missed: toMissed(given["missed"], base.missed),
    overlap: toOverlap(given["overlap"], base.overlap),
    maxRetries: toMaxRetries(given["maxRetries"], base.maxRetries),
  };
  const definition: JobDefinition = {
    name: has("name") ? requireText(given["name"], "name", SCHEDULE_LIMITS.nameChars) : base.name!,
    createdAtMs: base.createdAtMs,
    schedule,
    sessionTarget: (has("sessionTarget") ? asString(given["sessionTarget"]) : base.sessionTarget!) as JobDefinition["sessionTarget"],
    wakeMode: (has("wakeMode") ? asString(given["wakeMode"]) : (base.wakeMode ?? "now")) as JobDefinition["wakeMode"],
    payload: has("payload") ? toPayloadOfJob(given["payload"], base.payload) : base.payload!,
    grant: base.grant,
    ...(deleteAfterRun && { deleteAfterRun }),
    ...(withoutNulls(optional) as Partial<JobDefinition>),
  };
  checkTogether(definition);
  return definition;
}

/** What fits only together. */
function checkTogether({ sessionTarget, sessionKey, payload, wakeMode, delivery }: JobDefinition): void {
  if (sessionTarget === "main" && payload.kind !== "systemEvent")
    throw invalidField(
      "sessionTarget",
      "main takes a systemEvent",
      "Use isolated for an agentTurn, or session:<key> for one in a session.",
    );
  if (sessionTarget !== "main" && payload.kind !== "agentTurn") throw invalidField("sessionTarget", "a systemEvent goes to main");
  if (sessionTarget === "current" && sessionKey === undefined)
    throw invalidField("sessionKey", "sessionTarget current requires the key of the session");
  if (sessionKey !== undefined && sessionTarget === "main") throw invalidField("sessionKey", "it has no effect with sessionTarget main");
  if (wakeMode !== "now" && payload.kind === "agentTurn") throw invalidField("wakeMode", "an agentTurn runs at once: now");
  if (payload.kind === "systemEvent" && wakeMode === "next-heartbeat" && delivery?.mode === "announce")
    throw invalidField("delivery", "an event that waits for the next turn has no answer of its own");
}

function toMissed(value: unknown, before: JobDefinition["missed"]): JobDefinition["missed"] {
  if (value === undefined) return before;
  if (value === null) return undefined;
  const { policy, windowMs } = isObject(value) ? value : {};
  const known = MISSED_POLICIES.find((each) => each === policy);
  if (known === undefined) throw invalidField("missed.policy", `one of ${MISSED_POLICIES.join(", ")} is required`);
  const window = asNumber(windowMs);
  if (window !== null && known === "skip") throw invalidField("missed.windowMs", "it has no effect with the policy skip");
  return { policy: known, ...(window !== null && { windowMs: window }) };
}

function toOverlap(value: unknown, before: JobDefinition["overlap"]): JobDefinition["overlap"] {
  if (value === undefined) return before;
  if (value === null) return undefined;
  const known = OVERLAP_POLICIES.find((each) => each === value);
  if (known === undefined) throw invalidField("overlap", `one of ${OVERLAP_POLICIES.join(", ")} is required`);
  return known;
}

function toMaxRetries(value: unknown, before: number | undefined): number | undefined {
  if (value === undefined) return before;
  if (value === null) return undefined;
  const retries = asNumber(value);
  if (retries === null || !Number.isInteger(retries) || retries < 0 || retries > SCHEDULE_LIMITS.maxRetries)
    throw invalidField("maxRetries", `a number from 0 to ${SCHEDULE_LIMITS.maxRetries} is required`);
  return retries;
}

/** The shortest time between the next runs of a schedule; Infinity for one that is due once. */
export function shortestInterval(schedule: JobSchedule, now: number): number {
  if (schedule.kind === "at") return Infinity;
  if (schedule.kind === "every") return schedule.everyMs;
  const times = upcoming(schedule, now, 50);
  return Math.min(...times.slice(1).map((at, index) => at - times[index]!));
}
