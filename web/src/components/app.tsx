import type { ComponentType, JSX } from "preact";
import { useEffect } from "preact/hooks";
import { isComposing } from "../keyboard.ts";
import * as store from "../state.ts";
import { hashOf, inSentence } from "../views.ts";
import { openSession, openView } from "../actions.ts";
import { viewOfKey } from "../go-to.ts";
import { BottomBar } from "./bottom-bar.tsx";
import { ErrorBoundary } from "./error-boundary.tsx";
import { onDemand } from "./on-demand.tsx";
import { ChatView } from "./chat-view.tsx";
import { ConfirmDialog } from "./confirm-dialog.tsx";
import { Mark } from "./icons.tsx";
import { Sidebar } from "./sidebar.tsx";
import { SignIn } from "./sign-in.tsx";
import { VIEW_CONTENT_ID } from "./view-frame.tsx";
import { copyText } from "../copy-text.ts";
import type { SideView } from "../views.ts";

const ChannelsView = onDemand(() => import("./channels-view.tsx").then((module) => module.ChannelsView));
const ApprovalsView = onDemand(() => import("./approvals-view.tsx").then((module) => module.ApprovalsView));
const AuditView = onDemand(() => import("./audit-view.tsx").then((module) => module.AuditView));
const ToolsView = onDemand(() => import("./tools-view.tsx").then((module) => module.ToolsView));
const McpView = onDemand(() => import("./mcp-view.tsx").then((module) => module.McpView));
const BrowserView = onDemand(() => import("./browser-view.tsx").then((module) => module.BrowserView));
const ModelsView = onDemand(() => import("./models-view.tsx").then((module) => module.ModelsView));
const AgentsView = onDemand(() => import("./agents-view.tsx").then((module) => module.AgentsView));
const DevicesView = onDemand(() => import("./devices-view.tsx").then((module) => module.DevicesView));
const ConfigView = onDemand(() => import("./config-view.tsx").then((module) => module.ConfigView));
const UsageView = onDemand(() => import("./usage-view.tsx").then((module) => module.UsageView));
const NodesView = onDemand(() => import("./nodes-view.tsx").then((module) => module.NodesView));
const ScheduleView = onDemand(() => import("./schedule-view.tsx").then((module) => module.ScheduleView));
const OverviewView = onDemand(() => import("./overview-view.tsx").then((module) => module.OverviewView));
const SessionsView = onDemand(() => import("./sessions-view.tsx").then((module) => module.SessionsView));
const HealthView = onDemand(() => import("./health-view.tsx").then((module) => module.HealthView));
const LogsView = onDemand(() => import("./logs-view.tsx").then((module) => module.LogsView));
const TraceView = onDemand(() => import("./trace-view.tsx").then((module) => module.TraceView));
const SettingsView = onDemand(() => import("./settings-view.tsx").then((module) => module.SettingsView));
const SkillsView = onDemand(() => import("./skills-view.tsx").then((module) => module.SkillsView));

export function App(): JSX.Element {
  if (store.askSignIn.value) return <SignIn />;
  if (store.hello.value === null) return <LoadingScreen />;
  return <Shell />;
}

/** Before the first connection: quiet for a moment, then a sentence. */
function LoadingScreen(): JSX.Element {
  const link = store.connection.value;
  const failure = link.phase === "waiting" ? link.failure : null;
  const away = link.phase === "waiting" && failure === null;
  return (
    <main class="opening">
      <div class="opening-mark">
        <Mark size={44} />
      </div>
      <h1>{failure?.title ?? (away ? "The gateway is not responding" : "Connecting")}</h1>
      <p role="status">{failure?.text ?? (away ? "It may be starting or turned off. This page keeps trying." : "One moment.")}</p>
      {away && (
        <p>
          Start it with: <code>openclaw gateway</code>
        </p>
      )}
    </main>
  );
}

function Shell(): JSX.Element {
  useEffect(() => {
    addEventListener("keydown", onKey);
    document.addEventListener("click", onClick);
    return () => {
      removeEventListener("keydown", onKey);
      document.removeEventListener("click", onClick);
    };
  }, []);
  const open = store.drawerOpen.value;
  return (
    <div class="shell" data-drawer={open ? "open" : "closed"}>
      <SkipLink />
      <ErrorBoundary fallback={<nav class="sidebar" aria-label="Sessions" />}>
        <Sidebar />
      </ErrorBoundary>
      <div class="scrim" onClick={() => (store.drawerOpen.value = false)} />
      <ErrorBoundary key={store.view.value} fallback={<ErrorScreen />}>
        <MainView />
      </ErrorBoundary>
      <div class="spoken" aria-live="polite" role="status">
        {store.liveAnnouncement.value}
      </div>
      {store.isNarrow.value && <BottomBar />}
      <ConfirmQuestion />
      <Toast />
    </div>
  );
}

