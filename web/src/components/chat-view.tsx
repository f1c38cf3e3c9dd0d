import { locale } from "../locale.ts";
import { Fragment } from "preact";
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { newSession, send } from "../actions.ts";
import { loadOlder, showSession } from "../sync.ts";
import { startOfDay, toDay } from "../session-list.ts";
import * as store from "../state.ts";
import { Composer } from "./composer.tsx";
import { ArrowDown, Mark, Plus } from "./icons.tsx";
import { formatCost } from "../../../src/core/quantities.ts";
import { MessageView } from "./message.tsx";
import { Banner } from "./connection-status.tsx";
import { SessionQuestion } from "./approval-question.tsx";
import { onDemand } from "./on-demand.tsx";
import { isFirstRun } from "../first-run.ts";
import { MenuButton } from "./view-frame.tsx";
import type { TranscriptItem } from "../../../src/client/conversation/transcript-items.ts";

/** After the conversation, which is what people wait for. */
const ChatTools = onDemand(() => import("./chat-tools.tsx").then((module) => module.ChatTools));
const ConversationBars = onDemand(() => import("./chat-tools.tsx").then((module) => module.ConversationBars));

const FirstRun = onDemand(() => import("./first-run.tsx").then((module) => module.FirstRun));

/** Closer to the end than this, new text pulls the view along. */
const NEAR_END_PX = 80;
const NEAR_TOP_PX = 300;
/** From so many messages on, those out of sight are not laid out. */
const LONG = 400;

export function ChatView(): JSX.Element {
  return (
    <main class="chat" inert={store.isNarrow.value && store.drawerOpen.value}>
      <ChatHeader />
      <ConversationBars />
      <Messages key={store.activeKey.value} />
      <div class="bottom">
        <Banner />
        <SessionQuestion />
        <SharedChatNotice />
        <Composer key={store.activeKey.value} />
      </div>
    </main>
  );
}

/** In a session of a channel: who sees what is written here. */
function SharedChatNotice(): JSX.Element | null {
  const partner = store.assistantName.value;
  if (partner === null) return null;
  return (
    <p class="audience">
      Only you and the agent see what you write here.{" "}
      <bdi>{partner.isGroup ? `The people in ${partner.name} do not.` : `${partner.name} does not.`}</bdi>
    </p>
  );
}

function ChatHeader(): JSX.Element {
  return (
    <header class="head">
      <MenuButton />
      <div class="head-text">
        <h1 dir="auto">{store.title.value}</h1>
        <SubTitle />
      </div>
      <Usage />
      <ChatTools />
      <button type="button" class="ghost only-phone" aria-label="New session" onClick={newSession}>
        <Plus size={20} />
      </button>
    </header>
  );
}

/** Where the session takes place, and what answers in it. */
function SubTitle(): JSX.Element | null {
  const answering = store.answering.value;
  const partner = store.assistantName.value;
  const place = partner === null ? "" : `${partner.place} · `;
  if (answering === null) return place === "" ? null : <p class="head-model">{partner?.place}</p>;
  return (
    <p class="head-model" data-scripted={answering.scripted}>
      {place}
      {answering.scripted ? (
        <>
          <strong>Setup guide</strong>: scripted answers, not an AI model
        </>
      ) : (
        <>
          Answered by {answering.name} ({answering.provider})
        </>
      )}
    </p>
  );
}

/** How full the context is, and what the session has cost so far. */
function Usage(): JSX.Element | null {
  const { totalTokens = 0, contextTokens = 0, inputTokens = 0, outputTokens = 0, estimatedCostUsd = 0 } = store.activeRow.value ?? {};
  if (totalTokens === 0 && inputTokens + outputTokens === 0) return null;
  const share = contextTokens > 0 ? Math.min(100, Math.round((totalTokens / contextTokens) * 100)) : null;
  const title = `Context: ${totalTokens.toLocaleString(locale())}${contextTokens > 0 ? ` of ${contextTokens.toLocaleString(locale())}` : ""} tokens. This session: ${inputTokens.toLocaleString(locale())} in, ${outputTokens.toLocaleString(locale())} out.`;
  return (
    <p class="head-usage" title={title}>
      {share !== null && (
        <span class="head-context" data-full={share >= 80 || undefined}>
          <meter min={0} max={100} value={share} aria-label="Context used" />
          {share === 0 ? "< 1" : share} % of context
        </span>
      )}
      {estimatedCostUsd > 0 && <span>{formatCost(estimatedCostUsd)}</span>}
    </p>
  );
}

