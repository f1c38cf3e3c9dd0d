import { watch } from "node:fs";
import { basename, dirname } from "node:path";
import { LIMITS } from "../core/limits.ts";

/**
 * Calls `onChange` after the file was written, made, renamed or removed; changes shortly after each other are one. Looks at the
 * directory, because editors replace files. Costs nothing while nothing happens and keeps no process alive. Throws when the
 * directory does not exist; `onError` is called when watching ends by itself.
 */
export function watchConfig(path: string, onChange: () => void, signal: AbortSignal, onError: (err: Error) => void = () => {}): void {
  if (signal.aborted) return;
  const name = basename(path);
  let timer: NodeJS.Timeout | undefined;
  const watcher = watch(dirname(path), { persistent: false }, (_event, changed) => {
    if (changed !== null && changed !== name) return;
    clearTimeout(timer);
    timer = setTimeout(onChange, LIMITS.configDebounceMs);
    timer.unref();
  });
  const stop = (): void => {
    clearTimeout(timer);
    watcher.close();
  };
  watcher.on("error", (err) => {
    stop();
    onError(err);
  });
  signal.addEventListener("abort", stop, { once: true });
}
