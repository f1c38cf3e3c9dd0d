import { GatewayError } from "../../core/errors.ts";
import { asNumber, asObjects, asString, type JsonObject } from "../../core/json.ts";
import { quoteToolResult } from "../outside-results.ts";
import { textResult } from "../results.ts";
import type { Tool, ToolContext, ToolResult } from "../tool.ts";
import { createAgentMessageTools } from "./agent-messages.ts";
import { answer } from "./answer.ts";
import type { AgentTasks, SpawnAttachment, SpawnRequest } from "./tasks.ts";
import type { ToolEntry } from "../tool-entry.ts";

const SPAWN_PARAMETERS: JsonObject = {
  type: "object",
  properties: {
    task: {
      type: "string",
      description: "What it is to do, complete in itself: without context fork it knows nothing of this conversation",
    },
    label: { type: "string", description: "A short name for people" },
    agentId: { type: "string", description: "Another agent, where allowed" },
    model: { type: "string" },
    thinking: { type: "string", enum: ["off", "minimal", "low", "medium", "high", "xhigh"] },
    runTimeoutSeconds: { type: "integer", minimum: 0 },
    context: {
      type: "string",
      enum: ["isolated", "fork"],
      description: "fork: it begins with a copy of this conversation; default isolated",
    },
    attachments: {
      type: "array",
      maxItems: 10,
      items: {
        type: "object",
        properties: {
          name: { type: "string" },
          content: { type: "string" },
          encoding: { type: "string", enum: ["utf8", "base64"], description: "Default utf8" },
          mimeType: { type: "string" },
        },
        required: ["name", "content"],
      },
    },
    expectsCompletionMessage: { type: "boolean", description: "Default true: you get the result as a message" },
  },
  required: ["task"],
  additionalProperties: true,
};

const MAX_WAIT_SECONDS = 60;
const TASKS_PARAMETERS: JsonObject = {
  type: "object",
  properties: {
    action: { type: "string", enum: ["list", "wait", "cancel"] },
    taskIds: { type: "array", items: { type: "string" }, description: "Default: all that have not ended" },
    timeoutSeconds: { type: "integer", minimum: 1, maximum: MAX_WAIT_SECONDS, description: "Of wait; default 30" },
  },
  required: ["action"],
};
const DEFAULT_WAIT_SECONDS = 30;

/** The tools with which an agent gives work to others: one starts a task, the other lists, awaits and cancels tasks. */
export const createSubagentTools = (tasks: AgentTasks): readonly Tool[] => [
  {
    name: "sessions_spawn",
    description:
      "Gives a task to a sub-agent, which works on it beside you in a session of its own, with at most your rights. Returns at once; its result comes as a message when it has ended, so go on or end your turn.",
    parameters: SPAWN_PARAMETERS,
    run: (args, { caller }) => answer(async () => textResult(JSON.stringify(await tasks.spawn(toRequest(args), caller), null, 1))),
  },
  {
    name: "subagents",
    description: "Lists the tasks of your sub-agents, waits for their results, or cancels them.",
    parameters: TASKS_PARAMETERS,
    run: (args, context) => answer(() => runAction(tasks, args, context)),
  },
];

/** Fields that other gateways serve as well, with the value that says what this one does anyway. */
const DEFAULTS: Readonly<Record<string, unknown>> = { runtime: "subagent", mode: "run", cleanup: "keep" };

/** What a model asks for must have its effect, or be refused by name. */
function requireServed(args: JsonObject): void {
  const known = Object.keys(SPAWN_PARAMETERS["properties"] as JsonObject);
  const unserved = Object.entries(args).find(([name, value]) => !known.includes(name) && DEFAULTS[name] !== value);
  if (unserved)
    throw new GatewayError("INVALID_REQUEST", `${unserved[0].slice(0, 60)} is not served`, {
      fix: `Give the task with ${known.join(", ")} only.`,
    });
}

function toRequest(args: JsonObject): SpawnRequest {
  requireServed(args);
  const text = (name: "label" | "agentId" | "model" | "thinking"): Partial<SpawnRequest> => {
    const value = asString(args[name]).trim();
    return value === "" ? {} : { [name]: value };
  };
  const seconds = asNumber(args["runTimeoutSeconds"]);
  const expects = args["expectsCompletionMessage"];
  return {
    task: asString(args["task"]),
    ...text("label"),
    ...text("agentId"),
    ...text("model"),
    ...text("thinking"),
    ...(seconds !== null && { runTimeoutSeconds: seconds }),
    ...(args["context"] === "fork" && { context: "fork" as const }),
    ...(args["attachments"] !== undefined && { attachments: asObjects(args["attachments"]).map(toAttachment) }),
    ...(typeof expects === "boolean" && { expectsCompletionMessage: expects }),
  };
}

const toAttachment = (item: JsonObject): SpawnAttachment => ({
  name: asString(item["name"]),
  content: asString(item["content"]),
  encoding: item["encoding"] === "base64" ? "base64" : "utf8",
  mimeType: asString(item["mimeType"]) || "text/plain",
});

async function runAction(tasks: AgentTasks, args: JsonObject, { caller, signal }: ToolContext): Promise<ToolResult> {
  const ids = args["taskIds"];
  const taskIds = Array.isArray(ids) ? ids.map((id) => asString(id)) : [];
  if (args["action"] === "list") return textResult(JSON.stringify(tasks.list(caller), null, 1));
  if (args["action"] === "cancel") return textResult(JSON.stringify(await tasks.cancel(caller, taskIds), null, 1));
  const seconds = asNumber(args["timeoutSeconds"]) ?? DEFAULT_WAIT_SECONDS;
  const { ended, open } = await tasks.wait(caller, taskIds, Math.min(seconds, MAX_WAIT_SECONDS) * 1_000, signal);
  if (ended.length === 0) return textResult(open.length === 0 ? "No task waits for its end." : `Still working: ${open.join(", ")}`);
  return quoteToolResult("sub-agents", { content: [{ type: "text", text: JSON.stringify({ ended, open }, null, 1) }] });
}

export const subagentsEntry: ToolEntry = {
  facts: {
    sessions_spawn: { section: "sessions", effect: "delegate", profiles: ["coding"], isFound: true },
    subagents: { section: "sessions", effect: "delegate", profiles: ["coding"], isFound: true },
    sessions_send: { section: "sessions", effect: "delegate", profiles: ["coding"], isFound: true },
    agents_list: { section: "sessions", effect: "delegate", profiles: ["coding"], isFound: true },
  },
  create: ({ tasks }) => [...createSubagentTools(tasks), ...createAgentMessageTools(tasks)],
};
