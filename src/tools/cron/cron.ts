import { GatewayError } from "../../core/errors.ts";
import { asNumber, asObject, asString, type JsonObject } from "../../core/json.ts";
import { toSentence } from "../../core/text.ts";
import { errorResult, textResult } from "../results.ts";
import type { Tool, ToolContext, ToolResult } from "../tool.ts";
import { CRON_ACTIONS, type AgentJobs, type CronAction } from "./jobs.ts";
import type { ToolEntry } from "../tool-entry.ts";

const PARAMETERS: JsonObject = {
  type: "object",
  properties: {
    action: { type: "string", enum: CRON_ACTIONS },
    jobId: { type: "string", description: "Of get, update, remove, run and runs" },
    job: {
      type: "object",
      description: "Of add; of update only what changes",
      properties: {
        name: { type: "string" },
        message: {
          type: "string",
          description: "What you are asked to do then, complete in itself: a run knows nothing of this conversation",
        },
        schedule: {
          type: "object",
          properties: {
            kind: { type: "string", enum: ["at", "every", "cron"] },
            at: { type: "string", description: "Of at: time with its offset, e.g. 2027-01-31T09:00:00+01:00" },
            everyMs: { type: "integer", minimum: 60_000 },
            expr: { type: "string", description: "Of cron: minute hour day month weekday" },
            tz: { type: "string", description: "Of cron, e.g. Europe/Berlin" },
          },
          required: ["kind"],
        },
        sessionTarget: { type: "string", enum: ["isolated", "current"], description: "current: in this conversation" },
        deliver: {
          type: "boolean",
          description: "Send the answer to the chat of this conversation; default true where it is on a channel",
        },
        enabled: { type: "boolean" },
      },
    },
    limit: { type: "integer", minimum: 1, maximum: 50 },
  },
  required: ["action"],
};

/** Jobs that start turns at later times. */
export const createCronTool = (jobs: AgentJobs): Tool => ({
  name: "cron",
  description:
    "Schedules work and reminders: adds jobs that ask you something at a time, at an interval or by a cron expression, lists, changes, runs and removes them.",
  parameters: PARAMETERS,
  run: (args, context) => runAction(jobs, args, context),
});

async function runAction(jobs: AgentJobs, args: JsonObject, { caller }: ToolContext): Promise<ToolResult> {
  const jobId = asString(args["jobId"]).trim();
  const job = asObject(args["job"]);
  const limit = asNumber(args["limit"]);
  const request = {
    action: asString(args["action"]) as CronAction,
    ...(jobId !== "" && { jobId }),
    ...(job && { job }),
    ...(limit !== null && { limit }),
  };
  try {
    return textResult(JSON.stringify(await jobs.act(request, caller), null, 1));
  } catch (err) {
    if (!(err instanceof GatewayError)) throw err;
    return errorResult(`Not done: ${toSentence(err.message)}${err.fix === undefined ? "" : ` ${err.fix}`}`);
  }
}

export const cronEntry: ToolEntry = {
  facts: { cron: { section: "automation", effect: "schedule", profiles: ["coding"], isFound: true } },
  create: ({ jobs }) => [createCronTool(jobs)],
};
