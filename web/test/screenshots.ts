/**
 * Pictures of every state of the page at two widths and in both themes. `npm run screenshots` compares them with those in
 * `web/test/screenshots/`, `npm run screenshots -- --update` replaces them.
 *
 * The stored images are small: scaled down and with few colors, so that a difference of a few pixels between versions of the browser
 * does not count, and a box that has moved does.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startDevGateway } from "../dev/server.ts";
import { launchChromium } from "./browser.ts";
import { decodePng, encodePng, toThumbnail } from "./png.ts";
import { NOW, STATES } from "./screenshot-states.ts";
import type { Browser } from "playwright-core";
import type { DevGateway } from "../dev/server.ts";
import type { ScreenshotState } from "./screenshot-states.ts";
import type { Thumbnail } from "./png.ts";

const BASELINE_DIR = new URL("screenshots/", import.meta.url).pathname;
const OUTPUT_DIR = new URL("../../.cache/screenshots/", import.meta.url).pathname;

/** The font of the pictures; `scripts/setup-tests.ts` installs it. */
export const FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf";

export const WIDTHS = [
  { width: 1440, height: 900, scale: 3 },
  { width: 390, height: 844, scale: 2 },
] as const;
export type Width = (typeof WIDTHS)[number];

/** A pixel differs when one of its channels does by more than this; a picture, when more than this share of its pixels do. */
const CHANNEL_STEP = 40;
const SHARE = 0.006;

export type Difference = { name: string; why: string; file: string };

/** The share of pixels that differ; 1 for pictures of different sizes. */
export function findDifference(a: Thumbnail, b: Thumbnail): number {
  if (a.width !== b.width || a.height !== b.height) return 1;
  let differing = 0;
  for (let at = 0; at < a.rgb.length; at += 3) {
    const isOff = (channel: number): boolean => Math.abs(a.rgb[at + channel]! - b.rgb[at + channel]!) > CHANNEL_STEP;
    if (isOff(0) || isOff(1) || isOff(2)) differing += 1;
  }
  return differing / (a.width * a.height);
}

/** Takes every picture, and compares it with the kept one or replaces that. */
export async function checkScreenshots(
  update: boolean,
  widths: readonly Width[] = WIDTHS,
  only: string | null = null,
): Promise<readonly Difference[]> {
  const gateway = await startDevGateway();
  const browser = await launchChromium();
  const differences: Difference[] = [];
  try {
    for (const width of widths) {
      for (const state of STATES.filter((one) => only === null || one.name.includes(only))) {
        for (const [name, small] of await take(browser, gateway, state, width)) {
          const found = update ? saveBaseline(name, small) : compare(name, small);
          if (found !== null) differences.push(found);
        }
      }
    }
  } finally {
    await browser.close();
    await gateway.close();
  }
  return differences;
}

async function take(
  browser: Browser,
  gateway: DevGateway,
  state: ScreenshotState,
  { width, height, scale }: Width,
): Promise<[string, Thumbnail][]> {
  gateway.refuse(null);
  gateway.conversations.clear();
  gateway.channels.clear();
  gateway.approvals.clear();
  gateway.mcp.reset();
  gateway.browsers.reset();
  gateway.jobs.reset();
  gateway.nodes.reset();
  gateway.agentFiles.reset();
  gateway.config.reset();
  gateway.devices.reset();
  gateway.models.reset();
  gateway.operations.reset();
  gateway.overview.reset();
  gateway.limitScopes(null);
  const touch = width < 600;
  const context = await browser.newContext({
    viewport: { width, height },
    hasTouch: touch,
    isMobile: touch,
    locale: "en-US",
    timezoneId: "UTC",
    reducedMotion: "reduce",
    colorScheme: "light",
  });
  try {
    const page = await context.newPage();
    await page.clock.setFixedTime(NOW);
    state.setUp(gateway);
    await page.goto(state.signedIn ? gateway.newLink() : gateway.url);
    await page.evaluate(useOneFont);
    if (state.signedIn) await page.locator("#composer").waitFor();
    await state.navigate(page, gateway);
    const taken: [string, Thumbnail][] = [];
    for (const theme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme: theme });
      const png = await page.screenshot({ animations: "disabled", caret: "hide" });
      if (process.env["PAGE_PICTURES"] !== undefined) {
        mkdirSync(process.env["PAGE_PICTURES"], { recursive: true });
        writeFileSync(join(process.env["PAGE_PICTURES"], `${state.name}-${width}-${theme}.png`), png);
      }
      taken.push([`${state.name}-${width}-${theme}`, toThumbnail(decodePng(png), scale)]);
    }
    return taken;
  } finally {
    await context.close();
    await gateway.up().catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== "ERR_SERVER_ALREADY_LISTEN") throw error;
    });
  }
}

/** Runs in the page. */
function useOneFont(): void {
  document.documentElement.style.setProperty("--sans", "'DejaVu Sans'");
  document.documentElement.style.setProperty("--mono", "'DejaVu Sans Mono'");
}

function saveBaseline(name: string, small: Thumbnail): null {
  mkdirSync(BASELINE_DIR, { recursive: true });
  const file = join(BASELINE_DIR, `${name}.png`);
  // An old picture that is as good stays, so that an update changes only what has changed.
  if (!existsSync(file) || findDifference(small, decodePng(readFileSync(file))) > SHARE / 10) writeFileSync(file, encodePng(small));
  return null;
}

function compare(name: string, small: Thumbnail): Difference | null {
  const kept = join(BASELINE_DIR, `${name}.png`);
  const share = existsSync(kept) ? findDifference(small, decodePng(readFileSync(kept))) : 1;
  if (share <= SHARE) return null;
  mkdirSync(OUTPUT_DIR, { recursive: true });
  const file = join(OUTPUT_DIR, `${name}.png`);
  writeFileSync(file, encodePng(small));
  const why = existsSync(kept) ? `${(share * 100).toFixed(1)} % of the pixels differ from ${kept}` : `there is no ${kept}`;
  return { name, why, file };
}

if (import.meta.main) {
  const update = process.argv.includes("--update");
  const differences = await checkScreenshots(update, WIDTHS, process.argv.slice(2).find((arg) => !arg.startsWith("--")) ?? null);
  for (const { name, why, file } of differences) console.error(`${name}: ${why}; the new one is ${file}`);
  if (differences.length > 0) process.exitCode = 1;
  else console.log(update ? "The pictures are up to date." : "No picture differs.");
}
