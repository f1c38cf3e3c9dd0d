import { randomUUID } from "node:crypto";
import { ClientError } from "../client/errors.ts";
import { asArray, asObject, asObjects, asString, fieldsOf, type JsonObject } from "../core/json.ts";
import { toSentence } from "../core/text.ts";
import type { ServedTool } from "./mcp-serve-arguments.ts";
import { toConversation, type GatewayBridge } from "./mcp-serve-bridge.ts";
import type { EventFilter } from "./mcp-serve-events.ts";

const SESSION_KEY = { type: "string", minLength: 1, description: "As conversations_list names it." } as const;
const rows = (maximum: number, byDefault: number) =>
  ({ type: "integer", minimum: 1, maximum, description: `Default ${byDefault}.` }) as const;
const AFTER_CURSOR = {
  type: "integer",
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description: "Only events after this one: next_cursor of the last answer.",
} as const;

const DEFAULT_CONVERSATIONS = 50;
const DEFAULT_MESSAGES = 20;
const DEFAULT_EVENTS = 50;
/** Messages among which attachments_fetch looks. */
const DEFAULT_SEARCHED = 100;
const DEFAULT_WAIT_MS = 30_000;
/** Sessions that the gateway lists at once. */
const PAGE = 1_000;

type Run = ServedTool["run"];

/** The tools of `openclaw mcp serve`. What people have written is in the results: data for the model that reads them. */
export function servedTools(bridge: GatewayBridge): readonly ServedTool[] {
  return [...conversationTools(bridge), ...eventTools(bridge), ...approvalTools(bridge)].map((tool) => ({
    ...tool,
    run: guarded(tool.run),
  }));
}

function conversationTools(bridge: GatewayBridge): ServedTool[] {
  return [
    {
      name: "conversations_list",
      description: "Lists conversations on chat channels, the latest first.",
      fields: {
        limit: rows(500, DEFAULT_CONVERSATIONS),
        search: { type: "string", description: "Words of the title or the key." },
        channel: { type: "string", description: "Such as telegram or irc." },
        includeDerivedTitles: { type: "boolean" },
        includeLastMessage: { type: "boolean" },
      },
      run: (args, signal) => listConversations(bridge, args, signal),
    },
    {
      name: "conversation_get",
      description: "Returns one conversation, and where a message to it goes.",
      fields: { session_key: SESSION_KEY },
      required: ["session_key"],
      run: async ({ session_key: key }, signal) => {
        const conversation = await bridge.conversation(asString(key), signal);
        return conversation ? { conversation } : { failure: `conversation not found: ${asString(key)}` };
      },
    },
    {
      name: "messages_read",
      description: "Reads the latest messages of a conversation, the newest last.",
      fields: { session_key: SESSION_KEY, limit: rows(200, DEFAULT_MESSAGES) },
      required: ["session_key"],
      run: async ({ session_key: key, limit = DEFAULT_MESSAGES }, signal) => ({
        messages: await readMessages(bridge, asString(key), Number(limit), signal),
      }),
    },
    {
      name: "attachments_fetch",
      description: "Lists what a message has beside text: kind, type and size of each file.",
      fields: {
        session_key: SESSION_KEY,
        message_id: { type: "string", minLength: 1, description: "As messages_read and the events name it." },
        limit: rows(200, DEFAULT_SEARCHED),
      },
      required: ["session_key", "message_id"],
      run: (args, signal) => fetchAttachments(bridge, args, signal),
    },
    {
      name: "messages_send",
      description: "Sends a text into a conversation, as the agent's account on its channel.",
      fields: { session_key: SESSION_KEY, text: { type: "string", minLength: 1 } },
      required: ["session_key", "text"],
      run: (args, signal) => sendMessage(bridge, args, signal),
    },
  ];
}

const filterOf = ({ after_cursor: after, session_key: key }: JsonObject): EventFilter => ({
  after: typeof after === "number" ? after : undefined,
  sessionKey: typeof key === "string" ? key : undefined,
});

function eventTools({ events }: GatewayBridge): ServedTool[] {
  const fields = { after_cursor: AFTER_CURSOR, session_key: { type: "string" } } as const;
  return [
    {
      name: "events_poll",
      description: "Returns the messages and questions about commands since a cursor. With gap, some are gone: read the history.",
      fields: { ...fields, limit: rows(200, DEFAULT_EVENTS) },
      run: async (args) => events.poll(filterOf(args), Number(args["limit"] ?? DEFAULT_EVENTS)),
    },
    {
      name: "events_wait",
      description: "Waits for the next message or question about a command after a cursor.",
      fields: { ...fields, timeout_ms: rows(300_000, DEFAULT_WAIT_MS) },
      run: (args, signal) => events.wait(filterOf(args), Number(args["timeout_ms"] ?? DEFAULT_WAIT_MS), signal),
    },
  ];
}

