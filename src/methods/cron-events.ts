import type { Bus } from "../core/bus.ts";
import type { Hub } from "../protocol/hub.ts";
import type { ScheduleEvents } from "../schedule/events.ts";
import type { JobRows } from "../schedule/job.ts";
import type { CronDeps } from "./cron.ts";

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

/** Tells clients what became of each heartbeat. Returns the function that stops it. */
export const startHeartbeatEvents = ({ bus, hub }: { bus: Bus<ScheduleEvents>; hub: Hub }): (() => void) =>
  bus.on("heartbeat.ended", (record) => hub.publish("heartbeat", record, { scope: "operator.read" }));
