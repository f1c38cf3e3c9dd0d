import type { JsonObject } from "../../core/json.ts";
import type { ToolCaller } from "../tool.ts";

export const CRON_ACTIONS = ["status", "list", "get", "add", "update", "remove", "run", "runs"] as const;
export type CronAction = (typeof CRON_ACTIONS)[number];

export type CronRequest = { action: CronAction; jobId?: string; job?: JsonObject; limit?: number };

/** What agents do with jobs of the schedule. Implemented over the schedule, with the rights of the turn. */
export interface AgentJobs {
  /** Throws GatewayError when it was not done. The answer is JSON for the model. */
  act(request: CronRequest, caller: ToolCaller): Promise<unknown>;
}
