/** The browsers of agents and their tabs, as `browser.tabs` has them. They are read only while the view is on the screen. */
import { computed, signal } from "@preact/signals";
import { isConnectionLost } from "./client.ts";
import { toDataUrl } from "./pictures.ts";
import { errorMessage, requireClient } from "./sync.ts";
import * as store from "./state.ts";

/** Time between the end of one reading and the next. */
const PAUSE_MS = 2_000;

export type TabRow = {
  targetId: string;
  sessionKey: string;
  url: string;
  title: string;
  current: boolean;
  /** Errors of the console and requests that failed. */
  problems: readonly string[];
};
export type BrowserRow = {
  agentId: string;
  profile: string;
  color: string | null;
  version: string;
  /** It ran before, and its requests do not pass the proxy of the gateway. */
  isAttached: boolean;
  hasSandbox: boolean;
  tabs: readonly TabRow[];
};
type BrowsersAnswer = { enabled: boolean; browsers: readonly BrowserRow[] };

export const answer = signal<BrowsersAnswer | null>(null);
/** Why the last reading or change failed; null when it did not. */
export const failed = signal<string | null>(null);
/** The tab that a person chose; the first current one of a session otherwise. */
export const wanted = signal<string | null>(null);
/** The last picture of the tab that is shown. */
export const picture = signal<{ tab: string; src: string } | null>(null);
export const isStarting = signal(false);

export const keyOf = ({ agentId, profile }: BrowserRow, { sessionKey, targetId }: TabRow): string =>
  [agentId, profile, sessionKey, targetId].join("\n");

/** The tab whose picture is shown. */
export const shown = computed(() => {
  const rows = (answer.value?.browsers ?? []).flatMap((browser) => browser.tabs.map((tab) => ({ browser, tab, key: keyOf(browser, tab) })));
  return rows.find(({ key }) => key === wanted.value) ?? rows.find(({ tab }) => tab.current) ?? rows[0] ?? null;
});

/** What is shown of an address: without the scheme, which says nothing. Pure. */
export const addressText = (url: string): string => (url === "about:blank" ? "an empty page" : url.replace(/^https?:\/\//, ""));

/** Reads the browsers and the picture now, and again while the page is visible. Returns what ends it. */
export function watchBrowsers(): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isOver = false;
  const next = async (): Promise<void> => {
    clearTimeout(timer);
    if (isOver || document.visibilityState !== "visible") return;
    await loadBrowsers();
    if (!isOver) timer = setTimeout(() => void next(), PAUSE_MS);
  };
  const onVisibility = (): void => void next();
  document.addEventListener("visibilitychange", onVisibility);
  void next();
  return () => {
    isOver = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", onVisibility);
  };
}

/** Never throws: `failed` says why there is nothing newer. */
export async function loadBrowsers(): Promise<void> {
  if (!store.isOnline.value) return;
  try {
    answer.value = await requireClient().request<BrowsersAnswer>("browser.tabs", {});
    failed.value = null;
  } catch (error) {
    if (!isConnectionLost(error)) failed.value = errorMessage(error);
    return;
  }
  await loadPicture();
}

async function loadPicture(): Promise<void> {
  const { value: row } = shown;
  if (row === null) return void (picture.value = null);
  const { browser, tab, key } = row;
  const params = { agentId: browser.agentId, profile: browser.profile, sessionKey: tab.sessionKey, targetId: tab.targetId };
  try {
    const { mimeType, data } = await requireClient().request<{ mimeType: string; data: string }>("browser.screenshot", params);
    const src = toDataUrl(mimeType, data);
    if (src !== null && shown.value?.key === key) picture.value = { tab: key, src };
  } catch (error) {
    // The tab may have been closed since the list was read; the next list says so.
    if (!isConnectionLost(error) && picture.value?.tab === key) picture.value = null;
  }
}

export function showTab(key: string): void {
  wanted.value = key;
  void loadPicture();
}

export const closeTab = ({ agentId, profile }: BrowserRow, { sessionKey, targetId }: TabRow): Promise<void> =>
  change({ action: "close", args: { targetId, profile }, sessionKey, agentId });

export const stopBrowser = ({ agentId, profile }: BrowserRow): Promise<void> => change({ action: "stop", args: { profile }, agentId });

export async function startBrowser(): Promise<void> {
  isStarting.value = true;
  await change({ action: "start", args: {} });
  isStarting.value = false;
}

async function change(params: object): Promise<void> {
  let problem: string | null = null;
  try {
    await requireClient().request("browser.request", params);
  } catch (error) {
    if (!isConnectionLost(error)) problem = errorMessage(error);
  }
  await loadBrowsers();
  if (problem !== null) failed.value = problem;
}
