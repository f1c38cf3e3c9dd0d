import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { newSession, send } from "../actions.ts";
import { loadOlder, show } from "../live.ts";
import * as store from "../store.ts";
import { Composer } from "./composer.tsx";
import { ArrowDown, Mark, Menu, Plus } from "./icons.tsx";
import { Message } from "./message.tsx";
import { Banner } from "./status.tsx";

/** Closer to the end than this, new text pulls the view along. */
const NEAR_END_PX = 80;
const NEAR_TOP_PX = 300;

export function ChatView(): JSX.Element {
  return (
    <main class="chat" inert={store.narrow.value && store.drawerOpen.value}>
      <Head />
      <Messages key={store.activeKey.value} />
      <div class="bottom">
        <Banner />
        <Composer key={store.activeKey.value} />
      </div>
    </main>
  );
}

function Head(): JSX.Element {
  const answering = store.answering.value;
  return (
    <header class="head">
      <button type="button" class="ghost only-phone" aria-label="Sessions" onClick={() => (store.drawerOpen.value = true)}>
        <Menu size={20} />
      </button>
      <div class="head-text">
        <h1 dir="auto">{store.title.value}</h1>
        {answering !== null && (
          <p class="head-model" data-scripted={answering.scripted}>
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
        )}
      </div>
      <button type="button" class="ghost only-phone" aria-label="New session" onClick={newSession}>
        <Plus size={20} />
      </button>
    </header>
  );
}

function Messages(): JSX.Element {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const pinned = useRef(true);
  const heightBefore = useRef(0);
  const [away, setAway] = useState(false);
  const chat = store.chat.value;
  const items = store.items.value;
  const first = items[0]?.key;

  const toEnd = (): void => {
    const box = scroller.current;
    if (box !== null) box.scrollTop = box.scrollHeight;
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
    pinned.current = left < NEAR_END_PX;
    setAway(left > box.clientHeight / 2);
    if (box.scrollTop < NEAR_TOP_PX && chat.rows.hasMore && chat.loading === null && store.online.value) {
      heightBefore.current = box.scrollHeight;
      void loadOlder(store.activeKey.value);
    }
  };

  return (
    <div class="messages-frame">
      <div class="messages" ref={scroller} onScroll={onScroll} tabIndex={-1}>
        <div class="column" ref={content}>
          {chat.rows.hasMore && <div class="older">{chat.loading === "older" ? "Reading older messages" : ""}</div>}
          {items.map((item) => (
            <Message key={item.key} item={item} />
          ))}
          {items.length === 0 && <Empty />}
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

function Empty(): JSX.Element | null {
  const chat = store.chat.value;
  if (chat.error !== null) {
    return (
      <div class="empty">
        <h2>This session could not be read</h2>
        <p>{chat.error}</p>
        <button type="button" class="primary" onClick={() => void show(store.activeKey.value)}>
          Read it again
        </button>
      </div>
    );
  }
  if (!chat.loaded) return <div class="skeleton" aria-label="Loading" />;
  const scripted = store.answering.value?.scripted === true;
  return (
    <div class="empty">
      <Mark size={40} />
      <h2>{scripted ? "Your gateway is running" : "What shall we do?"}</h2>
      <p>
        {scripted
          ? "No AI model is connected yet. The setup guide answers until there is one, and shows you how."
          : "Write a message. Everything you and the agent say stays in this session."}
      </p>
      <button
        type="button"
        class="primary"
        disabled={!store.mayWrite.value}
        onClick={() => send(scripted ? "help" : "Hello, what can you do?", [])}
      >
        {scripted ? "Ask what it can do" : "Say hello"}
      </button>
    </div>
  );
}
