import type { ToolPolicy } from "../config/schema.ts";
import { AGENT_TOOLS, type ToolName } from "./tool.ts";

const GROUPS: Readonly<Record<string, readonly ToolName[]>> = {
  "*": AGENT_TOOLS,
  "group:fs": ["read", "write", "edit"],
  "group:runtime": ["bash"],
  exec: ["bash"],
};

const PROFILES: Readonly<Record<string, readonly ToolName[]>> = { minimal: [], messaging: [], coding: AGENT_TOOLS, full: AGENT_TOOLS };

const expand = (names: readonly string[] | undefined): readonly ToolName[] =>
  (names ?? []).flatMap((name) => {
    const key = name.trim().toLowerCase();
    return GROUPS[key] ?? AGENT_TOOLS.filter((tool) => tool === key);
  });

/** The tools that a room leaves of its agent's grant: a room can only restrict it. Pure. */
export function restrictTools(granted: readonly ToolName[], room: ToolPolicy | undefined): readonly ToolName[] {
  if (!room) return granted;
  const limited = room.allow !== undefined || room.profile !== undefined;
  const left = limited ? grantTools("channel", room, room) : AGENT_TOOLS;
  const denied = new Set(expand(room.deny));
  return granted.filter((tool) => left.includes(tool) && !denied.has(tool));
}

/**
 * The tools of one turn. An operator gets all tools that the policy does not deny; a channel sender gets only those that the agent's own
 * policy allows, so that an absent policy denies all. Pure.
 */
export function grantTools(
  surface: "operator" | "channel",
  merged: ToolPolicy | undefined,
  own: ToolPolicy | undefined,
): readonly ToolName[] {
  const source = surface === "operator" ? merged : own;
  const named = source?.allow
    ? expand(source.allow)
    : source?.profile
      ? (PROFILES[source.profile] ?? [])
      : surface === "operator"
        ? AGENT_TOOLS
        : [];
  const denied = new Set([...expand(merged?.deny), ...expand(own?.deny)]);
  const wanted = new Set([...named, ...expand(source?.alsoAllow)]);
  return AGENT_TOOLS.filter((tool) => wanted.has(tool) && !denied.has(tool));
}
