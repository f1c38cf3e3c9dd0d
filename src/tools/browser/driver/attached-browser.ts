import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { BROWSER_LIMITS } from "../limits.ts";
import type { RunningBrowser } from "../profiles.ts";
import type { AgentBrowser } from "./agent-browser.ts";
import { ActionProblem, shortReason } from "./problem.ts";

/**
 * Connects to a browser that runs. Its windows, its settings and the tabs of others stay as they are, and its end or that of the
 * connection is not the end of the other.
 */
export async function attachBrowser({ url }: RunningBrowser, directory: string): Promise<AgentBrowser> {
  const filesDir = join(directory, "files");
  await mkdir(filesDir, { recursive: true, mode: 0o700 });
  const browser = await chromium.connectOverCDP(url, { timeout: BROWSER_LIMITS.startMs, noDefaults: true }).catch((err: unknown) => {
    throw new ActionProblem("not_connected", `The running browser was not reached: ${withoutUrl(shortReason(err), url)}.`);
  });
  const [context] = browser.contexts();
  if (!context) {
    await browser.close();
    throw new ActionProblem("not_connected", "The running browser has no window that can be used.");
  }
  const closed = new Promise<void>((resolve) => browser.once("disconnected", () => resolve()));
  // Its sandbox is as it was started.
  return { context, version: browser.version(), isAttached: true, sandboxProblem: null, close: () => browser.close(), filesDir, closed };
}

/** The address may have a token in it. */
const withoutUrl = (text: string, url: string): string =>
  text.replaceAll(url, "its address").replaceAll(/(?:https?|wss?):\/\/\S+/g, "its address");
