import type { Config, WebFetchConfig, WebSearchConfig } from "../../config/schema.ts";
import { WEB_FETCH_DEFAULTS, WEB_SEARCH_DEFAULTS } from "../../config/schema/web-tools.ts";

/** The key that switches a tool of the web on and off. */
export const WEB_TOOL_KEYS = { web_fetch: "tools.web.fetch.enabled", web_search: "tools.web.search.enabled" } as const;

/** The settings of `web_fetch`, complete. Pure. */
export const webFetchConfig = (config: Pick<Config, "tools">): WebFetchConfig => config.tools?.web?.fetch ?? WEB_FETCH_DEFAULTS;

/** The settings of `web_search`, complete. Pure. */
export const webSearchConfig = (config: Pick<Config, "tools">): WebSearchConfig => config.tools?.web?.search ?? WEB_SEARCH_DEFAULTS;

/** Whether the configuration leaves a tool of the web on. Pure. */
export const isWebToolEnabled = (config: Pick<Config, "tools">, tool: keyof typeof WEB_TOOL_KEYS): boolean =>
  (tool === "web_fetch" ? webFetchConfig(config) : webSearchConfig(config)).enabled;
