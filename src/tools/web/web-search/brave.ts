import { asObjects, fieldsOf } from "../../../core/json.ts";
import { readJsonAnswer, toHit } from "./read-json.ts";
import { withDomainOperators, type SearchProvider, type SearchQuery } from "./search-provider.ts";

const AGES = { day: "pd", week: "pw", month: "pm", year: "py" } as const;
/** Ends of a range of dates that has only one. */
const FIRST_DAY = "1970-01-01";
const LAST_DAY = "2100-01-01";

/** Brave Search API, `GET /res/v1/web/search`. */
export const brave: SearchProvider = {
  id: "brave",
  name: "Brave Search",
  baseUrl: "https://api.search.brave.com",
  variable: "BRAVE_API_KEY",
  needs: "key",
  supports: () => ["country", "language", "freshness", "date_after", "date_before"],
  toRequest: (query, { apiKey, baseUrl }) => ({
    url: `${baseUrl}/res/v1/web/search?${toParameters(query).toString()}`,
    headers: { "x-subscription-token": apiKey.reveal() },
  }),
  readHits: (answer) =>
    asObjects(fieldsOf(readJsonAnswer(answer)["web"])["results"]).map((each) =>
      toHit(each, { snippet: "description", date: ["page_age", "age"] }),
    ),
};

function toParameters(query: SearchQuery): URLSearchParams {
  const { count, country, language, freshness, date_after: after, date_before: before } = query;
  const parameters = new URLSearchParams({
    q: withDomainOperators(query),
    count: String(count),
    text_decorations: "false",
    result_filter: "web",
  });
  if (country !== undefined) parameters.set("country", country);
  if (language !== undefined) parameters.set("search_lang", languageFor(language, country));
  if (freshness !== undefined) parameters.set("freshness", AGES[freshness]);
  else if (after !== undefined || before !== undefined) parameters.set("freshness", `${after ?? FIRST_DAY}to${before ?? LAST_DAY}`);
  return parameters;
}

/** Brave names some languages in another way, and some by their region. */
function languageFor(language: string, country: string | undefined): string {
  if (language === "ja") return "jp";
  if (language === "pt") return country === "BR" ? "pt-br" : "pt-pt";
  if (language === "zh") return country === "TW" || country === "HK" ? "zh-hant" : "zh-hans";
  return language;
}
