import { systemClock, type Clock } from "../../../core/clock.ts";
import { reasonOf } from "../../../core/errors.ts";
import { asNumber, asString, type JsonObject } from "../../../core/json.ts";
import { clip, toSentence } from "../../../core/text.ts";
import type { WebFetchConfig } from "../../../config/schema.ts";
import { guardedFetch, type GuardedFetch } from "../guarded-fetch.ts";
import { errorResult, fixOf, quote, stoppedError, textResult } from "../../results.ts";
import type { Tool, ToolContext, ToolResult } from "../../tool.ts";
import { frameWebContent, shownAddress } from "../../untrusted-content.ts";
import { WebCache } from "../web-cache.ts";
import { WEB_LIMITS } from "../web-limits.ts";
import { WEB_TOOL_KEYS, webFetchConfig } from "../web-settings.ts";
import type { WebThreads } from "../web-threads.ts";
import { kindOfType } from "./page-type.ts";
import type { PageMode } from "./page-writer.ts";
import type { ToolEntry } from "../../tool-entry.ts";

export type WebFetchOptions = {
  config: () => WebFetchConfig;
  threads: WebThreads;
  /** Default: only addresses of the public internet. */
  fetch?: GuardedFetch;
  clock?: Pick<Clock, "monotonic">;
};

/** A page as it is kept. `url`: after redirects. `cutBy`: what left out the rest of the page. */
type Page = { url: string; title: string; text: string; cutBy: "response" | "limits" | null };

const MODES = ["markdown", "text"] as const satisfies readonly PageMode[];
/** Sites that have a page as Markdown send that. */
const ACCEPT = "text/markdown, text/html;q=0.9, application/xhtml+xml;q=0.9, application/json;q=0.8, text/plain;q=0.8, */*;q=0.5";

const PARAMETERS: JsonObject = {
  type: "object",
  properties: {
    url: { type: "string", description: "http or https" },
    extractMode: { type: "string", enum: MODES, description: "Default: markdown" },
    maxChars: { type: "integer", minimum: 100, description: "Cuts the text" },
  },
  required: ["url"],
};

/** The text of one page of the web, without running its scripts. */
export function createWebFetchTool({ config, threads, fetch: fetchPage = guardedFetch, clock = systemClock }: WebFetchOptions): Tool {
  const cache = new WebCache<Page>(WEB_LIMITS.pageCacheBytes, clock);

  async function run(args: JsonObject, { signal }: ToolContext): Promise<ToolResult> {
    const settings = config();
    if (!settings.enabled) return errorResult(`Nothing was read: ${WEB_TOOL_KEYS.web_fetch} is false.`);
    const mode = MODES.find((each) => each === (args["extractMode"] ?? "markdown"));
    if (mode === undefined) return errorResult(`Nothing was read: extractMode must be one of ${MODES.join(", ")}.`);
    const url = readAddress(asString(args["url"]));
    if (url === null) {
      return errorResult(
        `Nothing was read: ${quote(asString(args["url"]))} is not an address of http or https, such as https://example.org/.`,
      );
    }
    const keyOf = (address: string): string => JSON.stringify([mode, settings.readability, settings.maxResponseBytes, address]);
    const kept = cache.get(keyOf(url), settings.cacheTtlMinutes * 60_000);
    try {
      const page = kept?.value ?? (await load({ url, mode, settings, signal }));
      if (kept === null) for (const address of new Set([url, page.url])) cache.set(keyOf(address), page, sizeOf(page));
      return textResult(toResult(page, { mode, settings, asked: asNumber(args["maxChars"]), ageMs: kept?.ageMs ?? 0 }));
    } catch (err) {
      if (signal.aborted) throw stoppedError();
      return errorResult(`Cannot read ${shownAddress(url)}: ${toSentence(reasonOf(err))}${fixOf(err)}`);
    }
  }

  async function load({ url, mode, settings, signal }: LoadRequest): Promise<Page> {
    const { bytes, mimeType, charset, isCut, ...answer } = await fetchPage(url, {
      maxBytes: settings.maxResponseBytes,
      tooLarge: "cut",
      maxRedirects: settings.maxRedirects,
      timeoutMs: settings.timeoutSeconds * 1_000,
      userAgent: settings.userAgent,
      accept: ACCEPT,
      signal,
    });
    if (kindOfType(mimeType) === null) throw new Error(`it is ${mimeType}; web_fetch reads HTML, JSON and text`);
    const job = { kind: "page", bytes, mimeType, charset, url: answer.url, mode, mainOnly: settings.readability } as const;
    const page = await threads.run(job, signal);
    if ("problem" in page) throw new Error(page.problem);
    const cutBy = isCut ? "response" : page.isCut ? "limits" : null;
    return { url: withoutFragment(answer.url), title: page.title, text: page.text, cutBy };
  }

  return {
    name: "web_fetch",
    description: "Reads a web page, JSON or text by its URL. Runs no scripts.",
    parameters: PARAMETERS,
    run,
    stop: () => threads.stop(),
  };
}

type LoadRequest = { url: string; mode: PageMode; settings: WebFetchConfig; signal: AbortSignal };

/** The address of a page without the place in it; null for what is not an address of http or https. */
function readAddress(text: string): string | null {
  const url = URL.parse(text.trim());
  return url !== null && (url.protocol === "http:" || url.protocol === "https:") ? withoutFragment(url.href) : null;
}

const withoutFragment = (href: string): string => href.split("#", 1)[0]!;
/** Strings need at most two bytes for each character. */
const sizeOf = ({ url, title, text }: Page): number => 2 * (url.length + title.length + text.length);

type ResultOptions = {
  mode: PageMode;
  settings: WebFetchConfig;
  /** Characters that the call wants. */ asked: number | null;
  ageMs: number;
};

function toResult(page: Page, { mode, settings, asked, ageMs }: ResultOptions): string {
  const { maxChars, maxResponseBytes } = settings;
  const whole = withTitle(page, mode);
  const text = clip(whole, Math.min(asked ?? maxChars, maxChars));
  const limit = asked !== null && asked > maxChars ? ", the most that tools.web.fetch.maxChars allows" : "";
  const notes = [
    text.length < whole.length && `Cut after ${text.length} of ${whole.length} characters${limit}.`,
    page.cutBy === "response" && `Only the first ${maxResponseBytes} bytes of the page were read (tools.web.fetch.maxResponseBytes).`,
    page.cutBy === "limits" && "Only the first part of the page was read: it has too many elements or characters.",
    page.text === "" && "The page has no readable text; it may need scripts.",
    ageMs >= 60_000 && `Read ${Math.floor(ageMs / 60_000)} minutes ago.`,
  ].filter((note) => note !== false);
  return frameWebContent({ source: `Web page ${shownAddress(page.url)}`, text, notes });
}

/** The text under its title, which is left out where the text begins with it. */
function withTitle({ title, text }: Page, mode: PageMode): string {
  const first = text
    .slice(0, text.indexOf("\n") + 1 || undefined)
    .replace(/^#+ /, "")
    .trim();
  if (title === "" || first === title) return text;
  return `${mode === "markdown" ? "# " : ""}${title}\n\n${text}`.trimEnd();
}

export const webFetchEntry: ToolEntry = {
  facts: { web_fetch: { section: "web", effect: "fetch", profiles: ["coding"] } },
  create: ({ config, threads }) => [createWebFetchTool({ config: () => webFetchConfig(config()), threads })],
};
