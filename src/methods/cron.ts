import { GatewayError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { MethodParams, MethodTable } from "../protocol/method.ts";
import type { JobQuery, RunsQuery, ScheduleService } from "../schedule/service.ts";

export type CronDeps = {
  /** Loaded with the first job or request. */
  schedule: () => Promise<ScheduleService>;
};

const OPERATOR = { by: "operator" } as const;

/** cron.*: jobs that start turns at due times, and the log of their runs. */
export function cronMethods({ schedule }: CronDeps) {
  return {
    "cron.status": { scope: "operator.read", run: async () => (await schedule()).status() },
    "cron.list": { scope: "operator.read", run: async (params) => (await schedule()).list(toJobQuery(params)) },
    "cron.get": { scope: "operator.read", run: async (params) => (await schedule()).get(idOf(params)) },
    "cron.add": { scope: "operator.admin", run: async (params) => (await schedule()).add(toNewJob(params), OPERATOR) },
    "cron.update": {
      scope: "operator.admin",
      run: async ({ id, jobId, patch = {}, expectedConfigRevision: expected }) =>
        (await schedule()).update((id ?? jobId)!, patch, expected === undefined ? {} : { expected }),
    },
    "cron.remove": { scope: "operator.admin", run: async (params) => (await schedule()).remove(idOf(params)) },
    "cron.run": { scope: "operator.admin", run: async ({ id, jobId, mode = "force" }) => (await schedule()).runNow((id ?? jobId)!, mode) },
    "cron.runs": { scope: "operator.read", run: async (params) => (await schedule()).runs(toRunsQuery(params)) },
  } satisfies MethodTable;
}

const idOf = ({ id, jobId }: { id?: string; jobId?: string }): string => (id ?? jobId)!;

/** What a request names; for a new job null means the same as nothing. */
const given = <T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], null | undefined> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null)) as {
    [K in keyof T]?: Exclude<T[K], null | undefined>;
  };

function toNewJob(params: MethodParams<"cron.add">): JsonObject {
  const { name, displayName, description, agentId, sessionKey, enabled, deleteAfterRun, schedule } = params;
  const { sessionTarget, wakeMode, payload, delivery, missed, overlap, maxRetries } = params;
  const what = { name, displayName, description, agentId, sessionKey, enabled, deleteAfterRun, schedule };
  return given({ ...what, sessionTarget, wakeMode, payload, delivery, missed, overlap, maxRetries });
}

function toJobQuery(params: MethodParams<"cron.list">): JobQuery {
  const { includeDisabled, enabled, query, scheduleKind, lastRunStatus, trigger, agentId, sortBy, sortDir } = params;
  const { limit, offset, includeDeliveryPreviews } = params;
  const filters = { includeDisabled, enabled, query, scheduleKind, lastRunStatus, trigger, agentId };
  return given({ ...filters, sortBy, sortDir, limit, offset, includeDeliveryPreviews });
}

function toRunsQuery(params: MethodParams<"cron.runs">): RunsQuery {
  const { scope, id, jobId, status, statuses, deliveryStatus, deliveryStatuses, agentId, runId, query, sortDir, limit, offset } = params;
  const job = id ?? jobId;
  if (job === undefined && scope === "job")
    throw new GatewayError("INVALID_REQUEST", "id: the scope job requires the id of a job", {
      fix: 'Use scope "all" for the runs of every job.',
    });
  return given({
    id: scope === "all" ? undefined : job,
    statuses: statuses ?? (status === undefined || status === "all" ? undefined : [status]),
    deliveryStatuses: deliveryStatuses ?? (deliveryStatus === undefined ? undefined : [deliveryStatus]),
    agentId,
    runId,
    query,
    sortDir,
    limit,
    offset,
  });
}
