import type { AgentId, RunId, SessionKey } from "../core/ids.ts";
import { fieldsOf, tryParseJson, type JsonObject } from "../core/json.ts";
import type { Log } from "../core/log.ts";
import type { Secret } from "../core/secret.ts";
import type { ToolEffect, ToolFacts } from "./tool-facts.ts";
import { TOOLS } from "./tool-table.ts";

export { TOOLS };
export { TOOL_EFFECTS, TOOL_SECTIONS, type ToolEffect, type ToolSection } from "./tool-facts.ts";

export type ToolName = keyof typeof TOOLS;
export const TOOL_NAMES = Object.keys(TOOLS) as readonly ToolName[];
const isToolName = (name: string): name is ToolName => Object.hasOwn(TOOLS, name);

/** Further names of tools, which lists of tools and programs that call one may use. */
export const OTHER_NAMES: Readonly<Record<string, ToolName>> = { bash: "exec", image: "view_image", automations: "cron" };
/** The tool that a program means; null for an unknown one. */
export function findToolName(name: string): ToolName | null {
  if (isToolName(name)) return name;
  return Object.hasOwn(OTHER_NAMES, name) ? OTHER_NAMES[name]! : null;
}
/** Whether a name has the form of a tool of an MCP server: `<server>__<tool>`. */
export const isMcpToolName = (name: string): boolean => name.indexOf("__") > 0;
/** Rows of TOOLS that stand for the tools of others. */
export const TOOL_SOURCES: readonly ToolName[] = ["mcp", "plugins"];
/** Whether a name can only be that of a tool of a plugin. */
export const isPluginToolName = (name: string): boolean => findToolName(name) === null && !isMcpToolName(name) && name !== MORE_TOOLS;
/** The row of TOOLS that a turn must be granted for a call of this name. */
const grantNameOf = (name: string): string => (isMcpToolName(name) ? "mcp" : isPluginToolName(name) ? "plugins" : name);

/** The tool with which a model finds those that it does not read with every request, and calls them. No list of tools names it. */
export const MORE_TOOLS = "more_tools";
/** What a model finds with `more_tools`. */
export const isFound = (tool: ToolName): boolean => (TOOLS[tool] as ToolFacts).isFound === true;
/** What a model reads with every request of a turn that has these tools. Pure. */
export function listedTools(granted: readonly ToolName[]): readonly string[] {
  const listed = granted.filter((tool) => !isFound(tool));
  return listed.length === granted.length ? listed : [...listed, MORE_TOOLS];
}

/** Whether a turn that has these tools may call the one with this name. Pure. */
export const isCallable = (name: string, granted: readonly ToolName[]): boolean =>
  name === MORE_TOOLS ? granted.some(isFound) : (granted as readonly string[]).includes(grantNameOf(name));

export const effectOf = (tool: ToolName): ToolEffect => TOOLS[tool].effect;

export type ToolContent = { type: "text"; text: string } | { type: "image"; mimeType: string; /** base64 */ data: string };

/** What the model reads after a call. `isError`: the tool did not do what was asked; the content says why. */
export type ToolResult = { content: readonly ToolContent[]; isError: boolean };

/** A call as the model wrote it; `args` is unchecked. */
export type ToolCall = { id: string; name: string; args: unknown };

/** The call that a model means: that of a tool which it has found, where the call is one of `more_tools` with a name. Pure. */
export function toMeantCall<T extends Omit<ToolCall, "id">>(call: T): T {
  if (call.name !== MORE_TOOLS) return call;
  const { name, arguments: args = {} } = fieldsOf(call.args);
  if (typeof name !== "string") return call;
  return { ...call, name: findToolName(name) ?? name, args: typeof args === "string" ? (tryParseJson(args) ?? args) : args };
}

/** For whom a call is made. The gateway sets it, never the model. */
export type ToolCaller = {
  agentId: AgentId;
  sessionKey: SessionKey;
  /** Null for a call without a turn. */
  runId: RunId | null;
  /** Who has written what the agent acts on: an operator, or people on a channel. */
  surface: "operator" | "channel";
  /** Only owners read the conversation: a direct one in which only they write. */
  isPrivate: boolean;
  /** The tools that it is granted. */
  tools: readonly ToolName[];
  /** Policies of the chat rooms whose messages the turn has read, with the keys that they are from; absent: none. */
  rooms?: readonly { key: string; policy: unknown }[];
};

/** What a call may do, decided from the configuration when it was allowed. */
export type ToolPermit = {
  caller: ToolCaller;
  /** Absolute path: relative paths are resolved against it, and commands run in it. */
  workspace: string;
  /** Absolute paths of directories beside the workspace that the tools for files may use; `/` is everything. */
  outside: readonly string[];
  /** What the skills of the turn add; absent where there are none. */
  skills?: SkillPermit;
};

/** A skill adds instructions and what they need to be read, but no tool. */
export type SkillPermit = {
  /** Absolute paths of directories whose files `read` may read, and commands in the sandbox. */
  directories: readonly string[];
  /** Variables of commands that run outside of the sandbox. */
  env: Readonly<Record<string, Secret>>;
};

/** What a tool may use during one call. */
export type ToolContext = CallContext & {
  /** Id of the call. */
  callId: string;
};

/** The same as the caller gives it. */
export type CallContext = ToolPermit & {
  /**
   * Aborted when the turn is stopped: everything that the call started must then end within a second, except a command that has gone to
   * the background.
   */
  signal: AbortSignal;
  /** Shows an intermediate result; each call replaces the previous one. A tool calls it at most ten times a second. */
  update: (content: readonly ToolContent[]) => void;
  log: Log;
};

/** What the model reads about a tool. `parameters` is a JSON Schema of type object. */
export type ToolDescription = { name: string; description: string; parameters: JsonObject };

/** One tool. `run` gets arguments that match `parameters`; what it throws becomes the text of an error result. */
export type Tool = ToolDescription & {
  /** Brings other forms of the arguments that models write into the form of `parameters`, before they are checked. */
  prepare?: (args: JsonObject) => JsonObject;
  run: (args: JsonObject, context: ToolContext) => Promise<ToolResult>;
  /** It is stopped before the other tools. */
  isStoppedFirst?: true;
  /** Ends what calls of a session have left running after their result. */
  endSession?: (sessionKey: SessionKey) => void;
  /** The same for all calls. */
  stop?: () => Promise<void>;
};

/** What a model reads about the tools with these names, in this order; unknown names are left out. */
export const describeTools = (tools: readonly Tool[], names: readonly string[]): readonly ToolDescription[] =>
  names.flatMap((wanted) => {
    const tool = tools.find(({ name }) => name === wanted);
    return tool === undefined ? [] : [{ name: tool.name, description: tool.description, parameters: tool.parameters }];
  });

/** Runs the calls of agents. Whether a call may run has been decided before. */
export interface ToolExecutor {
  /** The tools with these names, in this order; unknown names are left out. */
  describe(names: readonly string[]): readonly ToolDescription[];
  /** Never rejects: a failure is a result with `isError`. Invalid arguments are refused before anything runs. */
  run(call: ToolCall, context: CallContext): Promise<ToolResult>;
  /** Ends what calls of this session have left running: its conversation is over. */
  endSession(sessionKey: SessionKey): void;
  /** Ends every process that a call started and that still runs. */
  stop(): Promise<void>;
}
