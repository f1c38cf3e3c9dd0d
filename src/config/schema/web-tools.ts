import { boolean, enumOf, integer, object, secret, string } from "../../core/config-schema.ts";

/** What applies where the configuration says nothing. */
export const WEB_FETCH_DEFAULTS = {
  enabled: true,
  maxChars: 20_000,
  maxResponseBytes: 750_000,
  timeoutSeconds: 30,
  maxRedirects: 3,
  readability: true,
  userAgent: "Mozilla/5.0 (compatible; openclaw-gateway)",
  cacheTtlMinutes: 15,
} as const;

export const WEB_SEARCH_DEFAULTS = { enabled: true, maxResults: 5, timeoutSeconds: 30, cacheTtlMinutes: 15 } as const;

export const SEARCH_PROVIDERS = ["brave", "tavily", "perplexity", "searxng", "duckduckgo"] as const;
export type SearchProviderId = (typeof SEARCH_PROVIDERS)[number];

const timeoutSeconds = (value: number) => integer("Longest time of one call, in seconds.", { default: value, min: 1, max: 300 });
const cacheTtlMinutes = (value: number) =>
  integer("How long a result is used again for the same call, in minutes. 0: never.", { default: value, min: 0, max: 1_440 });
const header = { regex: "[\\x20-\\x7e]+", description: "printable ASCII characters" } as const;

const fetch = object("The tool `web_fetch`, which reads a page.", {
  enabled: boolean("Offer the tool.", { default: WEB_FETCH_DEFAULTS.enabled }),
  maxChars: integer("Characters of a page in a result; a call may ask for fewer.", {
    default: WEB_FETCH_DEFAULTS.maxChars,
    min: 100,
    max: 400_000,
  }),
  maxResponseBytes: integer("Bytes of a page that are read; the rest is left out.", {
    default: WEB_FETCH_DEFAULTS.maxResponseBytes,
    min: 1_000,
    max: 10_000_000,
  }),
  timeoutSeconds: timeoutSeconds(WEB_FETCH_DEFAULTS.timeoutSeconds),
  maxRedirects: integer("Redirects that are followed, each checked like the first address.", {
    default: WEB_FETCH_DEFAULTS.maxRedirects,
    min: 0,
    max: 20,
  }),
  readability: boolean("Only the part of a page that it is about, without navigation and similar.", {
    default: WEB_FETCH_DEFAULTS.readability,
  }),
  userAgent: string("Header `User-Agent` of requests.", { default: WEB_FETCH_DEFAULTS.userAgent, maxChars: 300, pattern: header }),
  cacheTtlMinutes: cacheTtlMinutes(WEB_FETCH_DEFAULTS.cacheTtlMinutes),
});

const keyedProvider = (name: string, variable: string) =>
  object(
    `Settings of ${name}.`,
    {
      apiKey: secret(`Key of ${name}; \`${variable}\` when it is not set.`),
      baseUrl: string(`Another address of its API, also on a private network.`, { format: "url" }),
    },
    { optional: true },
  );

const search = object("The tool `web_search`.", {
  enabled: boolean("Offer the tool.", { default: WEB_SEARCH_DEFAULTS.enabled }),
  provider: enumOf(
    "Who is asked. When it is not set: the first of this list that has a key or an address, else `duckduckgo`, which needs none.",
    SEARCH_PROVIDERS,
  ),
  maxResults: integer("Results of a search, unless a call says otherwise.", { default: WEB_SEARCH_DEFAULTS.maxResults, min: 1, max: 10 }),
  timeoutSeconds: timeoutSeconds(WEB_SEARCH_DEFAULTS.timeoutSeconds),
  cacheTtlMinutes: cacheTtlMinutes(WEB_SEARCH_DEFAULTS.cacheTtlMinutes),
  brave: keyedProvider("Brave Search", "BRAVE_API_KEY"),
  tavily: keyedProvider("Tavily", "TAVILY_API_KEY"),
  perplexity: keyedProvider("Perplexity", "PERPLEXITY_API_KEY"),
  searxng: object(
    "Your own SearXNG, which must have the format `json` switched on.",
    { baseUrl: string("Its address, also on a private network; `SEARXNG_BASE_URL` when it is not set.", { format: "url" }) },
    { optional: true },
  ),
  apiKey: secret("Deprecated alias of `brave.apiKey`; `brave.apiKey` wins."),
});

export const webTools = object("Tools that read the web.", { fetch, search }, { optional: true });