/** The line between the messages of two days; null where none is needed. */
function DayLine({ atMs, before }: { atMs: number | null; before: number | null }): JSX.Element | null {
  if (atMs === null) return null;
  const now = store.clock.value;
  const isSame = before === null ? startOfDay(atMs) >= startOfDay(now) : startOfDay(atMs) <= startOfDay(before);
  return isSame ? null : (
    <p class="day-line">
      <span>{toDay(atMs, now)}</span>
    </p>
  );
}

/** The time of the nearest item above that has one. */
function lastTime(items: readonly TranscriptItem[], at: number): number | null {
  for (let before = at - 1; before >= 0; before -= 1) {
    const { atMs } = items[before] as TranscriptItem;
    if (atMs !== null) return atMs;
  }
  return null;
}

function Messages(): JSX.Element {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const pinned = useRef(true);
  const lastTop = useRef(0);
  const heightBefore = useRef(0);
  const [away, setAway] = useState(false);
  const chat = store.activeChat.value;
  const items = store.items.value;
  const first = items[0]?.key;

  const toEnd = (): void => {
    const box = scroller.current;
    // What an empty conversation shows is read from its beginning.
    if (box !== null && store.items.value.length > 0) box.scrollTop = box.scrollHeight;
  };
  // When older messages come in above, what is being read stays where it is.
  useLayoutEffect(() => {
    const box = scroller.current;
    if (box === null) return;
    if (!pinned.current && heightBefore.current > 0) box.scrollTop += box.scrollHeight - heightBefore.current;
    heightBefore.current = 0;
  }, [first]);
  useLayoutEffect(() => {
    if (pinned.current) toEnd();
  }, [items]);
  useEffect(() => {
    const watch = new ResizeObserver(() => {
      if (pinned.current) toEnd();
    });
    for (const element of [scroller.current, content.current]) if (element !== null) watch.observe(element);
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    const last = items.at(-1);
    if (last?.kind === "user" && last.outgoing !== null) {
      pinned.current = true;
      toEnd();
    }
  }, [items.length]);

  const onScroll = (): void => {
    const box = scroller.current;
    if (box === null) return;
    const left = box.scrollHeight - box.scrollTop - box.clientHeight;
    // An event can arrive late, when a question has taken room from the list: only a move up means that the person left the end.
    if (left < NEAR_END_PX) pinned.current = true;
    else if (box.scrollTop < lastTop.current) pinned.current = false;
    lastTop.current = box.scrollTop;
    setAway(left > box.clientHeight / 2);
    if (box.scrollTop < NEAR_TOP_PX && chat.rows.hasMore && chat.loading === null && store.isOnline.value) {
      heightBefore.current = box.scrollHeight;
      void loadOlder(store.activeKey.value);
    }
  };

  return (
    <div class="messages-frame">
      <div class="messages" ref={scroller} onScroll={onScroll} tabIndex={-1}>
        <div class="column" ref={content} data-long={items.length > LONG || undefined}>
          {chat.rows.hasMore && <div class="older">{chat.loading === "older" ? "Loading older messages…" : ""}</div>}
          {items.map((item, at) => (
            <Fragment key={item.key}>
              <DayLine atMs={item.atMs} before={lastTime(items, at)} />
              <MessageView item={item} last={at === items.length - 1} />
            </Fragment>
          ))}
          {items.length === 0 && <EmptyChat />}
        </div>
      </div>
      {away && (
        <button
          type="button"
          class="to-end"
          onClick={() => {
            pinned.current = true;
            toEnd();
          }}
        >
          <ArrowDown size={16} /> Latest
        </button>
      )}
    </div>
  );
}

function EmptyChat(): JSX.Element | null {
  const chat = store.activeChat.value;
  if (chat.error !== null) {
    return (
      <div class="empty">
        <h2>This session could not be loaded</h2>
        <p>{chat.error}</p>
        <button type="button" class="primary" onClick={() => void showSession(store.activeKey.value)}>
          Try again
        </button>
      </div>
    );
  }
  if (!chat.loaded) return <div class="skeleton" aria-label="Loading" />;
  const scripted = store.answering.value?.scripted === true;
  if (isFirstRun(scripted)) return <FirstRun />;
  return (
    <div class="empty">
      <Mark size={40} />
      <h2>{scripted ? "Your gateway is running" : "How can I help?"}</h2>
      <p>
        {scripted
          ? "No AI model is connected yet. The setup guide answers until there is one, and shows you how."
          : "Messages in this session stay together; the agent remembers them."}
      </p>
      <button
        type="button"
        class="primary"
        disabled={!store.canWrite.value}
        onClick={() => send(scripted ? "help" : "Hello, what can you do?", [])}
      >
        {scripted ? "Ask what it can do" : "Say hello"}
      </button>
    </div>
  );
}
