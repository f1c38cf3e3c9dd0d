import { existsSync, realpathSync, watch, type FSWatcher } from "node:fs";
import { basename, dirname } from "node:path";
import { LIMITS } from "../core/limits.ts";

/**
 * Calls `onChange` after the file was written, made, renamed or removed; changes shortly after each other are one. Looks at the
 * directory, because editors replace files, and also at that of the file behind a link. Costs nothing while nothing happens and
 * keeps no process alive. Throws when the directory does not exist; `onError` is called when watching ends by itself.
 */
export function watchConfig(path: string, onChange: () => void, signal: AbortSignal, onError: (err: Error) => void = () => {}): void {
  if (signal.aborted) return;
  let timer: NodeJS.Timeout | undefined;
  const watchers: FSWatcher[] = [];
  const stop = (): void => {
    clearTimeout(timer);
    for (const watcher of watchers) watcher.close();
  };
  for (const file of new Set([path, targetOf(path)])) {
    const name = basename(file);
    const watcher = watch(dirname(file), { persistent: false }, (_event, changed) => {
      if (changed !== null && changed !== name && changed !== MOUNTED) return;
      clearTimeout(timer);
      timer = setTimeout(onChange, LIMITS.configDebounceMs);
      timer.unref();
    });
    watcher.on("error", (err) => {
      stop();
      onError(err);
    });
    watchers.push(watcher);
  }
  signal.addEventListener("abort", stop, { once: true });
}

/** Orchestrators mount a file as a link through this one, and exchange only this one. */
const MOUNTED = "..data";

function targetOf(path: string): string {
  return existsSync(path) ? realpathSync(path) : path;
}
