/** What the main part of the page can show besides the conversation, and where each of them is in the address bar. Pure. */
import type { View } from "./state.ts";

export type SideView = Exclude<View, "chat">;

export const VIEW_TITLES: Readonly<Record<SideView, string>> = {
  overview: "Overview",
  sessions: "Sessions",
  channels: "Channels",
  approvals: "Inbox",
  tools: "Tools",
  skills: "Skills",
  mcp: "MCP servers",
  browser: "Browser",
  nodes: "Nodes",
  schedule: "Schedule",
  usage: "Usage",
  models: "Models",
  agents: "Agents",
  devices: "Devices",
  config: "Config",
  audit: "Audit",
  health: "Health",
  logs: "Logs",
  settings: "Settings",
  trace: "Timeline",
};

/** The title of a view within a sentence: "skills", "MCP servers". Pure. */
export const inSentence = (view: SideView): string => VIEW_TITLES[view].replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase());

export const hashOf = (view: SideView): string => `#${view}`;

const TRACE = "#trace=";

/** Where the timeline of a message is, by the id of the message or of its run. */
export const traceHash = (id: string): string => `${TRACE}${encodeURIComponent(id)}`;

/** The message whose timeline an address names; null for every other address. */
export function traceOfHash(hash: string): string | null {
  if (!hash.startsWith(TRACE)) return null;
  try {
    return decodeURIComponent(hash.slice(TRACE.length));
  } catch (error) {
    if (error instanceof URIError) return null;
    throw error;
  }
}

const APPROVAL = "#approve=";

/** The approval that an address names, such as the one to which the gateway sends `/approve/<id>`; null for every other address. */
export function approvalOfHash(hash: string): string | null {
  const id = hash.startsWith(APPROVAL) ? hash.slice(APPROVAL.length) : "";
  return /^[\w.:-]+$/.test(id) ? id : null;
}

/** The view that an address names; the conversation for every other one. */
export function viewOfHash(hash: string): View {
  if (approvalOfHash(hash) !== null) return "approvals";
  if (traceOfHash(hash) !== null) return "trace";
  return (Object.keys(VIEW_TITLES) as SideView[]).find((view) => hashOf(view) === hash) ?? "chat";
}

/** Id of the element that shows an approval. */
export const elementOf = (approval: string): string => `approval-${approval}`;
