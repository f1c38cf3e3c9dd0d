import type { WebThreads } from "../web-threads.ts";
import { withDomainOperators, type SearchFilter, type SearchProvider, type SearchQuery } from "./search-provider.ts";

const AGES = { day: "d", week: "w", month: "m", year: "y" } as const;
/** Regions that are not named `<country>-<language>`. */
const REGIONS: Readonly<Record<string, string>> = {
  GB: "uk-en",
  HK: "hk-tzh",
  ID: "id-en",
  JP: "jp-jp",
  KR: "kr-kr",
  NO: "no-no",
  SA: "xa-ar",
  SI: "sl-sl",
  TH: "th-en",
  TW: "tw-tzh",
  VN: "vn-en",
};

/** The page of DuckDuckGo for browsers without scripts, which needs no key. It refuses those that ask too often. */
export const createDuckDuckGo = (threads: WebThreads, signal: AbortSignal): SearchProvider => ({
  id: "duckduckgo",
  name: "DuckDuckGo",
  baseUrl: "https://html.duckduckgo.com",
  variable: null,
  needs: "nothing",
  supports: (query): readonly SearchFilter[] => (isRegion(query) ? ["country", "language", "freshness"] : ["country", "freshness"]),
  toRequest: (query, { baseUrl }) => ({ url: `${baseUrl}/html/?${toParameters(query).toString()}` }),
  async readHits({ bytes, charset }) {
    const page = await threads.run({ kind: "results", bytes, charset }, signal);
    if ("problem" in page) throw new Error(`its page could not be read: ${page.problem}`);
    if (page.isChallenge) throw new Error("it wants a proof that a person searches; try later, or configure a provider with a key");
    return page.hits;
  },
});

function toParameters(query: SearchQuery): URLSearchParams {
  const parameters = new URLSearchParams({ q: withDomainOperators(query) });
  if (query.country !== undefined) parameters.set("kl", regionOf(query.country, query.language));
  if (query.freshness !== undefined) parameters.set("df", AGES[query.freshness]);
  return parameters;
}

const spokenIn = (country: string): string => new Intl.Locale(`und-${country}`).maximize().language;

/** Whether there is a region for the language in the country. */
const isRegion = ({ country, language }: SearchQuery): boolean =>
  country !== undefined && (REGIONS[country] === undefined || language === spokenIn(country));

function regionOf(country: string, language: string | undefined): string {
  return REGIONS[country] ?? `${country.toLowerCase()}-${language ?? spokenIn(country)}`;
}
