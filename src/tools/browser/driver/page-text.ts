import { asNumber, asString } from "../../../core/json.ts";
import { BROWSER_LIMITS } from "../limits.ts";
import type { DriverAnswer } from "../records.ts";
import type { BrowserActionContext } from "./action-context.ts";
import { takePart } from "./snapshot.ts";
import type { Tab } from "./tab.ts";

/** What pages usually have their own text in, the first that there is. */
const TEXT_ELEMENTS = ["article", "main", "body"] as const;
/** What the first line and the notes of a result need at most. */
const FRAME_BYTES = 900;

/** The text of a page as a person reads it, without refs: of an element, or of what has the text of the page. */
export async function readText(tab: Tab, { request, signal }: BrowserActionContext): Promise<DriverAnswer> {
  const { args } = request;
  const ref = asString(args["ref"]);
  const text = (await (ref === "" ? wholeText(tab) : (await tab.element(ref, signal)).innerText({ timeout: BROWSER_LIMITS.elementMs })))
    .slice(0, BROWSER_LIMITS.snapshotChars)
    .replaceAll(/\n{3,}/g, "\n\n")
    .trim();
  const offset = Math.min(Math.max(asNumber(args["offset"]) ?? 0, 0), text.length);
  const wanted = Math.min(asNumber(args["maxChars"]) ?? BROWSER_LIMITS.contentBytes, BROWSER_LIMITS.contentBytes);
  const part = takePart(text, offset, Math.max(wanted - FRAME_BYTES, 200));
  const notes =
    part.next === null ? [] : [`Characters ${offset} to ${part.next} of ${text.length}. The rest: text with offset ${part.next}.`];
  if (text === "") notes.push("The page has no text.");
  return { text: "", content: { url: tab.page.url(), text: part.text }, notes };
}

async function wholeText({ page }: Tab): Promise<string> {
  for (const name of TEXT_ELEMENTS) {
    const element = page.locator(name).first();
    if ((await element.count()) > 0) return await element.innerText({ timeout: BROWSER_LIMITS.elementMs });
  }
  return "";
}
