import type { Bus } from "../core/bus.ts";
import { GatewayError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { Hub } from "../protocol/hub.ts";
import type { MethodParams, MethodTable } from "../protocol/method.ts";
import type { ScheduleEvents } from "../schedule/events.ts";
import type { JobRows } from "../schedule/job.ts";
import type { ScheduleService } from "../schedule/service.ts";

export type CronDeps = {
  /** Loaded with the first job or request. */
  schedule: () => Promise<ScheduleService>;
};

const OPERATOR = { by: "operator" } as const;

/** cron.*: jobs that start turns at due times, and the log of their runs. */
export function cronMethods({ schedule }: CronDeps) {
  return {
    "cron.status": { scope: "operator.read", run: async () => (await schedule()).status() },
    "cron.list": { scope: "operator.read", run: async (params) => (await schedule()).list(params) },
    "cron.get": { scope: "operator.read", run: async (params) => (await schedule()).get(idOf(params)) },
    "cron.add": { scope: "operator.admin", run: async (params) => (await schedule()).add(withoutNull(params), OPERATOR) },
    "cron.update": {
      scope: "operator.admin",
      run: async ({ patch = {}, expectedConfigRevision: expected, ...params }) =>
        (await schedule()).update(idOf(params), patch, expected === undefined ? {} : { expected }),
    },
    "cron.remove": { scope: "operator.admin", run: async (params) => (await schedule()).remove(idOf(params)) },
    "cron.run": { scope: "operator.admin", run: async ({ mode = "force", ...params }) => (await schedule()).runNow(idOf(params), mode) },
    "cron.runs": { scope: "operator.read", run: async (params) => (await schedule()).runs(toRunsQuery(params)) },
  } satisfies MethodTable;
}

const idOf = ({ id, jobId }: { id?: string; jobId?: string }): string => (id ?? jobId)!;

/** For a new job null means the same as nothing. */
const withoutNull = (params: MethodParams<"cron.add">): JsonObject =>
  Object.fromEntries(Object.entries(params).filter(([, value]) => value !== null));

function toRunsQuery({ scope, id, jobId, status, statuses, deliveryStatus, deliveryStatuses, ...query }: MethodParams<"cron.runs">) {
  const job = id ?? jobId;
  if (job === undefined && scope === "job")
    throw new GatewayError("INVALID_REQUEST", "id: the scope job requires the id of a job", {
      fix: 'Use scope "all" for the runs of every job.',
    });
  const wanted = statuses ?? (status === undefined || status === "all" ? undefined : [status]);
  const delivery = deliveryStatuses ?? (deliveryStatus === undefined ? undefined : [deliveryStatus]);
  return {
    ...query,
    ...(job !== undefined && scope !== "all" && { id: job }),
    ...(wanted && { statuses: wanted }),
    ...(delivery && { deliveryStatuses: delivery }),
  };
}

/** Tells clients about jobs and their runs. Returns the function that stops it. */
export function startCronEvents({
  bus,
  hub,
  rows,
  schedule,
}: CronDeps & { bus: Bus<ScheduleEvents>; hub: Hub; rows: Pick<JobRows, "job"> }): () => void {
  return bus.on("cron.changed", async ({ jobId, action, run }) => {
    const job = rows.job(jobId);
    const service = await schedule();
    hub.publish(
      "cron",
      {
        jobId,
        action,
        ...(job && { job: service.row(job) }),
        ...(run?.runId && { runId: run.runId }),
        ...(run?.status && { status: run.status }),
      },
      { scope: "operator.read" },
    );
  });
}
