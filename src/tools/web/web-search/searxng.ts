import { asObjects } from "../../../core/json.ts";
import { readJsonAnswer, toHit } from "./read-json.ts";
import { withDomainOperators, type SearchFilter, type SearchProvider, type SearchQuery } from "./search-provider.ts";

/** A SearXNG of the operator, `GET /search`. */
export const searxng: SearchProvider = {
  id: "searxng",
  name: "SearXNG",
  baseUrl: "",
  variable: "SEARXNG_BASE_URL",
  needs: "address",
  // A country is only a part of a language there.
  supports: ({ language }): readonly SearchFilter[] => (language === undefined ? ["freshness"] : ["language", "country", "freshness"]),
  toRequest: (query, { baseUrl }) => ({ url: `${baseUrl}/search?${toParameters(query).toString()}` }),
  readHits: (answer) =>
    asObjects(readJsonAnswer(answer)["results"]).map((each) => toHit(each, { snippet: "content", date: ["publishedDate"] })),
};

function toParameters(query: SearchQuery): URLSearchParams {
  const { country, language, freshness } = query;
  const parameters = new URLSearchParams({ q: withDomainOperators(query), format: "json" });
  if (language !== undefined) parameters.set("language", country === undefined ? language : `${language}-${country}`);
  if (freshness !== undefined) parameters.set("time_range", freshness);
  return parameters;
}
