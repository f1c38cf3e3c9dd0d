import { stat } from "node:fs/promises";
import type { BrowserContext, Cookie } from "playwright-core";
import { withTimeout } from "../../../core/async.ts";
import { systemClock } from "../../../core/clock.ts";
import { clip } from "../../../core/text.ts";
import { BROWSER_LIMITS } from "../limits.ts";
import type { DriverAnswer, InspectRequest } from "../records.ts";
import type { AgentBrowser } from "./agent-browser.ts";
import { ActionProblem, shortReason } from "./problem.ts";
import type { Tab } from "./tab.ts";

type Of<W extends InspectRequest["what"]> = Extract<InspectRequest, { what: W }>;
type Inspection = { tab: Tab; browser: AgentBrowser };

/** What an operator asks of a tab beside its page. Rejects with ActionProblem. */
export async function inspectTab(where: Inspection, request: InspectRequest): Promise<DriverAnswer> {
  const { tab, browser } = where;
  if (tab.hasCrashed) throw new ActionProblem("crashed", `The page of ${tab.id} has crashed.`);
  if (browser.isAttached && request.what !== "highlight")
    throw new ActionProblem("not_served", `A running browser keeps its ${request.what} to itself: it is not the gateway's.`);
  const work = (): Promise<DriverAnswer> => {
    if (request.what === "cookies") return cookies(where, request);
    if (request.what === "storage") return storage(tab, request);
    return request.what === "highlight" ? highlight(tab, request) : trace(where, request);
  };
  try {
    return await withTimeout(systemClock, BROWSER_LIMITS.inspectMs, work(), () => new Error(`the page of ${tab.id} did not answer`));
  } catch (err) {
    if (err instanceof ActionProblem) throw err;
    throw new ActionProblem("failed", `${request.what} failed: ${shortReason(err)}`);
  }
}

/** Those that the page of the tab gets, and no others of the profile. */
async function cookies({ tab, browser: { context } }: Inspection, request: Of<"cookies">): Promise<DriverAnswer> {
  const url = tab.page.url();
  if (request.operation === "set") {
    const target = request.url ?? url;
    if (!/^https?:/i.test(target)) throw new ActionProblem("invalid", "A cookie is for a site: name its url, or open it first.");
    await context.addCookies([{ name: request.name, value: request.value, url: target }]);
    return { text: `Set the cookie ${request.name}.` };
  }
  const found = await context.cookies(url);
  if (request.operation === "get") return { text: "", data: { cookies: found.map((cookie) => toShownCookie(cookie, request.values)) } };
  for (const { name, domain, path } of found) await context.clearCookies({ name, domain, path });
  return { text: `Removed ${found.length === 1 ? "1 cookie" : `${found.length} cookies`}.` };
}

/** Without values, only how long they are. */
const toShownCookie = ({ value, ...cookie }: Cookie, hasValues: boolean): object => ({
  ...cookie,
  ...(hasValues ? { value } : { valueChars: value.length }),
});

/** The part of the page's own interface that is used here. */
type PageStorage = {
  length: number;
  key(at: number): string | null;
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  clear(): void;
};
type PageGlobals = { localStorage: PageStorage; sessionStorage: PageStorage };

/** What the site of the tab has stored. */
async function storage({ page }: Tab, request: Of<"storage">): Promise<DriverAnswer> {
  const { area, operation } = request;
  if (!/^https?:/i.test(page.url())) throw new ActionProblem("invalid", "The tab has no page of a site, and so no storage.");
  if (operation === "set") {
    const given = { area, key: request.key, value: request.value };
    await page.evaluate(({ area: name, key, value }) => {
      const globals = globalThis as unknown as PageGlobals;
      (name === "local" ? globals.localStorage : globals.sessionStorage).setItem(key, value);
    }, given);
    return { text: `Set ${clip(request.key, 100)} in the ${area} storage.` };
  }
  if (operation === "clear") {
    await page.evaluate((name) => {
      const globals = globalThis as unknown as PageGlobals;
      (name === "local" ? globals.localStorage : globals.sessionStorage).clear();
    }, area);
    return { text: `The ${area} storage is empty.` };
  }
  const { storageEntries: entries, storageValueChars: chars } = BROWSER_LIMITS;
  const found = await page.evaluate(
    ({ area: name, key: wanted, entries: most, chars: limit }) => {
      const globals = globalThis as unknown as PageGlobals;
      const store = name === "local" ? globals.localStorage : globals.sessionStorage;
      const keys = Array.from({ length: store.length }, (_, at) => store.key(at) ?? "").filter((key) => wanted === null || key === wanted);
      const read = (key: string): { key: string; value: string; valueChars: number } => {
        const value = store.getItem(key) ?? "";
        return { key: key.slice(0, limit), value: value.slice(0, limit), valueChars: value.length };
      };
      return { all: keys.length, shown: keys.slice(0, most).map(read) };
    },
    { area, key: request.key ?? null, entries, chars },
  );
  const shown = found.shown.map(({ key, value, valueChars }) => ({ key, valueChars, ...(request.values && { value }) }));
  return { text: "", data: { entries: shown, leftOut: found.all - shown.length } };
}

/** Marks an element for people, for a while. */
async function highlight(tab: Tab, { ref }: Of<"highlight">): Promise<DriverAnswer> {
  const element = await tab.element(ref, AbortSignal.timeout(BROWSER_LIMITS.inspectMs));
  const mark = await element.highlight();
  // The page may have gone by then, and the mark with it.
  systemClock.after(BROWSER_LIMITS.highlightMs, () => void mark.dispose().catch(() => {}));
  return { text: `The element ${ref} is marked for ${BROWSER_LIMITS.highlightMs / 1_000} seconds.` };
}

type Trace = { path: string; saved: Promise<void> | null; cancelEnd: () => void };
const traces = new WeakMap<BrowserContext, Trace>();

/** Records all tabs of the agent's browser in a file that playwright's viewer shows. */
async function trace({ browser: { context } }: Inspection, request: Of<"trace">): Promise<DriverAnswer> {
  const running = traces.get(context);
  if (request.operation === "start") {
    if (running) throw new ActionProblem("running", "A trace runs already, or waits to be stopped.");
    const begun: Trace = { path: request.path, saved: null, cancelEnd: () => {} };
    traces.set(context, begun);
    try {
      await context.tracing.start({ screenshots: request.screenshots, snapshots: request.snapshots });
    } catch (err) {
      traces.delete(context);
      throw err;
    }
    begun.cancelEnd = systemClock.after(BROWSER_LIMITS.traceMs, () => void save(context, begun).catch(() => {}));
    return { text: `A trace runs. It is saved when it is stopped, after ${BROWSER_LIMITS.traceMs / 60_000} minutes at the latest.` };
  }
  if (!running) throw new ActionProblem("not_running", "No trace runs.");
  traces.delete(context);
  running.cancelEnd();
  await save(context, running);
  const { size } = await stat(running.path);
  return { text: `Saved ${running.path}.`, data: { path: running.path, bytes: size } };
}

const save = (context: BrowserContext, running: Trace): Promise<void> => (running.saved ??= context.tracing.stop({ path: running.path }));
