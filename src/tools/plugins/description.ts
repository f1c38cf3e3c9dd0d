import type { PluginEntry } from "../../config/schema.ts";
import { asString, fieldsOf, findStorageProblem, isObject, type JsonObject } from "../../core/json.ts";
import { clip, toWellFormed } from "../../core/text.ts";
import { findToolName, MORE_TOOLS, TOOL_EFFECTS, type ToolDescription, type ToolEffect } from "../tool.ts";
import { findSchemaProblem } from "./schema-problem.ts";
import { PLUGIN_LIMITS } from "./limits.ts";

/** A tool of a plugin that agents may be given. */
export type OfferedPluginTool = {
  description: ToolDescription;
  effect: ToolEffect;
  /** The author wants a person to be asked before each call. */
  asks: boolean;
  timeoutMs: number;
};

/** A tool that agents are not given, and why. */
export type RefusedTool = { name: string; reason: string };

export type PluginDescription = {
  label: string;
  config: JsonObject | null;
  tools: readonly OfferedPluginTool[];
  leftOut: readonly RefusedTool[];
};

/** What only reads; everything else acts. */
const READING_EFFECTS: readonly ToolEffect[] = ["list", "read", "fetch", "recall"];

/** Whether a person is asked before a call: what the configuration says counts, else what the tool says. Pure. */
export const isAsked = (mode: PluginEntry["ask"], { effect, asks }: Pick<OfferedPluginTool, "effect" | "asks">): boolean =>
  mode === undefined ? asks : mode === "always" || (mode === "acting" && (asks || !READING_EFFECTS.includes(effect)));

const TOOL_NAME = /^[a-z][a-z0-9]*(?:_[a-z0-9]+)*$/;
/** Names of tools that mean something else in lists of tools. */
const RESERVED: readonly string[] = [MORE_TOOLS, "plugins", "mcp"];
const PLUGIN_EFFECTS = TOOL_EFFECTS.filter((effect) => effect !== "mcp" && effect !== "plugin");

/**
 * What a plugin says of itself, checked. A tool that cannot be offered is left out, with the reason; a text is the reason why the plugin as
 * a whole cannot be used. Pure.
 */
export function readPluginDescription(id: string, value: unknown): PluginDescription | string {
  if (!isObject(value)) return "its default export is not an object; export default defineToolPlugin({ ... })";
  if (value["id"] !== id)
    return `its id is ${JSON.stringify(value["id"])?.slice(0, 60) ?? "missing"}, but the configuration calls it "${id}"`;
  const { schemaDepth: depth, descriptionChars: chars } = PLUGIN_LIMITS;
  if (findStorageProblem(value, { depth: depth + 4, chars }) !== null) return "its description is too large or too deep";
  const { config, tools, label } = value;
  if (config !== undefined) {
    const problem = findSchemaProblem(config);
    if (problem !== null) return `the schema of its settings is not valid: ${problem}`;
  }
  if (!Array.isArray(tools) || tools.length === 0) return "it has no tools; tools must be a list of at least one";
  const offered = new Map<string, OfferedPluginTool>();
  const leftOut: RefusedTool[] = [];
  for (const each of tools) {
    const tool = fieldsOf(each);
    const problem = findToolProblem(tool, offered);
    if (problem === null) offered.set(asString(tool["name"]), toOffered(id, tool));
    else leftOut.push({ name: clip(toWellFormed(asString(tool["name"])), PLUGIN_LIMITS.toolNameChars), reason: problem });
  }
  return {
    label: typeof label === "string" && label !== "" ? clip(toWellFormed(label), 60) : id,
    config: config === undefined ? null : fieldsOf(config),
    tools: [...offered.values()],
    leftOut,
  };
}

function findToolProblem(tool: JsonObject, known: ReadonlyMap<string, OfferedPluginTool>): string | null {
  const { name, description, effect, parameters, asks, timeoutSeconds, run } = tool;
  if (typeof name !== "string" || !TOOL_NAME.test(name) || name.length > PLUGIN_LIMITS.toolNameChars)
    return `its name must be 1 to ${PLUGIN_LIMITS.toolNameChars} lower-case letters, digits and single _, and begin with a letter`;
  if (findToolName(name) !== null || RESERVED.includes(name)) return "a built-in tool has this name";
  if (known.has(name)) return "another tool of the plugin has the same name";
  if (known.size >= PLUGIN_LIMITS.tools) return `the plugin has more than ${PLUGIN_LIMITS.tools} tools`;
  if (typeof description !== "string" || description.trim() === "") return "it has no description";
  if (!(PLUGIN_EFFECTS as readonly unknown[]).includes(effect)) return `its effect must be one of ${PLUGIN_EFFECTS.join(", ")}`;
  const problem = findSchemaProblem(parameters);
  if (problem !== null) return `its parameters are not valid: ${problem}`;
  if (Buffer.byteLength(JSON.stringify({ name, description, parameters })) > PLUGIN_LIMITS.toolBytes)
    return `its description and parameters have more than ${PLUGIN_LIMITS.toolBytes} bytes`;
  if (asks !== undefined && typeof asks !== "boolean") return "its asks must be true or false";
  const { maxCallSeconds } = PLUGIN_LIMITS;
  if (timeoutSeconds !== undefined && !(typeof timeoutSeconds === "number" && timeoutSeconds > 0 && timeoutSeconds <= maxCallSeconds))
    return `its timeoutSeconds must be a number up to ${maxCallSeconds}`;
  // The thread puts `true` in the place of each function.
  if (run !== true) return "its run must be a function";
  return null;
}

function toOffered(
  id: string,
  { name, description, effect, parameters, asks, timeoutSeconds = PLUGIN_LIMITS.callSeconds }: JsonObject,
): OfferedPluginTool {
  const said = toWellFormed(asString(description)).trim();
  return {
    description: { name: asString(name), description: `${said} (Of the plugin ${id}.)`, parameters: fieldsOf(parameters) },
    effect: effect as ToolEffect,
    asks: asks === true,
    timeoutMs: Number(timeoutSeconds) * 1_000,
  };
}
