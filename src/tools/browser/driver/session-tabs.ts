import type { Page } from "playwright-core";
import { NO_TAB } from "../idle.ts";
import { BROWSER_LIMITS } from "../limits.ts";
import { ActionProblem } from "./problem.ts";
import { Tab } from "./tab.ts";

/** The tabs of one session, in the browser of its agent. Nothing else reaches them. */
export class SessionTabs {
  readonly #tabs: Tab[] = [];
  #current: Tab | null = null;
  #nextId = 1;
  /** Windows that pages have opened, and how many were closed again, which no answer has reported. */
  #opened: Tab[] = [];
  #refused = 0;

  get all(): readonly Tab[] {
    return this.#tabs;
  }

  /** Those that the session has opened. */
  get own(): readonly Tab[] {
    return this.#tabs.filter(({ isOfOthers }) => !isOfOthers);
  }

  get current(): Tab | null {
    return this.#current;
  }

  get isFull(): boolean {
    return this.own.length >= BROWSER_LIMITS.sessionTabs;
  }

  owns(page: Page): boolean {
    return this.#tabs.some((tab) => tab.page === page);
  }

  /** Adds a page, which becomes the current tab. */
  add(page: Page): Tab {
    const tab = this.addOpen(page, false);
    this.#current = tab;
    return tab;
  }

  /** Adds a window that a page has opened. */
  addWindow(page: Page): void {
    this.#opened.push(this.add(page));
  }

  noteRefusedWindow(): void {
    this.#refused += 1;
  }

  /**
   * What has become of windows since the last answer: a window may open after the answer about what opened it, and is then reported with
   * the next one.
   */
  takeWindows(): { opened: readonly Tab[]; refused: number } {
    const windows = { opened: this.#opened.filter((tab) => this.#tabs.includes(tab)), refused: this.#refused };
    this.#opened = [];
    this.#refused = 0;
    return windows;
  }

  /** Adds a page that is open; one of others stays open when the session ends. */
  addOpen(page: Page, isOfOthers = true): Tab {
    const tab = new Tab(`t${this.#nextId++}`, page, isOfOthers);
    this.#tabs.push(tab);
    page.once("close", () => this.#forget(tab));
    return tab;
  }

  /** The tab with an id, or the current one. */
  find(id: string | undefined): Tab {
    const tab = id === undefined ? this.#current : this.#tabs.find((each) => each.id === id);
    if (tab) return tab;
    if (id === undefined) throw new ActionProblem(NO_TAB.code, NO_TAB.message);
    const ids = this.#tabs.map((each) => each.id).join(", ");
    throw new ActionProblem("no_tab", `This conversation has no tab ${JSON.stringify(id.slice(0, 40))}. Its tabs: ${ids || "none"}.`);
  }

  focus(tab: Tab): void {
    this.#current = tab;
  }

  async closeAll(): Promise<void> {
    await Promise.all(this.own.map(({ page }) => page.close()));
  }

  #forget(tab: Tab): void {
    this.#tabs.splice(this.#tabs.indexOf(tab), 1);
    if (this.#current === tab) this.#current = this.#tabs.at(-1) ?? null;
  }
}
