/** Invented jobs for the scripted gateway. */
import { GatewayError } from "../../src/core/errors.ts";

type Params = Record<string, unknown>;

const AT = Date.parse("2027-01-04T08:00:00Z");
const DAY = 86_400_000;

const REPORT = {
  id: "7f0c1a52-0000-4000-8000-000000000001",
  name: "Morning report",
  effectiveAgentId: "main",
  nextRunAtMs: AT,
  preview: { description: "every weekday at 09:00 Europe/Berlin", nextRunsAtMs: [AT, AT + DAY, AT + 2 * DAY], timeZone: "Europe/Berlin" },
};
const BACKUP = {
  id: "7f0c1a52-0000-4000-8000-000000000002",
  name: "Check the backup",
  effectiveAgentId: "ops",
  enabled: true,
  nextRunAtMs: AT + DAY / 2,
  owner: { agentId: "ops", sessionKey: "agent:ops:main" },
  preview: { description: "every 6 hours", nextRunsAtMs: [AT + DAY / 2], timeZone: null },
  problem: "the model local/large is not known; openclaw models list shows those that are",
  state: { lastStatus: "error", lastError: "no answer within 600 s" },
};

const HEARTBEAT = {
  agentId: "main",
  every: "30m",
  activeHours: { start: 480, end: 1_320, tz: "Europe/Berlin" },
  instructions: "present",
  nextRunAtMs: AT,
  emptyRuns: 3,
  pausedAtMs: null,
  lastStatus: "ok",
  lastError: null,
  runsPerDay: 28,
  spent: { today: { requests: 6, usd: 0.0123, requestsOfUnknownCost: 0 }, week: { requests: 180, usd: 0.41, requestsOfUnknownCost: 0 } },
  estimate: { basis: "measured", perDayUsd: 0.06 },
};

const HOOKS = [
  { id: "github", path: "/hooks/github", action: "agent", auth: "github", trust: "none" },
  { id: "agent", path: "/hooks/agent", action: "agent", auth: "token", trust: "none", problem: "hooks.token is not set" },
];

export class ScriptedJobs {
  #isReportOn = true;
  #areHeartbeatsOn = true;
  /** When the jobs were made; null: there are none. */
  #madeAt: number | null = null;
  #added: Params[] = [];

  reset(): void {
    this.#isReportOn = true;
    this.#areHeartbeatsOn = true;
    this.#madeAt = null;
    this.#added = [];
  }

  fill(now: number): void {
    this.#madeAt = now;
  }

  /** Undefined for a method that is none of these. */
  answer(method: string, params: Params): unknown {
    if (method === "cron.status") return { enabled: true };
    const automation = this.#answerAutomation(method, params);
    if (automation !== undefined) return automation;
    const report = { ...REPORT, enabled: this.#isReportOn, state: { lastStatus: "ok" } };
    if (method === "cron.list") return { jobs: [...(this.#madeAt === null ? [] : [report, BACKUP]), ...this.#added] };
    if (method === "cron.add") return this.#add(params);
    if (method === "cron.runs") return { entries: this.#madeAt === null ? [] : toRuns(this.#madeAt) };
    if (method === "cron.run") return { ok: true, enqueued: true, runId: "manual:1" };
    if (method !== "cron.update") return undefined;
    this.#isReportOn = (params["patch"] as Params)["enabled"] === true;
    return { id: params["id"] };
  }

  #add(params: Params): unknown {
    const { expr, tz } = params["schedule"] as { expr: string; tz: string };
    if (tz === "Mars/Base") return Promise.reject(new GatewayError("INVALID_REQUEST", 'schedule.tz: "Mars/Base" is not a time zone'));
    const cost = { text: "unknown until the first run" };
    const preview = { description: `cron ${expr} ${tz}`, nextRunsAtMs: [AT, AT + DAY, AT + 2 * DAY], timeZone: tz, cost };
    const job = { id: "7f0c1a52-0000-4000-8000-000000000003", name: params["name"], enabled: true, preview };
    this.#added.push(job);
    return job;
  }

  #answerAutomation(method: string, params: Params): unknown {
    if (method === "hooks.deliveries")
      return this.#madeAt === null ? { enabled: false, hooks: [], deliveries: [], refused: [] } : toHooks(this.#madeAt);
    if (method === "set-heartbeats") {
      this.#areHeartbeatsOn = params["enabled"] === true;
      return { ok: true, enabled: this.#areHeartbeatsOn };
    }
    if (method !== "heartbeat.status") return undefined;
    const enabled = this.#areHeartbeatsOn;
    return { enabled, agents: this.#madeAt === null || !enabled ? [] : [{ ...HEARTBEAT, enabled }] };
  }
}

const toHooks = (now: number): object => ({
  enabled: true,
  hooks: HOOKS,
  deliveries: [{ seq: 1, at: now - 60_000, hook: "github", peer: "192.0.2.7", bytes: 812, runIds: ["r"] }],
  refused: [{ at: now - 30_000, hook: "github", peer: "203.0.113.9", reason: "bad-signature" }],
});

const toRuns = (now: number): object[] => [
  {
    ts: now - 120_000,
    jobId: BACKUP.id,
    jobName: BACKUP.name,
    status: "error",
    error: "no answer within 600 s",
    runId: "a",
    durationMs: 600_000,
  },
  {
    ts: now - 3_600_000,
    jobId: REPORT.id,
    jobName: REPORT.name,
    status: "ok",
    summary: "Three new messages, one of them about the invoice.",
    runId: "b",
    sessionKey: "agent:main:main",
    durationMs: 14_000,
  },
  {
    ts: now - DAY,
    jobId: REPORT.id,
    jobName: REPORT.name,
    status: "skipped",
    error: "the gateway did not run at that time; one later run stands for all that were missed",
    dueAtMs: now - 2 * DAY,
    dueCount: 2,
  },
];
