import { GatewayError } from "../core/errors.ts";
import { clip } from "../core/text.ts";
import { fileProblemOf } from "../core/files.ts";
import { TOOL_LIMITS } from "./limits.ts";
import type { ToolResult } from "./tool.ts";

export const textResult = (text: string): ToolResult => ({ content: [{ type: "text", text }], isError: false });
export const errorResult = (text: string): ToolResult => ({ content: [{ type: "text", text }], isError: true });

/** Text for an error message: short, on one line, in quotes. */
export function quote(text: string): string {
  const short = clip(text, TOOL_LIMITS.quotedChars);
  return JSON.stringify(short.length < text.length ? `${short}...` : short);
}

/** What to do about an error, as one more sentence after a blank; empty when the error does not say. */
export const fixOf = (err: unknown): string => (err instanceof GatewayError && err.fix !== undefined ? ` ${err.fix}` : "");

/** A call that was stopped before it changed anything. */
export const stoppedError = (): Error => new Error("The call was stopped.");

export function throwIfStopped(signal: AbortSignal): void {
  if (signal.aborted) throw stoppedError();
}

/** Why a file could not be used: `Cannot read x: it does not exist (ENOENT).` */
export function fileError(verb: string, path: string, err: unknown): Error {
  const short = clip(path, TOOL_LIMITS.errorPathChars);
  return new Error(`Cannot ${verb} ${short}${short.length < path.length ? "..." : ""}: ${fileProblemOf(err)}.`, { cause: err });
}
