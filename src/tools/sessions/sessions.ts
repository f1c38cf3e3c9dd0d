import type { AgentId, SessionKey } from "../../core/ids.ts";
import { asNumber, asString, type JsonObject } from "../../core/json.ts";
import { TOOL_LIMITS } from "../limits.ts";
import { errorResult, quote, textResult } from "../results.ts";
import type { Tool, ToolContext, ToolResult } from "../tool.ts";
import { onOneLine, toFoundLine, toLine, toTime, wordsOf } from "../shown-messages.ts";
import { frameWebContent } from "../untrusted-content.ts";
import { isInReach, listedIn, sessionFilter, type Conversations, type SessionPolicy } from "../conversations.ts";
import type { ToolEntry } from "../tool-entry.ts";

export type SessionToolsOptions = {
  conversations: Conversations;
  sessionPolicy: () => SessionPolicy;
};

type Run = (args: JsonObject, context: ToolContext) => ToolResult;
type SessionTool = { name: string; description: string; properties: JsonObject; required?: readonly string[]; run: Run };

const LIMIT = { type: "integer", minimum: 1 };
const SESSION_KEY = { type: "string", description: "A key of sessions_list" };

/** `sessions_list`, `sessions_history` and `sessions_search`: earlier messages of this conversation and of others. */
export function createSessionTools(options: SessionToolsOptions): readonly Tool[] {
  const tools: readonly SessionTool[] = [
    {
      name: "sessions_list",
      description: "Lists earlier conversations, the newest first, with their keys.",
      properties: { search: { type: "string", description: "Part of a title or a key" }, limit: LIMIT },
      run: (args, context) => listSessions(options, args, context),
    },
    {
      name: "sessions_history",
      description: "Shows the messages of a conversation, the last ones first to be read.",
      properties: {
        sessionKey: { ...SESSION_KEY, description: "A key of sessions_list; without it, this conversation" },
        limit: LIMIT,
        offset: { type: "integer", minimum: 0, description: "Messages to leave out at the end" },
      },
      run: (args, context) => showHistory(options, args, context),
    },
    {
      name: "sessions_search",
      description: "Finds messages of earlier conversations that contain all of the words.",
      properties: { query: { type: "string" }, sessionKey: SESSION_KEY, limit: LIMIT },
      required: ["query"],
      run: (args, context) => searchSessions(options, args, context),
    },
  ];
  return tools.map(({ name, description, properties, required, run }) => ({
    name,
    description,
    parameters: { type: "object", properties, ...(required && { required }) },
    run: (args, context) => Promise.resolve(run(args, context)),
  }));
}

const limitOf = (args: JsonObject, by: { default: number; most: number }): number =>
  Math.min(asNumber(args["limit"]) ?? by.default, by.most);

function listSessions({ conversations, sessionPolicy }: SessionToolsOptions, args: JsonObject, { caller }: ToolContext): ToolResult {
  const sessions = conversations.list({
    limit: limitOf(args, { default: 20, most: TOOL_LIMITS.listedSessions }),
    ...listedIn(conversations, caller, sessionPolicy()),
    ...(asString(args["search"]) !== "" && { search: asString(args["search"]) }),
  });
  if (sessions.length === 0) return textResult("No conversation matches.");
  const lines = sessions.map(({ key, title, channel, chatKind, updatedAt, preview }) => {
    const what = [`${channel} ${chatKind}`, title, preview].filter((each) => each !== null);
    const isThis = key === caller.sessionKey ? " (this conversation)" : "";
    return `${key}${isThis} | ${toTime(updatedAt)} | ${onOneLine(what.join(" | "), TOOL_LIMITS.sessionLineChars)}`;
  });
  return textResult(frameWebContent({ source: "Conversations", text: lines.join("\n") }));
}

/** The session that a call names and may see; the text of an error where it may not. A hidden session is answered like a missing one. */
function findSession(
  { conversations, sessionPolicy }: SessionToolsOptions,
  args: JsonObject,
  { caller }: ToolContext,
): { key: SessionKey } | { problem: string } {
  const given = asString(args["sessionKey"]);
  if (given === "" || given === caller.sessionKey) return { key: caller.sessionKey };
  const agentId: AgentId | null = conversations.agentOf(given);
  const key = given as SessionKey;
  if (agentId !== null && isInReach(sessionPolicy(), caller, { key, agentId }, (each) => conversations.parentOf(each))) return { key };
  return { problem: `Conversation ${quote(given)} does not exist or may not be shown here. sessions_list lists those that may.` };
}

function showHistory(options: SessionToolsOptions, args: JsonObject, context: ToolContext): ToolResult {
  const found = findSession(options, args, context);
  if ("problem" in found) return errorResult(found.problem);
  const offset = asNumber(args["offset"]) ?? 0;
  const limit = limitOf(args, { default: 30, most: TOOL_LIMITS.shownMessages });
  const page = options.conversations.page(found.key, { limit, offset });
  if (page.messages.length === 0 && page.next === null)
    return textResult(offset > 0 ? "There are no older messages." : "This conversation has no messages.");
  const fitting = lastFitting(page.messages.map(toLine));
  const cut = fitting.length < page.messages.length ? page.messages[page.messages.length - fitting.length]!.offset : null;
  const next = cut ?? page.next;
  const notes = next === null ? [] : [`There are older messages: continue with offset=${next}.`];
  return textResult(frameWebContent({ source: `Conversation ${found.key}`, text: fitting.join("\n"), notes }));
}

function searchSessions(options: SessionToolsOptions, args: JsonObject, context: ToolContext): ToolResult {
  const { conversations, sessionPolicy } = options;
  const { caller } = context;
  const words = wordsOf(asString(args["query"]));
  if (words.length === 0) return errorResult("Nothing was searched: the query has no words.");
  const found = args["sessionKey"] === undefined ? null : findSession(options, args, context);
  if (found !== null && "problem" in found) return errorResult(found.problem);
  const isSearched = found === null ? sessionFilter(conversations, caller, sessionPolicy()) : (key: SessionKey) => key === found.key;
  const hits = conversations.search(
    words.slice(0, TOOL_LIMITS.searchedWords),
    limitOf(args, { default: 10, most: TOOL_LIMITS.foundMessages }),
    isSearched,
  );
  if (hits.length === 0) return textResult(`No message has the words ${quote(words.join(" "))}.`);
  const lines = hits.map((hit) => toFoundLine(hit, words));
  return textResult(frameWebContent({ source: "Messages that were found", text: lines.join("\n") }));
}

/** The last lines that fit into one result; at least one. */
function lastFitting(lines: readonly string[]): readonly string[] {
  let left = TOOL_LIMITS.resultBytes;
  let from = lines.length;
  while (from > 0) {
    left -= Buffer.byteLength(lines[from - 1]!) + 3;
    if (left < 0 && from < lines.length) break;
    from--;
  }
  return lines.slice(from);
}

export const sessionsEntry: ToolEntry = {
  facts: {
    sessions_list: { section: "sessions", effect: "recall", profiles: ["coding", "messaging"], isFound: true },
    sessions_history: { section: "sessions", effect: "recall", profiles: ["coding", "messaging"], isFound: true },
    sessions_search: { section: "sessions", effect: "recall", profiles: ["coding", "messaging"], isFound: true },
  },
  create: createSessionTools,
};
