import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import * as tabs from "../browser-tabs.ts";
import * as store from "../state.ts";
import { SessionLink } from "./approval-question.tsx";
import { ViewFrame } from "./view-frame.tsx";
import type { BrowserRow, TabRow } from "../browser-tabs.ts";

/** The browsers of agents: which pages are open for whom, and how the chosen one looks now. */
export function BrowserView(): JSX.Element {
  const online = store.isOnline.value;
  useEffect(() => tabs.watchBrowsers(), [online]);
  const { value: failed } = tabs.failed;
  const { value: answer } = tabs.answer;
  return (
    <ViewFrame view="browser">
      {failed !== null && (
        <p class="warn" role="status">
          Could not be loaded or changed: {failed}
        </p>
      )}
      {answer === null && failed === null && <p class="panel-empty">Loading…</p>}
      {answer !== null && answer.browsers.length === 0 && <NoBrowser enabled={answer.enabled} />}
      {answer?.browsers.map((browser) => (
        <Browser key={`${browser.agentId} ${browser.profile}`} browser={browser} />
      ))}
    </ViewFrame>
  );
}

function NoBrowser({ enabled }: { enabled: boolean }): JSX.Element {
  const { value: isStarting } = tabs.isStarting;
  return (
    <section class="panel" aria-labelledby="no-browser">
      <h2 id="no-browser" class="panel-title">
        {enabled ? "No browser runs" : "The browser is off"}
      </h2>
      <p class="panel-empty">
        {enabled
          ? "An agent starts it when it opens a page. After five minutes without use it ends; logins stay."
          : "browser.enabled is false in the configuration: agents have no browser."}
      </p>
      {enabled && store.mayAdminister.value && (
        <button type="button" class="primary fit" disabled={isStarting} onClick={() => void tabs.startBrowser()}>
          {isStarting ? "Starting…" : "Start the browser"}
        </button>
      )}
    </section>
  );
}

function Browser({ browser }: { browser: BrowserRow }): JSX.Element {
  const { agentId, profile, version, isAttached, hasSandbox } = browser;
  const id = `browser-${agentId}-${profile}`;
  return (
    <section class="panel" aria-labelledby={id}>
      <div class="panel-head">
        <h2 id={id}>
          Browser of <bdi>{agentId}</bdi>
        </h2>
        <span class="hint">
          {profile === "openclaw" ? "" : `Profile ${profile}, `}Chromium {version.split(".", 1)[0]}
        </span>
        {store.mayAdminister.value && (
          <button type="button" class="quiet" onClick={() => askStop(browser)}>
            {isAttached ? "Release" : "Stop"}
          </button>
        )}
      </div>
      {isAttached && (
        <p class="warn">
          A running browser: its requests do not pass the gateway's proxy, so its pages reach this machine and its network.
        </p>
      )}
      {!hasSandbox && <p class="warn">Without its own sandbox: a page that breaks out of it acts as the gateway's user.</p>}
      {browser.tabs.length === 0 && <p class="panel-empty">No tab is open.</p>}
      <ul>
        {browser.tabs.map((tab) => (
          <Tab key={tabs.keyOf(browser, tab)} browser={browser} tab={tab} />
        ))}
      </ul>
    </section>
  );
}

function askStop(browser: BrowserRow): void {
  const { agentId, isAttached, tabs: open } = browser;
  const what = isAttached ? "It goes on, without the tabs that agents opened." : "Its tabs are closed. What sites have stored stays.";
  store.confirmQuestion.value = {
    title: isAttached ? "Release the running browser?" : `Stop the browser of ${agentId}?`,
    text: open.length === 0 ? what : `${what} Open now: ${open.length === 1 ? "1 tab" : `${open.length} tabs`}.`,
    action: isAttached ? "Release" : "Stop",
    onConfirm: () => {
      store.confirmQuestion.value = null;
      void tabs.stopBrowser(browser);
    },
  };
}

function Tab({ browser, tab }: { browser: BrowserRow; tab: TabRow }): JSX.Element {
  const key = tabs.keyOf(browser, tab);
  const isShown = tabs.shown.value?.key === key;
  const title = tab.title || tabs.addressText(tab.url);
  return (
    <li class="entry browser-tab">
      <span class="dot" data-state={tab.problems.length > 0 ? "failed" : isShown ? "on" : ""} />
      <div class="entry-text">
        <p class="entry-name">
          {isShown ? (
            <strong dir="auto">{title}</strong>
          ) : (
            <button type="button" class="tab-choice" onClick={() => tabs.showTab(key)}>
              <span dir="auto">{title}</span>
            </button>
          )}
          <span class="hint">{tab.targetId}</span>
        </p>
        <p class="hint tab-address" dir="ltr">
          {tabs.addressText(tab.url)}
        </p>
        <p class="hint">
          in <SessionLink sessionKey={tab.sessionKey} />
        </p>
        {isShown && <Screenshot title={title} tab={key} />}
        <Problems problems={tab.problems} />
      </div>
      {store.mayAdminister.value && (
        <div class="entry-actions">
          <button type="button" class="quiet" aria-label={`Close ${title}`} onClick={() => void tabs.closeTab(browser, tab)}>
            Close
          </button>
        </div>
      )}
    </li>
  );
}

/** What is visible in the tab, some seconds old at most. */
function Screenshot({ title, tab }: { title: string; tab: string }): JSX.Element {
  const { value: picture } = tabs.picture;
  if (picture === null || picture.tab !== tab) return <div class="tab-picture" aria-hidden="true" />;
  return <img class="tab-picture" src={picture.src} alt={`What the page "${title}" shows now`} />;
}

function Problems({ problems }: { problems: readonly string[] }): JSX.Element | null {
  if (problems.length === 0) return null;
  return (
    <details class="tab-problems">
      <summary>{problems.length === 1 ? "1 error" : `${problems.length} errors`} of the page</summary>
      <pre tabIndex={0} dir="ltr" aria-label="Errors of the page">
        {problems.join("\n")}
      </pre>
    </details>
  );
}
