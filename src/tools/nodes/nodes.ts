import { asNumber, asString, fieldsOf, type JsonObject } from "../../core/json.ts";
import { nodeError, type AgentNodes, type NodeCallResult } from "../agent-nodes.ts";
import { errorResult, textResult } from "../results.ts";
import type { Tool, ToolContext, ToolResult } from "../tool.ts";
import { frameWebContent } from "../untrusted-content.ts";
import type { ToolEntry } from "../tool-entry.ts";

const PARAMETERS: JsonObject = {
  type: "object",
  properties: {
    action: { type: "string", enum: ["list", "invoke"] },
    node: { type: "string", description: "Of invoke: a name or id that list shows" },
    command: { type: "string", description: "Of invoke, e.g. camera.snap, location.get, system.notify" },
    params: {
      type: "object",
      description: 'Of invoke, e.g. {"facing":"back"} of camera.snap, {"title":"Tea","body":"Ready"} of system.notify',
    },
    timeoutMs: { type: "integer", minimum: 1_000, maximum: 600_000 },
  },
  required: ["action"],
};

/** Phones and machines that are paired with the gateway. */
export const createNodesTool = (nodes: AgentNodes): Tool => ({
  name: "nodes",
  description:
    "Phones and other machines that are paired with the gateway: lists them and runs their commands, e.g. takes a photo, asks where a phone is, shows a notification. Shell commands there: exec with host node.",
  parameters: PARAMETERS,
  run: (args, context) => runAction(nodes, args, context),
});

async function runAction(nodes: AgentNodes, args: JsonObject, context: ToolContext): Promise<ToolResult> {
  try {
    if (args["action"] === "list") return textResult(JSON.stringify(await nodes.list(context), null, 1));
    const [node, command] = [asString(args["node"]).trim(), asString(args["command"]).trim()];
    if (node === "" || command === "") return errorResult("Not run: invoke needs node and command. The action list shows both.");
    const timeoutMs = asNumber(args["timeoutMs"]);
    const request = { node, command, params: fieldsOf(args["params"]), ...(timeoutMs !== null && { timeoutMs }) };
    return toResult(`Answer of the node to ${command}`, await nodes.call(request, context));
  } catch (err) {
    return nodeError(err);
  }
}

/** What a node answered, for a model: a quotation, since the node or who holds it wrote it. Pure. */
export function toResult(source: string, { payload, file, image }: NodeCallResult): ToolResult {
  const notes = file === null ? [] : [`The file is ${file.path} (${file.mimeType}, ${file.bytes} bytes).`];
  const text = typeof payload === "string" ? payload : JSON.stringify(payload, null, 1);
  const content = frameWebContent({ source, text: text.slice(0, MAX_CHARS), notes });
  return { content: [{ type: "text", text: content }, ...(image === null ? [] : [{ type: "image" as const, ...image }])], isError: false };
}

/** Characters of an answer that a model reads. */
const MAX_CHARS = 32_000;

export const nodesEntry: ToolEntry = {
  facts: { nodes: { section: "nodes", effect: "device", profiles: [], isFound: true } },
  create: ({ nodes }) => [createNodesTool(nodes)],
};
