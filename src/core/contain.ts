/**
 * Wraps a callback whose caller does not await it (a timer, a socket listener, an event listener): what it throws, or what its
 * promise rejects with, goes to `onError` and affects nothing else. `onError` ends the part that the callback belongs to (its
 * account, run or connection) and logs the cause; it must not throw.
 */
export function contain<A extends unknown[]>(onError: (err: unknown) => void, fn: (...args: A) => unknown): (...args: A) => void {
  return (...args) => {
    try {
      const result = fn(...args);
      if (result instanceof Promise) result.catch(onError);
    } catch (err) {
      onError(err);
    }
  };
}
