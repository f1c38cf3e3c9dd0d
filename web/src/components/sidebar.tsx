import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { newSession, openChannels, openSession, remove, rename } from "../actions.ts";
import { signOut } from "../boot.ts";
import { troubles } from "../channels.ts";
import { isComposing } from "../keyboard.ts";
import { originOf, titleOf, toPlain, toShortTime } from "../sessions.ts";
import * as store from "../store.ts";
import { nextTheme, theme } from "../theme.ts";
import { Confirm } from "./dialog.tsx";
import { Close, Mark, Moon, Pencil, Plug, Plus, Screen, Search, SignOut, Sun, Trash } from "./icons.tsx";
import { Status } from "./status.tsx";
import type { SessionRow } from "../wire.ts";

export function Sidebar(): JSX.Element {
  return (
    <nav class="sidebar" aria-label="Sessions">
      <header class="brand">
        <Mark size={24} />
        <span>Gateway</span>
        <button type="button" class="ghost only-phone" aria-label="Close the list" onClick={() => (store.drawerOpen.value = false)}>
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
          onInput={(event) => (store.filter.value = event.currentTarget.value)}
          onKeyDown={onFilterKey}
        />
        <kbd>{/Mac|iPhone|iPad/.test(navigator.platform) ? "⌘" : "Ctrl "}K</kbd>
      </div>
      <button type="button" class="new" onClick={newSession}>
        <Plus size={16} /> New session
      </button>
      <button
        type="button"
        class="new to-channels"
        aria-current={store.view.value === "channels" ? "page" : undefined}
        onClick={openChannels}
      >
        <Plug size={16} /> Channels
        {troubles.value > 0 && (
          <span class="count" aria-label={`${troubles.value} need you`}>
            {troubles.value}
          </span>
        )}
      </button>
      <div class="list">
        <List />
      </div>
      <Foot />
    </nav>
  );
}

function onFilterKey(event: KeyboardEvent): void {
  if (isComposing(event)) return;
  if (event.key === "Escape" && store.filter.value !== "") {
    event.stopPropagation();
    store.filter.value = "";
  }
  const first = store.groups.value[0]?.rows[0];
  if (event.key === "Enter" && first !== undefined) {
    openSession(first.key);
    store.filter.value = "";
    document.getElementById("composer")?.focus();
  }
}

function List(): JSX.Element {
  const groups = store.groups.value;
  if (groups.length === 0 && store.filter.value !== "") {
    return (
      <div class="list-empty">
        <p>No session has these words.</p>
        <button type="button" class="quiet" onClick={() => (store.filter.value = "")}>
          Show all
        </button>
      </div>
    );
  }
  if (groups.length === 0) return <p class="list-empty">{store.sessionsLoaded.value ? "Sessions appear here." : ""}</p>;
  return (
    <>
      {groups.map((group) => (
        <section key={group.title}>
          <h2>{group.title}</h2>
          <ul>
            {group.rows.map((row) => (
              <Row key={row.key} row={row} />
            ))}
          </ul>
        </section>
      ))}
    </>
  );
}

function Row({ row }: { row: SessionRow }): JSX.Element {
  const [editing, setEditing] = useState(false);
  const [asking, setAsking] = useState(false);
  const active = row.key === store.activeKey.value && store.view.value === "chat";
  const origin = originOf(row);
  const title = titleOf(row);
  if (editing) return <RenameRow row={row} onDone={() => setEditing(false)} />;
  return (
    <li class="row" data-active={active}>
      <button type="button" class="row-open" aria-current={active ? "page" : undefined} onClick={() => openSession(row.key)}>
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
          <span class="row-preview" dir="auto">
            {toPlain(row.lastMessagePreview ?? "") || "Nothing said yet"}
          </span>
        </span>
      </button>
      <span class="row-actions">
        <button type="button" class="ghost" aria-label={`Rename ${title}`} title="Rename" onClick={() => setEditing(true)}>
          <Pencil size={15} />
        </button>
        {row.isMain !== true && (
          <button type="button" class="ghost" aria-label={`Delete ${title}`} title="Delete" onClick={() => setAsking(true)}>
            <Trash size={15} />
          </button>
        )}
      </span>
      {asking && (
        <Confirm
          title="Delete this session?"
          text={`“${title}” and its messages go away. The agent forgets what was said in it.`}
          action="Delete"
          onCancel={() => setAsking(false)}
          onConfirm={() => void remove(row.key)}
        />
      )}
    </li>
  );
}

function RenameRow({ row, onDone }: { row: SessionRow; onDone: () => void }): JSX.Element {
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
    if (save && name.trim() !== titleOf(row)) void rename(row.key, name);
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

function Foot(): JSX.Element {
  const icon = theme.value === "light" ? <Sun /> : theme.value === "dark" ? <Moon /> : <Screen />;
  const [asking, setAsking] = useState(false);
  return (
    <footer class="foot">
      <Status />
      <button
        type="button"
        class="ghost"
        onClick={nextTheme}
        aria-label={`Colours: ${theme.value}. Change`}
        title={`Colours: ${theme.value}`}
      >
        {icon}
      </button>
      <button type="button" class="ghost" onClick={() => setAsking(true)} aria-label="Sign out" title="Sign out">
        <SignOut />
      </button>
      {asking && (
        <Confirm
          title="Sign this browser out?"
          text="You need a fresh link or the token to come back. Your sessions stay on the gateway."
          action="Sign out"
          onCancel={() => setAsking(false)}
          onConfirm={() => void signOut()}
        />
      )}
    </footer>
  );
}
