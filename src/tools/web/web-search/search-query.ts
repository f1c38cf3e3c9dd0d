import { asNumber, asString, asStrings, type JsonObject } from "../../../core/json.ts";
import { quote } from "../../results.ts";
import { FRESHNESS, type DomainFilter, type SearchQuery } from "./search-provider.ts";

/** Results of one search at most. */
export const MAX_RESULTS = 10;
/** DuckDuckGo, the strictest provider, refuses longer ones. */
const QUERY_CHARS = 499;
const DOMAINS = 20;

/** A checked query with notes for the reader of the result, or why it cannot be asked. */
export type CheckedQuery = { query: SearchQuery; notes: readonly string[] } | { problem: string };

/** The query of a call. Values that no provider understands are refused; `defaultCount` counts where the call has none. Pure. */
export function checkQuery(args: JsonObject, defaultCount: number): CheckedQuery {
  const query = asString(args["query"]).replaceAll(/\s+/g, " ").trim();
  const country = asString(args["country"]).toUpperCase();
  const language = asString(args["language"]).toLowerCase();
  const freshness = FRESHNESS.find((each) => each === asString(args["freshness"]));
  const [after, before] = [asString(args["date_after"]), asString(args["date_before"])];
  const domains = readDomains(asStrings(args["domain_filter"]));
  const asked = asNumber(args["count"]) ?? defaultCount;
  const wrongDate = [after, before].find((date) => date !== "" && !isDate(date));
  const problems: readonly (readonly [isWrong: boolean, problem: string])[] = [
    [query === "", "the query is empty"],
    [query.length > QUERY_CHARS, `the query is longer than ${QUERY_CHARS} characters`],
    [!/^(?:[A-Z]{2})?$/.test(country), `country must be two letters (ISO 3166-1), not ${quote(country)}`],
    [!/^(?:[a-z]{2})?$/.test(language), `language must be two letters (ISO 639-1), not ${quote(language)}`],
    [args["freshness"] !== undefined && freshness === undefined, `freshness must be one of ${FRESHNESS.join(", ")}`],
    [wrongDate !== undefined, `${quote(wrongDate ?? "")} is not a date like 2025-01-31`],
    [after !== "" && before !== "" && after > before, "date_after is later than date_before"],
    [freshness !== undefined && after + before !== "", "freshness cannot be combined with date_after or date_before"],
  ];
  const problem = problems.find(([isWrong]) => isWrong)?.[1];
  if (problem !== undefined) return { problem };
  if ("problem" in domains) return domains;
  return {
    query: {
      query,
      count: Math.min(asked, MAX_RESULTS),
      country: country || undefined,
      language: language || undefined,
      freshness,
      date_after: after || undefined,
      date_before: before || undefined,
      domains,
    },
    notes: asked > MAX_RESULTS ? [`A search has at most ${MAX_RESULTS} results.`] : [],
  };
}

const isDate = (text: string): boolean => /^\d{4}-\d\d-\d\d$/.test(text) && new Date(text).toJSON()?.slice(0, 10) === text;

/** Names of hosts; a minus before one excludes it. */
function readDomains(items: readonly string[]): DomainFilter | { problem: string } {
  if (items.length > DOMAINS) return { problem: `domain_filter has more than ${DOMAINS} domains` };
  const included: string[] = [];
  const excluded: string[] = [];
  for (const item of items) {
    const name = item.trim().toLowerCase().replace(/^-/, "");
    if (!/^(?:[a-z0-9-]{1,63}\.){1,10}[a-z0-9-]{2,63}$/.test(name)) {
      return { problem: `domain_filter must have domains like example.org or -example.org, not ${quote(item)}` };
    }
    (item.trim().startsWith("-") ? excluded : included).push(name);
  }
  return { included, excluded };
}

/** Whether a filter lets a result through. Pure. */
export function isInDomains(url: string, { included, excluded }: DomainFilter): boolean {
  const host = URL.parse(url)?.hostname ?? "";
  const lies = (domain: string): boolean => host === domain || host.endsWith(`.${domain}`);
  return (included.length === 0 || included.some(lies)) && !excluded.some(lies);
}
