import type { JSX } from "preact";
import { locale } from "../locale.ts";
import { tellingFields } from "../log-tail.ts";
import type { LogLine } from "../log-tail.ts";

/** One line of the log in short: when, how bad, from where, what, and what tells it from its like. */
export function LogSummary({ line }: { line: LogLine }): JSX.Element {
  const { at, level, subsystem, message } = line;
  const more = tellingFields(line);
  return (
    <>
      {at !== null && <time dateTime={new Date(at).toISOString()}>{new Date(at).toLocaleTimeString(locale())}</time>}
      <span class="log-level">{level}</span>
      <span class="log-subsystem">{subsystem}</span>
      <span class="log-message" dir="auto">
        {message}
        {more !== "" && <span class="log-more"> {more}</span>}
      </span>
    </>
  );
}
