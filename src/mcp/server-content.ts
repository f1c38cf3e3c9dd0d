import { asArray, asObjects, asString, fieldsOf, isObject, type JsonObject } from "../core/json.ts";
import type { ToolResult } from "../tools/tool.ts";
import { MCP_LIMITS } from "./limits.ts";
import { isWanted, type ListedTools, type OfferedTool, type ToolFilter } from "./offered-tools.ts";
import { toContentResult } from "../tools/outside-results.ts";

/** Kinds of what a server has besides tools. */
export type ContentKind = "resources" | "prompts";

/** A request to a server. Resolves to the result. */
export type AskServer = (method: string, params: JsonObject) => Promise<JsonObject>;

type ContentTool = {
  kind: ContentKind;
  /** With the name of the server, in the gateway's own words. */
  describe: (server: string) => string;
  parameters: JsonObject;
  run: (ask: AskServer, args: JsonObject, server: string) => Promise<ToolResult>;
};

const text = (description: string): JsonObject => ({ type: "string", description });
const object = (properties: JsonObject, required: readonly string[] = []): JsonObject => ({
  type: "object",
  properties,
  ...(required.length > 0 && { required }),
});
const SEARCH = object({ search: text("Only those with this text.") });

/** Tools of the gateway for what a server has besides tools. Each has the name that OpenClaw gives it. */
const CONTENT_TOOLS: Readonly<Record<string, ContentTool>> = {
  resources_list: {
    kind: "resources",
    describe: (server) => `Lists the resources (documents) of the MCP server ${server}.`,
    parameters: SEARCH,
    run: async (ask, args, server) => {
      const [resources, templates] = await Promise.all([
        listContent(ask, "resources/list", "resources"),
        // Servers with resources need not have templates.
        listContent(ask, "resources/templates/list", "resourceTemplates").catch(() => []),
      ]);
      const lines = [...resources, ...templates].map(({ uri, uriTemplate, name, mimeType, description }) =>
        toLine([uri ?? uriTemplate, name, mimeType, description]),
      );
      return listed(`Resources of the MCP server ${server}`, lines, args);
    },
  },
  resources_read: {
    kind: "resources",
    describe: (server) => `Reads a resource of the MCP server ${server}.`,
    parameters: object({ uri: text("As resources_list names it, or a template with its values.") }, ["uri"]),
    run: async (ask, args, server) => {
      const uri = requireText(args, "uri");
      const { contents } = await ask("resources/read", { uri });
      return toContentResult(`Resource of the MCP server ${server}`, asObjects(contents).map(toItem));
    },
  },
  prompts_list: {
    kind: "prompts",
    describe: (server) => `Lists the prompts of the MCP server ${server}.`,
    parameters: SEARCH,
    run: async (ask, args, server) => {
      const prompts = await listContent(ask, "prompts/list", "prompts");
      const lines = prompts.map(({ name, arguments: taken, description }) => {
        const names = asObjects(taken).map((each) => `${asString(each["name"])}${each["required"] === true ? "" : "?"}`);
        return toLine([`${asString(name)}(${names.join(", ")})`, description]);
      });
      return listed(`Prompts of the MCP server ${server}`, lines, args);
    },
  },
  prompts_get: {
    kind: "prompts",
    describe: (server) => `Returns a prompt of the MCP server ${server}, as text.`,
    parameters: object({ name: text("As prompts_list names it."), arguments: { type: "object", description: "Its arguments: texts." } }, [
      "name",
    ]),
    run: async (ask, args, server) => {
      const name = requireText(args, "name");
      const given = Object.entries(fieldsOf(args["arguments"])).map(([key, value]) => [
        key,
        isObject(value) ? JSON.stringify(value) : String(value),
      ]);
      const { messages } = await ask("prompts/get", { name, arguments: Object.fromEntries(given) });
      const items = asObjects(messages).flatMap(({ role, content }) => [
        { type: "text", text: `${asString(role)}:` },
        ...(Array.isArray(content) ? asObjects(content) : [fieldsOf(content)]),
      ]);
      return toContentResult(`Prompt of the MCP server ${server}`, items);
    },
  },
};

/** The arguments are not those of the tool; the message is for the model. */
export class InvalidContentArguments extends Error {}

/** The gateway's tool of this name; null for a tool of the server itself. */
export const contentToolOf = (name: string): ContentTool | null => (Object.hasOwn(CONTENT_TOOLS, name) ? CONTENT_TOOLS[name]! : null);

/** The tools of a server, and behind them the gateway's own for the rest. A tool of the server with such a name takes precedence. Pure. */
export function withContentTools(server: string, listed: ListedTools, kinds: ReadonlySet<ContentKind>, filter: ToolFilter): ListedTools {
  const taken = new Set(listed.seen.map(({ name }) => name.toLowerCase()));
  const own = Object.entries(CONTENT_TOOLS).flatMap(([name, { kind, describe, parameters }]): OfferedTool[] => {
    if (!kinds.has(kind) || taken.has(name) || !isWanted(name, filter)) return [];
    return [
      {
        name,
        description: { name: `${server}__${name}`, description: describe(server), parameters },
        hash: "",
        readsOnly: true,
        isContent: true,
      },
    ];
  });
  return { ...listed, tools: [...listed.tools, ...own] };
}

/** How many a server has; stops at the limit of pages. */
export async function countContent(ask: AskServer, kind: ContentKind): Promise<number> {
  return (await listContent(ask, `${kind}/list`, kind)).length;
}

async function listContent(ask: AskServer, method: string, key: string): Promise<readonly JsonObject[]> {
  const found: JsonObject[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < MCP_LIMITS.listPages; page += 1) {
    const answer = await ask(method, cursor === undefined ? {} : { cursor });
    found.push(...asObjects(asArray(answer[key])));
    cursor = asString(answer["nextCursor"]) || undefined;
    if (cursor === undefined || found.length >= MCP_LIMITS.listedContent) break;
  }
  return found.slice(0, MCP_LIMITS.listedContent);
}

/** Texts of a server on one line, with two spaces between them. */
const toLine = (parts: readonly unknown[]): string =>
  parts
    .map((part) =>
      asString(part)
        .replaceAll(/[\p{Cc}\s]+/gu, " ")
        .trim(),
    )
    .filter(Boolean)
    .join("  ");

function listed(source: string, lines: readonly string[], args: JsonObject): ToolResult {
  const wanted = asString(args["search"]).toLowerCase();
  const shown = lines.filter((line) => line.toLowerCase().includes(wanted));
  return toContentResult(source, shown.length === 0 ? [] : [{ type: "text", text: shown.join("\n") }], { note: "There are none." });
}

/** A resource as content of a result: images are shown, texts are quoted. */
function toItem(resource: JsonObject): JsonObject {
  const { mimeType, blob } = resource;
  return typeof blob === "string" && asString(mimeType).startsWith("image/")
    ? { type: "image", mimeType, data: blob }
    : { type: "resource", resource };
}

function requireText(args: JsonObject, name: string): string {
  const value = args[name];
  if (typeof value === "string" && value !== "") return value;
  throw new InvalidContentArguments(`\`${name}\` is missing; nothing was asked.`);
}
