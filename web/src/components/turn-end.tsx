import type { JSX } from "preact";
import { resend } from "../actions.ts";
import * as store from "../state.ts";
import { toTurnFailure } from "../turn-failure.ts";
import { Warning } from "./icons.tsx";
import { CommandLine } from "./command-line.tsx";
import type { TranscriptItem } from "../../../src/client/conversation/transcript-items.ts";

type Answer = Extract<TranscriptItem, { kind: "assistant" }>;

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
            <CommandLine text="openclaw doctor" />
          </>
        )}
        {last && (
          <div class="fault-actions">
            {action === "model" && <ChangeModelButton />}
            <RetryButton item={item} />
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
  return <p class="note-line">The model sent an empty reply. {last && <RetryButton item={item} />}</p>;
}

function RetryButton({ item }: { item: Answer }): JSX.Element {
  return (
    <button type="button" class="quiet" disabled={!store.canWrite.value || store.isRunActive.value} onClick={() => resend(item.key)}>
      Try again
    </button>
  );
}

function ChangeModelButton(): JSX.Element {
  return (
    <button type="button" class="quiet" onClick={() => (store.choosingModel.value = true)}>
      Change model
    </button>
  );
}
