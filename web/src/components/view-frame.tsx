import type { ComponentChildren, JSX } from "preact";
import { waiting } from "../approvals.ts";
import * as store from "../state.ts";
import { VIEW_TITLES } from "../views.ts";
import { Menu } from "./icons.tsx";
import { Banner } from "./connection-status.tsx";
import type { SideView } from "../views.ts";

/** Where the link that skips the list of sessions leads in a view beside the conversation. */
export const VIEW_CONTENT_ID = "view-content";

/** On a phone: opens the list of sessions, which has the numbers of what waits. A dot says that questions do. */
export function MenuButton(): JSX.Element {
  const count = waiting.value.length;
  return (
    <button
      type="button"
      class="ghost only-phone menu"
      aria-label={count === 0 ? "Sessions" : `Sessions, ${count} ${count === 1 ? "question waits" : "questions wait"}`}
      onClick={() => (store.drawerOpen.value = true)}
    >
      <Menu size={20} />
      {count > 0 && <span class="dot" data-state="unread" />}
    </button>
  );
}

type ViewFrameProps = {
  view: SideView;
  /** Why the last reading failed. */
  failed?: string | null;
  /** For what is shown side by side. */
  isWide?: boolean;
  children: ComponentChildren;
};

/** A view beside the conversation: its title, and a column that scrolls. */
export function ViewFrame({ view, failed = null, isWide = false, children }: ViewFrameProps): JSX.Element {
  return (
    <main class="chat" inert={store.isNarrow.value && store.drawerOpen.value}>
      <header class="head">
        <MenuButton />
        <div class="head-text">
          <h1>{VIEW_TITLES[view]}</h1>
        </div>
      </header>
      {/* Who may only read has nothing else here that takes the focus, and scrolls with the keyboard too. */}
      <div class="view" id={VIEW_CONTENT_ID} tabIndex={store.mayAdminister.value ? -1 : 0}>
        <div class="view-column" data-wide={isWide || undefined}>
          <Banner />
          {failed !== null && (
            <p class="warn" role="status">
              Could not be loaded: {failed}
            </p>
          )}
          {children}
        </div>
      </div>
    </main>
  );
}
