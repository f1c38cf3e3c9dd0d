import type { JsonObject } from "../core/json.ts";
import type { Log } from "../core/log.ts";

/** The built-in tools of the default agent. */
export const AGENT_TOOLS = ["read", "ls", "find", "grep", "write", "edit", "bash"] as const;
export type ToolName = (typeof AGENT_TOOLS)[number];
export const isToolName = (name: string): name is ToolName => AGENT_TOOLS.some((tool) => tool === name);

export type ToolContent = { type: "text"; text: string } | { type: "image"; mimeType: string; /** base64 */ data: string };

/** What the model reads after a call. `isError`: the tool did not do what was asked; the content says why. */
export type ToolResult = { content: readonly ToolContent[]; isError: boolean };

/** A call as the model wrote it; `args` is unchecked. */
export type ToolCall = { id: string; name: string; args: unknown };

/** What a tool may use during one call. */
export type ToolContext = {
  /** Absolute path: relative paths are resolved against it, and commands run in it. */
  workspace: string;
  /** Aborted when the turn is stopped: everything that the call started must then end within a second. */
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
  /** Ends what calls have left running after their result. */
  stop?: () => Promise<void>;
};

/** Runs the calls of agents. Whether a call may run has been decided before. */
export interface ToolExecutor {
  /** The tools with these names, in this order; unknown names are left out. */
  describe(names: readonly string[]): readonly ToolDescription[];
  /** Never rejects: a failure is a result with `isError`. Invalid arguments are refused before anything runs. */
  run(call: ToolCall, context: ToolContext): Promise<ToolResult>;
  /** Ends every process that a call started and that still runs. */
  stop(): Promise<void>;
}
