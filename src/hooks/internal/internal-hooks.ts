import { join } from "node:path";
import type { Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { Metrics } from "../../core/metrics.ts";
import { INTERNAL_LIMITS, wants, type InternalEvent, type InternalEventName } from "./events.ts";
import { readHookFolders, type InternalHook } from "./folders.ts";
import { runHandler, type HandlerResult } from "./handler-thread.ts";

/** What a person has said about a hook: only the content with this hash runs. */
export type InternalHookEntry = { enabled: boolean; sha256?: string | undefined };

export type InternalHookSettings = { enabled: boolean; entries: Readonly<Record<string, InternalHookEntry>> };

/** `off`: why it does not run; null: it does. */
export type InternalHookState = { hook: InternalHook; off: string | null };

/** The hooks of a workspace and of the state directory; those of the workspace come first. */
export async function findInternalHooks(
  workspace: string,
  stateDir: string,
  settings: InternalHookSettings,
): Promise<readonly InternalHookState[]> {
  const found = [
    ...(await readHookFolders(join(workspace, "hooks"), "workspace")),
    ...(await readHookFolders(join(stateDir, "hooks"), "managed")),
  ];
  const byName = new Map<string, InternalHook>();
  for (const hook of found) if (!byName.has(hook.name)) byName.set(hook.name, hook);
  return [...byName.values()].map((hook) => ({ hook, off: whyOff(hook, settings) }));
}

/** Pure. */
export function whyOff(
  { name, hash, problem }: Pick<InternalHook, "name" | "hash" | "problem">,
  { enabled, entries }: InternalHookSettings,
): string | null {
  if (problem !== null) return problem;
  const entry = Object.hasOwn(entries, name) ? entries[name] : undefined;
  if (entry?.enabled !== true) return "it is not enabled";
  if (entry.sha256 !== hash)
    return entry.sha256 === undefined ? "the content that may run is not named" : "it was changed since it was enabled";
  return enabled ? null : "hooks.internal.enabled is false";
}

export type InternalHooksDeps = {
  settings: () => InternalHookSettings;
  /** Where hooks of the workspace are. */
  workspace: () => string;
  stateDir: string;
  env: Readonly<Record<string, string>>;
  clock: Pick<Clock, "after" | "now">;
  log: Log;
  metrics: Pick<Metrics, "count">;
  /** Leaves what a handler has said for the next turn of a session, as data. */
  leave: (sessionKey: string, text: string, hook: string) => Promise<void>;
  run?: typeof runHandler;
};

/** Runs the handlers of internal hooks, beside everything else: nothing waits for them, and no failure of theirs is one of the gateway. */
export class InternalHooks {
  readonly #deps: InternalHooksDeps;
  readonly #waiting: { hook: InternalHook; event: InternalEvent }[] = [];
  #active: readonly InternalHook[] = [];
  #running = 0;
  #dropped = 0;

  constructor(deps: InternalHooksDeps) {
    this.#deps = deps;
  }

  /** Reads the folders again. Never rejects. */
  async configure(): Promise<void> {
    const { settings, workspace, stateDir, log } = this.#deps;
    try {
      const found = settings().enabled ? await findInternalHooks(workspace(), stateDir, settings()) : [];
      this.#active = found.flatMap(({ hook, off }) => (off === null ? [hook] : []));
      for (const { hook, off } of found)
        if (off !== null && settings().entries[hook.name]?.enabled === true)
          log.warn("an internal hook does not run", { hook: hook.name, cause: off });
    } catch (err) {
      log.warn("internal hooks could not be read", { cause: reasonOf(err) });
    }
  }

  /** Whether a hook would run: events that no one wants are not even made. */
  isWanted(name: InternalEventName): boolean {
    return this.#active.some(({ events }) => wants(events, name));
  }

  /** Runs what wants the event. Returns at once, and never throws. */
  emit(event: InternalEvent): void {
    for (const hook of this.#active) {
      if (!wants(hook.events, event.name)) continue;
      if (this.#waiting.length >= INTERNAL_LIMITS.waiting) this.#drop(hook);
      else this.#waiting.push({ hook, event });
    }
    this.#next();
  }

  #drop({ name }: InternalHook): void {
    const { log, metrics } = this.#deps;
    metrics.count("gateway_internal_hooks_total", { hook: name, status: "dropped" });
    if (this.#dropped++ % 100 === 0) log.warn("events of internal hooks are dropped: their handlers are too slow", { hook: name });
  }

  #next(): void {
    while (this.#running < INTERNAL_LIMITS.concurrent) {
      const next = this.#waiting.shift();
      if (!next) return;
      this.#running += 1;
      void this.#run(next.hook, next.event).finally(() => {
        this.#running -= 1;
        this.#next();
      });
    }
  }

  async #run(hook: InternalHook, event: InternalEvent): Promise<void> {
    const { clock, env, leave, log, metrics, run = runHandler } = this.#deps;
    try {
      const result: HandlerResult = await run(hook, event, { clock, env, runMs: INTERNAL_LIMITS.runMs });
      metrics.count("gateway_internal_hooks_total", { hook: hook.name, status: "error" in result ? "error" : "ok" });
      if ("error" in result) return log.warn("an internal hook failed", { hook: hook.name, event: event.name, cause: result.error });
      for (const text of result.messages) await leave(event.sessionKey, text, hook.name);
    } catch (err) {
      log.warn("an internal hook failed", { hook: hook.name, event: event.name, cause: reasonOf(err) });
    }
  }
}
