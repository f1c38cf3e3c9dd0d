import { clip } from "../../core/text.ts";
import { TOOL_LIMITS } from "../limits.ts";
import { errorResult, textResult } from "../results.ts";
import type { ToolResult } from "../tool.ts";

/** The output of `grep --null`, line by line; `enough` is aborted when there is more than a result holds. */
export class FoundLines {
  readonly #lines: string[] = [];
  readonly #limit: number;
  readonly #enough = new AbortController();
  #rest = "";
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get enough(): AbortSignal {
    return this.#enough.signal;
  }

  append(chunk: Buffer): void {
    if (this.enough.aborted) return;
    this.#bytes += chunk.length;
    const lines = (this.#rest + chunk.toString()).split("\n");
    this.#rest = lines.pop()!;
    this.#lines.push(...lines);
    if (this.#lines.length > this.#limit || this.#bytes > TOOL_LIMITS.grepOutputBytes) this.#enough.abort();
  }

  toResult(timedOut: boolean): ToolResult {
    const complaint = this.#lines.find((line) => line.startsWith("grep: "));
    if (complaint !== undefined) return errorResult(`Nothing was searched: ${complaint.slice("grep: ".length)}.`);
    const shown = this.#lines.slice(0, this.#limit).map(formatLine);
    const notice = this.#noticeOf(shown.length, timedOut);
    if (shown.length === 0) return textResult(notice ?? "(nothing found)");
    return textResult([...shown, ...(notice === null ? [] : ["", notice])].join("\n"));
  }

  #noticeOf(shown: number, timedOut: boolean): string | null {
    if (timedOut) return `[The search was stopped after ${TOOL_LIMITS.grepMs / 1_000} seconds. Use a narrower path or include.]`;
    if (!this.enough.aborted) return null;
    return `[The first ${shown} lines. Use a narrower pattern, path or include, or a higher limit.]`;
  }
}

/** `./src/a.ts\0` + `12:text` -> `src/a.ts:12: text`, with a long line cut. */
function formatLine(line: string): string {
  const [, path = "", number = "", text = ""] = /^(?:\.\/)?([^\0]*)\0(\d+):(.*)$/s.exec(line) ?? [];
  const short = clip(text, TOOL_LIMITS.foundLineChars);
  return `${path}:${number}: ${short}${short.length < text.length ? "..." : ""}`;
}
