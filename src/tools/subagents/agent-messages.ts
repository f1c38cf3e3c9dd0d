import { GatewayError } from "../../core/errors.ts";
import { asNumber, asString, type JsonObject } from "../../core/json.ts";
import { quoteToolResult } from "../outside-results.ts";
import { textResult } from "../results.ts";
import { answer } from "./answer.ts";
import type { AgentMessageRequest, AgentTasks } from "./tasks.ts";
import type { Tool, ToolContext, ToolResult } from "../tool.ts";

const WHERE = ["sessionKey", "label", "agentId"] as const;

const SEND_PARAMETERS: JsonObject = {
  type: "object",
  properties: {
    message: { type: "string", description: "Complete in itself: the other agent knows nothing of this conversation" },
    sessionKey: { type: "string", description: "A key of sessions_list" },
    label: { type: "string", description: "Instead of the key: the name of a session" },
    agentId: { type: "string", description: "Instead of the key: the main session of an agent" },
    timeoutSeconds: {
      type: "integer",
      minimum: 0,
      description: "How long you wait for the answer, default 60; a later one comes as a message. 0: no answer is wanted",
    },
  },
  required: ["message"],
  additionalProperties: true,
};

/** Fields that other gateways serve as well, with the value that says what this one does anyway. */
const DEFAULTS: Readonly<Record<string, unknown>> = { mode: "followup", watch: false };

/** The tools with which agents write to each other, and see who there is. */
export const createAgentMessageTools = (tasks: AgentTasks): readonly Tool[] => [
  {
    name: "sessions_send",
    description:
      "Writes to another conversation, whose agent answers there with at most your rights. You get its answer; no person does. Names one of sessionKey, label and agentId.",
    parameters: SEND_PARAMETERS,
    run: (args, context) => answer(() => send(tasks, args, context)),
  },
  {
    name: "agents_list",
    description: "Lists the agents that may be given tasks (sessions_spawn) or messages (sessions_send).",
    parameters: { type: "object", properties: {} },
    run: (_args, { caller }) => answer(() => Promise.resolve(textResult(JSON.stringify(tasks.agents(caller), null, 1)))),
  },
];

async function send(tasks: AgentTasks, args: JsonObject, { caller, signal }: ToolContext): Promise<ToolResult> {
  const { answer: reply, ...sent } = await tasks.send(toRequest(args), caller, signal);
  if (reply === null) return textResult(JSON.stringify(sent, null, 1));
  return quoteToolResult(`the session ${sent.sessionKey}`, { content: [{ type: "text", text: reply }], isError: sent.status !== "ok" });
}

function toRequest(args: JsonObject): AgentMessageRequest {
  const known = Object.keys(SEND_PARAMETERS["properties"] as JsonObject);
  const unserved = Object.entries(args).find(([name, value]) => !known.includes(name) && DEFAULTS[name] !== value);
  if (unserved)
    throw new GatewayError("INVALID_REQUEST", `${unserved[0].slice(0, 60)} is not served`, {
      fix: `Send the message with ${known.join(", ")} only.`,
    });
  const where = WHERE.flatMap((name) => {
    const value = asString(args[name]).trim();
    return value === "" ? [] : [[name, value] as const];
  });
  if (where.length !== 1)
    throw new GatewayError("INVALID_REQUEST", `one of ${WHERE.join(", ")} is needed; ${where.length} were given`, {
      fix: "sessions_list shows sessions, agents_list shows agents.",
    });
  const seconds = asNumber(args["timeoutSeconds"]);
  return { message: asString(args["message"]), ...Object.fromEntries(where), ...(seconds !== null && { timeoutSeconds: seconds }) };
}
