import { locale } from "../locale.ts";
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import * as sessions from "../all-sessions.ts";
import { openSession } from "../actions.ts";
import { maskKeys } from "../mask-keys.ts";
import { stripMarkdown, titleOf } from "../../../src/client/conversation/session-row.ts";
import { channelLabelOf } from "../session-list.ts";
import * as store from "../state.ts";
import { agoText, SessionLink } from "./approval-question.tsx";
import { TasksPanel } from "./tasks-panel.tsx";
import { ViewFrame } from "./view-frame.tsx";
import type { SessionFilter } from "../all-sessions.ts";
import type { SessionListRow } from "../../../src/client/conversation/protocol-types.ts";
import "../styles/lists.css";

/** All sessions: filters, search in titles and messages, archive, delete. */
export function SessionsView(): JSX.Element {
  const online = store.isOnline.value;
  useEffect(() => void sessions.load(), [online]);
  const { value: failed } = sessions.failed;
  return (
    <ViewFrame view="sessions" failed={failed}>
      <Filter />
      <TasksPanel />
      <Hits />
      <List />
    </ViewFrame>
  );
}

function Filter(): JSX.Element {
  return (
    <section class="panel" aria-label="Filter">
      <form class="form form-row" onSubmit={(event) => event.preventDefault()}>
        <div>
          <label for="session-words">Words in titles and messages</label>
          <input
            id="session-words"
            type="search"
            value={sessions.words.value}
            onInput={(event) => sessions.search(event.currentTarget.value)}
          />
        </div>
        <div>
          <label for="session-filter">Show</label>
          <select
            id="session-filter"
            value={sessions.filter.value}
            onInput={(event) => sessions.choose(event.currentTarget.value as SessionFilter)}
          >
            {Object.entries(sessions.FILTERS).map(([id, text]) => (
              <option key={id} value={id}>
                {text}
              </option>
            ))}
          </select>
        </div>
      </form>
    </section>
  );
}

