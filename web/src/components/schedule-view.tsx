import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import * as automation from "../automation.ts";
import * as list from "../job-list.ts";
import type { JobRow, JobRunRow } from "../job-list.ts";
import * as store from "../state.ts";
import { agoText, SessionLink } from "./approval-question.tsx";
import { CommandLine } from "./command-line.tsx";
import { Heartbeats, Hooks } from "./automation-panels.tsx";
import { JobForm } from "./job-form.tsx";
import { ViewFrame } from "./view-frame.tsx";

/** Jobs, when they are due, and what became of their runs. */
export function ScheduleView(): JSX.Element {
  const online = store.isOnline.value;
  const changes = store.jobChanges.value;
  useEffect(() => {
    void list.loadJobs();
    void automation.loadAutomation();
  }, [online, changes]);
  const { value: failed } = list.failed;
  return (
    <ViewFrame view="schedule">
      {failed !== null && (
        <p class="warn" role="status">
          Could not be loaded or changed: {failed}
        </p>
      )}
      {list.isOff.value && (
        <p class="warn" role="status">
          No job runs: <code>cron.enabled</code> is false in the configuration.
        </p>
      )}
      <Jobs />
      <Heartbeats />
      <Hooks />
      <Runs />
    </ViewFrame>
  );
}

function Jobs(): JSX.Element {
  const jobs = list.jobs.value;
  if (jobs === null) return <p class="panel-empty">{list.failed.value === null ? "Loading…" : ""}</p>;
  return (
    <section class="panel" aria-labelledby="jobs-title">
      <div class="panel-head">
        <h2 id="jobs-title">Jobs</h2>
        <span class="hint">
          {jobs.filter(({ enabled }) => enabled).length} of {jobs.length} on
        </span>
      </div>
      {jobs.length === 0 && (
        <div class="panel-empty">
          <p>No jobs yet. Ask the agent for one (“Every weekday at nine, summarize my mail”), or add it in a terminal:</p>
          <CommandLine text='openclaw cron add "Morning report" --cron "0 9 * * 1-5" --message "Summarize my mail."' />
        </div>
      )}
      <ul>
        {jobs.map((job) => (
          <Job key={job.id} job={job} />
        ))}
      </ul>
      <JobForm />
    </section>
  );
}

function Job({ job }: { job: JobRow }): JSX.Element {
  const { id, name, displayName = name, enabled, preview, problem, state, owner } = job;
  const hasFailed = state?.lastStatus === "error" || state?.autoDisabled !== undefined;
  return (
    <li class="entry">
      <span class="dot" data-state={hasFailed ? "failed" : enabled ? "on" : ""} />
      <div class="entry-text">
        <p class="entry-name">
          <strong>
            <bdi>{displayName}</bdi>
          </strong>
          {owner !== undefined && <span class="tag">made by the agent</span>}
          <span class="entry-state" data-tone={hasFailed ? "bad" : enabled ? "good" : "off"}>
            {list.stateText(job)}
          </span>
        </p>
        <p>{preview?.description}</p>
        {enabled && preview !== undefined && preview.nextRunsAtMs.length > 0 && (
          <p class="hint">Next: {preview.nextRunsAtMs.map((at) => list.timeText(at, preview.timeZone)).join(" · ")}</p>
        )}
        {preview?.cost !== undefined && <p class="hint">Cost: {preview.cost.text}</p>}
        {store.mayAdminister.value && list.stopText(job) !== null && <p class="hint">{list.stopText(job)}</p>}
        {(problem ?? state?.lastError) !== undefined && (
          <p class="hint" dir="auto">
            {problem ?? state?.lastError}
          </p>
        )}
      </div>
      {store.mayAdminister.value && (
        <div class="entry-actions">
          <button
            type="button"
            class="quiet"
            aria-label={`Run now: ${displayName}`}
            disabled={list.busy.value === id || state?.runningAtMs !== undefined}
            onClick={() => void list.runJob(job)}
          >
            Run now
          </button>
          <button
            type="button"
            class="quiet"
            aria-label={`${enabled ? "Disable" : "Enable"} ${displayName}`}
            disabled={list.busy.value === id}
            onClick={() => void list.switchJob(job)}
          >
            {enabled ? "Disable" : "Enable"}
          </button>
        </div>
      )}
    </li>
  );
}

function Runs(): JSX.Element | null {
  const runs = list.runs.value;
  if (runs.length === 0) return null;
  return (
    <section class="panel" aria-labelledby="job-runs-title">
      <div class="panel-head">
        <h2 id="job-runs-title">Last runs</h2>
      </div>
      <ul>
        {runs.map((run) => (
          <Run key={`${run.jobId} ${run.runId ?? ""} ${run.dueAtMs ?? run.ts}`} run={run} />
        ))}
      </ul>
    </section>
  );
}

const DOTS: Readonly<Record<string, string>> = { ok: "done", error: "failed" };
const STATUS: Readonly<Record<string, string>> = { ok: "Done", error: "Failed", skipped: "Skipped" };

function Run({ run }: { run: JobRunRow }): JSX.Element {
  const { ts, jobName, status = "", sessionKey, durationMs } = run;
  return (
    <li class="entry">
      <span class="dot" data-state={DOTS[status] ?? ""} />
      <div class="entry-text">
        <p class="entry-name">
          <strong>
            <bdi>{jobName}</bdi>
          </strong>
          <span class="entry-state" data-tone={status === "ok" ? "good" : status === "error" ? "bad" : "off"}>
            {STATUS[status] ?? status}
          </span>
        </p>
        <p dir="auto">{list.runText(run)}</p>
        <p class="hint">
          {agoText(ts)}
          {durationMs !== undefined && `, took ${Math.max(1, Math.round(durationMs / 1_000))} s`}
          {sessionKey !== undefined && (
            <>
              {" · "}
              <SessionLink sessionKey={sessionKey} />
            </>
          )}
        </p>
      </div>
    </li>
  );
}
