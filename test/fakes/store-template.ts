// A new store in little time: creating one costs more than most of the tests that need it, copying an empty one a fifth of that.
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../../src/core/log.ts";
import { openStore } from "../../src/store/open.ts";

/** Directory with the files of an empty store, made once per process. */
let template: string | undefined;

function makeTemplate(): string {
  const dir = mkdtempSync(join(tmpdir(), "store-template-"));
  openStore({ dir, log: silentLog }).close();
  process.once("exit", () => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Puts an empty store into `dir`, unless there is one. */
export function placeStore(dir: string): void {
  if (existsSync(join(dir, "gateway.db"))) return;
  template ??= makeTemplate();
  for (const name of readdirSync(template)) copyFileSync(join(template, name), join(dir, name));
}
