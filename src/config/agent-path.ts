import type { AgentId } from "../core/ids.ts";

/** Reads a value of the configuration as the file has it. */
type Read = (path: readonly (string | number)[]) => unknown;

/** Where the file describes this agent: an entry by its id, or an item of the older list. */
export function agentPath(read: Read, id: AgentId | string): (string | number)[] {
  const key = agentEntryKeys(read).find((each) => each.toLowerCase() === id);
  if (key !== undefined) return ["agents", "entries", key];
  const index = agentListIds(read).findIndex((each) => each.toLowerCase() === id);
  return index >= 0 ? ["agents", "list", index] : ["agents", "entries", id];
}

/** The ids of agents with an entry, as the file writes them. */
export function agentEntryKeys(read: Read): string[] {
  const entries = read(["agents", "entries"]);
  return typeof entries === "object" && entries !== null && !Array.isArray(entries) ? Object.keys(entries) : [];
}

/** The ids of agents in the older list, as the file writes them. */
export function agentListIds(read: Read): string[] {
  const items = read(["agents", "list"]);
  return Array.isArray(items) ? items.map((item) => String((item as { id?: unknown } | null)?.id ?? "")) : [];
}
