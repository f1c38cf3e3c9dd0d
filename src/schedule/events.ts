import type { HeartbeatRecord } from "./heartbeat-end.ts";

/** What the rest of the gateway may know about jobs, as it happens. */
export type ScheduleEvents = {
  /** A job was changed, or something became of one of its due times. It is on disk. */
  "cron.changed": {
    jobId: string;
    action: "added" | "updated" | "removed" | "started" | "finished";
    /** `count`: due times that one skipped row stands for. `lagMs`: between the due time and the start. */
    run?: { runId: string | null; status?: "ok" | "error" | "skipped"; count?: number; lagMs?: number };
  };
  /** A heartbeat has ended, or did not run for a reason. It is on disk. */
  "heartbeat.ended": HeartbeatRecord;
  /** Heartbeats of an agent pause because so many in a row did nothing. */
  "heartbeat.paused": { agentId: string; runs: number };
};
