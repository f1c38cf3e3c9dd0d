import type { SearchProviderId } from "../../../config/schema/web-tools.ts";
import type { Secret } from "../../../core/secret.ts";
import type { FetchedAnswer } from "../guarded-fetch.ts";

/** What limits a search besides its words. */
export const SEARCH_FILTERS = ["country", "language", "freshness", "date_after", "date_before"] as const;
export type SearchFilter = (typeof SEARCH_FILTERS)[number];
export const FRESHNESS = ["day", "week", "month", "year"] as const;

/** A search as a call asks for it, checked. */
export type SearchQuery = {
  query: string;
  /** 1 to 10. */
  count: number;
  /** Two letters (ISO 3166-1), in upper case. */
  country?: string | undefined;
  /** Two letters (ISO 639-1), in lower case. */
  language?: string | undefined;
  freshness?: (typeof FRESHNESS)[number] | undefined;
  /** `YYYY-MM-DD`. */
  date_after?: string | undefined;
  date_before?: string | undefined;
  domains: DomainFilter;
};
/** Names of hosts; everything below them counts as well. */
export type DomainFilter = { included: readonly string[]; excluded: readonly string[] };

/** One result, as the provider gives it: text from outside. */
export type SearchHit = { title: string; url: string; snippet: string; date?: string | undefined };

/** What one request of a provider looks like; without a body it is a GET. */
export type SearchRequest = { url: string; headers?: Readonly<Record<string, string>>; body?: string };

/** What a provider needs to be asked: a key, or the address of its API where that is not the usual one. */
export type SearchAccess = { apiKey: Secret; baseUrl: string };

/** A service that searches the web. */
export type SearchProvider = {
  readonly id: SearchProviderId;
  /** Name for people. */
  readonly name: string;
  /** Address of its API; empty when it has to be configured. */
  readonly baseUrl: string;
  /** Environment variable of its key or, for a provider that is found by its address, of that. Null: it needs neither. */
  readonly variable: string | null;
  readonly needs: "key" | "address" | "nothing";
  /** Which of the filters of a query it applies; the others are named in the result. */
  supports(query: SearchQuery): readonly SearchFilter[];
  toRequest(query: SearchQuery, access: SearchAccess): SearchRequest;
  /** The results of an answer with status 200. Throws an Error that says what is wrong with it. */
  readHits(answer: FetchedAnswer): readonly SearchHit[] | Promise<readonly SearchHit[]>;
};

/** The words of a query with operators for its domains, for providers that have no parameter for them. Pure. */
export function withDomainOperators({ query, domains }: SearchQuery): string {
  const included = domains.included.map((domain) => `site:${domain}`).join(" OR ");
  const excluded = domains.excluded.map((domain) => `-site:${domain}`);
  return [query, domains.included.length > 1 ? `(${included})` : included, ...excluded].filter((each) => each !== "").join(" ");
}
