import { parseDurationMs } from "../config/quantity.ts";
import { CliError, EXIT } from "../core/errors.ts";
import type { CommandHandler } from "./command.ts";
import { callGateway } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { requireKnownAgent } from "./known-names.ts";
import { formatAge, formatDuration, plural, sanitizeLine, sanitizeText } from "./terminal-text.ts";

/** What is read of a job of the protocol. */
export type JobView = {
  id: string;
  name: string;
  displayName?: string;
  description?: string;
  enabled: boolean;
  effectiveAgentId?: string;
  sessionTarget?: string;
  payload?: { kind?: string; message?: string; text?: string; model?: string; thinking?: string };
  delivery?: { mode?: string; channel?: string; to?: string };
  deliveryPreview?: { label: string; detail: string };
  overlap?: string;
  missed?: { policy?: string } | null;
  owner?: { agentId?: string; sessionKey?: string };
  preview?: { description: string; nextRunsAtMs: number[]; timeZone: string | null; cost?: { text: string }; stop?: string };
  problem?: string;
  nextRunAtMs?: number;
  state?: {
    lastRunAtMs?: number;
    lastStatus?: string;
    lastError?: string;
    runningAtMs?: number;
    autoDisabled?: { consecutiveErrors: number };
  };
};

type RunView = {
  jobId: string;
  jobName?: string;
  status?: string;
  error?: string;
  summary?: string;
  runId?: string;
  sessionKey?: string;
  ts: number;
  runAtMs?: number;
  durationMs?: number;
  deliveryStatus?: string;
  deliveryError?: string;
  dueCount?: number;
  usage?: { total_tokens?: number };
};

/** Characters of an id that lists show; the gateway finds a job by them. */
const SHORT_ID = 8;
/** A heartbeat is named by its agent. */
export const shortId = (id: string): string => (id.startsWith("heartbeat:") ? id : id.slice(0, SHORT_ID));

/** A time as people read it, with its offset, in the zone of the job or of this terminal. */
export function formatTime(at: number, timeZone: string | null | undefined): string {
  const format = new Intl.DateTimeFormat("en-GB", {
    weekday: "short",
    year: "numeric",
    month: "short",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    ...(at % 60_000 !== 0 && { second: "2-digit" as const }),
    timeZoneName: "shortOffset",
    ...(timeZone && { timeZone }),
  });
  return format.format(at).replace(/,/g, "");
}

/** "every weekday at 09:00 Europe/Berlin", with the next times in the lines below it. */
export function showPreview({ out }: Invocation, { preview, enabled, problem }: JobView): void {
  if (!preview) return;
  out.line(sanitizeLine(preview.description));
  if (!enabled) out.line("It is disabled: nothing is due until openclaw cron enable.");
  for (const [index, at] of preview.nextRunsAtMs.entries())
    out.line(`${index === 0 ? "next:" : "     "} ${formatTime(at, preview.timeZone)}`);
  if (preview.cost !== undefined) out.line(`cost: ${sanitizeLine(preview.cost.text)}`);
  if (enabled && preview.stop !== undefined) out.line(`stop: ${sanitizeLine(preview.stop)}`);
  if (problem !== undefined) out.note(`Attention: ${sanitizeLine(problem)}`);
}

const nameOf = ({ displayName, name }: JobView): string => displayName ?? name;

const lastOf = ({ state = {} }: JobView, now: number): string => {
  if (state.runningAtMs !== undefined) return "running";
  if (state.lastStatus === undefined) return "-";
  return state.lastRunAtMs === undefined || state.lastStatus === "skipped"
    ? state.lastStatus
    : `${state.lastStatus}, ${formatAge(state.lastRunAtMs, now)}`;
};

