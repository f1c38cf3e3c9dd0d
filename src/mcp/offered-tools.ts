import { createHash } from "node:crypto";
import { asObject, asString, asStrings, fieldsOf, findStorageProblem, isObject, type JsonObject } from "../core/json.ts";
import { clip, toWellFormed } from "../core/text.ts";
import type { ToolDescription } from "../tools/tool.ts";
import { MCP_LIMITS } from "./limits.ts";

/** A tool of a server that agents may be given. */
export type OfferedTool = {
  /** As the server calls it. */
  name: string;
  /** As a model reads it. */
  description: ToolDescription;
  /** Of the name, the description and the schema as the server gives them. */
  hash: string;
  /** The server says that it changes nothing. */
  readsOnly: boolean;
  /** A tool of the gateway for what the server has besides tools. */
  isContent?: true;
};

/** A tool that agents are not given, and why. `name` is text of the server. */
export type LeftOutTool = { name: string; reason: string };

/** What is kept of a tool that a person has accepted. */
export type SeenTool = Pick<OfferedTool, "name" | "hash" | "readsOnly">;

/** `seen`: all tools that can be one, those that agents are offered first, also what the filter excludes. */
export type ListedTools = { tools: readonly OfferedTool[]; leftOut: readonly LeftOutTool[]; seen: readonly SeenTool[] };

export type ToolFilter = { include?: readonly string[] | undefined; exclude?: readonly string[] | undefined };

const TOOL_NAME = /^[A-Za-z0-9_.-]+$/;
const byteLength = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

/** The tools that a server lists, each checked and cut to the limits. What the server says is data; nothing of it is trusted. Pure. */
export function readTools(server: string, listed: readonly unknown[], filter: ToolFilter): ListedTools {
  const tools = new Map<string, OfferedTool>();
  const others = new Map<string, SeenTool>();
  const leftOut: LeftOutTool[] = [];
  for (const each of listed) {
    const tool = fieldsOf(each);
    const name = asString(tool["name"]);
    const key = name.toLowerCase();
    const problem = problemOf(name, tool);
    if (!isWanted(name, filter)) {
      if (problem === null && !others.has(key)) others.set(key, { name, hash: hashOf(name, tool), readsOnly: readsOnly(tool) });
      continue;
    }
    const reason = problem ?? placeProblemOf(key, tools);
    if (reason === null) tools.set(key, toOffered(server, name, tool));
    else leftOut.push({ name: clip(toWellFormed(name), MCP_LIMITS.toolNameChars), reason });
  }
  const offered = [...tools.values()];
  return { tools: offered, leftOut, seen: [...offered, ...others.values()].map(toSeen) };
}

const toSeen = ({ name, hash, readsOnly: reads }: SeenTool): SeenTool => ({ name, hash, readsOnly: reads });

/** What the server says of the effect of a tool. */
function readsOnly(tool: JsonObject): boolean {
  const { readOnlyHint, destructiveHint } = fieldsOf(tool["annotations"]);
  return readOnlyHint === true && destructiveHint !== true;
}

function placeProblemOf(key: string, known: ReadonlyMap<string, OfferedTool>): string | null {
  if (known.has(key)) return "another tool has the same name";
  return known.size >= MCP_LIMITS.tools ? `the server has more than ${MCP_LIMITS.tools} tools` : null;
}

function problemOf(name: string, tool: JsonObject): string | null {
  if (name === "") return "it has no name";
  if (name.length > MCP_LIMITS.toolNameChars) return `its name is longer than ${MCP_LIMITS.toolNameChars} characters`;
  if (!TOOL_NAME.test(name)) return "its name has other characters than letters, digits, dots, - and _";
  const schema = tool["inputSchema"];
  if (!isObject(schema)) return "it has no schema";
  const { schemaDepth: depth, schemaChars: chars } = MCP_LIMITS;
  if (findStorageProblem([schema, tool["description"]], { depth, chars }) !== null) return "its description is too large";
  return null;
}

