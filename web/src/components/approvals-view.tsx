import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { endOfSnapshot, endText, hasPathPlace, hostText, patternText, timeLeftText, toVisibleText, wordsOf } from "../approval-model.ts";
import * as records from "../approval-records.ts";
import * as approvals from "../approvals.ts";
import * as devices from "../device-list.ts";
import * as store from "../state.ts";
import { approvalOfHash, elementOf } from "../views.ts";
import { agoText, QuestionCard, SessionLink } from "./approval-question.tsx";
import { CommandLine } from "./command-line.tsx";
import { PairingRequests } from "./connect-channel.tsx";
import { DeviceRequests } from "./device-requests.tsx";
import { ViewFrame } from "./view-frame.tsx";
import type { ApprovalSnapshot } from "../approval-model.ts";
import type { AllowlistEntry } from "../approval-records.ts";

/** What waits for a person: people and devices that ask for access, questions about commands; those that have ended, and what is always allowed. */
export function ApprovalsView(): JSX.Element {
  useEffect(() => {
    approvals.retractNotice();
    approvals.dropEnded();
    void approvals.loadApprovals();
    return approvals.dropEnded;
  }, []);
  const changes = store.deviceChanges.value;
  const online = store.isOnline.value;
  useEffect(() => {
    if (store.mayPair.value) void devices.loadDevices();
  }, [changes, online]);
  return (
    <ViewFrame view="approvals">
      <PairingRequests only={null} />
      {store.mayPair.value && <DeviceRequests />}
      {store.mayApprove.value ? <Records /> : <MissingScope />}
    </ViewFrame>
  );
}

/** Instead of the lists, for a connection to which no question comes. */
function MissingScope(): JSX.Element {
  return (
    <section class="panel" aria-labelledby="scope-title">
      <div class="panel-head">
        <h2 id="scope-title">This browser cannot answer questions about commands</h2>
      </div>
      <p class="panel-empty">
        Its access lacks the scope <code>operator.approvals</code>. On the gateway's machine, create a sign-in link and open it in this
        browser:
      </p>
      <CommandLine text="openclaw dashboard" />
    </section>
  );
}

function Records(): JSX.Element {
  const ended = approvals.questions.value.filter(({ end }) => end !== null).length;
  const online = store.isOnline.value;
  useEffect(() => {
    // An answer adds to the history, and "always" to the allowlist.
    void records.loadRecords();
  }, [ended, online]);
  useLinkedApproval();
  const failed = approvals.failed.value ?? records.failed.value;
  return (
    <>
      {failed !== null && (
        <p class="warn" role="status">
          Could not be loaded: {failed}
        </p>
      )}
      <Waiting ended={ended} />
      <Grants />
      <History />
      {store.mayAdminister.value && <Allowlist />}
    </>
  );
}

/** Shows the approval that the address names as soon as it is on the page, once each time that a link to it is followed. */
function useLinkedApproval(): void {
  const shown = useRef<number | null>(null);
  const followed = store.linksFollowed.value;
  useEffect(() => {
    const id = approvalOfHash(location.hash);
    const element = id === null || shown.current === followed ? null : document.getElementById(elementOf(id));
    if (element === null) return;
    shown.current = followed;
    element.scrollIntoView({ block: "center" });
    element.focus({ preventScroll: true });
  }, [approvals.questions.value, records.history.value, followed]);
}

function Waiting({ ended }: { ended: number }): JSX.Element {
  const questions = approvals.questions.value;
  return (
    <section class="panel" aria-labelledby="waiting-title">
      <div class="panel-head">
        <h2 id="waiting-title">Waiting</h2>
        <button type="button" class="quiet hide-answered" disabled={ended === 0} onClick={approvals.dropEnded}>
          Hide answered
        </button>
      </div>
      {questions.length === 0 && (
        <p class="panel-empty">Nothing waits. Commands that need your permission, people and devices that ask for access appear here.</p>
      )}
      {questions.map((question) => (
        <QuestionCard key={question.id} question={question} />
      ))}
    </section>
  );
}

function History(): JSX.Element {
  const shownAbove = new Set(approvals.questions.value.map(({ id }) => id));
  const history = records.history.value;
  const items = history?.items.filter(({ id }) => !shownAbove.has(id)) ?? [];
  return (
    <section class="panel" aria-labelledby="history-title">
      <div class="panel-head">
        <h2 id="history-title">History</h2>
      </div>
      {items.length === 0 && <p class="panel-empty">{history === null ? "Loading…" : "No earlier questions."}</p>}
      <ul>
        {items.map((item) => (
          <HistoryRow key={item.id} item={item} />
        ))}
      </ul>
      {history !== null && history.next !== null && (
        <button type="button" class="quiet older-questions" onClick={() => void records.loadOlderHistory()}>
          Show older ones
        </button>
      )}
    </section>
  );
}

