import { locale } from "../locale.ts";
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import * as config from "../config-editor.ts";
import * as store from "../state.ts";
import { agoText } from "./approval-question.tsx";
import { CommandLine } from "./command-line.tsx";
import { ConfigForm } from "./config-form.tsx";
import { ViewFrame } from "./view-frame.tsx";
import type { Issue, Version } from "../config-editor.ts";
import "../styles/config.css";

/** The configuration file as a form and as text, what a change would do, and the versions before. */
export function ConfigView(): JSX.Element {
  const online = store.isOnline.value;
  useEffect(() => void config.loadConfig(), [online]);
  const file = config.file.value;
  return (
    <ViewFrame view="config" failed={config.failed.value} isWide>
      {file === null ? <p class="panel-empty">{config.failed.value === null ? "Loading…" : ""}</p> : <Editor />}
      {file !== null && <History />}
    </ViewFrame>
  );
}

function Editor(): JSX.Element {
  const [tab, setTab] = useState<"form" | "text">("form");
  const { path, exists } = config.file.value!;
  return (
    <section class="panel" aria-labelledby="config-title">
      <div class="panel-head">
        <h2 id="config-title" class="cfg-path">
          <bdi>{path}</bdi>
        </h2>
        <div class="segments cfg-tabs" role="group" aria-label="How it is shown">
          <button type="button" class="quiet" aria-pressed={tab === "form"} onClick={() => setTab("form")}>
            Form
          </button>
          <button type="button" class="quiet" aria-pressed={tab === "text"} onClick={() => setTab("text")}>
            Text
          </button>
        </div>
      </div>
      {!store.mayAdminister.value && <p class="hint">You may read the configuration. Changing it needs the scope operator.admin.</p>}
      {!exists && config.draft.value === null && (
        <div class="panel-empty">
          <p>The file does not exist yet, so every setting has its default.</p>
          {store.mayAdminister.value && (
            <button type="button" class="quiet" onClick={() => config.writeText("{\n}\n")}>
              Begin an empty file
            </button>
          )}
        </div>
      )}
      <Source />
      <div class="cfg-sides" data-tab={tab}>
        <ConfigForm />
        <Text />
      </div>
      <PlanOfDraft />
    </section>
  );
}

/** What is in use where that is not the file. */
function Source(): JSX.Element | null {
  const { source } = config.file.value!;
  if (source === "file" || source === "missing") return null;
  return (
    <p class="warn" role="status">
      The file cannot be used, so {source === "last-good" ? "the last good version of it is in use" : "the defaults are in use"}. Correct
      what is found in the text below.
    </p>
  );
}

