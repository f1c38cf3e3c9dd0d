import type { Variables } from "../../../config/secret-refs.ts";
import { systemClock, type Clock } from "../../../core/clock.ts";
import { reasonOf } from "../../../core/errors.ts";
import type { JsonObject } from "../../../core/json.ts";
import { clip, toSentence } from "../../../core/text.ts";
import type { WebSearchConfig } from "../../../config/schema.ts";
import { WEB_FETCH_DEFAULTS } from "../../../config/schema/web-tools.ts";
import { decodeText } from "../decode-text.ts";
import { guardedFetch, type FetchedAnswer, type GuardedFetch } from "../guarded-fetch.ts";
import { errorResult, fixOf, stoppedError, textResult } from "../../results.ts";
import type { Tool, ToolContext, ToolResult } from "../../tool.ts";
import { frameWebContent } from "../../untrusted-content.ts";
import { WebCache } from "../web-cache.ts";
import { WEB_LIMITS } from "../web-limits.ts";
import { WEB_TOOL_KEYS, webSearchConfig } from "../web-settings.ts";
import type { WebThreads } from "../web-threads.ts";
import { chooseProvider, type ChosenProvider } from "./providers.ts";
import { SEARCH_FILTERS, type SearchHit, type SearchQuery } from "./search-provider.ts";
import { checkQuery, isInDomains } from "./search-query.ts";
import type { ToolEntry } from "../../tool-entry.ts";

export type WebSearchOptions = {
  config: () => WebSearchConfig;
  /** Environment variables with the keys of providers. */
  variables: Variables;
  threads: WebThreads;
  /** Default: only addresses of the public internet, and that of a provider which the configuration names. */
  fetch?: GuardedFetch;
  clock?: Pick<Clock, "monotonic">;
};

const PARAMETERS: JsonObject = {
  type: "object",
  properties: {
    query: { type: "string" },
    count: { type: "integer", minimum: 1, description: "Results, at most 10" },
    country: { type: "string", description: "Two letters: DE" },
    language: { type: "string", description: "Two letters: de" },
    freshness: { type: "string", enum: ["day", "week", "month", "year"] },
    date_after: { type: "string", description: "YYYY-MM-DD" },
    date_before: { type: "string", description: "YYYY-MM-DD" },
    domain_filter: { type: "array", items: { type: "string" }, description: "example.org; -example.org excludes" },
  },
  required: ["query"],
};

/** Results of a search of the web, by the provider of the configuration. */
export function createWebSearchTool({
  config,
  variables,
  threads,
  fetch: sendRequest = guardedFetch,
  clock = systemClock,
}: WebSearchOptions): Tool {
  const cache = new WebCache<readonly SearchHit[]>(WEB_LIMITS.searchCacheBytes, clock);

  async function run(args: JsonObject, { signal }: ToolContext): Promise<ToolResult> {
    const settings = config();
    if (!settings.enabled) return errorResult(`Nothing was searched: ${WEB_TOOL_KEYS.web_search} is false.`);
    const checked = checkQuery(args, settings.maxResults);
    if ("problem" in checked) return errorResult(`Nothing was searched: ${checked.problem}.`);
    const chosen = chooseProvider(settings, { variables, threads, signal });
    if ("problem" in chosen) return errorResult(`Nothing was searched: ${chosen.problem}`);
    const { query } = checked;
    const key = JSON.stringify([chosen.provider.id, chosen.access.baseUrl, query]);
    const kept = cache.get(key, settings.cacheTtlMinutes * 60_000);
    try {
      const hits = kept?.value ?? (await ask(chosen, query, settings.timeoutSeconds * 1_000, signal));
      if (kept === null) cache.set(key, hits, 2 * JSON.stringify(hits).length);
      const notes = [...checked.notes, ...unsupportedFilters(chosen, query)];
      return textResult(toResult(chosen.provider.name, hits, notes));
    } catch (err) {
      if (signal.aborted) throw stoppedError();
      return errorResult(`${chosen.provider.name} gave no results: ${toSentence(reasonOf(err))}${fixOf(err)}`);
    }
  }

  async function ask(chosen: ChosenProvider, query: SearchQuery, timeoutMs: number, signal: AbortSignal): Promise<readonly SearchHit[]> {
    const { provider, access, isOwnAddress } = chosen;
    const { url, headers, body } = provider.toRequest(query, access);
    const answer = await sendRequest(url, {
      maxBytes: WEB_LIMITS.searchAnswerBytes,
      maxRedirects: 0,
      timeoutMs,
      userAgent: WEB_FETCH_DEFAULTS.userAgent,
      anyStatus: true,
      signal,
      // The operator chose this address; no content leads to it.
      ...(isOwnAddress && { isAllowed: () => true }),
      ...(headers && { headers }),
      ...(body !== undefined && { body }),
    });
    if (answer.status !== 200) throw new Error(refusalOf(answer, chosen));
    const hits = await provider.readHits(answer);
    return hits.filter(({ url }) => URL.canParse(url) && isInDomains(url, query.domains)).slice(0, query.count);
  }

  return {
    name: "web_search",
    description: "Searches the web. Returns titles, addresses and snippets; read pages with web_fetch.",
    parameters: PARAMETERS,
    run,
    stop: () => threads.stop(),
  };
}

