/** What the main part of the page can show besides the conversation, and where each of them is in the address bar. Pure. */
import type { View } from "./state.ts";

export type SideView = Exclude<View, "chat">;

export const VIEW_TITLES: Readonly<Record<SideView, string>> = { channels: "Channels", approvals: "Approvals", tools: "Tools" };

export const hashOf = (view: SideView): string => `#${view}`;

/** The view that an address names; the conversation for every other one. */
export const viewOfHash = (hash: string): View => (Object.keys(VIEW_TITLES) as SideView[]).find((view) => hashOf(view) === hash) ?? "chat";
