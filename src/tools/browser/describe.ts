import { textResult } from "../results.ts";
import type { ToolResult } from "../tool.ts";
import type { BrowserPlan, ProfileRow } from "./agent-browsers.ts";

/** What a browser is and how it is guarded, as sentences. Pure. */
export function describePlan({ profile, program, settings }: BrowserPlan, version: string | null): string {
  if (profile.attach) {
    const tabs = profile.attach.useOpenTabs ? "Agents also use tabs that they did not open." : "Agents use only tabs that they open.";
    return `The profile ${profile.name} is a running browser at ${profile.address}. Its requests do not pass the gateway's proxy: only the addresses that an agent opens are checked. ${tabs}`;
  }
  const named = version === null ? `Program: ${program}` : `Chromium ${version} (${program})`;
  const how = `${settings.headless ? "without" : "with"} a window and ${settings.noSandbox ? "without" : "with"} its own sandbox`;
  return `${named}, ${version === null ? "" : "which starts "}${how}. It reaches the web only through the gateway's proxy.`;
}

/** The profiles as lines. Pure. */
export function listProfilesText(rows: readonly ProfileRow[]): ToolResult {
  const lines = rows.map(({ name, isDefault, address, isRemote, running, tabCount, problem }) => {
    const marks = `${isDefault ? " [default]" : ""}${isRemote ? " [remote]" : ""}`;
    const state = running ? `running (${tabCount === 1 ? "1 tab" : `${tabCount} tabs`})` : "stopped";
    const how = problem
      ? `not usable: ${problem.what} ${problem.fix}`
      : address === null
        ? "a browser of the agent"
        : `a running browser at ${address}`;
    return `${name}: ${state}${marks}, ${how}`;
  });
  return textResult(lines.join("\n"));
}
