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
import type { TranscriptRow } from "../../../src/client/conversation/protocol-types.ts";

const SEARCH_MS = 200;
const HITS = 50;
/** Parts of older messages that are read to reach a hit, and rows of each. */
const MAX_PARTS = 40;
const PART_ROWS = 1_000;

export const isSearching = signal(false);

type Found = { hits: readonly MessageHit[]; isWhole: boolean };

/** Finds words in the whole conversation, also in what has not been read, and leads to the message. */
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
  const sessionKey = store.activeKey.value;
  useEffect(() => field.current?.focus(), []);
  useEffect(() => {
    let isCurrent = true;
    setAt(-1);
    if (words.trim() === "") return setFound(null);
    const timer = setTimeout(() => {
      search(sessionKey, words).then(
        (result) => isCurrent && (setFound(result), setFailed(null)),
        (error: unknown) => isCurrent && setFailed(isConnectionLost(error) ? "The gateway is not connected." : errorMessage(error)),
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
    void showMessage(sessionKey, hit.messageId);
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
      {hits.length > 0 && (
        <ol class="chat-hits" aria-label="Messages found">
          {hits.map((hit, index) => (
            <li key={hit.messageId}>
              <button type="button" aria-current={index === at || undefined} onClick={() => go(index)}>
                <span dir="auto">{maskKeys(stripMarkdown(hit.snippet))}</span>
                <span class="hint">
                  {hit.role === "user" ? "message" : "answer"}, {agoText(hit.timestamp)}
                </span>
              </button>
            </li>
          ))}
        </ol>
      )}
    </search>
  );
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
