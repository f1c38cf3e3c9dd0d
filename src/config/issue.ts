import { LIMITS } from "../core/limits.ts";
import { createLocator, type SourcePosition } from "./json5.ts";
import { formatPath, type KeyPath } from "./key-path.ts";
import { suggest } from "./suggest.ts";

/** One finding about the configuration file. Line and column count from 1, and are 0 where the file has no such place. */
export type ConfigIssue = {
  readonly severity: "error" | "warning" | "info";
  /** `gateway.port`; empty for the file as a whole. */
  readonly path: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  /** What to do, as one sentence or one command. */
  readonly fix?: string;
  /** The key or value that was probably meant. */
  readonly suggestion?: string;
};

type IssueDetails = { readonly message: string; readonly fix?: string; readonly suggestion?: string | undefined };

/** Collects issues with their places in one text. The list is bounded; what does not fit is counted in a last entry. */
export class IssueCollector {
  readonly #locate: (offset: number) => SourcePosition;
  readonly #issues: ConfigIssue[] = [];
  #omitted = 0;
  #suggestions = 0;
  #errors = 0;

  constructor(text: string) {
    this.#locate = createLocator(text);
  }

  /** Errors so far, also those that no longer fit into the list. */
  get errors(): number {
    return this.#errors;
  }

  get isFull(): boolean {
    return this.#issues.length >= LIMITS.configIssues;
  }

  /** The known name that an unknown one was meant to be; looks for the first unknown names only. */
  suggest(name: string, known: readonly string[]): string | undefined {
    return this.#suggestions++ < LIMITS.configSuggestions ? suggest(name, known) : undefined;
  }

  /** `finding` may be a function, which is called only when there is room. */
  add(severity: ConfigIssue["severity"], path: KeyPath, offset: number | null, finding: IssueDetails | (() => IssueDetails)): void {
    if (severity === "error") this.#errors++;
    if (this.isFull) {
      this.#omitted++;
      return;
    }
    const { line, column } = offset === null ? { line: 0, column: 0 } : this.#locate(offset);
    const { message, fix, suggestion } = typeof finding === "function" ? finding() : finding;
    this.#issues.push({ severity, path: formatPath(path), line, column, message, ...(fix && { fix }), ...(suggestion && { suggestion }) });
  }

  line(offset: number): number {
    return this.#locate(offset).line;
  }

  /** All issues in the order of the file, errors and warnings before notes of the same line. */
  list(): ConfigIssue[] {
    const issues = this.#issues.toSorted((a, b) => a.line - b.line || a.column - b.column);
    if (this.#omitted > 0) {
      const severity = this.#errors > issues.filter((issue) => issue.severity === "error").length ? "error" : "warning";
      issues.push({ severity, path: "", line: 0, column: 0, message: `${this.#omitted} more findings are not listed` });
    }
    return issues;
  }
}

/** `openclaw.json:3:5: gateway.bnd is not a known key`, as one line for terminal and log. */
export function issueLine(file: string, issue: ConfigIssue): string {
  const place = issue.line > 0 ? `${file}:${issue.line}:${issue.column}` : file;
  return `${place}: ${issue.message}${issue.fix ? ` (${issue.fix})` : ""}`;
}
