import { createHash, randomUUID } from "node:crypto";
import { abortable } from "../../core/async.ts";
import { GatewayError } from "../../core/errors.ts";
import { asString, type JsonObject } from "../../core/json.ts";
import { toSentence } from "../../core/text.ts";
import { errorResult, quote, textResult } from "../results.ts";
import type { Tool, ToolContext, ToolResult } from "../tool.ts";
import type { MessageAnswer, ChannelMessages } from "./messages.ts";
import type { ToolEntry } from "../tool-entry.ts";

const ACTIONS = ["send", "reply", "react", "edit", "unsend", "delete", "poll", "thread-create"] as const;
const WHERE = ["channel", "target", "accountId", "threadId"] as const;

const PARAMETERS: JsonObject = {
  type: "object",
  properties: {
    action: { type: "string", enum: ACTIONS },
    message: { type: "string", description: "Text of send, reply and edit, and of the first message of a thread" },
    media: { type: "string", description: "File of the workspace that is sent" },
    messageId: {
      type: "string",
      description: "Of react, reply, edit and unsend; react and reply mean the message that you answer by default",
    },
    emoji: { type: "string" },
    remove: { type: "boolean", description: "Take the reaction back" },
    pollQuestion: { type: "string" },
    pollOption: { type: "array", items: { type: "string" } },
    pollMulti: { type: "boolean" },
    threadName: { type: "string" },
    channel: { type: "string", description: "Of another conversation, e.g. telegram" },
    target: { type: "string", description: "Another room or person" },
    accountId: { type: "string" },
    threadId: { type: "string" },
  },
  required: ["action"],
};

/** Sends, changes and marks messages on channels. */
export function createMessageTool(messages: ChannelMessages): Tool {
  async function run(args: JsonObject, context: ToolContext): Promise<ToolResult> {
    const { action, ...given } = args;
    const params = Object.fromEntries(Object.entries(given).filter(([name]) => !(WHERE as readonly string[]).includes(name)));
    const problem = mediaProblem(asString(params["media"]), context);
    if (problem !== null) return errorResult(problem);
    const where = Object.fromEntries(WHERE.flatMap((name) => (given[name] === undefined ? [] : [[name, asString(given[name])]])));
    const request = {
      action: action === "unsend" ? "delete" : asString(action),
      params,
      where,
      key: keyOf(context, args),
      callId: context.callId,
    };
    try {
      return textResult(toText(request.action, await abortable(messages.act(request, context.caller, context.signal), context.signal)));
    } catch (err) {
      if (context.signal.aborted) return errorResult("The call was stopped; what it had begun may still be sent.");
      if (!(err instanceof GatewayError)) throw err;
      return errorResult(`Not done: ${toSentence(err.message)}${err.fix === undefined ? "" : ` ${err.fix}`}`);
    }
  }

  return {
    name: "message",
    description:
      "Sends a message or file, reacts, edits, deletes or asks in a poll: in this conversation on its channel, or in another one that is named. Your answer itself is sent without it.",
    parameters: PARAMETERS,
    run,
  };
}

/** The same for the same call of a turn only: what a provider names twice with other arguments is another message. */
function keyOf({ caller, callId }: ToolContext, args: JsonObject): string {
  if (caller.runId === null) return `tool:${randomUUID()}`;
  return `tool:${caller.runId}:${createHash("sha256")
    .update(`${callId} ${JSON.stringify(args)}`)
    .digest("hex")
    .slice(0, 24)}`;
}

/** Files are those that the agent may read: of the workspace, and those that the gateway has received. */
function mediaProblem(media: string, { caller }: ToolContext): string | null {
  if (media === "") return null;
  if (!caller.tools.includes("read")) return "Nothing was sent: files are sent only where the tool read is available.";
  return /^[a-z][a-z0-9+.-]*:/i.test(media)
    ? `Nothing was sent: ${quote(media)} is an address, and only files of the workspace are sent.`
    : null;
}

function toText(action: string, { isQueued, messageId, threadId }: MessageAnswer): string {
  if (isQueued) return "It waits in the queue, because the account cannot send now, and is sent by itself. Do not send it again.";
  const ids = [...(threadId === null ? [] : [`thread ${threadId}`]), ...(messageId === null ? [] : [`message ${messageId}`])];
  return `${action === "send" || action === "reply" ? "Sent" : "Done"}${ids.length > 0 ? `: ${ids.join(", ")}` : ""}.`;
}

export const messageEntry: ToolEntry = {
  facts: { message: { section: "messaging", effect: "send", profiles: ["messaging"], isFound: true } },
  create: ({ messages }) => [createMessageTool(messages)],
};