/** `openclaw cron list` */
export const cronList: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const agentId = requireKnownAgent(invocation, invocation.text("agent"));
  const params = {
    includeDisabled: invocation.has("all"),
    limit: invocation.number("limit") ?? 50,
    ...(agentId !== undefined && { agentId }),
  };
  const answer = await callGateway<{ jobs: JobView[]; total: number }>(invocation, ["operator.read"], "cron.list", params);
  out.result(answer, () => {
    if (answer.jobs.length === 0) {
      out.line(invocation.has("all") ? "No jobs yet." : "No enabled jobs. openclaw cron list --all shows the others.");
      return out.note('Add one: openclaw cron add "Morning report" --cron "0 9 * * 1-5" --message "Summarize my mail."');
    }
    const rows = answer.jobs.map((job) => [
      shortId(job.id),
      nameOf(job),
      job.preview?.description ?? "-",
      job.enabled ? (job.nextRunAtMs === undefined ? "-" : formatTime(job.nextRunAtMs, job.preview?.timeZone)) : "disabled",
      lastOf(job, host.now()),
    ]);
    out.table(
      [
        { title: "id" },
        { title: "name", truncate: true },
        { title: "when", truncate: true },
        { title: "next", truncate: true },
        { title: "last" },
      ],
      rows,
    );
    for (const job of answer.jobs)
      if (job.problem !== undefined) out.note(sanitizeLine(`${shortId(job.id)} ${nameOf(job)}: ${job.problem}`));
    if (answer.total > answer.jobs.length) out.note(`${plural(answer.total, "job")}; --limit shows more.`);
  });
};

const toWhere = ({ delivery, deliveryPreview }: JobView): string => {
  if (deliveryPreview) return `${deliveryPreview.label} (${deliveryPreview.detail})`;
  if (delivery?.mode !== "announce") return "not delivered; the answer stays in the session";
  return `${delivery.channel ?? "last"}${delivery.to === undefined ? "" : ` ${delivery.to}`}`;
};

/** `openclaw cron show <id>` */
export const cronShow: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const job = await callGateway<JobView>(invocation, ["operator.read"], "cron.get", { id: invocation.arg(0) });
  const { entries } = await callGateway<{ entries: RunView[] }>(invocation, ["operator.read"], "cron.runs", { id: job.id, limit: 5 });
  out.result({ job, runs: entries }, () => {
    const { payload = {}, owner, state = {} } = job;
    out.pairs([
      ["id", job.id],
      ["name", nameOf(job)],
      [
        "state",
        job.enabled
          ? "enabled"
          : state.autoDisabled
            ? `disabled after ${state.autoDisabled.consecutiveErrors} failures in a row`
            : "disabled",
      ],
      ["agent", job.effectiveAgentId ?? "-"],
      ["session", job.sessionTarget ?? "-"],
      ...(owner?.sessionKey === undefined ? [] : [["made by", `the agent ${owner.agentId ?? "-"} in ${owner.sessionKey}`] as const]),
      ...(payload.model === undefined ? [] : [["model", payload.model] as const]),
      ["answer", toWhere(job)],
      ["missed", job.missed?.policy ?? "as configured"],
      ["overlap", job.overlap ?? "-"],
      ...(job.description === undefined ? [] : [["for", job.description] as const]),
    ]);
    out.line();
    out.paragraph(sanitizeText(payload.message ?? payload.text ?? ""));
    out.line();
    showPreview(invocation, job);
    if (entries.length === 0) return;
    out.line();
    showRuns(invocation, entries, host.now());
  });
};

/** `openclaw cron get <id>` */
export const cronGet: CommandHandler = async (invocation) => {
  invocation.out.data(await callGateway(invocation, ["operator.read"], "cron.get", { id: invocation.arg(0) }));
};

function showRuns({ out }: Invocation, entries: readonly RunView[], now: number): void {
  const rows = entries.map((run) => [
    run.jobName ?? shortId(run.jobId),
    run.status ?? "-",
    formatAge(run.ts, now),
    run.durationMs === undefined ? "-" : formatDuration(run.durationMs),
    run.usage?.total_tokens === undefined ? "-" : String(run.usage.total_tokens),
    run.deliveryStatus === undefined || run.deliveryStatus === "not-requested" ? "-" : run.deliveryStatus,
    `${run.dueCount === undefined ? "" : `${run.dueCount} due times: `}${run.error ?? run.deliveryError ?? run.summary ?? ""}`,
  ]);
  out.table(
    [
      { title: "job", truncate: true },
      { title: "status" },
      { title: "when" },
      { title: "took", align: "right" },
      { title: "tokens", align: "right" },
      { title: "delivery" },
      { title: "reason or answer", truncate: true },
    ],
    rows,
  );
}

