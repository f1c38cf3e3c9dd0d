import { boolean, integer, object } from "../../core/config-schema.ts";

/** Jobs that start turns at due times. */
export const cron = object(
  "Jobs that start turns at due times (`openclaw cron`).",
  {
    enabled: boolean("Run jobs. When it is off, nothing is due; what was missed meanwhile follows the job's policy.", { default: true }),
    maxConcurrentRuns: integer("Runs of jobs at the same time; further ones wait.", { default: 8, min: 1, max: 100 }),
    skipMissedJobs: boolean(
      "Jobs skip what they missed while the gateway was down, unless the job itself says otherwise. When it is off, one run makes up for all that was missed within a day.",
      { default: false },
    ),
    retry: object(
      "What becomes of a failed run.",
      {
        maxAttempts: integer("Retries of a failed run, unless the job itself says otherwise. They wait 30 s, 1, 5, 15 and then 60 min.", {
          default: 3,
          min: 0,
          max: 10,
        }),
      },
      { unserved: ["backoffMs", "retryOn"] },
    ),
    failureAlert: object(
      "The message about a job that fails: once for each incident, and once when the job works again. It goes to the chat of the job, to the first owner who can be reached, or into the main session.",
      {
        enabled: boolean("Send it.", { default: true }),
        after: integer("Failed runs in a row before it is sent.", { default: 2, min: 1, max: 100 }),
      },
      { unserved: ["cooldownMs", "mode", "channel", "to", "accountId", "includeSkipped"] },
    ),
  },
  {
    unserved: ["failureDestination", "runLog", "sessionRetention", "store", "triggers", "webhook", "webhookSsrfPolicy", "webhookToken"],
  },
);
