import type { AgentId } from "../core/ids.ts";

const PREFIX = "heartbeat:";

/** The job of the heartbeats of an agent. */
export const heartbeatJobId = (agentId: AgentId): string => `${PREFIX}${agentId}`;

/** Whether a run is a heartbeat: its id begins with that of the job. */
export const isHeartbeatRun = (runId: string): boolean => /^(?:cron|manual):heartbeat:/.test(runId);
