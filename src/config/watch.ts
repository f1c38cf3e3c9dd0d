import { lstatSync, readlinkSync, statSync, watch, type FSWatcher } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { systemClock, type Clock } from "../core/clock.ts";
import { LIMITS } from "../core/limits.ts";

export type ConfigWatchOptions = {
  onChange: () => void;
  signal: AbortSignal;
  /** Called once when the system does not (or no longer) report changes: then the file is looked at every `pollMs`. */
  onPolling?: (err: Error) => void;
  clock?: Clock;
  /** For tests: replaces the system's change notification. */
  watch?: typeof watch;
};

/**
 * Calls `onChange` after the file was written, made, renamed or removed; changes shortly after each other are one. Looks at the
 * directory, because editors replace files, and also at those of every link on the way to the file. Costs nothing while nothing
 * happens and keeps no process alive. Where changes are not reported, because there is no directory yet or the system has no
 * room, the file is looked at every LIMITS.configPollMs. Never throws.
 */
export function watchConfig(path: string, options: ConfigWatchOptions): void {
  const { signal, clock = systemClock } = options;
  if (signal.aborted) return;
  let cancel = noop;
  let cancelDebounce = noop;
  let watchers: FSWatcher[] = [];
  const close = (): void => {
    for (const watcher of watchers) watcher.close();
    watchers = [];
  };
  const changed = (): void => {
    cancelDebounce();
    cancelDebounce = clock.after(LIMITS.configDebounceMs, () => {
      // A link may lead elsewhere now.
      if (watchers.length > 0) begin();
      options.onChange();
    });
  };
  let told = false;
  const poll = (err: Error): void => {
    close();
    if (signal.aborted) return;
    if (!told) options.onPolling?.(err);
    told = true;
    let seen = fileStamp(path);
    const look = (): void => {
      const now = fileStamp(path);
      if (now !== seen) options.onChange();
      seen = now;
      cancel = clock.after(LIMITS.configPollMs, look);
    };
    cancel();
    cancel = clock.after(LIMITS.configPollMs, look);
  };
  const begin = (): void => {
    close();
    try {
      for (const file of resolveLinkChain(path)) watchers.push(watchOne(file, changed, poll, options.watch ?? watch));
    } catch (err) {
      poll(err as Error);
    }
  };
  begin();
  const stop = (): void => {
    cancel();
    cancelDebounce();
    close();
  };
  signal.addEventListener("abort", stop, { once: true });
}

const noop = (): void => {};

function watchOne(file: string, changed: () => void, failed: (err: Error) => void, begin: typeof watch): FSWatcher {
  const name = basename(file);
  const watcher = begin(dirname(file), { persistent: false }, (_event, entry) => {
    if (entry === null || entry === name || entry === CONTAINER_MOUNT) changed();
  });
  watcher.on("error", failed);
  return watcher;
}

/** Orchestrators mount a file as a link through this one, and exchange only this one. */
const CONTAINER_MOUNT = "..data";
/** Links that are followed on the way to the file; the rest of a longer chain is not watched. */
const MAX_LINKS = 16;

/** The path itself, and what each link on the way points to: a change of any of them changes the file. */
function resolveLinkChain(path: string): Set<string> {
  const files = new Set<string>();
  for (let at = resolve(path); files.size < MAX_LINKS && !files.has(at);) {
    files.add(at);
    if (!lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink()) break;
    at = resolve(dirname(at), readlinkSync(at));
  }
  return files;
}

/** What changes when the file changes. */
function fileStamp(path: string): string {
  try {
    const seen = statSync(path, { throwIfNoEntry: false, bigint: true });
    return seen ? `${seen.dev}:${seen.ino}:${seen.size}:${seen.mtimeNs}:${seen.ctimeNs}` : "absent";
  } catch (err) {
    return `unreadable: ${(err as NodeJS.ErrnoException).code}`;
  }
}