/** Whether a filter leaves a name. Pure. */
export function isWanted(name: string, { include = [], exclude = [] }: ToolFilter): boolean {
  const matches = (patterns: readonly string[]): boolean => patterns.some((pattern) => matchesPattern(pattern, name));
  return (include.length === 0 || matches(include)) && !matches(exclude);
}

/** Whether a name matches a pattern in which `*` stands for any text. Takes linear time for each part between two stars. */
function matchesPattern(pattern: string, name: string): boolean {
  const [first = "", ...rest] = pattern.split("*");
  if (rest.length === 0) return pattern === name;
  const last = rest.pop()!;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}

function toOffered(server: string, name: string, tool: JsonObject): OfferedTool {
  const { text, schema } = textsOf(tool);
  return { name, description: describe(`${server}__${name}`, server, text, schema), hash: hashOf(name, tool), readsOnly: readsOnly(tool) };
}

const textsOf = (tool: JsonObject): { text: string; schema: JsonObject } => ({
  text: asString(tool["description"]),
  schema: fieldsOf(tool["inputSchema"]),
});

function hashOf(name: string, tool: JsonObject): string {
  const { text, schema } = textsOf(tool);
  return createHash("sha256")
    .update(JSON.stringify(sortKeys([name, text, schema])))
    .digest("hex");
}

/** The same value whatever the order of its keys. */
function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (!isObject(value)) return value;
  const keys = Object.keys(value).toSorted();
  return Object.fromEntries(keys.map((key) => [key, sortKeys(value[key])]));
}

/** The description as a quotation on one line, and as much of both as fits. */
function describe(name: string, server: string, text: string, schema: JsonObject): ToolDescription {
  const words = toWellFormed(text)
    .replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, " ")
    .trim();
  const forms = [() => schema, () => fieldsOf(withoutTexts(schema)), () => topLevel(schema)];
  for (const form of forms) {
    const parameters = form();
    const room = MCP_LIMITS.toolBytes - byteLength({ name, description: "", parameters });
    if (room < Math.min(MCP_LIMITS.descriptionBytes, byteLength(quoted(server, words)))) continue;
    return { name, description: cutWords(server, words, room), parameters };
  }
  const parameters = { type: "object" };
  return {
    name,
    description: cutWords(server, words, MCP_LIMITS.toolBytes - byteLength({ name, description: "", parameters })),
    parameters,
  };
}

const quoted = (server: string, words: string): string =>
  words === "" ? `A tool of the MCP server ${server}.` : `A tool of the MCP server ${server}, which says of it: ${JSON.stringify(words)}`;

function cutWords(server: string, words: string, room: number): string {
  let shown = words;
  while (byteLength(quoted(server, shown)) > room && shown.length > 1) shown = `${clip(shown, Math.floor(shown.length * 0.8))}…`;
  return quoted(server, shown);
}

/** Keys of a schema whose value is a text for people. */
const TEXTS = new Set(["title", "description", "examples", "default", "$comment"]);
/** Keys of a schema whose value has names as its keys. */
const NAMED = new Set(["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"]);

function withoutTexts(value: unknown, hasNames = false): unknown {
  if (Array.isArray(value)) return value.map((item) => withoutTexts(item));
  if (!isObject(value)) return value;
  const kept = Object.entries(value).filter(([key]) => hasNames || !TEXTS.has(key));
  return Object.fromEntries(kept.map(([key, item]) => [key, withoutTexts(item, !hasNames && NAMED.has(key))]));
}

/** Names and types of the arguments. */
function topLevel(schema: JsonObject): JsonObject {
  const properties = Object.entries(fieldsOf(schema["properties"])).map(([key, field]) => {
    const type = asObject(field)?.["type"];
    return [key, typeof type === "string" ? { type } : {}] as const;
  });
  return { type: "object", properties: Object.fromEntries(properties), required: asStrings(schema["required"]) };
}
