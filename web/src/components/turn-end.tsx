import type { JSX } from "preact";
import { sendAgain } from "../actions.ts";
import * as store from "../store.ts";
import { toTurnFailure } from "../turn-failure.ts";
import { Warning } from "./icons.tsx";
import { Command } from "./sign-in.tsx";
import type { Item } from "../items.ts";

type Answer = Extract<Item, { kind: "assistant" }>;

/** A turn that failed: a sentence, the one thing that helps, and the raw words folded. */
export function FailedTurn({ item, last }: { item: Answer; last: boolean }): JSX.Element {
  const { sentence, action, details } = toTurnFailure(item.error, item.errorKind, item.errorDetail);
  return (
    <div class="fault" role="alert">
      <Warning size={16} />
      <div class="fault-body">
        <p dir="auto">{sentence}</p>
        {last && action === "key" && (
          <>
            <p class="hint">Check the key on the gateway's machine:</p>
            <Command text="openclaw doctor" />
          </>
        )}
        {last && (
          <div class="fault-actions">
            {action === "model" && <ChangeModel />}
            <TryAgain item={item} />
          </div>
        )}
        {details !== null && details !== sentence && (
          <details>
            <summary>Details</summary>
            <pre tabIndex={0} dir="auto">
              {details}
            </pre>
          </details>
        )}
      </div>
    </div>
  );
}

/** The turn ended well, and there is nothing in it. */
export function EmptyReply({ item, last }: { item: Answer; last: boolean }): JSX.Element {
  return <p class="note-line">The model sent an empty reply. {last && <TryAgain item={item} />}</p>;
}

function TryAgain({ item }: { item: Answer }): JSX.Element {
  return (
    <button type="button" class="quiet" disabled={!store.mayWrite.value || store.busy.value} onClick={() => sendAgain(item.key)}>
      Try again
    </button>
  );
}

function ChangeModel(): JSX.Element {
  return (
    <button type="button" class="quiet" onClick={() => (store.choosingModel.value = true)}>
      Change model
    </button>
  );
}