function HistoryRow({ item }: { item: ApprovalSnapshot }): JSX.Element {
  const { presentation, source } = item;
  const end = endOfSnapshot(item);
  const command = toVisibleText(presentation.commandText ?? wordsOf(presentation));
  const host = hostText(presentation.host ?? null);
  return (
    <li class="entry" id={elementOf(item.id)} tabIndex={-1}>
      <span class="dot" data-state={end.status === "allowed" ? "done" : end.status === "denied" ? "failed" : ""} />
      <div class="entry-text">
        <p class="entry-name">
          <span dir="auto">{endText(end, store.deviceId.value)}</span>
          <span class="hint">{agoText(end.atMs)}</span>
        </p>
        <details class="past">
          <summary>
            <code dir="ltr">{command.split("\n")[0]}</code>
          </summary>
          <pre class="question-command" tabIndex={0} dir="ltr" aria-label="Command">
            {command}
          </pre>
          <p class="hint">
            <bdi>{source?.agentId ?? (presentation.commandText === undefined ? "A program" : "An agent")}</bdi> asked
            {presentation.commandText === undefined ? " this" : " to run this"}
            {host !== null && ` ${host}`}
            {source?.sessionKey && (
              <>
                , for <SessionLink sessionKey={source.sessionKey} />
              </>
            )}
          </p>
          {presentation.warningText && (
            <p class="hint" dir="auto">
              {presentation.warningText}
            </p>
          )}
        </details>
      </div>
    </li>
  );
}

/** What runs without a question for some time. Nothing is shown where nothing is. */
function Grants(): JSX.Element | null {
  const held = records.heldGrants(records.grants.value ?? [], store.clock.value);
  if (held.length === 0) return null;
  return (
    <section class="panel" aria-labelledby="grants-title">
      <div class="panel-head">
        <h2 id="grants-title">Allowed for some time</h2>
      </div>
      <ul>
        {held.map((grant) => (
          <GrantRow key={grant.grantId} grant={grant} />
        ))}
      </ul>
    </section>
  );
}

function GrantRow({ grant }: { grant: records.Grant }): JSX.Element {
  const { grantId, agentId, command, cwd, expiresAtMs, useCount } = grant;
  const text = toVisibleText(command);
  return (
    <li class="entry">
      <div class="entry-text">
        <p class="entry-name">
          <code dir="ltr">{text}</code>
          <span class="tag">{agentId}</span>
        </p>
        <p class="hint">
          And commands of this kind
          {cwd !== null && (
            <>
              {" "}
              in <code dir="ltr">{cwd}</code>
            </>
          )}
          , for <bdi>{grant.cronJobName ?? "its session"}</bdi>. {timeLeftText(expiresAtMs, store.clock.value)}; used{" "}
          {useCount === 1 ? "once" : `${useCount} times`}.
        </p>
      </div>
      <button
        type="button"
        class="quiet"
        aria-label={`End the grant for ${text}`}
        disabled={!store.isOnline.value}
        onClick={() => void records.revokeGrant(grantId)}
      >
        End now
      </button>
    </li>
  );
}

function Allowlist(): JSX.Element {
  const document = records.allowlist.value?.file;
  const entries = document === undefined ? [] : records.toEntries(document);
  return (
    <section class="panel" aria-labelledby="allowlist-title">
      <div class="panel-head">
        <h2 id="allowlist-title">Always allowed</h2>
      </div>
      {entries.length === 0 && (
        <p class="panel-empty">{document === undefined ? "Loading…" : "Nothing yet. The answer “Always” adds programs to this list."}</p>
      )}
      {entries.some(({ entry }) => hasPathPlace(entry)) && (
        <p class="hint">
          <code>{"{path}"}</code> stands for any files of the agent's workspace.
        </p>
      )}
      <ul>
        {entries.map(({ agentId, entry }) => (
          <AllowlistRow key={`${agentId} ${patternText(entry)}`} agentId={agentId} entry={entry} />
        ))}
      </ul>
    </section>
  );
}

function AllowlistRow({ agentId, entry }: { agentId: string; entry: AllowlistEntry }): JSX.Element {
  const { commandText, lastUsedAt } = entry;
  const text = toVisibleText(patternText(entry));
  return (
    <li class="entry">
      <div class="entry-text">
        <p class="entry-name">
          <code dir="ltr">{text}</code>
          <span class="tag">{agentId === "*" ? "all agents" : agentId}</span>
        </p>
        {(commandText ?? lastUsedAt) !== undefined && (
          <p class="hint">
            Allowed
            {commandText !== undefined && (
              <>
                {" "}
                for <code dir="ltr">{toVisibleText(commandText)}</code>
              </>
            )}
            {lastUsedAt !== undefined && ` ${agoText(lastUsedAt)}`}.
          </p>
        )}
      </div>
      <button
        type="button"
        class="quiet"
        aria-label={`Remove ${text}`}
        disabled={!store.isOnline.value}
        onClick={() => void records.removeEntry(agentId, entry)}
      >
        Remove
      </button>
    </li>
  );
}
