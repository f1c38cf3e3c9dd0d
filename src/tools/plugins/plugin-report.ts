import type { PluginEntry, PluginsConfig } from "../../config/schema.ts";
import type { OfferedPluginTool, RefusedTool } from "./description.ts";

/** `failed`: its code or its settings cannot be used. `missing`: there is no code. */
export type PluginState = "loading" | "ready" | "failed" | "missing";

/** A plugin of the configuration, and what is known about it. */
export type PluginReport = {
  id: string;
  label: string;
  enabled: boolean;
  state: PluginState | "off";
  /** Why it is off or cannot be used. */
  cause: string | null;
  fix: string | null;
  /** File or package of its code. */
  source: string | null;
  /** Why its thread ended during a call, the last time. */
  lastFault: string | null;
  hasThread: boolean;
  /** What the configuration says about questions before calls; null: nothing. */
  ask: PluginEntry["ask"] | null;
  tools: readonly OfferedPluginTool[];
  leftOut: readonly RefusedTool[];
  /** JSON Schema of its settings. */
  configSchema: object | null;
};

/** Why the configuration does not use an entry; null when it does. Pure. */
export function findOffReason({ enabled, allow, deny, entries }: PluginsConfig, id: string): string | null {
  if (!enabled) return "plugins.enabled is false";
  if (entries[id]?.enabled === false) return `plugins.entries.${id}.enabled is false`;
  if (deny.includes(id) || deny.includes("*")) return "plugins.deny names it";
  return allow === undefined || allow.includes(id) ? null : "plugins.allow does not name it";
}

/** Whether the configuration uses any plugin. Pure. */
export const usesPlugins = (config: PluginsConfig): boolean => Object.keys(config.entries).some((id) => findOffReason(config, id) === null);

/** What is known of an entry that was not loaded. Pure. */
export function reportEntry(config: PluginsConfig, id: string): PluginReport {
  const off = findOffReason(config, id);
  return {
    id,
    label: id,
    enabled: off === null,
    state: off === null ? "loading" : "off",
    cause: off,
    fix: null,
    source: config.entries[id]?.package ?? null,
    lastFault: null,
    hasThread: false,
    ask: config.entries[id]?.ask ?? null,
    tools: [],
    leftOut: [],
    configSchema: null,
  };
}
