import type { Variables } from "../../../config/secret-refs.ts";
import { SEARCH_PROVIDERS, type SearchProviderId } from "../../../config/schema/web-tools.ts";
import type { WebSearchConfig } from "../../../config/schema.ts";
import { Secret } from "../../../core/secret.ts";
import type { WebThreads } from "../web-threads.ts";
import { brave } from "./brave.ts";
import { createDuckDuckGo } from "./duckduckgo.ts";
import { perplexity } from "./perplexity.ts";
import type { SearchAccess, SearchProvider } from "./search-provider.ts";
import { searxng } from "./searxng.ts";
import { tavily } from "./tavily.ts";

export type ChosenProvider = {
  provider: SearchProvider;
  access: SearchAccess;
  /** The address is the operator's: it may be on a private network. */
  isOwnAddress: boolean;
  /** The configuration key or the variable that the API key is from. */
  keySource: string | null;
};

export type ProviderContext = { variables: Variables; threads: WebThreads; signal: AbortSignal };

/** The provider of the configuration, or the first one that has what it needs; or why there is none, as sentences. */
export function chooseProvider(settings: WebSearchConfig, context: ProviderContext): ChosenProvider | { problem: string } {
  const providers: Readonly<Record<SearchProviderId, SearchProvider>> = {
    brave,
    tavily,
    perplexity,
    searxng,
    duckduckgo: createDuckDuckGo(context.threads, context.signal),
  };
  if (settings.provider !== undefined) {
    const wanted = providers[settings.provider];
    return prepare(wanted, settings, context.variables) ?? { problem: missingOf(wanted) };
  }
  const ready = SEARCH_PROVIDERS.map((id) => prepare(providers[id], settings, context.variables)).find((each) => each !== null);
  return ready ?? { problem: "no provider is configured. Set tools.web.search.provider." };
}

/** A provider with its key and address; null when it lacks what it needs. */
function prepare(provider: SearchProvider, settings: WebSearchConfig, variables: Variables): ChosenProvider | null {
  const key = provider.needs === "key" ? findKey(provider, settings, variables) : null;
  if (provider.needs === "key" && key === null) return null;
  const own = ownAddress(provider, settings, variables);
  if (provider.needs === "address" && own === "") return null;
  const access = { apiKey: key?.secret ?? new Secret(""), baseUrl: (own || provider.baseUrl).replace(/\/+$/, "") };
  return { provider, access, isOwnAddress: own !== "", keySource: key?.source ?? null };
}

type KeyedId = "brave" | "tavily" | "perplexity";
const isKeyed = (id: SearchProviderId): id is KeyedId => id === "brave" || id === "tavily" || id === "perplexity";

function findKey(
  { id, variable }: SearchProvider,
  settings: WebSearchConfig,
  variables: Variables,
): { secret: Secret; source: string } | null {
  const own = isKeyed(id) ? settings[id]?.apiKey : undefined;
  if (own !== undefined && !own.isEmpty) return { secret: own, source: `tools.web.search.${id}.apiKey` };
  if (id === "brave" && settings.apiKey !== undefined && !settings.apiKey.isEmpty) {
    return { secret: settings.apiKey, source: "tools.web.search.apiKey" };
  }
  const text = variable === null ? undefined : variables(variable);
  return text ? { secret: new Secret(text), source: variable! } : null;
}

function ownAddress({ id, variable, needs }: SearchProvider, settings: WebSearchConfig, variables: Variables): string {
  const configured = id === "duckduckgo" ? undefined : settings[id]?.baseUrl;
  return configured || (needs === "address" && variable !== null ? (variables(variable) ?? "") : "");
}

function missingOf({ id, name, variable, needs }: SearchProvider): string {
  const key = `tools.web.search.${id}.${needs === "key" ? "apiKey" : "baseUrl"}`;
  return `${name} has no ${needs}. Set ${key} or the environment variable ${variable}.`;
}
