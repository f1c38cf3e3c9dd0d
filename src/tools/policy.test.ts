import assert from "node:assert/strict";
import { test } from "node:test";
import type { ToolPolicy } from "../config/schema.ts";
import { grantTools, restrictTools } from "./policy.ts";

const cases: readonly [string, "operator" | "channel", ToolPolicy | undefined, ToolPolicy | undefined, string][] = [
  ["an operator has all tools by default", "operator", undefined, undefined, "read write edit bash"],
  ["a channel sender has none by default", "channel", undefined, undefined, ""],
  ["a global profile opens nothing for a channel", "channel", { profile: "full" }, undefined, ""],
  ["an agent's own list opens exactly that", "channel", { allow: ["read"] }, { allow: ["read"] }, "read"],
  ["an agent's own profile counts", "channel", { profile: "coding" }, { profile: "coding" }, "read write edit bash"],
  ["a global deny wins over an agent's list", "channel", { deny: ["bash"] }, { allow: ["read", "bash"] }, "read"],
  ["deny takes from the operator too", "operator", { deny: ["exec"] }, undefined, "read write edit"],
  ["groups are expanded", "operator", { allow: ["group:fs"] }, undefined, "read write edit"],
  ["an empty list means none", "operator", { allow: [] }, undefined, ""],
  ["alsoAllow adds to a profile", "operator", { profile: "minimal", alsoAllow: ["read"] }, undefined, "read"],
  ["a deny of everything is everything", "operator", { deny: ["*"] }, undefined, ""],
  ["unknown names grant nothing", "channel", undefined, { allow: ["browser", "__proto__"] }, ""],
];
for (const [title, surface, merged, own, expected] of cases) {
  test(title, () => assert.equal(grantTools(surface, merged, own).join(" "), expected));
}

const rooms: readonly [string, ToolPolicy | undefined, string][] = [
  ["a room without rules leaves what the agent grants", undefined, "read bash"],
  ["a room can take away", { deny: ["bash"] }, "read"],
  ["a room cannot give what the agent does not", { allow: ["read", "write"], alsoAllow: ["edit"] }, "read"],
  ["an empty list of a room is none", { allow: [] }, ""],
  ["a profile of a room limits", { profile: "minimal" }, ""],
  ["a profile and more", { profile: "minimal", alsoAllow: ["bash"] }, "bash"],
];
for (const [title, room, expected] of rooms) {
  test(title, () => assert.equal(restrictTools(["read", "bash"], room).join(" "), expected));
}
