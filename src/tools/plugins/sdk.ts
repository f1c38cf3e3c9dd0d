import type { JsonObject } from "../../core/json.ts";
import type { ToolContent, ToolEffect } from "../tool.ts";

/**
 * The words in which a tool outside of this package is written: `openclaw-gateway/tool`. docs/tool-plugins.md walks through one. What is
 * exported here is a promise to others.
 */

export type { JsonObject } from "../../core/json.ts";
export type { ToolContent } from "../tool.ts";

/** What a tool does outside of its conversation: its risk class. Who denies a built-in tool denies all that have the same effect. */
export type PluginToolEffect = Exclude<ToolEffect, "mcp" | "plugin">;

/** For whom a call is made, and what it may use. */
export type PluginCallContext<Config = JsonObject> = {
  callId: string;
  agentId: string;
  sessionKey: string;
  /** Null for a call without a turn. */
  runId: string | null;
  /** Who has written what the agent acts on: an operator, or people on a channel. */
  surface: "operator" | "channel";
  /** Only owners read the conversation. */
  isPrivate: boolean;
  /** Absolute path of the agent's directory. */
  workspace: string;
  /** `plugins.entries.<id>.config`, checked against the schema of the plugin. */
  config: Config;
  /** Aborted when the call has to end: the turn was stopped, or the time is over. The plugin's thread is ended a second later. */
  signal: AbortSignal;
  /** Shows an intermediate result; each one replaces the one before. */
  update: (content: string | readonly ToolContent[]) => void;
  log: Readonly<Record<"debug" | "info" | "warn" | "error", (message: string, fields?: Record<string, unknown>) => void>>;
};

/** A text, or texts and images. `isError`: the tool did not do what was asked; the content says why. */
export type PluginToolResult = string | { content: readonly ToolContent[]; isError?: boolean };

export type PluginTool<Config = JsonObject> = {
  /** Lower-case letters, digits and `_`; not the name of a built-in tool. */
  name: string;
  /** What the model reads. The first sentence is shown in lists. */
  description: string;
  effect: PluginToolEffect;
  /** JSON Schema of type object, as far as docs/tool-plugins.md lists it. */
  parameters: JsonObject;
  /** A person is asked before each call, unless `plugins.entries.<id>.ask` says otherwise. */
  asks?: boolean;
  /** Longest time of a call. */
  timeoutSeconds?: number;
  /** Gets arguments that match `parameters`. What it throws becomes the text of an error result. */
  run: (args: JsonObject, context: PluginCallContext<Config>) => PluginToolResult | Promise<PluginToolResult>;
};

export type ToolPluginDefinition<Config = JsonObject> = {
  /** The key in `plugins.entries`. */
  id: string;
  /** Name for people; the id when it is not set. */
  label?: string;
  /** JSON Schema of `plugins.entries.<id>.config`; without one the plugin has no settings. */
  config?: JsonObject;
  tools: readonly PluginTool<Config>[];
};

/** Gives a definition its type. The result is the file's default export. */
export const defineToolPlugin = <Config = JsonObject>(definition: ToolPluginDefinition<Config>): ToolPluginDefinition<Config> => definition;
