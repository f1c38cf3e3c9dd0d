import { textResult } from "../results.ts";
import type { ToolResult } from "../tool.ts";
import type { BrowserPlan, ProfileRow } from "./agent-browsers.ts";
import type { BrowserSettings } from "./records.ts";

/** What a browser is and how it is guarded, as sentences. Pure. */
export function describePlan({ profile, program, settings }: BrowserPlan, version: string | null): string {
  if (profile.attach) {
    const tabs = profile.attach.useOpenTabs ? "Agents also use tabs that they did not open." : "Agents use only tabs that they open.";
    return `The profile ${profile.name} is a running browser at ${profile.address}. Its requests do not pass the gateway's proxy: only the addresses that an agent opens are checked. ${tabs}`;
  }
  const named = version === null ? `Program: ${program}` : `Chromium ${version} (${program})`;
  const how = `${settings.headless ? "without" : "with"} a window and ${sandboxText(settings)}`;
  return `${named}, ${version === null ? "" : "which starts "}${how}. It reaches the web only through the gateway's proxy${wayOut(settings)}.`;
}

/** The proxy behind that of the gateway, without its password. */
function wayOut({ proxies }: BrowserSettings): string {
  const next = proxies.https ?? proxies.http;
  if (proxies.problems.length > 0)
    return `, and not at all where ${proxies.problems.map(({ name, message }) => `${name} ${message}`).join(", ")}`;
  return next === null ? "" : `, and then ${new URL(next).host}`;
}

/** What is expected of its sandbox; a start shows it. */
function sandboxText(settings: BrowserSettings): string {
  const problem = missingSandbox(settings);
  if (problem !== null) return `without its own sandbox (${problem})`;
  return settings.otherUser === null ? "with its own sandbox" : "with its own sandbox, as a user of its own";
}

/** Why a browser of the gateway will have no sandbox of its own; null where it is expected to have one. */
export function missingSandbox({ noSandbox, otherUser, headless, attach }: BrowserSettings): string | null {
  if (attach !== null) return null;
  if (noSandbox) return "browser.noSandbox";
  if (process.getuid?.() !== 0 || (otherUser !== null && headless)) return null;
  return `Chromium refuses it to root, and ${headless ? "perl or setpriv is not installed" : "with a window it does not run as another user"}`;
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