function Hits(): JSX.Element | null {
  const { value: hits } = sessions.hits;
  if (hits === null) return null;
  return (
    <section class="panel" aria-labelledby="hits-title">
      <div class="panel-head">
        <h2 id="hits-title">In messages</h2>
      </div>
      {hits.length === 0 && <p class="panel-empty">No message has all of these words.</p>}
      <ul>
        {hits.map((hit) => (
          <li class="entry" key={hit.messageId}>
            <div class="entry-text">
              <p class="entry-name">
                <SessionLink sessionKey={hit.sessionKey} />
                <span class="hint">
                  {hit.role === "user" ? "a message" : "an answer"}, {agoText(hit.timestamp)}
                </span>
              </p>
              <p dir="auto">{maskKeys(stripMarkdown(hit.snippet))}</p>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

function List(): JSX.Element {
  const { value: page } = sessions.page;
  return (
    <section class="panel" aria-labelledby="sessions-title">
      <div class="panel-head">
        <h2 id="sessions-title">
          {page === null ? "Sessions" : `${page.total.toLocaleString(locale())} ${page.total === 1 ? "session" : "sessions"}`}
        </h2>
        <Actions />
      </div>
      {page === null && <p class="panel-empty">{sessions.failed.value === null ? "Loading…" : ""}</p>}
      {page?.rows.length === 0 && <p class="panel-empty">No session matches. Choose another filter, or begin a new session.</p>}
      {page !== null && <Groups rows={page.rows} />}
      {page !== null && page.next !== null && (
        <button type="button" class="quiet older-questions" onClick={() => void sessions.loadMore()}>
          Show more
        </button>
      )}
    </section>
  );
}

/** One list, or a list for each group where there are groups. */
function Groups({ rows }: { rows: readonly SessionListRow[] }): JSX.Element {
  const groups = sessions.byGroup(rows);
  const hasGroups = groups.some(([name]) => name !== "");
  return (
    <>
      {groups.map(([name, grouped]) => (
        <div key={name}>
          {hasGroups && (
            <h3 class="session-group">
              <bdi>{name === "" ? "Without a group" : name}</bdi> <span class="hint">{grouped.length.toLocaleString(locale())}</span>
            </h3>
          )}
          <ul class="session-rows">
            {grouped.map((row) => (
              <Row key={row.key} row={row} />
            ))}
          </ul>
        </div>
      ))}
    </>
  );
}

function Actions(): JSX.Element | null {
  const count = sessions.chosen.value.size;
  const disabled = count === 0 || sessions.busy.value;
  const isArchive = sessions.filter.value === "archived";
  if (!store.canWrite.value) return null;
  return (
    <>
      {count > 0 && <span class="hint">{count} chosen</span>}
      <button type="button" class="quiet" onClick={sessions.toggleAll}>
        Choose all
      </button>
      <button type="button" class="quiet" disabled={disabled} onClick={() => void sessions.archive(!isArchive)}>
        {isArchive ? "Restore" : "Archive"}
      </button>
      {store.mayAdminister.value && (
        <button type="button" class="quiet" disabled={disabled} onClick={() => askToDelete(count)}>
          Delete
        </button>
      )}
      {count > 0 && <MoreActions disabled={disabled} />}
    </>
  );
}

/** What else is done with the chosen ones. */
function MoreActions({ disabled }: { disabled: boolean }): JSX.Element {
  const [name, setName] = useState("");
  const rows = (sessions.page.value?.rows ?? []).filter(({ key }) => sessions.chosen.value.has(key));
  const isPinned = rows.every(({ pinned }) => pinned === true);
  const isUnread = rows.some(({ unread }) => unread === true);
  const known = [...new Set((sessions.page.value?.rows ?? []).flatMap(({ category }) => category ?? []))];
  return (
    <form
      class="session-more"
      onSubmit={(event) => {
        event.preventDefault();
        void sessions.setGroup(name);
      }}
    >
      <button type="button" class="quiet" disabled={disabled} onClick={() => void sessions.setPinned(!isPinned)}>
        {isPinned ? "Unpin" : "Pin"}
      </button>
      <button type="button" class="quiet" disabled={disabled} onClick={() => void sessions.setUnread(!isUnread)}>
        {isUnread ? "Mark as read" : "Mark as unread"}
      </button>
      <input
        list="session-groups"
        aria-label="Name of the group"
        placeholder="Group"
        maxLength={80}
        value={name}
        onInput={({ currentTarget }) => setName(currentTarget.value)}
      />
      <datalist id="session-groups">
        {known.map((each) => (
          <option key={each} value={each} />
        ))}
      </datalist>
      <button type="submit" class="quiet" disabled={disabled}>
        {name.trim() === "" ? "Take out of the group" : "Put into the group"}
      </button>
    </form>
  );
}

function askToDelete(count: number): void {
  store.confirmQuestion.value = {
    title: count === 1 ? "Delete this session?" : `Delete ${count} sessions?`,
    text: "Their messages are deleted as well, permanently.",
    action: "Delete",
    onConfirm: () => {
      store.confirmQuestion.value = null;
      void sessions.removeChosen();
    },
  };
}

function Row({ row }: { row: SessionListRow }): JSX.Element {
  const title = maskKeys(titleOf(row));
  const origin = channelLabelOf(row);
  return (
    <li class="session-row">
      {store.canWrite.value && (
        <input
          type="checkbox"
          aria-label={`Choose ${title}`}
          disabled={!sessions.isMovable(row)}
          checked={sessions.chosen.value.has(row.key)}
          onChange={() => sessions.toggle(row.key)}
        />
      )}
      <button type="button" class="session-open" data-row onClick={() => openSession(row.key)}>
        <span class="session-name" dir="auto">
          {row.unread === true && <span class="dot" data-state="unread" role="img" aria-label="Unread" />}
          {title}
        </span>
        <span class="hint session-facts">
          {origin !== null && <span class="tag">{origin}</span>}
          <bdi>{row.agentId ?? ""}</bdi>
          {(row.totalTokens ?? 0) > 0 && <span>{row.totalTokens!.toLocaleString(locale())} tokens</span>}
          {row.updatedAt ? <span>{agoText(row.updatedAt)}</span> : null}
        </span>
        <span class="session-preview" dir="auto">
          {maskKeys(stripMarkdown(row.lastMessagePreview ?? ""))}
        </span>
      </button>
    </li>
  );
}
