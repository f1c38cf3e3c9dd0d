import type { JSX } from "preact";
import { openView } from "../actions.ts";
import { install, isInstalled, offer } from "../install.ts";
import { chooseLocale, chosenLocale, locale, localeName, LOCALES } from "../locale.ts";
import * as notifications from "../notifications.ts";
import { LETTERS } from "../go-to.ts";
import { chooseTheme, theme } from "../theme.ts";
import { VIEW_TITLES } from "../views.ts";
import * as store from "../state.ts";
import { ViewFrame } from "./view-frame.tsx";
import type { Theme } from "../theme.ts";

/** What this browser keeps for itself: how the page looks, writes and calls. */
export function SettingsView(): JSX.Element {
  return (
    <ViewFrame view="settings">
      <Appearance />
      <Language />
      <Notifications />
      <App />
      <Keys />
      <p class="hint">
        These choices stay in this browser. What the gateway does is under{" "}
        <button type="button" class="link" onClick={() => openView("config")}>
          Config
        </button>
        .
      </p>
    </ViewFrame>
  );
}

const THEMES: readonly (readonly [Theme, string])[] = [
  ["system", "As the device"],
  ["light", "Light"],
  ["dark", "Dark"],
];

function Appearance(): JSX.Element {
  return (
    <section class="panel" aria-labelledby="appearance-title">
      <div class="panel-head">
        <h2 id="appearance-title">Appearance</h2>
        <div class="segments" role="group" aria-label="Theme">
          {THEMES.map(([id, text]) => (
            <button key={id} type="button" class="quiet" aria-pressed={theme.value === id} onClick={() => chooseTheme(id)}>
              {text}
            </button>
          ))}
        </div>
      </div>
    </section>
  );
}

/** A time, a number and a weekday in the chosen language. */
function exampleText(): string {
  const at = new Date(store.clock.value);
  return `${at.toLocaleString(locale(), { dateStyle: "full", timeStyle: "short" })} · ${(12_345.6).toLocaleString(locale())}`;
}

function Language(): JSX.Element {
  return (
    <section class="panel" aria-labelledby="language-title">
      <div class="panel-head">
        <h2 id="language-title">Language</h2>
      </div>
      <div class="form">
        <div>
          <label for="settings-locale">Dates and numbers</label>
          <select id="settings-locale" value={chosenLocale.value ?? ""} onChange={({ currentTarget }) => chooseLocale(currentTarget.value)}>
            <option value="">As this browser ({localeName(navigator.language)})</option>
            {LOCALES.map((tag) => (
              <option key={tag} value={tag}>
                {localeName(tag)}
              </option>
            ))}
          </select>
          <p class="hint field-hint">
            <bdi>{exampleText()}</bdi>. The words of the page are English.
          </p>
        </div>
      </div>
    </section>
  );
}

const STATES: Readonly<Record<notifications.NotificationState, string>> = {
  on: "The browser tells you when a question or a request for access waits, while this page is open in a tab that you do not look at.",
  off: "Show a notification when a question or a request for access waits, while this page is open in another tab.",
  blocked: "The browser blocks notifications of this page. Allow them in the site settings, at the left end of the address bar.",
  unavailable: "Browsers show notifications of pages on https: or localhost only. Open the page under such an address.",
};

function Notifications(): JSX.Element {
  const state = notifications.state.value;
  return (
    <section class="panel" aria-labelledby="notifications-title">
      <div class="panel-head">
        <h2 id="notifications-title">Notifications</h2>
        {state === "off" && (
          <button type="button" class="primary small" onClick={() => void notifications.turnOn()}>
            Turn on
          </button>
        )}
        {state === "on" && (
          <button type="button" class="quiet" onClick={notifications.turnOff}>
            Turn off
          </button>
        )}
      </div>
      <p class="panel-empty" role="status">
        {STATES[state]}
      </p>
    </section>
  );
}

function App(): JSX.Element {
  return (
    <section class="panel" aria-labelledby="app-title">
      <div class="panel-head">
        <h2 id="app-title">App</h2>
        {offer.value !== null && (
          <button type="button" class="primary small" onClick={() => void install()}>
            Install
          </button>
        )}
      </div>
      <p class="panel-empty">
        {isInstalled.value
          ? "The page is installed as an app on this device."
          : offer.value !== null
            ? "The page can be an app of this device, with a window and an icon of its own."
            : "To install the page as an app, use the menu of the browser: “Add to Home Screen” or “Install”."}
      </p>
    </section>
  );
}

const OTHER_KEYS: readonly (readonly [string, string])[] = [
  ["Ctrl K", "find a session or a page"],
  ["Ctrl Shift F", "search in the conversation"],
  ["j, k", "next and previous row of a list"],
  ["Esc", "stop the answer that is being written"],
];

function Keys(): JSX.Element {
  const views = Object.entries(LETTERS).map(
    ([letter, view]) => [`g ${letter}`, view === "chat" ? "Conversation" : VIEW_TITLES[view]] as const,
  );
  return (
    <section class="panel" aria-labelledby="keys-title">
      <div class="panel-head">
        <h2 id="keys-title">Keys</h2>
      </div>
      <dl class="key-list">
        {[...OTHER_KEYS, ...views].map(([keys, effect]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{effect}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
