import { fileProblemOf, type StagedFile } from "../../core/files.ts";
import { reasonOf } from "../../core/errors.ts";
import type { FileTarget } from "../file-target.ts";
import { throwIfStopped } from "../results.ts";
import type { ToolContext } from "../tool.ts";

/** A content to be written, or a file to be removed. `mode` is that of a new file. */
export type FileChange = { path: string; target: FileTarget } & (
  | { type: "write"; content: string | Uint8Array; mode?: number }
  | { type: "remove" }
);

type Step = { text: string; path: string; run: () => Promise<void> };

/**
 * Makes all changes, removals last. Every content is on the disk before the first file is replaced, so that a full disk or a missing
 * permission changes nothing. What fails after that is reported together with what has been done.
 */
export async function commitChanges(changes: readonly FileChange[], { signal, log }: ToolContext): Promise<void> {
  const staged = new Map<FileChange, StagedFile>();
  const undo = async (): Promise<void> => {
    try {
      for (const file of staged.values()) await file.discard();
      for (const { target } of changes.toReversed()) await target.removeMadeDirectories();
    } catch (err) {
      log.warn("what a patch had prepared could not be removed", { reason: reasonOf(err) });
    }
  };
  for (const change of changes) {
    try {
      if (change.type === "write") staged.set(change, await stage(change));
    } catch (err) {
      await undo();
      throwIfStopped(signal);
      throw new Error(`Nothing was changed. Cannot write ${change.path}: ${fileProblemOf(err)}.`, { cause: err });
    }
  }
  if (signal.aborted) await undo();
  throwIfStopped(signal);
  const steps = toSteps(changes, staged);
  for (const [index, { path, run }] of steps.entries()) {
    try {
      await run();
    } catch (err) {
      await undo();
      throw new Error(`${describePart(steps, index)} Cannot change ${path}: ${fileProblemOf(err)}.`, { cause: err });
    }
  }
}

async function stage({ target, content, mode }: FileChange & { type: "write" }): Promise<StagedFile> {
  await target.makeDirectories();
  return target.stage(content, mode);
}

function toSteps(changes: readonly FileChange[], staged: ReadonlyMap<FileChange, StagedFile>): readonly Step[] {
  const writes = [...staged].map(([{ path }, file]): Step => ({ text: `writing ${path}`, path, run: file.commit }));
  const removals = changes
    .filter(({ type }) => type === "remove")
    .map(({ path, target }): Step => ({ text: `removing ${path}`, path, run: () => target.remove() }));
  return [...writes, ...removals];
}

function describePart(steps: readonly Step[], failed: number): string {
  if (failed === 0) return "Nothing was changed.";
  const list = (part: readonly Step[]): string => part.map(({ text }) => text).join(", ");
  return `The patch was applied in part. Done: ${list(steps.slice(0, failed))}. Not done: ${list(steps.slice(failed))}.`;
}
