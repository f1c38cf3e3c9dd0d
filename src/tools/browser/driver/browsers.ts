import type { Page } from "playwright-core";
import { reasonOf } from "../../../core/errors.ts";
import { EgressProxy } from "../../egress-proxy.ts";
import type { Resolve } from "../../egress-rules.ts";
import { answerIdle, NO_TAB, STARTING_ACTIONS } from "../idle.ts";
import { BROWSER_LIMITS } from "../limits.ts";
import type { BrowserName, BrowserOverview, DriverAnswer, DriverRequest, OperatorQuestion } from "../records.ts";
import { runAction } from "./actions.ts";
import { launchBrowser, type AgentBrowser } from "./agent-browser.ts";
import { attachBrowser } from "./attached-browser.ts";
import { checkedAddresses } from "./egress-policy.ts";
import { inspectTab } from "./inspect.ts";
import { ActionProblem } from "./problem.ts";
import { SessionTabs } from "./session-tabs.ts";
import { describeTab, takeViewport } from "./tab-overview.ts";
import type { Tab } from "./tab.ts";

export type BrowsersOptions = { env: Readonly<Record<string, string>>; resolve?: Resolve; onError?: (text: string) => void };

type Session = BrowserName & { session: string; tabs: SessionTabs; /** Settles when the last call has ended. */ queue: Promise<unknown> };
type Running = BrowserName & { started: Promise<AgentBrowser> };

const keyOf = (...parts: readonly string[]): string => parts.join("\0");

/** The browsers of all agents, one for each of their profiles, and the tabs of the sessions in them. */
export class Browsers {
  readonly #env: Readonly<Record<string, string>>;
  readonly #proxy: EgressProxy;
  readonly #port: Promise<number>;
  readonly #onError: (text: string) => void;
  readonly #resolve: Resolve | undefined;
  readonly #running = new Map<string, Running>();
  readonly #sessions = new Map<string, Session>();
  /** Tabs that are being opened for a session: their pages do not belong to it yet. */
  readonly #openings = new Set<Promise<Tab>>();

  constructor({ env, resolve, onError = () => {} }: BrowsersOptions) {
    this.#env = env;
    this.#onError = onError;
    this.#resolve = resolve;
    this.#proxy = new EgressProxy({ user: "browser" });
    this.#port = this.#proxy.listen();
  }

  get running(): number {
    return this.#running.size;
  }

