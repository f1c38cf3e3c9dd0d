import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { openTrace } from "../actions.ts";
import * as log from "../log-tail.ts";
import * as store from "../state.ts";
import { LogSummary } from "./log-summary.tsx";
import { ViewFrame } from "./view-frame.tsx";
import type { LogLevel, LogLine } from "../log-tail.ts";
import "../styles/lists.css";

const FOLLOW_MS = 2_000;

/** The end of the log: by level, by words, as it grows. */
export function LogsView(): JSX.Element {
  const online = store.isOnline.value;
  const follows = log.follows.value;
  useEffect(() => {
    void log.loadLines();
    if (!follows) return;
    const timer = setInterval(() => {
      if (!document.hidden) void log.loadLines();
    }, FOLLOW_MS);
    return () => clearInterval(timer);
  }, [online, follows]);
  const { value: failed } = log.failed;
  return (
    <ViewFrame view="logs" failed={failed}>
      <Filter />
      <Lines />
    </ViewFrame>
  );
}

function Filter(): JSX.Element {
  return (
    <section class="panel" aria-label="Filter">
      <form class="form form-row" onSubmit={(event) => event.preventDefault()}>
        <div>
          <label for="log-words">Words</label>
          <input id="log-words" type="search" value={log.words.value} onInput={(event) => (log.words.value = event.currentTarget.value)} />
        </div>
        <div>
          <label for="log-level">Level</label>
          <select id="log-level" value={log.level.value} onInput={(event) => (log.level.value = event.currentTarget.value as LogLevel)}>
            {log.LEVELS.map((level) => (
              <option key={level} value={level}>
                {level === "error" ? "errors" : `${level} and worse`}
              </option>
            ))}
          </select>
        </div>
      </form>
    </section>
  );
}

function Lines(): JSX.Element {
  const { value: shown } = log.shown;
  const loaded = log.file.value !== null;
  return (
    <section class="panel" aria-labelledby="log-title">
      <div class="panel-head">
        <h2 id="log-title">Log</h2>
        <span class="hint">newest first</span>
        <button type="button" class="quiet" aria-pressed={log.follows.value} onClick={() => (log.follows.value = !log.follows.value)}>
          {log.follows.value ? "Pause" : "Follow"}
        </button>
      </div>
      {!loaded && <p class="panel-empty">{log.failed.value === null ? "Loading…" : ""}</p>}
      {loaded && shown.length === 0 && (
        <p class="panel-empty">
          {log.lines.value.length === 0 ? "The log is empty." : "No line matches. Choose another level or other words."}
        </p>
      )}
      <ol class="log-lines">
        {shown.map((line) => (
          <Line key={line.id} line={line} />
        ))}
      </ol>
      {loaded && (
        <p class="hint">
          From <bdi>{log.file.value}</bdi>; <code>openclaw logs --follow</code> prints the same.
        </p>
      )}
    </section>
  );
}

function Line({ line }: { line: LogLine }): JSX.Element {
  const { level, fields, runId } = line;
  return (
    <li class="log-line" data-level={level}>
      <details>
        <summary data-row>
          <LogSummary line={line} />
        </summary>
        <dl class="log-fields">
          {fields.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd dir="auto">{value}</dd>
            </div>
          ))}
          {fields.length === 0 && <dt>No more fields.</dt>}
        </dl>
        {runId !== null && store.isServed("sessions.timeline") && (
          <button type="button" class="quiet" onClick={() => openTrace(runId)}>
            Timeline
          </button>
        )}
      </details>
    </li>
  );
}