function approvalTools(bridge: GatewayBridge): ServedTool[] {
  return [
    {
      name: "permissions_list_open",
      description: "Lists the commands of agents that wait for a person to allow or deny them.",
      fields: {},
      run: async (_args, signal) => {
        const pending = await bridge.request<unknown>("exec.approval.list", {}, signal);
        const approvals = asObjects(pending).map(({ id, request, createdAtMs, expiresAtMs }) => ({
          kind: "exec",
          id,
          request,
          createdAtMs,
          expiresAtMs,
        }));
        return { approvals };
      },
    },
    {
      name: "permissions_respond",
      description: "Allows or denies a command that waits. Answer only what a person has decided.",
      fields: {
        kind: { type: "string", enum: ["exec", "plugin"], description: "This gateway asks about commands only: exec." },
        id: { type: "string", minLength: 1, description: "As permissions_list_open names it." },
        decision: { type: "string", enum: ["allow-once", "allow-always", "deny"] },
      },
      required: ["kind", "id", "decision"],
      run: async ({ kind, id, decision }, signal) => {
        if (kind !== "exec") return { failure: "there are no questions of plugins: this gateway asks about commands only (kind exec)" };
        return { result: fieldsOf(await bridge.request("exec.approval.resolve", { id, decision }, signal)) };
      },
    },
  ];
}

async function listConversations(bridge: GatewayBridge, args: JsonObject, signal: AbortSignal): ReturnType<Run> {
  const { limit = DEFAULT_CONVERSATIONS, search, channel, includeDerivedTitles = false, includeLastMessage = false } = args;
  const params = { limit: PAGE, includeDerivedTitles, includeLastMessage, ...(search !== undefined && { search }) };
  const wanted = asString(channel).trim().toLowerCase();
  const found: object[] = [];
  for (let offset: number | null = 0; offset !== null && found.length < Number(limit);) {
    const answer = fieldsOf(await bridge.request("sessions.list", { ...params, offset }, signal));
    for (const row of asObjects(answer["sessions"])) {
      const conversation = toConversation(row);
      if (conversation && (wanted === "" || conversation.channel === wanted)) found.push(conversation);
    }
    offset = typeof answer["nextOffset"] === "number" ? answer["nextOffset"] : null;
  }
  return { conversations: found.slice(0, Number(limit)) };
}

async function readMessages(bridge: GatewayBridge, sessionKey: string, limit: number, signal: AbortSignal): Promise<readonly unknown[]> {
  const { messages } = fieldsOf(await bridge.request("chat.history", { sessionKey, limit }, signal));
  return asArray(messages).slice(-limit);
}

async function fetchAttachments(bridge: GatewayBridge, args: JsonObject, signal: AbortSignal): ReturnType<Run> {
  const id = asString(args["message_id"]);
  const messages = await readMessages(bridge, asString(args["session_key"]), Number(args["limit"] ?? DEFAULT_SEARCHED), signal);
  const message = asObjects(messages).find((each) => fieldsOf(each["__openclaw"])["id"] === id);
  if (!message) return { failure: `message not found: ${id}. A greater limit looks at older messages.` };
  const attachments = asArray(message["content"]).filter((block) => asObject(block) !== null && fieldsOf(block)["type"] !== "text");
  return { attachments, message };
}

async function sendMessage(bridge: GatewayBridge, args: JsonObject, signal: AbortSignal): ReturnType<Run> {
  const sessionKey = asString(args["session_key"]);
  const conversation = await bridge.conversation(sessionKey, signal);
  if (!conversation) return { failure: `conversation not found: ${sessionKey}. Only conversations on channels can be written to.` };
  const { channel, to, accountId, threadId } = conversation;
  const params = { channel, to, accountId, threadId, message: args["text"], sessionKey, idempotencyKey: randomUUID() };
  return { result: fieldsOf(await bridge.request("send", params, signal)) };
}

/** What the gateway refuses is a result that says why. */
const guarded =
  (run: Run): Run =>
  async (args, signal) => {
    try {
      return await run(args, signal);
    } catch (err) {
      if (signal.aborted) return { failure: "The call was cancelled." };
      if (!(err instanceof ClientError)) throw err;
      const isUncertain = err.kind === "closed" || err.kind === "timeout";
      const what = toSentence(err.gatewayMessage ?? err.message);
      const scope = asString(err.details["missingScope"]);
      const fix = scope === "" ? asString(err.details["fix"]) : `The credential of openclaw mcp serve does not grant ${scope}.`;
      return { failure: [what, fix, isUncertain ? "Whether it had an effect is unknown." : ""].filter(Boolean).join(" ") };
    }
  };
