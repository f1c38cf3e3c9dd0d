import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { DoctorProblem } from "../../../src/core/doctor-report.ts";
import * as doctor from "../doctor-report.ts";
import * as store from "../state.ts";
import { agoText } from "./approval-question.tsx";
import { CommandLine } from "./command-line.tsx";

/** What is wrong with the configuration, the machine and the gateway, with the fix of each. */
export function DoctorPanel(): JSX.Element {
  const online = store.isOnline.value;
  useEffect(() => void doctor.loadDoctor(), [online]);
  const { value: report } = doctor.report;
  const { value: failed } = doctor.failed;
  return (
    <section class="panel" aria-labelledby="doctor-title">
      <div class="panel-head">
        <h2 id="doctor-title">Checks</h2>
        <span class="hint" role="status">
          {doctor.isRunning.value ? "running…" : report !== null && `${summaryOf(report)}, ${agoText(report.ts)}`}
        </span>
        <button type="button" class="quiet" disabled={doctor.isRunning.value} onClick={() => void doctor.loadDoctor({ again: true })}>
          Run again
        </button>
      </div>
      {failed !== null && (
        <p class="warn" dir="auto">
          {failed}
        </p>
      )}
      {report?.findings.length === 0 && <p class="panel-empty">All {report.fine} checks are fine.</p>}
      <ul>
        {report?.findings.map((finding) => (
          <Finding key={`${finding.check} ${finding.title}`} finding={finding} />
        ))}
      </ul>
    </section>
  );
}

const summaryOf = ({ problems, warnings, fine }: { problems: number; warnings: number; fine: number }): string =>
  [`${problems} ${problems === 1 ? "problem" : "problems"}`, `${warnings} ${warnings === 1 ? "warning" : "warnings"}`, `${fine} fine`].join(
    ", ",
  );

/** A fix is a sentence, or one command. */
const COMMAND = /^(?:openclaw|chmod|chown|mkdir|systemctl|loginctl|npm) [^.;,]*\S$/;

/** What to do about a finding: a sentence, or a command with a button that copies it. */
export function Fix({ text }: { text: string }): JSX.Element {
  if (COMMAND.test(text)) return <CommandLine text={text} />;
  const isCommand = /^(?:openclaw|chmod|chown|mkdir) /.test(text);
  return (
    <p dir="auto">
      <strong>How to fix:</strong> {isCommand ? `run ${text}` : capitalized(text)}
    </p>
  );
}

/** Titles, reasons and fixes are written for the middle of a line of the terminal. */
export const capitalized = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

function Finding({ finding }: { finding: DoctorProblem }): JSX.Element {
  return (
    <li class="entry">
      <span class="dot" data-state={finding.severity === "problem" ? "failed" : "busy-still"} />
      <div class="entry-text">
        <p class="entry-name">
          <strong dir="auto">{capitalized(finding.title)}</strong>
        </p>
        <p dir="auto">{capitalized(finding.why)}</p>
        <Fix text={finding.fix} />
      </div>
    </li>
  );
}
