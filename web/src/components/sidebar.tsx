import { signal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { newSession, openSession, openView, pin, deleteSession, renameSession } from "../actions.ts";
import { signOut } from "../boot.ts";
import { waiting, waitsIn } from "../approvals.ts";
import { viewsOfWords } from "../go-to.ts";
import { problemCount, pairingCount } from "../channel-setup.ts";
import { isComposing } from "../keyboard.ts";
import { loadMoreSessions, scheduleSessionSearch } from "../sync.ts";
import { maskKeys } from "../mask-keys.ts";
import { titleOf, stripMarkdown } from "../../../src/client/conversation/session-row.ts";
import { channelLabelOf, otherAgentOf, toShortTime } from "../session-list.ts";
import * as store from "../state.ts";
import { nextTheme, theme } from "../theme.ts";
import { VIEW_TITLES } from "../views.ts";
import { ConfirmDialog } from "./confirm-dialog.tsx";
import {
  Book,
  Chats,
  Heart,
  Lines,
  Gear,
  Globe,
  Chart,
  Clock,
  Close,
  ListIcon,
  Mark,
  Moon,
  Pencil,
  Pin,
  Plug,
  Plus,
  Pulse,
  Screen,
  Search,
  Shield,
  SignOut,
  Sun,
  Trash,
  Wrench,
  Servers,
  Spark,
  Person,
  Phone,
  Sliders,
} from "./icons.tsx";
import { ConnectionStatusView } from "./connection-status.tsx";
import type { SessionListRow } from "../../../src/client/conversation/protocol-types.ts";
import type { SideView } from "../views.ts";

export function Sidebar(): JSX.Element {
  return (
    <nav class="sidebar" aria-label="Sessions">
      <header class="brand">
        <Mark size={24} />
        <span>Gateway</span>
        <button type="button" class="ghost only-phone" aria-label="Close sidebar" onClick={() => (store.drawerOpen.value = false)}>
          <Close />
        </button>
      </header>
      <div class="find">
        <Search size={16} />
        <input
          id="filter"
          type="search"
          placeholder="Find a session"
          aria-label="Find a session"
          value={store.filter.value}
          onInput={(event) => searchNow(event.currentTarget.value)}
          onKeyDown={onFilterKey}
        />
        <kbd>{/Mac|iPhone|iPad/.test(navigator.platform) ? "⌘" : "Ctrl "}K</kbd>
      </div>
      <button type="button" class="new" onClick={newSession}>
        <Plus size={16} /> New session
      </button>
      <div class="views">
        {store.isServed("gateway.overview") && <ViewButton view="overview" icon={<Pulse size={16} />} />}
        <ViewButton view="approvals" icon={<Shield size={16} />}>
          <Count count={waiting.value.length + pairingCount.value} kind="people" text="waiting for an answer" />
        </ViewButton>
        <ViewButton view="sessions" icon={<Chats size={16} />} />
        <ViewButton view="channels" icon={<Plug size={16} />}>
          <Count count={problemCount.value} kind="problem" text="with problems" />
        </ViewButton>
      </div>
      <div class="views">
        <ViewButton view="agents" icon={<Person size={16} />} />
        <ViewButton view="models" icon={<Spark size={16} />} />
        <ViewButton view="tools" icon={<Wrench size={16} />} />
        <ViewButton view="skills" icon={<Book size={16} />} />
        <ViewButton view="mcp" icon={<Servers size={16} />} />
        <ViewButton view="browser" icon={<Globe size={16} />} />
        <ViewButton view="schedule" icon={<Clock size={16} />} />
        <ViewButton view="nodes" icon={<Screen size={16} />} />
      </div>
      <div class="views">
        <ViewButton view="health" icon={<Heart size={16} />} />
        <ViewButton view="logs" icon={<Lines size={16} />} />
        <ViewButton view="usage" icon={<Chart size={16} />} />
        <ViewButton view="audit" icon={<ListIcon size={16} />} />
        <ViewButton view="devices" icon={<Phone size={16} />} />
        <ViewButton view="config" icon={<Sliders size={16} />} />
      </div>
      <List />
      <SidebarFooter />
    </nav>
  );
}

type ViewButtonProps = { view: SideView; icon: JSX.Element; children?: ComponentChildren };

/** Leads to a view beside the conversation; the children are the numbers of what waits there. */
function ViewButton({ view, icon, children }: ViewButtonProps): JSX.Element {
  return (
    <button type="button" class="new to-view" aria-current={store.view.value === view ? "page" : undefined} onClick={() => openView(view)}>
      {icon} {VIEW_TITLES[view]}
      <span class="counts">{children}</span>
    </button>
  );
}

function Count({ count, kind, text }: { count: number; kind: "people" | "problem"; text: string }): JSX.Element | null {
  if (count === 0) return null;
  return (
    <span class="count" data-kind={kind} aria-label={`${count} ${text}`}>
      {count}
    </span>
  );
}

/** Filters the list at once, and asks the gateway for sessions that are not in it. */
function searchNow(words: string): void {
  store.filter.value = words;
  scheduleSessionSearch(words);
}

function onFilterKey(event: KeyboardEvent): void {
  if (isComposing(event)) return;
  if (event.key === "Escape" && store.filter.value !== "") {
    event.stopPropagation();
    searchNow("");
  }
  if (event.key === "ArrowDown") {
    event.preventDefault();
    document.querySelector<HTMLElement>(".list .row-open")?.focus();
  }
  const [view] = viewsOfWords(store.filter.value);
  if (event.key === "Enter" && view !== undefined) {
    openView(view);
    searchNow("");
    // Keys are for the view from here on.
    return document.getElementById("filter")?.blur();
  }
  const first = store.groups.value[0]?.rows[0];
  if (event.key === "Enter" && first !== undefined) {
    openSession(first.key);
    searchNow("");
    document.getElementById("composer")?.focus();
  }
}

/** Closer to the end of the list than this, the next part is read. */
const NEAR_END_PX = 400;

function List(): JSX.Element {
  const list = useRef<HTMLDivElement>(null);
  const filter = store.filter.value;
  // The best hits are at the top.
  useLayoutEffect(() => {
    if (list.current !== null) list.current.scrollTop = 0;
  }, [filter]);
  const onScroll = (): void => {
    const box = list.current;
    if (box !== null && box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END_PX) void loadMoreSessions();
  };
  return (
    <div class="list" ref={list} onScroll={onScroll} onKeyDown={onListKey}>
      <GoTo />
      <Groups />
      <MoreSessions />
    </div>
  );
}

/** The views that the words of the search field name. */
function GoTo(): JSX.Element | null {
  const views = viewsOfWords(store.filter.value);
  if (views.length === 0) return null;
  return (
    <section>
      <h2>Go to</h2>
      <ul>
        {views.map((view) => (
          <li class="row" key={view}>
            <button
              type="button"
              class="row-open"
              onClick={() => {
                openView(view);
                searchNow("");
              }}
            >
              <span class="row-title">
                <span class="row-name">{VIEW_TITLES[view]}</span>
              </span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Groups(): JSX.Element {
  const groups = store.groups.value;
  const words = store.filter.value.trim();
  const first = groups[0]?.rows[0]?.key;
  if (groups.length === 0 && words !== "") {
    const searched = store.searchResults.value?.words === words || !store.isOnline.value;
    return (
      <div class="list-empty">
        <p role="status">{searched ? `No sessions match “${words}”` : "Searching…"}</p>
        <button type="button" class="quiet" onClick={() => searchNow("")}>
          Show all
        </button>
      </div>
    );
  }
  if (groups.length === 0) return <p class="list-empty">{store.sessionsLoaded.value ? "No sessions yet." : ""}</p>;
  const keys = groups.flatMap((group) => group.rows.map((row) => row.key));
  const held = focusedKey.value;
  const stop = held !== null && keys.includes(held) ? held : keys.includes(store.activeKey.value) ? store.activeKey.value : first;
  return (
    <>
      {groups.map((group) => (
        <section key={group.title}>
          <h2>{group.title}</h2>
          <ul>
            {group.rows.map((row) => (
              <Row key={row.key} row={row} isStop={row.key === stop} />
            ))}
          </ul>
        </section>
      ))}
    </>
  );
}

/** How much of the list is here, where that is not all of it. */
function MoreSessions(): JSX.Element | null {
  const words = store.filter.value.trim();
  const hits = store.searchResults.value;
  if (words !== "" && hits?.words !== words) return null;
  const rest = words === "" ? store.sessionsRest.value : hits!.rest;
  if (rest.next === null) return null;
  return (
    <p class="list-rest">
      Showing {words === "" ? store.sessions.value.length : hits!.rows.length} of {rest.total}
      <button type="button" class="quiet" onClick={() => void loadMoreSessions()}>
        Load more
      </button>
    </p>
  );
}

/** The row that Tab stops at; arrow keys move it. */
const focusedKey = signal<string | null>(null);

function onListKey(event: KeyboardEvent): void {
  const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
  if (step === 0 && event.key !== "Home" && event.key !== "End") return;
  if (!(event.target instanceof HTMLElement) || event.target.closest(".row-open, .row-actions") === null) return;
  event.preventDefault();
  const rows = [...document.querySelectorAll<HTMLElement>(".list .row-open")];
  const at = rows.findIndex((row) => row.parentElement?.contains(event.target as Node));
  const next = event.key === "Home" ? 0 : event.key === "End" ? rows.length - 1 : at + step;
  if (next < 0) return focusFilter();
  rows[next]?.focus();
}

const focusFilter = (): void => document.getElementById("filter")?.focus();

/** The second line of a row. */
function previewOf(row: SessionListRow): string {
  if (waitsIn(row.key)) return "Waits for your answer";
  if (row.hasActiveRun === true) return "Answering…";
  return maskKeys(stripMarkdown(row.lastMessagePreview ?? "")) || "No messages yet";
}

function Row({ row, isStop }: { row: SessionListRow; isStop: boolean }): JSX.Element {
  const [editing, setEditing] = useState(false);
  const [asking, setAsking] = useState(false);
  const active = row.key === store.activeKey.value && store.view.value === "chat";
  const origin = channelLabelOf(row);
  const agent = otherAgentOf(row.key, store.hello.value?.snapshot.sessionDefaults?.defaultAgentId);
  const title = maskKeys(titleOf(row));
  const tabIndex = isStop ? 0 : -1;
  if (editing) return <RenameRow row={row} onDone={() => setEditing(false)} />;
  return (
    <li class="row" data-active={active} onFocusCapture={() => (focusedKey.value = row.key)}>
      <button
        type="button"
        class="row-open"
        tabIndex={tabIndex}
        aria-current={active ? "page" : undefined}
        onClick={() => openSession(row.key)}
      >
        <span class="row-title">
          {row.hasActiveRun === true && <span class="dot" data-state="busy" role="img" aria-label="answering" />}
          {row.unread === true && !active && <span class="dot" data-state="unread" role="img" aria-label="unread" />}
          <span class="row-name" dir="auto">
            {title}
          </span>
          <span class="row-time">{row.updatedAt ? toShortTime(row.updatedAt, store.clock.value) : ""}</span>
        </span>
        <span class="row-sub">
          {origin !== null && <span class="tag">{origin}</span>}
          {agent !== null && (
            <span class="tag">
              <bdi>{agent}</bdi>
            </span>
          )}
          <span class="row-preview" dir="auto">
            {previewOf(row)}
          </span>
        </span>
      </button>
      <span class="row-actions">
        {row.isMain !== true && <PinButton row={row} title={title} tabIndex={tabIndex} />}
        <button
          type="button"
          class="ghost"
          tabIndex={tabIndex}
          aria-label={`Rename ${title}`}
          title="Rename"
          onClick={() => setEditing(true)}
        >
          <Pencil size={15} />
        </button>
        {row.isMain !== true && (
          <button
            type="button"
            class="ghost"
            tabIndex={tabIndex}
            aria-label={`Delete ${title}`}
            title="Delete"
            onClick={() => setAsking(true)}
          >
            <Trash size={15} />
          </button>
        )}
      </span>
      {asking && (
        <ConfirmDialog
          title="Delete this session?"
          text={`This permanently deletes “${title}” and its messages.`}
          action="Delete"
          onCancel={() => setAsking(false)}
          onConfirm={() => void deleteSession(row.key)}
        />
      )}
    </li>
  );
}

function PinButton({ row, title, tabIndex }: { row: SessionListRow; title: string; tabIndex: number }): JSX.Element {
  const pinned = row.pinned === true;
  return (
    <button
      type="button"
      class="ghost"
      tabIndex={tabIndex}
      aria-pressed={pinned}
      aria-label={`${pinned ? "Unpin" : "Pin"} ${title}`}
      title={pinned ? "Unpin" : "Pin"}
      onClick={() => void pin(row.key, !pinned)}
    >
      <Pin size={15} />
    </button>
  );
}

function RenameRow({ row, onDone }: { row: SessionListRow; onDone: () => void }): JSX.Element {
  const field = useRef<HTMLInputElement>(null);
  const ended = useRef(false);
  useEffect(() => {
    field.current?.focus();
    field.current?.select();
  }, []);
  const finish = (save: boolean): void => {
    if (ended.current) return;
    ended.current = true;
    const name = field.current?.value ?? "";
    onDone();
    if (save && name.trim() !== titleOf(row)) void renameSession(row.key, name);
  };
  return (
    <li class="row" data-active={row.key === store.activeKey.value}>
      <input
        ref={field}
        class="rename"
        aria-label="Name of the session"
        dir="auto"
        maxLength={200}
        defaultValue={titleOf(row)}
        onBlur={() => finish(true)}
        onKeyDown={(event) => {
          if (isComposing(event)) return;
          if (event.key === "Enter") finish(true);
          if (event.key === "Escape") {
            event.stopPropagation();
            finish(false);
          }
        }}
      />
    </li>
  );
}

function SidebarFooter(): JSX.Element {
  const icon = theme.value === "light" ? <Sun /> : theme.value === "dark" ? <Moon /> : <Screen />;
  const [asking, setAsking] = useState(false);
  return (
    <footer class="foot">
      <ConnectionStatusView />
      <button
        type="button"
        class="ghost"
        aria-current={store.view.value === "settings" ? "page" : undefined}
        onClick={() => openView("settings")}
        aria-label="Settings"
        title="Settings"
      >
        <Gear />
      </button>
      <button type="button" class="ghost" onClick={nextTheme} aria-label={`Theme: ${theme.value}`} title={`Theme: ${theme.value}`}>
        {icon}
      </button>
      <button type="button" class="ghost" onClick={() => setAsking(true)} aria-label="Sign out" title="Sign out">
        <SignOut />
      </button>
      {asking && (
        <ConfirmDialog
          title="Sign this browser out?"
          text="To sign in again you need a new link or the token. Your sessions stay on the gateway."
          action="Sign out"
          onCancel={() => setAsking(false)}
          onConfirm={() => void signOut()}
        />
      )}
    </footer>
  );
}
