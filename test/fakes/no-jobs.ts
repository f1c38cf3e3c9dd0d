import { GatewayError } from "../../src/core/errors.ts";
import type { AgentJobs } from "../../src/tools/cron/jobs.ts";

/** A gateway without a schedule. */
export const noJobs: AgentJobs = {
  act: () => Promise.reject(new GatewayError("UNAVAILABLE", "there is no schedule")),
};
