import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { isConnectionLost } from "../client.ts";
import { isComposing } from "../keyboard.ts";
import { maskKeys } from "../mask-keys.ts";
import { stripMarkdown } from "../../../src/client/conversation/session-row.ts";
import { itemKeyOf } from "../../../src/client/conversation/transcript-items.ts";
import { errorMessage, loadOlder, requireClient } from "../sync.ts";
import * as store from "../state.ts";
import { agoText } from "./approval-question.tsx";
import { Close } from "./icons.tsx";
import type { MessageHit } from "../all-sessions.ts";
import { contentText } from "../../../src/client/conversation/protocol-types.ts";
import type { HistoryPayload, TranscriptRow } from "../../../src/client/conversation/protocol-types.ts";

const SEARCH_MS = 200;
const HITS = 50;
/** Messages that are shown of a place that has not been read: the one that was found, and those before it. */
const EXCERPT_ROWS = 12;
/** Parts of older messages that are read to reach a hit, and rows of each. */
const MAX_PARTS = 40;
const PART_ROWS = 1_000;

export const isSearching = signal(false);

type Found = { hits: readonly MessageHit[]; isWhole: boolean };

/** The messages up to a hit that lies further back than what has been read. */
type Excerpt = { messageId: string; rows: readonly TranscriptRow[] };

/** Finds words in the whole conversation, and leads to the message; of what has not been read, it shows the place alone. */
export function ChatSearch(): JSX.Element | null {
  const key = store.activeKey.value;
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key.toLowerCase() !== "f" || !event.shiftKey || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      isSearching.value = true;
    };
    addEventListener("keydown", onKey);
    return () => {
      removeEventListener("keydown", onKey);
      isSearching.value = false;
    };
  }, [key]);
  return isSearching.value ? <SearchBar key={key} /> : null;
}

function close(): void {
  isSearching.value = false;
  document.getElementById("composer")?.focus();
}

