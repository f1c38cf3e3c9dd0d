import type { ConfigIssue } from "../config/issue.ts";
import type { Log } from "../core/log.ts";

/** Logs each finding about the configuration file with its position, at the level of its severity. */
export function logIssues(log: Log, file: string, issues: readonly ConfigIssue[]): void {
  for (const issue of issues) {
    const level = issue.severity === "error" ? "error" : issue.severity === "warning" ? "warn" : "info";
    const place = issue.line > 0 ? `${file}:${issue.line}` : file;
    const key = issue.path && !issue.message.includes(issue.path) ? `${issue.path}: ` : "";
    log[level](`${place}: ${key}${issue.message}`, issue.fix ? { fix: issue.fix } : {});
  }
}

/** The findings that `before` did not have: after a reload only these are logged. Line numbers do not count. */
export function newIssues(before: readonly ConfigIssue[], after: readonly ConfigIssue[]): ConfigIssue[] {
  const known = new Set(before.map(signature));
  return after.filter((issue) => !known.has(signature(issue)));
}

const signature = ({ severity, path, message }: ConfigIssue): string => `${severity}|${path}|${message}`;
