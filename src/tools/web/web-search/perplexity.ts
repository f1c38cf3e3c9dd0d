import { asObjects } from "../../../core/json.ts";
import { readJsonAnswer, toHit } from "./read-json.ts";
import type { SearchProvider, SearchQuery } from "./search-provider.ts";

/** Words of a page that a hit shows; the provider would give whole pages. */
const TOKENS_PER_PAGE = 256;

/** Perplexity Search API, `POST /search`. */
export const perplexity: SearchProvider = {
  id: "perplexity",
  name: "Perplexity",
  baseUrl: "https://api.perplexity.ai",
  variable: "PERPLEXITY_API_KEY",
  needs: "key",
  supports: () => ["country", "language", "freshness", "date_after", "date_before"],
  toRequest: (query, { apiKey, baseUrl }) => ({
    url: `${baseUrl}/search`,
    headers: { authorization: `Bearer ${apiKey.reveal()}`, "content-type": "application/json" },
    body: JSON.stringify(toBody(query)),
  }),
  readHits: (answer) =>
    asObjects(readJsonAnswer(answer)["results"]).map((each) => toHit(each, { snippet: "snippet", date: ["date", "last_updated"] })),
};

function toBody({ query, count, country, language, freshness, domains, ...dates }: SearchQuery): Record<string, unknown> {
  const filter = [...domains.included, ...domains.excluded.map((domain) => `-${domain}`)];
  return {
    query,
    max_results: count,
    max_tokens_per_page: TOKENS_PER_PAGE,
    country,
    ...(language !== undefined && { search_language_filter: [language] }),
    search_recency_filter: freshness,
    search_after_date_filter: toMonthFirst(dates.date_after),
    search_before_date_filter: toMonthFirst(dates.date_before),
    ...(filter.length > 0 && { search_domain_filter: filter }),
  };
}

/** `2025-03-01` as `03/01/2025`. */
function toMonthFirst(date: string | undefined): string | undefined {
  const [year, month, day] = date?.split("-") ?? [];
  return date === undefined ? undefined : `${month}/${day}/${year}`;
}
