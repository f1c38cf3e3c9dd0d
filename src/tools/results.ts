import { clip } from "../core/text.ts";
import { errnoOf } from "../core/files.ts";
import { reasonOf } from "../core/errors.ts";
import { TOOL_LIMITS } from "./limits.ts";
import type { ToolResult } from "./tool.ts";

export const textResult = (text: string): ToolResult => ({ content: [{ type: "text", text }], isError: false });
export const errorResult = (text: string): ToolResult => ({ content: [{ type: "text", text }], isError: true });

/** Text for an error message: short, on one line, in quotes. */
export function quote(text: string): string {
  const short = clip(text, TOOL_LIMITS.quotedChars);
  return JSON.stringify(short.length < text.length ? `${short}...` : short);
}

/** A call that was stopped before it changed anything. */
export const stoppedError = (): Error => new Error("The call was stopped.");

export function throwIfStopped(signal: AbortSignal): void {
  if (signal.aborted) throw stoppedError();
}

const FILE_PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: "it does not exist",
  EEXIST: "there is a file where a directory is needed",
  ENOTDIR: "a part of the path is a file, not a directory",
  EISDIR: "it is a directory",
  EACCES: "permission denied",
  EPERM: "the system does not permit it",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  ELOOP: "there are too many symbolic links",
  ENAMETOOLONG: "the name is too long",
  ENXIO: "it is a device or a pipe without a reader",
  ERR_INVALID_ARG_VALUE: "the path contains a NUL character",
};

/** Why a file could not be used, with the code of the system: `Cannot read x: it does not exist (ENOENT).` */
export function fileError(verb: string, path: string, err: unknown): Error {
  const code = errnoOf(err);
  const problem = FILE_PROBLEMS[code];
  return new Error(`Cannot ${verb} ${path}: ${problem === undefined ? reasonOf(err) : `${problem} (${code})`}.`, { cause: err });
}
