import { asObjects } from "../../../core/json.ts";
import { readJsonAnswer, toHit } from "./read-json.ts";
import type { SearchProvider, SearchQuery } from "./search-provider.ts";

/** Tavily wants countries by their English names in lower case, and has other names for these than the Unicode data. */
const COUNTRIES: Readonly<Record<string, string>> = {
  BA: "bosnia and herzegovina",
  CD: "congo",
  CG: "congo",
  CV: "cape verde",
  CZ: "czech republic",
  MM: "myanmar",
  TR: "turkey",
  TT: "trinidad and tobago",
};

/** Tavily Search API, `POST /search`. */
export const tavily: SearchProvider = {
  id: "tavily",
  name: "Tavily",
  baseUrl: "https://api.tavily.com",
  variable: "TAVILY_API_KEY",
  needs: "key",
  supports: () => ["country", "freshness", "date_after", "date_before"],
  toRequest: (query, { apiKey, baseUrl }) => ({
    url: `${baseUrl}/search`,
    headers: { authorization: `Bearer ${apiKey.reveal()}`, "content-type": "application/json" },
    body: JSON.stringify(toBody(query)),
  }),
  readHits: (answer) =>
    asObjects(readJsonAnswer(answer)["results"]).map((each) => toHit(each, { snippet: "content", date: ["published_date"] })),
};

const toBody = ({ query, count, country, freshness, domains, ...dates }: SearchQuery): Record<string, unknown> => ({
  query,
  max_results: count,
  search_depth: "basic",
  country: country === undefined ? undefined : (COUNTRIES[country] ?? nameOfCountry(country)),
  time_range: freshness,
  start_date: dates.date_after,
  end_date: dates.date_before,
  ...(domains.included.length > 0 && { include_domains: domains.included }),
  ...(domains.excluded.length > 0 && { exclude_domains: domains.excluded }),
});

const nameOfCountry = (code: string): string => (new Intl.DisplayNames(["en"], { type: "region" }).of(code) ?? code).toLowerCase();
