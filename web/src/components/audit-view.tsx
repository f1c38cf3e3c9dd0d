import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import * as records from "../audit-records.ts";
import * as store from "../state.ts";
import { agoText, SessionLink } from "./approval-question.tsx";
import { ViewFrame } from "./view-frame.tsx";
import type { AuditEvent, AuditFilter } from "../audit-records.ts";

/** What agents did, for whom, and how it ended. */
export function AuditView(): JSX.Element {
  const online = store.isOnline.value;
  useEffect(() => void records.loadEvents(), [online]);
  const { value: failed } = records.failed;
  return (
    <ViewFrame view="audit" failed={failed}>
      <Filter />
      <Events />
    </ViewFrame>
  );
}

function Filter(): JSX.Element {
  return (
    <section class="panel" aria-label="Filter">
      <form class="form form-row" onSubmit={(event) => event.preventDefault()}>
        <div>
          <label for="audit-filter">Show</label>
          <select
            id="audit-filter"
            value={records.filter.value}
            onInput={(event) => records.chooseFilter(event.currentTarget.value as AuditFilter)}
          >
            {Object.entries(records.FILTERS).map(([id, text]) => (
              <option key={id} value={id}>
                {text}
              </option>
            ))}
          </select>
        </div>
      </form>
      {!store.mayAdminister.value && <p class="panel-empty">Arguments and people are shown to browsers with the scope operator.admin.</p>}
    </section>
  );
}

function Events(): JSX.Element {
  const { value: events } = records.events;
  return (
    <section class="panel" aria-labelledby="events-title">
      <div class="panel-head">
        <h2 id="events-title">What agents did</h2>
        <button type="button" class="quiet" onClick={() => void records.loadEvents()}>
          Read again
        </button>
      </div>
      {events === null && <p class="panel-empty">{records.failed.value === null ? "Loading…" : ""}</p>}
      {events?.items.length === 0 && <p class="panel-empty">Nothing of this kind yet. Each call of a tool appears here.</p>}
      <ul>
        {events?.items.map((event) => (
          <Row key={event.eventId} event={event} />
        ))}
      </ul>
      {events !== null && events.next !== null && (
        <button type="button" class="quiet older-questions" onClick={() => void records.loadOlderEvents()}>
          Show older ones
        </button>
      )}
    </section>
  );
}

const DOTS: Readonly<Record<string, string>> = { succeeded: "done", failed: "failed", blocked: "failed", timed_out: "failed" };

function Row({ event }: { event: AuditEvent }): JSX.Element {
  const { occurredAt, status, toolName, agentId, sessionKey, authority } = event;
  return (
    <li class="entry">
      <span class="dot" data-state={DOTS[status] ?? ""} />
      <div class="entry-text">
        <p class="entry-name">
          <strong>{toolName ?? "Turn"}</strong>
          <span class="entry-state" data-tone={DOTS[status] === "failed" ? "bad" : DOTS[status] === "done" ? "good" : "off"}>
            {records.statusText(status)}
          </span>
          <span class="hint">{agoText(occurredAt)}</span>
        </p>
        {event.arguments !== undefined && (
          <pre class="question-command" tabIndex={0} dir="ltr" aria-label="Arguments">
            {event.arguments}
          </pre>
        )}
        <p class="hint">
          <bdi>{agentId}</bdi>
          {authority !== undefined && (
            <>
              , for <bdi>{records.authorityText(authority)}</bdi>
            </>
          )}
          , in <SessionLink sessionKey={sessionKey} />
        </p>
      </div>
    </li>
  );
}
