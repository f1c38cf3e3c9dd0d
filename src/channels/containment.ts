import { AsyncLocalStorage } from "node:async_hooks";
import type { EventEmitter } from "node:events";
import type { Clock } from "../core/clock.ts";
import { contain } from "../core/contain.ts";

/** Ends one connection of one account with an error of its code. Never throws. */
export type FailureHandler = (err: unknown) => void;

const currentOwner = new AsyncLocalStorage<FailureHandler | null>();

/** Runs the code of a channel so that what it starts is known to belong to the account of `fail`. */
export const runWithOwner = <T>(fail: FailureHandler, work: () => T): T => currentOwner.run(fail, work);

/** Runs the gateway's own code, called by a channel: its failures are not the account's. */
export const runWithoutOwner = <T>(work: () => T): T => currentOwner.run(null, work);

/**
 * The last resort for an error that nothing has caught: when the code of a channel account has thrown it, the account fails with it.
 * False: it belongs to no account. The built-in channels do not depend on it; a plugin with a timer of its own does.
 */
export function failOwner(err: unknown): boolean {
  const fail = currentOwner.getStore();
  if (!fail) return false;
  runWithoutOwner(() => fail(err));
  return true;
}

/** A clock whose callbacks end the account with what they throw, not the process. */
export function containedClock(clock: Clock, fail: FailureHandler): Clock {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after: (delayMs, fn) => clock.after(delayMs, contain(fail, fn)),
  };
}

/** Makes every listener that is added to `emitter` from now on end the account with what it throws. */
export function containListeners<T extends EventEmitter>(emitter: T, fail: FailureHandler): T {
  const on = emitter.on.bind(emitter);
  // `once` goes through it as well.
  emitter.on = (name, listener) => on(name, contain(fail, listener)) as T;
  return emitter;
}
