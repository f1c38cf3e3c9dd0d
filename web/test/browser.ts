/** Headless Chromium for the page tests: one browser for each test file, a fresh profile for each person. */
import { existsSync } from "node:fs";
import { after } from "node:test";
import { chromium } from "playwright-core";
import type { Browser, BrowserContext, Page } from "playwright-core";

/**
 * Chromium without the parts of a window. A profile costs it 0.2 s of CPU; the whole Chromium, which opens a window without a screen for
 * each, 1 s. Both show a page with the same engine.
 */
const HEADLESS_SHELL = "/usr/bin/chromium-headless-shell";
const hasShell = existsSync(HEADLESS_SHELL);

const ARGS = [
  ...(hasShell ? [] : ["--headless=new"]),
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export type BrowserUser = {
  page: Page;
  context: BrowserContext;
  /** Errors of the page and refusals of its content security policy. */
  errors: string[];
  /** Requests to anywhere else than the gateway. */
  unexpectedRequests: string[];
  close: () => Promise<void>;
};

export type BrowserProfile = { width?: number; height?: number; dark?: boolean; touch?: boolean };

export const launchChromium = (): Promise<Browser> =>
  chromium.launch({ executablePath: hasShell ? HEADLESS_SHELL : "/usr/bin/chromium", args: ARGS });

let running: Promise<Browser> | null = null;
const browser = (): Promise<Browser> => (running ??= launchChromium());
after(async () => await (await running)?.close());

/** Opens a profile with nothing in it. */
export async function openBrowserUser(origin: string, look: BrowserProfile = {}): Promise<BrowserUser> {
  const context = await (
    await browser()
  ).newContext({
    viewport: { width: look.width ?? 1280, height: look.height ?? 820 },
    colorScheme: look.dark === true ? "dark" : "light",
    // What moves is drawn again sixty times in a second, by the processor.
    reducedMotion: "reduce",
    hasTouch: look.touch === true,
    isMobile: look.touch === true,
    deviceScaleFactor: 1,
  });
  await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: new URL(origin).origin });
  const page = await context.newPage();
  const faults: string[] = [];
  const strays: string[] = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (entry) => {
    if (entry.type() === "error" && !/WebSocket connection|Failed to load resource/.test(entry.text())) faults.push(entry.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(origin) && !request.url().startsWith("data:")) strays.push(request.url());
  });
  return {
    page,
    context,
    errors: faults,
    unexpectedRequests: strays,
    close: () => context.close(),
  };
}
