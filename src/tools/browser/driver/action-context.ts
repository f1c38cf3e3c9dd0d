import type { EgressProxy } from "../../egress-proxy.ts";
import type { DriverRequest } from "../records.ts";
import type { AgentBrowser } from "./agent-browser.ts";
import type { SessionTabs } from "./session-tabs.ts";
import type { Tab } from "./tab.ts";

/** What an action works with. */
export type BrowserActionContext = {
  request: DriverRequest;
  tabs: SessionTabs;
  browser: AgentBrowser;
  proxy: EgressProxy;
  /** Aborted when the call is stopped, and when its time is over. */
  signal: AbortSignal;
  openTab: () => Promise<Tab>;
};