/** `openclaw cron runs [id]` */
export const cronRuns: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const id = invocation.arg(0);
  const text = (flag: string, name: string) => {
    const value = invocation.text(flag);
    return value === undefined ? {} : { [name]: value };
  };
  const params = {
    ...(id === "" ? {} : { id }),
    limit: invocation.number("limit") ?? 20,
    ...text("status", "status"),
    ...text("delivery-status", "deliveryStatus"),
    ...text("run-id", "runId"),
    ...text("query", "query"),
    ...text("sort", "sortDir"),
  };
  const answer = await callGateway<{ entries: RunView[]; total: number }>(invocation, ["operator.read"], "cron.runs", params);
  out.result(answer, () => {
    if (answer.entries.length === 0) return out.line("No runs yet.");
    showRuns(invocation, answer.entries, host.now());
    const last = answer.entries.find(({ sessionKey }) => sessionKey !== undefined);
    if (last) out.note(`Transcript: openclaw sessions show ${sanitizeLine(last.sessionKey!)}`);
  });
};

type RunAnswer = { ok: boolean; enqueued?: boolean; ran?: boolean; reason?: string; runId?: string };

const NOT_RUN: Readonly<Record<string, string>> = {
  "already-running": "an earlier run of the job is not over",
  "not-due": "it is not due",
  disabled: "it is disabled",
};

/** `openclaw cron run <id>` */
export const cronRun: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const id = invocation.arg(0);
  const waitMs = parseDurationMs(invocation.text("wait-timeout") ?? "10m", "s");
  if (waitMs === null) throw new CliError("--wait-timeout is not a duration", { fix: "write it as 30s, 10m or 1h", exit: EXIT.usage });
  const answer = await callGateway<RunAnswer>(invocation, ["operator.admin"], "cron.run", {
    id,
    mode: invocation.has("due") ? "due" : "force",
  });
  if (answer.runId === undefined) {
    out.result(answer, () => out.line(`Not run: ${NOT_RUN[answer.reason ?? ""] ?? answer.reason ?? "unknown"}.`));
    return EXIT.failure;
  }
  if (!invocation.has("wait"))
    return void out.result(answer, () => out.line(sanitizeLine(`Started. Its end: openclaw cron runs --run-id ${answer.runId}`)));
  const ended = await callGateway<{ status: string }>(
    invocation,
    ["operator.write"],
    "agent.wait",
    { runId: answer.runId, timeoutMs: waitMs },
    waitMs + 10_000,
  );
  if (ended.status === "timeout") throw new CliError("the run is not over yet", { fix: `openclaw cron runs --run-id ${answer.runId}` });
  const { entries } = await callGateway<{ entries: RunView[] }>(invocation, ["operator.read"], "cron.runs", { runId: answer.runId });
  const run = entries[0];
  out.result({ ...answer, run: run ?? null }, () => out.paragraph(sanitizeText(run?.error ?? run?.summary ?? ended.status)));
  return ended.status === "ok" ? EXIT.ok : EXIT.failure;
};

type StatusAnswer = {
  enabled: boolean;
  jobs: number;
  nextWakeAtMs: number | null;
  running: number;
  waiting: number;
  maxConcurrentRuns: number;
};

/** `openclaw cron status` */
export const cronStatus: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const status = await callGateway<StatusAnswer>(invocation, ["operator.read"], "cron.status");
  out.result(status, () => {
    out.line(status.enabled ? "Jobs run when they are due." : "No job runs: cron.enabled is false.");
    out.line(`${plural(status.jobs, "job")}; ${status.running} of at most ${status.maxConcurrentRuns} running, ${status.waiting} waiting`);
    if (status.nextWakeAtMs !== null) out.line(`next: ${formatTime(status.nextWakeAtMs, null)}`);
  });
};