/** Past the list of sessions, for the keyboard. */
function SkipLink(): JSX.Element {
  const view = store.view.value;
  if (view === "chat") {
    return (
      <a class="skip" href="#composer" data-focus="composer">
        Skip to the message field
      </a>
    );
  }
  return (
    <a class="skip" href={hashOf(view)} data-focus={VIEW_CONTENT_ID}>
      Skip to the {inSentence(view)}
    </a>
  );
}

const VIEWS: Readonly<Record<SideView, ComponentType>> = {
  overview: OverviewView,
  sessions: SessionsView,
  channels: ChannelsView,
  approvals: ApprovalsView,
  tools: ToolsView,
  skills: SkillsView,
  mcp: McpView,
  browser: BrowserView,
  nodes: NodesView,
  schedule: ScheduleView,
  usage: UsageView,
  config: ConfigView,
  devices: DevicesView,
  agents: AgentsView,
  models: ModelsView,
  audit: AuditView,
  health: HealthView,
  logs: LogsView,
  settings: SettingsView,
  trace: TraceView,
};

function MainView(): JSX.Element {
  const view = store.view.value;
  const Content = view === "chat" ? ChatView : VIEWS[view];
  return <Content />;
}

/** Instead of a view that cannot be drawn. */
function ErrorScreen(): JSX.Element {
  return (
    <main class="opening">
      <h1>This page has a problem</h1>
      <p role="alert">Something on it could not be displayed. Your messages are safe on the gateway.</p>
      <button type="button" class="primary" onClick={() => location.reload()}>
        Reload
      </button>
    </main>
  );
}

function ConfirmQuestion(): JSX.Element | null {
  const question = store.confirmQuestion.value;
  return question && <ConfirmDialog {...question} onCancel={() => (store.confirmQuestion.value = null)} />;
}

const onDocumentAction = (action: store.ToastAction): void => {
  store.toast.value = null;
  action.run();
};

function Toast(): JSX.Element {
  const toast = store.toast.value;
  return (
    <div class="toast-place" role="status">
      {toast !== null && (
        <div class="toast">
          <span dir="auto">{toast.text}</span>
          {toast.action !== null && (
            <button type="button" onClick={() => onDocumentAction(toast.action!)}>
              {toast.action.label}
            </button>
          )}
        </div>
      )}
    </div>
  );
}

const focusFilter = (): void => document.getElementById("filter")?.focus();

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || target.closest("input, textarea, select, dialog") !== null);

/** `g` and a letter open a view; `j` and `k` go to the next row of a list and the one before. */
function onPlainKey(event: KeyboardEvent): void {
  const view = viewOfKey(event.key, event.timeStamp);
  if (view !== null) {
    event.preventDefault();
    if (view === "chat") openSession(store.activeKey.value);
    else openView(view);
  } else if (event.key === "j" || event.key === "k") {
    const rows = [...document.querySelectorAll<HTMLElement>(".view [data-row]")];
    const at = rows.indexOf(document.activeElement as HTMLElement);
    rows[event.key === "j" ? at + 1 : Math.max(0, at - 1)]?.focus();
  }
}

function onKey(event: KeyboardEvent): void {
  const plain = !event.metaKey && !event.ctrlKey && !event.altKey && !isComposing(event);
  if (plain && !isTyping(event.target)) onPlainKey(event);
  if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    focusFilter();
    // On a narrow screen the list is hidden until the next frame, and what is hidden takes no focus.
    if (store.isNarrow.value) {
      store.drawerOpen.value = true;
      requestAnimationFrame(focusFilter);
    }
  }
  if (event.key === "Escape" && !isComposing(event) && store.drawerOpen.value) store.drawerOpen.value = false;
}

/** The copy buttons inside rendered Markdown. */
function onClick(event: MouseEvent): void {
  const target = event.target instanceof Element ? event.target : null;
  const focus = target?.getAttribute("data-focus");
  if (focus) {
    event.preventDefault();
    document.getElementById(focus)?.focus();
  }
  const button = target?.closest<HTMLButtonElement>("button[data-copy]");
  const code = button?.closest(".code")?.querySelector("code")?.textContent;
  if (button === null || button === undefined || typeof code !== "string") return;
  void copyText(code).then((done) => {
    button.textContent = done ? "Copied" : "Copy failed";
    setTimeout(() => (button.textContent = "Copy"), 1_600);
  });
}
