import type { PageContent } from "../records.ts";

/** Why an action gave nothing, in words for the model; `content` is from a page. */
export class ActionProblem extends Error {
  readonly code: string;
  readonly content: PageContent | undefined;

  constructor(code: string, message: string, content?: PageContent) {
    super(message);
    this.code = code;
    this.content = content;
  }
}

/** The first line of an error of playwright, without the name of the call. Pure. */
export const shortReason = (err: unknown): string =>
  (err instanceof Error ? err.message : String(err))
    .split("\n", 1)[0]!
    .replace(/^[a-zA-Z]+\.[a-zA-Z]+: /, "")
    .slice(0, 300);
