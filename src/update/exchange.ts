import { existsSync } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import { basename, join } from "node:path";
import { GatewayError, reasonOf } from "../core/errors.ts";

/** A file or directory that is replaced by a staged one. Both are on one file system. */
export type Replacement = { readonly place: string; readonly staged: string };

/**
 * Puts what is staged into its places, one rename each; what was there goes to `aside`. A failure leaves everything as it was. Resolves to
 * the function that undoes it.
 */
export async function exchange(replacements: readonly Replacement[], aside: string): Promise<() => Promise<void>> {
  await mkdir(aside, { recursive: true, mode: 0o700 });
  const undo: (() => Promise<void>)[] = [];
  const undoAll = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    for (const [index, { place, staged }] of replacements.entries()) {
      const old = join(aside, `${index}-${basename(place)}`);
      if (existsSync(place)) {
        await rename(place, old);
        undo.push(() => rename(old, place));
      }
      await rename(staged, place);
      undo.push(() => rename(place, staged));
    }
  } catch (err) {
    await undoAll();
    throw new GatewayError("UNAVAILABLE", `the new version could not be put into its place: ${reasonOf(err)}`, {
      cause: err,
      fix: "Run this as the user who owns the installation; nothing was changed.",
    });
  }
  return undoAll;
}
