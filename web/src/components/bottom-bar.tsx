import type { JSX } from "preact";
import { openSession, openView } from "../actions.ts";
import { waiting } from "../approvals.ts";
import { pairingCount } from "../channel-setup.ts";
import * as store from "../state.ts";
import { Chats, Menu, Pulse, Shield } from "./icons.tsx";

/** On a phone: the four places that one goes to most. */
export function BottomBar(): JSX.Element {
  const view = store.view.value;
  const count = waiting.value.length + pairingCount.value;
  return (
    <nav class="bottom-bar" aria-label="Places" inert={store.drawerOpen.value}>
      {store.isServed("gateway.overview") && (
        <button type="button" aria-current={view === "overview" ? "page" : undefined} onClick={() => openView("overview")}>
          <Pulse /> Home
        </button>
      )}
      <button type="button" aria-current={view === "approvals" ? "page" : undefined} onClick={() => openView("approvals")}>
        <Shield /> Inbox
        {count > 0 && <span class="bar-count">{count}</span>}
      </button>
      <button type="button" aria-current={view === "chat" ? "page" : undefined} onClick={() => openSession(store.activeKey.value)}>
        <Chats /> Chat
      </button>
      <button type="button" onClick={() => (store.drawerOpen.value = true)}>
        <Menu /> More
      </button>
    </nav>
  );
}