function SearchBar(): JSX.Element {
  const field = useRef<HTMLInputElement>(null);
  const [words, setWords] = useState("");
  const [found, setFound] = useState<Found | null>(null);
  const [failed, setFailed] = useState<string | null>(null);
  const [at, setAt] = useState(-1);
  const [excerpt, setExcerpt] = useState<Excerpt | null>(null);
  const wanted = useRef<string | null>(null);
  const sessionKey = store.activeKey.value;
  useEffect(() => field.current?.focus(), []);
  useEffect(() => {
    let isCurrent = true;
    setAt(-1);
    setExcerpt(null);
    wanted.current = null;
    if (words.trim() === "") return setFound(null);
    const timer = setTimeout(() => {
      search(sessionKey, words).then(
        (result) => isCurrent && (setFound(result), setFailed(null)),
        (error: unknown) => isCurrent && setFailed(failureText(error)),
      );
    }, SEARCH_MS);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [words, sessionKey]);
  const hits = found?.hits ?? [];
  const go = (next: number): void => {
    const hit = hits[(next + hits.length) % hits.length];
    if (hit === undefined) return;
    setAt((next + hits.length) % hits.length);
    setExcerpt(null);
    wanted.current = hit.messageId;
    if (rowOf(sessionKey, hit.messageId) !== undefined) return void showMessage(sessionKey, hit.messageId);
    readExcerpt(sessionKey, hit.messageId).then(
      // Another hit may have been chosen meanwhile.
      (read) => wanted.current === read.messageId && setExcerpt(read),
      (error: unknown) => setFailed(failureText(error)),
    );
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (isComposing(event)) return;
    if (event.key === "Escape") {
      event.stopPropagation();
      close();
    }
    if (event.key !== "Enter" && event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    go(event.key === "ArrowUp" || event.shiftKey ? at - 1 : at + 1);
  };
  return (
    <search class="chat-search" onKeyDown={onKeyDown}>
      <div class="chat-search-row">
        <input
          ref={field}
          type="search"
          aria-label="Search in this conversation"
          placeholder="Search in this conversation"
          value={words}
          onInput={({ currentTarget }) => setWords(currentTarget.value)}
        />
        <span class="hint" role="status">
          {failed ?? countText(found, at)}
        </span>
        <button type="button" class="ghost" aria-label="Close the search" onClick={close}>
          <Close size={16} />
        </button>
      </div>
      {hits.length > 0 && <Hits hits={hits} at={at} onGo={go} />}
      {excerpt !== null && (
        <ExcerptView
          excerpt={excerpt}
          onOpen={() => {
            setExcerpt(null);
            void showMessage(sessionKey, excerpt.messageId);
          }}
        />
      )}
    </search>
  );
}

function Hits({ hits, at, onGo }: { hits: readonly MessageHit[]; at: number; onGo: (index: number) => void }): JSX.Element {
  return (
    <ol class="chat-hits" aria-label="Messages found">
      {hits.map((hit, index) => (
        <li key={hit.messageId}>
          <button type="button" aria-current={index === at || undefined} onClick={() => onGo(index)}>
            <span dir="auto">{maskKeys(stripMarkdown(hit.snippet))}</span>
            <span class="hint">
              {hit.role === "user" ? "message" : "answer"}, {agoText(hit.timestamp)}
            </span>
          </button>
        </li>
      ))}
    </ol>
  );
}

function ExcerptView({ excerpt, onOpen }: { excerpt: Excerpt; onOpen: () => void }): JSX.Element {
  const end = useRef<HTMLLIElement>(null);
  useEffect(() => end.current?.scrollIntoView({ block: "nearest" }), [excerpt]);
  return (
    <section
      class="chat-excerpt"
      aria-label="The message found, and those before it"
      // Its button takes Enter, its list the arrows.
      onKeyDown={(event) => event.key !== "Escape" && event.stopPropagation()}
    >
      <ol tabIndex={0}>
        {excerpt.rows.map((row, index) => (
          <li key={row.__openclaw?.id ?? index} ref={end} aria-current={row.__openclaw?.id === excerpt.messageId || undefined}>
            <span class="hint">
              {row.role === "user" ? "message" : "answer"}
              {row.timestamp !== undefined && `, ${agoText(row.timestamp)}`}
            </span>
            <p dir="auto">{maskKeys(stripMarkdown(contentText(row.content)))}</p>
          </li>
        ))}
      </ol>
      <button type="button" class="quiet" onClick={onOpen}>
        Read the conversation from here
      </button>
    </section>
  );
}

const failureText = (error: unknown): string => (isConnectionLost(error) ? "The gateway is not connected." : errorMessage(error));

/** Reads the place of a message that lies further back, without everything in between. */
async function readExcerpt(sessionKey: string, messageId: string): Promise<Excerpt> {
  const { messages } = await requireClient().request<HistoryPayload>("chat.history", { sessionKey, messageId, limit: EXCERPT_ROWS });
  return { messageId, rows: messages.filter((row) => contentText(row.content) !== "") };
}

function countText(found: Found | null, at: number): string {
  if (found === null) return "";
  const { hits, isWhole } = found;
  if (hits.length === 0) return "Nothing found";
  const total = isWhole ? String(hits.length) : `the newest ${hits.length}`;
  return at === -1 ? `${total} found` : `${at + 1} of ${total}`;
}

async function search(sessionKey: string, query: string): Promise<Found> {
  const { results, truncated = false } = await requireClient().request<{ results: readonly MessageHit[]; truncated?: boolean }>(
    "sessions.search",
    { query, sessionKeys: [sessionKey], limit: HITS },
  );
  const hits = results.toSorted((a, b) => b.timestamp - a.timestamp);
  return { hits, isWhole: !truncated && results.length < HITS };
}

const rowOf = (sessionKey: string, messageId: string): TranscriptRow | undefined =>
  store.chats.value.get(sessionKey)?.rows.rows.find((row) => row.__openclaw?.id === messageId);

/** Reads older messages until the one that is meant is here, and brings it into sight. */
async function showMessage(sessionKey: string, messageId: string): Promise<void> {
  for (let part = 0; part < MAX_PARTS && rowOf(sessionKey, messageId) === undefined; part += 1) {
    const before = store.chats.value.get(sessionKey)?.rows;
    if (before === undefined || !before.hasMore || !store.isOnline.value || store.activeKey.value !== sessionKey) break;
    await loadOlder(sessionKey, PART_ROWS);
    if (store.chats.value.get(sessionKey)?.rows === before) break;
  }
  const row = rowOf(sessionKey, messageId);
  if (row === undefined) return store.showToast("That message could not be read. It may belong to another branch.");
  await new Promise((resolve) => requestAnimationFrame(resolve));
  const element = document.querySelector(`[data-key="${CSS.escape(itemKeyOf(store.items.value, row) ?? "")}"]`);
  for (const other of document.querySelectorAll("[data-found]")) other.removeAttribute("data-found");
  element?.setAttribute("data-found", "");
  element?.scrollIntoView({ block: "center" });
}
