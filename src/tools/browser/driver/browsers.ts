import type { Page } from "playwright-core";
import { reasonOf } from "../../../core/errors.ts";
import { answerIdle, STARTING_ACTIONS } from "../idle.ts";
import { BROWSER_LIMITS } from "../limits.ts";
import type { DriverAnswer, DriverRequest } from "../records.ts";
import { runAction } from "./actions.ts";
import { launchBrowser, type AgentBrowser } from "./agent-browser.ts";
import type { Resolve } from "./egress-policy.ts";
import { EgressProxy } from "./egress-proxy.ts";
import { ActionProblem } from "./problem.ts";
import { SessionTabs } from "./session-tabs.ts";
import type { Tab } from "./tab.ts";

export type BrowsersOptions = { env: Readonly<Record<string, string>>; resolve?: Resolve; onError?: (text: string) => void };

type Session = { tabs: SessionTabs; /** Settles when the last call has ended. */ queue: Promise<unknown> };

/** The browsers of all agents, one with a profile for each, and the tabs of the sessions in them. */
export class Browsers {
  readonly #env: Readonly<Record<string, string>>;
  readonly #proxy: EgressProxy;
  readonly #port: Promise<number>;
  readonly #onError: (text: string) => void;
  readonly #agents = new Map<string, Promise<AgentBrowser>>();
  readonly #sessions = new Map<string, Session>();
  /** Tabs that are being opened for a session: their pages do not belong to it yet. */
  readonly #openings = new Set<Promise<Tab>>();

  constructor({ env, resolve, onError = () => {} }: BrowsersOptions) {
    this.#env = env;
    this.#onError = onError;
    this.#proxy = new EgressProxy(resolve ? { resolve } : {});
    this.#port = this.#proxy.listen();
  }

  get running(): number {
    return this.#agents.size;
  }

  get tabs(): number {
    return [...this.#sessions.values()].reduce((sum, { tabs }) => sum + tabs.all.length, 0);
  }

  /** Runs an action after the earlier ones of its session. Rejects with ActionProblem. */
  run(request: DriverRequest, signal: AbortSignal): Promise<DriverAnswer> {
    this.#proxy.configure(request.settings);
    const session = this.#sessionOf(request);
    const result = session.queue.then(() => this.#run(request, session.tabs, signal));
    session.queue = result.catch(() => {});
    return result;
  }

  /** Closes the tabs of a session: its conversation is over. */
  async endSession(key: string): Promise<void> {
    const session = this.#sessions.get(key);
    this.#sessions.delete(key);
    await session?.tabs.closeAll();
  }

  async close(): Promise<void> {
    const agents = [...this.#agents.values()];
    await Promise.allSettled(agents.map(async (each) => (await each).context.close()));
    this.#proxy.close();
  }

  async #run(request: DriverRequest, tabs: SessionTabs, signal: AbortSignal): Promise<DriverAnswer> {
    if (signal.aborted) throw new ActionProblem("stopped", "The call was stopped.");
    const { action, agent } = request;
    if (!this.#agents.has(agent) && !STARTING_ACTIONS.has(action)) {
      const idle = answerIdle(action);
      if ("answer" in idle) return idle.answer;
      throw new ActionProblem(idle.problem.code, idle.problem.message);
    }
    const isNew = !this.#agents.has(agent);
    const browser = await this.#browserOf(request);
    if (action === "doctor") {
      if (isNew) await browser.context.close();
      return describeBrowser(browser, request);
    }
    if (action === "start" || action === "status") return showStatus(browser, tabs);
    if (action === "stop") {
      await browser.context.close();
      return { text: "The browser was stopped. Its tabs are closed; what sites have stored stays." };
    }
    const openTab = (): Promise<Tab> => this.#openTab(browser, tabs);
    return await runAction({ request, tabs, browser, proxy: this.#proxy, signal, openTab });
  }

  #sessionOf({ session: key, agent }: DriverRequest): Session {
    let session = this.#sessions.get(key);
    if (!session || session.tabs.agent !== agent) {
      session = { tabs: new SessionTabs(agent), queue: Promise.resolve() };
      this.#sessions.set(key, session);
    }
    return session;
  }

  #browserOf(request: DriverRequest): Promise<AgentBrowser> {
    const { agent } = request;
    const running = this.#agents.get(agent);
    if (running) return running;
    if (this.#agents.size >= BROWSER_LIMITS.browsers) {
      throw new ActionProblem("too_many", `The browsers of ${this.#agents.size} agents run. Stop one, or wait until they are idle.`);
    }
    const started = this.#launch(request);
    this.#agents.set(agent, started);
    const forget = (): void => {
      if (this.#agents.get(agent) === started) this.#agents.delete(agent);
    };
    started.then(({ closed }) => closed.then(forget), forget);
    return started;
  }

  async #launch({ directory, settings }: DriverRequest): Promise<AgentBrowser> {
    const port = await this.#port;
    const browser = await launchBrowser({ directory, settings, proxy: this.#proxy, port, env: this.#env });
    browser.context.on("page", (page) => {
      this.#adopt(page).catch((err: unknown) => this.#onError(`a window could not be given to its tab: ${reasonOf(err)}`));
    });
    return browser;
  }

  /** A window that a page opens belongs to the session of that page; one whose opener is not known to none, and is closed. */
  async #adopt(page: Page): Promise<void> {
    const opener = await page.opener();
    await Promise.allSettled(this.#openings);
    const sessions = [...this.#sessions.values()];
    if (sessions.some(({ tabs }) => tabs.owns(page))) return;
    const owner = opener && sessions.find(({ tabs }) => tabs.owns(opener));
    if (owner && !owner.tabs.isFull && this.tabs < BROWSER_LIMITS.totalTabs) return void owner.tabs.add(page);
    const tab = owner?.tabs.all.find((each) => each.page === opener);
    if (tab) tab.refusedWindows += 1;
    await page.close();
  }

  async #openTab({ context }: AgentBrowser, tabs: SessionTabs): Promise<Tab> {
    if (tabs.isFull || this.tabs >= BROWSER_LIMITS.totalTabs) {
      const whose = tabs.isFull ? "This conversation has" : "All conversations together have";
      throw new ActionProblem("too_many_tabs", `${whose} as many tabs as are allowed. Close one with action close.`);
    }
    const opening = context.newPage().then((page) => tabs.add(page));
    this.#openings.add(opening);
    try {
      return await opening;
    } finally {
      this.#openings.delete(opening);
    }
  }
}

const showStatus = ({ version }: AgentBrowser, { all }: SessionTabs): DriverAnswer => ({
  text: `The browser runs: Chromium ${version}, ${all.length === 1 ? "1 tab" : `${all.length} tabs`} of this conversation.`,
  data: { running: true, version, tabs: all.length },
});

/** What was shown by a start. */
function describeBrowser({ version }: AgentBrowser, { settings }: DriverRequest): DriverAnswer {
  const { executable, headless, noSandbox } = settings;
  const how = `${headless ? "without" : "with"} a window and ${noSandbox ? "without" : "with"} its own sandbox`;
  return {
    text: `Chromium ${version} (${executable}) starts ${how}, and reaches the web only through the gateway's proxy.`,
    data: { version },
  };
}
