/** What the main part of the page can show besides the conversation, and where each of them is in the address bar. Pure. */
import type { View } from "./state.ts";

export type SideView = Exclude<View, "chat">;

export const VIEW_TITLES: Readonly<Record<SideView, string>> = {
  channels: "Channels",
  approvals: "Approvals",
  tools: "Tools",
  skills: "Skills",
  mcp: "MCP servers",
  browser: "Browser",
  nodes: "Nodes",
  schedule: "Schedule",
  audit: "Audit",
};

/** The title of a view within a sentence: "skills", "MCP servers". Pure. */
export const inSentence = (view: SideView): string => VIEW_TITLES[view].replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase());

export const hashOf = (view: SideView): string => `#${view}`;

const APPROVAL = "#approve=";

/** The approval that an address names, such as the one to which the gateway sends `/approve/<id>`; null for every other address. */
export function approvalOfHash(hash: string): string | null {
  const id = hash.startsWith(APPROVAL) ? hash.slice(APPROVAL.length) : "";
  return /^[\w.:-]+$/.test(id) ? id : null;
}

/** The view that an address names; the conversation for every other one. */
export const viewOfHash = (hash: string): View =>
  approvalOfHash(hash) === null ? ((Object.keys(VIEW_TITLES) as SideView[]).find((view) => hashOf(view) === hash) ?? "chat") : "approvals";

/** Id of the element that shows an approval. */
export const elementOf = (approval: string): string => `approval-${approval}`;
