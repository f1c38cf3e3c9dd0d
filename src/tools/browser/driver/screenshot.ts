import type { CDPSession } from "playwright-core";
import { asString, type JsonObject } from "../../../core/json.ts";
import { BROWSER_LIMITS } from "../limits.ts";
import type { DriverAnswer } from "../records.ts";
import { ActionProblem } from "./problem.ts";
import type { Tab } from "./tab.ts";

type Area = { x: number; y: number; width: number; height: number };

/** A picture of what is visible, of an element, or of the whole page, within the limits of a result. */
export async function takeScreenshot(tab: Tab, args: JsonObject, signal: AbortSignal): Promise<DriverAnswer> {
  const session = await tab.page.context().newCDPSession(tab.page);
  try {
    const area = await areaOf({ tab, session, args, signal });
    const scale = Math.min(1, BROWSER_LIMITS.imageSide / Math.max(area.width, area.height));
    for (const format of args["type"] === "jpeg" ? (["jpeg"] as const) : (["png", "jpeg"] as const)) {
      const quality = format === "jpeg" ? { quality: 70 } : {};
      const options = { format, ...quality, clip: { ...area, scale }, captureBeyondViewport: true };
      const { data } = await session.send("Page.captureScreenshot", options);
      if (data.length <= BROWSER_LIMITS.imageChars) return { text: describe(area, scale), image: { mimeType: `image/${format}`, data } };
    }
  } finally {
    await session.detach();
  }
  throw new ActionProblem("too_large", "The picture is too large for a result. Take one without fullPage, or of an element.");
}

/** Coordinates in a smaller picture must be converted to point at something in the page. */
function describe({ width, height }: Area, scale: number): string {
  const size = `${Math.round(width)} x ${Math.round(height)} pixels`;
  if (scale === 1) return `Picture of ${size}.`;
  return `Picture of ${size}, shown with ${Math.round(width * scale)} x ${Math.round(height * scale)}.`;
}

type AreaRequest = { tab: Tab; session: CDPSession; args: JsonObject; signal: AbortSignal };

async function areaOf({ tab, session, args, signal }: AreaRequest): Promise<Area> {
  const ref = asString(args["ref"]);
  const wait = { timeout: BROWSER_LIMITS.elementMs, signal };
  const element = ref === "" ? null : await tab.element(ref, signal);
  await element?.scrollIntoViewIfNeeded(wait);
  const { cssVisualViewport: view, cssContentSize: whole } = await session.send("Page.getLayoutMetrics");
  if (element === null) {
    if (args["fullPage"] === true) return { x: 0, y: 0, width: Math.max(1, whole.width), height: Math.max(1, whole.height) };
    return { x: view.pageX, y: view.pageY, width: view.clientWidth, height: view.clientHeight };
  }
  const box = await element.boundingBox(wait);
  if (box === null || box.width < 1 || box.height < 1) throw new ActionProblem("not_visible", "The element is not visible.");
  return { ...box, x: box.x + view.pageX, y: box.y + view.pageY };
}