  get tabs(): number {
    return [...this.#sessions.values()].reduce((sum, { tabs }) => sum + tabs.own.length, 0);
  }

  /** Runs an action after the earlier ones of its session. Rejects with ActionProblem. */
  run(request: DriverRequest, signal: AbortSignal): Promise<DriverAnswer> {
    const { settings } = request;
    this.#proxy.configure({ addressesOf: ({ host }) => checkedAddresses(host, settings, this.#resolve), proxies: settings.proxies });
    const session = this.#sessionOf(request);
    const result = session.queue.then(() => this.#run(request, session.tabs, signal));
    session.queue = result.catch(() => {});
    return result;
  }

  /** Answers a person. Nothing is started, and no session waits for it. */
  async answer(question: OperatorQuestion): Promise<DriverAnswer> {
    if (question.ask === "overview") return { text: "", data: await this.#overview() };
    if (question.ask === "stop") {
      const running = this.#running.get(keyOf(question.agent, question.profile));
      if (running) await this.#end(running);
      return { text: "" };
    }
    if (question.ask === "inspect") return await this.#inspect(question);
    const { session, profile, targetId } = question;
    const tab = this.#sessions.get(keyOf(session, profile))?.tabs.all.find(({ id }) => id === targetId);
    return tab && !tab.hasCrashed ? await takeViewport(tab) : { text: "" };
  }

  /** Only tabs that the session has opened, as for the session itself. */
  async #inspect({ agent, profile, session, targetId, request }: Extract<OperatorQuestion, { ask: "inspect" }>): Promise<DriverAnswer> {
    const browser = await this.#running.get(keyOf(agent, profile))?.started;
    const found = this.#sessions.get(keyOf(session, profile));
    if (!browser || found?.agent !== agent) throw new ActionProblem(NO_TAB.code, NO_TAB.message);
    return await inspectTab({ tab: found.tabs.find(targetId), browser }, request);
  }

  /** Closes the tabs of a session: its conversation is over. */
  async endSession(name: string): Promise<void> {
    const ended = [...this.#sessions].filter(([, { session }]) => session === name);
    for (const [key] of ended) this.#sessions.delete(key);
    await Promise.all(ended.map(([, { tabs }]) => tabs.closeAll()));
  }

  async close(): Promise<void> {
    const running = [...this.#running.values()];
    await Promise.allSettled(running.map((each) => this.#end(each)));
    this.#proxy.close();
  }

  /** Ends a browser; of one that goes on, the tabs of all sessions. */
  async #end({ agent, profile, started }: Running): Promise<void> {
    const browser = await started;
    const sessions = [...this.#sessions.values()].filter((each) => each.agent === agent && each.profile === profile);
    if (browser.isAttached) await Promise.all(sessions.map(({ tabs }) => tabs.closeAll()));
    await browser.close();
  }

  async #overview(): Promise<BrowserOverview[]> {
    const all = [...this.#running.values()].map(async ({ agent, profile, started }) => {
      const browser = await started.catch(() => null);
      if (browser === null) return [];
      const sessions = [...this.#sessions.values()].filter((each) => each.agent === agent && each.profile === profile);
      const tabs = await Promise.all(
        sessions.flatMap(({ session, tabs: { all, current } }) => all.map((tab) => describeTab(tab, session, current))),
      );
      return [
        { agent, profile, version: browser.version, isAttached: browser.isAttached, hasSandbox: browser.sandboxProblem === null, tabs },
      ];
    });
    return (await Promise.all(all)).flat();
  }

  async #run(request: DriverRequest, tabs: SessionTabs, signal: AbortSignal): Promise<DriverAnswer> {
    if (signal.aborted) throw new ActionProblem("stopped", "The call was stopped.");
    const { action, agent, profile } = request;
    const isNew = !this.#running.has(keyOf(agent, profile));
    if (isNew && !STARTING_ACTIONS.has(action)) {
      const idle = answerIdle(action);
      if ("answer" in idle) return idle.answer;
      throw new ActionProblem(idle.problem.code, idle.problem.message + this.#otherTabs(request));
    }
    const browser = await this.#browserOf(request);
    if (action === "doctor") {
      if (isNew) await browser.close();
      return describeBrowser(browser, request);
    }
    if (action === "start" || action === "status") return showStatus(browser, tabs);
    if (action === "stop") {
      await this.#end({ agent, profile, started: Promise.resolve(browser) });
      return { text: browser.isAttached ? "The running browser was released; it goes on." : STOPPED };
    }
    if (request.settings.attach?.useOpenTabs && (action === "tabs" || action === "start")) this.#addOpenTabs(browser, tabs);
    const openTab = (): Promise<Tab> => this.#openTab(browser, tabs);
    return await runAction({ request, tabs, browser, proxy: this.#proxy, signal, openTab });
  }

  /** Tabs of the same session in other profiles, as a hint. */
  #otherTabs({ session, profile }: DriverRequest): string {
    const others = [...this.#sessions.values()].filter(
      (each) => each.session === session && each.profile !== profile && each.tabs.all.length > 0,
    );
    return others.length === 0 ? "" : ` Tabs are open with profile ${others.map((each) => each.profile).join(", ")}.`;
  }

  /** Tabs that no session has, for one that may use those of others. */
  #addOpenTabs({ context }: AgentBrowser, tabs: SessionTabs): void {
    const sessions = [...this.#sessions.values()];
    for (const page of context.pages()) if (!sessions.some((each) => each.tabs.owns(page))) tabs.addOpen(page);
  }

  #sessionOf({ session: name, agent, profile }: DriverRequest): Session {
    const key = keyOf(name, profile);
    let session = this.#sessions.get(key);
    if (!session || session.agent !== agent) {
      session = { session: name, agent, profile, tabs: new SessionTabs(), queue: Promise.resolve() };
      this.#sessions.set(key, session);
    }
    return session;
  }

  #browserOf(request: DriverRequest): Promise<AgentBrowser> {
    const { agent, profile } = request;
    const key = keyOf(agent, profile);
    const running = this.#running.get(key);
    if (running) return running.started;
    if (this.#running.size >= BROWSER_LIMITS.browsers) {
      throw new ActionProblem("too_many", `${this.#running.size} browsers run. Stop one, or wait until they are idle.`);
    }
    const started = this.#launch(request);
    this.#running.set(key, { agent, profile, started });
    const forget = (): void => {
      if (this.#running.get(key)?.started === started) this.#running.delete(key);
    };
    started.then(({ closed }) => closed.then(forget), forget);
    return started;
  }

  async #launch({ directory, settings }: DriverRequest): Promise<AgentBrowser> {
    const port = await this.#port;
    const browser = settings.attach
      ? await attachBrowser(settings.attach, directory)
      : await launchBrowser({ directory, settings, proxy: this.#proxy, port, env: this.#env });
    browser.context.on("page", (page) => {
      this.#adopt(page, browser.isAttached).catch((err: unknown) =>
        this.#onError(`a window could not be given to its tab: ${reasonOf(err)}`),
      );
    });
    return browser;
  }

  /**
   * A window that a page opens belongs to the session of that page; one whose opener is not known to none, and is closed. In a browser that
   * ran before it may be a person's, and stays.
   */
  async #adopt(page: Page, isAttached: boolean): Promise<void> {
    const opener = await page.opener();
    await Promise.allSettled(this.#openings);
    const sessions = [...this.#sessions.values()];
    if (sessions.some(({ tabs }) => tabs.owns(page))) return;
    const owner = opener && sessions.find(({ tabs }) => tabs.owns(opener));
    if (!owner && isAttached) return;
    if (owner && !owner.tabs.isFull && this.tabs < BROWSER_LIMITS.totalTabs) return void owner.tabs.addWindow(page);
    owner?.tabs.noteRefusedWindow();
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

const STOPPED = "The browser was stopped. Its tabs are closed; what sites have stored stays.";

const sandboxText = (problem: string | null): string => (problem === null ? "with its own sandbox" : `without its own sandbox: ${problem}`);

const showStatus = ({ version, isAttached, sandboxProblem }: AgentBrowser, { all }: SessionTabs): DriverAnswer => ({
  text: `The browser runs${isAttached ? "" : ` ${sandboxText(sandboxProblem)}`}. Chromium ${version}, ${all.length === 1 ? "1 tab" : `${all.length} tabs`} of this conversation.`,
  data: { running: true, version, tabs: all.length, isAttached, sandboxProblem },
});

/** What was shown by a start. */
function describeBrowser({ version, isAttached, sandboxProblem }: AgentBrowser, { settings }: DriverRequest): DriverAnswer {
  const { executable, headless } = settings;
  if (isAttached)
    return { text: `The running browser answers: Chromium ${version}. Its requests do not pass the gateway's proxy.`, data: { version } };
  return {
    text: `Chromium ${version} (${executable}) starts ${headless ? "without" : "with"} a window, and reaches the web only through the gateway's proxy. It runs ${sandboxText(sandboxProblem)}.`,
    data: { version, sandboxProblem },
  };
}