function Text(): JSX.Element {
  const field = useRef<HTMLTextAreaElement>(null);
  const goTo = ({ line = 0, column = 1 }: Issue): void => {
    const box = field.current;
    if (box === null || line === 0) return;
    const at =
      box.value
        .split("\n")
        .slice(0, line - 1)
        .reduce((sum, each) => sum + each.length + 1, 0) +
      column -
      1;
    box.focus();
    box.setSelectionRange(at, at);
    box.scrollTop = (line - 4) * Number.parseFloat(getComputedStyle(box).lineHeight);
  };
  const { raw } = config.file.value!;
  const issues = config.issues.value;
  return (
    <div class="cfg-text">
      <label for="config-text">Text (JSON5)</label>
      <textarea
        id="config-text"
        ref={field}
        dir="ltr"
        spellcheck={false}
        autocomplete="off"
        autocapitalize="off"
        readOnly={!store.mayAdminister.value || config.busy.value !== null}
        value={config.text.value}
        aria-describedby="config-text-help"
        onInput={({ currentTarget }) => config.writeText(currentTarget.value)}
      />
      <p class="hint" id="config-text-help">
        {raw === null && config.file.value!.exists
          ? "The file is not JSON5, so its text is not shown: the places of its secrets are unknown. Correct it in an editor, or write a new text here."
          : "Secrets are shown as a placeholder. Leave the placeholder to keep the secret."}
      </p>
      {issues.length > 0 && (
        <ul class="cfg-issues" aria-label="Findings">
          {issues.map((issue) => (
            <li key={`${issue.path}${issue.line}${issue.message}`} data-severity={issue.severity ?? "error"}>
              {issue.line !== undefined && issue.line > 0 ? (
                <button type="button" class="cfg-line" onClick={() => goTo(issue)}>
                  Line {issue.line}
                </button>
              ) : null}{" "}
              <bdi>{issue.message}</bdi>
              {issue.fix !== undefined && <span class="hint"> {issue.fix}</span>}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** What applying the draft would do, and the buttons that decide. */
function PlanOfDraft(): JSX.Element | null {
  const problem = config.problem.value;
  const plan = config.plan.value;
  if (!config.isChanged.value && problem === null) return null;
  const isBlocked = plan === null || !plan.valid || config.isStale.value || config.busy.value !== null;
  return (
    <div class="inset cfg-plan" aria-live="polite">
      <h3 class="panel-title">What changes</h3>
      {problem !== null && (
        <p class="problem" role="alert">
          {problem.text} {problem.fix !== null && <span>{problem.fix}</span>}
        </p>
      )}
      {config.isStale.value && <Conflict />}
      {plan !== null && !plan.valid && <p>Correct the findings first; a file with new errors is not saved.</p>}
      {plan !== null && plan.valid && <p>{config.effectText(plan)}</p>}
      {plan !== null && plan.changes.length > 0 && (
        <ul class="facts">
          {plan.changes.map((change) => (
            <li key={change.path}>
              <code dir="ltr">{change.path}</code> <span class="hint">{config.changeText(change)}</span>
            </li>
          ))}
        </ul>
      )}
      <Difference />
      {store.mayAdminister.value && (
        <div class="form-pair">
          <button type="button" class="primary" disabled={isBlocked} onClick={() => void config.apply()}>
            {plan?.requiresRestart === true ? "Apply and restart" : "Apply"}
          </button>
          <button type="button" class="quiet" onClick={config.discard}>
            Discard
          </button>
        </div>
      )}
    </div>
  );
}

function Conflict(): JSX.Element {
  return (
    <div class="warn" role="alert">
      <p>
        The file was changed after this draft was begun, by someone else or in an editor. Nothing was overwritten, and the draft is kept.
      </p>
      <button type="button" class="quiet" onClick={() => void config.compareWithFile()}>
        Compare with the file as it is now
      </button>
    </div>
  );
}

const SIGNS = { same: " ", removed: "-", added: "+", gap: "⋯" } as const;

function Difference(): JSX.Element | null {
  const lines = config.difference.value;
  if (lines.length === 0) return null;
  return (
    <pre class="cfg-diff" dir="ltr" tabIndex={0} aria-label="Difference to the file">
      {lines.map(({ kind, text }, at) => (
        <span key={at} data-kind={kind}>
          {SIGNS[kind]} {text}
          {"\n"}
        </span>
      ))}
    </pre>
  );
}

function History(): JSX.Element {
  const versions = config.versions.value ?? [];
  return (
    <section class="panel" aria-labelledby="config-history-title">
      <div class="panel-head">
        <h2 id="config-history-title">History</h2>
      </div>
      {versions.length === 0 && (
        <div class="panel-empty">
          <p>No version has been replaced yet. After the first change you can go back, here or in a terminal:</p>
          <CommandLine text="openclaw config history" />
        </div>
      )}
      <ul>
        {versions.map((version) => (
          <VersionRow key={version.id} version={version} />
        ))}
      </ul>
    </section>
  );
}

function VersionRow({ version }: { version: Version }): JSX.Element {
  const { id, at, author, changes, current } = version;
  const time = new Date(at).toLocaleString(locale(), { dateStyle: "medium", timeStyle: "short" });
  return (
    <li class="entry">
      <span class="dot" data-state={current ? "on" : ""} />
      <div class="entry-text">
        <p class="entry-name">
          <strong>Version {id}</strong>
          {current && (
            <span class="entry-state" data-tone="good">
              In the file
            </span>
          )}
        </p>
        <p class="hint">
          <time dateTime={new Date(at).toISOString()}>{time}</time>, {agoText(at)}.{" "}
          {author === null ? "The file was edited." : `By ${author}.`}
        </p>
        {changes.length > 0 && (
          <p>
            <code dir="ltr">
              {changes
                .slice(0, 6)
                .map(({ path }) => path)
                .join(", ")}
            </code>
            {changes.length > 6 && ` and ${changes.length - 6} more`}
          </p>
        )}
      </div>
      {!current && store.mayAdminister.value && (
        <div class="entry-actions">
          <button
            type="button"
            class="quiet"
            aria-label={`Go back to version ${id}`}
            disabled={config.busy.value !== null}
            onClick={() => void config.restore(version)}
          >
            Go back
          </button>
        </div>
      )}
    </li>
  );
}