/** Why a provider refused, and with what it said: some repeat the key. */
function refusalOf({ status, bytes, charset, mimeType }: FetchedAnswer, { keySource, access }: ChosenProvider): string {
  const key = access.apiKey.reveal();
  const answer = decodeText(bytes.subarray(0, 2_000), charset);
  const said = (key === "" ? answer : answer.replaceAll(key, String(access.apiKey))).replaceAll(/[\p{C}\p{Z}]+/gu, " ").trim();
  const quoted = said === "" || mimeType === "text/html" ? "" : `: ${JSON.stringify(clip(said, WEB_LIMITS.quotedAnswerChars))}`;
  if ((status === 401 || status === 403) && keySource !== null) return `it refused the key of ${keySource} (${status})${quoted}`;
  // DuckDuckGo says 202 to those that search too often.
  if (status === 429 || status === 202) return `it has had too many searches; try later (${status})${quoted}`;
  return `it answered ${status}${quoted}`;
}

/** Sentences about the filters of a query that the provider does not apply. */
function unsupportedFilters({ provider }: ChosenProvider, query: SearchQuery): string[] {
  const supported = provider.supports(query);
  return SEARCH_FILTERS.filter((filter) => query[filter] !== undefined && !supported.includes(filter)).map(
    (filter) => `${filter} is not supported by ${provider.id} and was not applied.`,
  );
}

function toResult(name: string, hits: readonly SearchHit[], notes: readonly string[]): string {
  const text = hits.map((hit, index) => `${index + 1}. ${toLines(hit)}`).join("\n\n");
  return frameWebContent({ source: `Results of ${name}`, text: text || "(no results)", notes });
}

function toLines({ title, url, snippet, date }: SearchHit): string {
  const dated = [date, plain(snippet)].filter(Boolean).join(": ");
  return [plain(title), clip(url, WEB_LIMITS.attributeChars), clip(dated, WEB_LIMITS.snippetChars)].filter(Boolean).join("\n   ");
}

/** One line without the marks of HTML that providers put around words of the query. */
const plain = (text: string): string =>
  text
    .replaceAll(/<\/?(?:strong|b|em)>/g, "")
    .replaceAll(/&(amp|lt|gt|quot|#x27|#39|nbsp);/g, (_entity, name: string) => ENTITIES[name]!)
    .replaceAll(/\s+/g, " ")
    .trim();

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', "#x27": "'", "#39": "'", nbsp: " " };

export const webSearchEntry: ToolEntry = {
  facts: { web_search: { section: "web", effect: "fetch", profiles: ["coding"] } },
  create: ({ config, variables, threads }) => [createWebSearchTool({ config: () => webSearchConfig(config()), variables, threads })],
};
