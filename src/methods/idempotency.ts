import { GatewayError } from "../core/errors.ts";
import type { KeyValueStore } from "../store/key-value.ts";

type IdempotencyRecord = { key: string; /** Absent while it is not known how it ended. */ result?: unknown };

export type IdempotencyDeps = {
  /** Where the results are kept. */
  name: "message-actions" | "tool-calls";
  /** How many. */
  limit: number;
  keyValue: KeyValueStore;
  write: <T>(change: () => T) => Promise<T>;
  now: () => number;
};

/**
 * Does each thing once per key, also across a crash: a repeat gets the first result, and one with an unknown outcome is refused instead of
 * being done again. A failure for certain leaves no trace, so that it may be repeated. The newest `limit` keys count.
 */
export function createIdempotency(deps: IdempotencyDeps) {
  const running = new Map<string, Promise<unknown>>();
  const kept = (): readonly IdempotencyRecord[] => (deps.keyValue.get(deps.name) as readonly IdempotencyRecord[] | null) ?? [];
  const put = (key: string, entry: IdempotencyRecord | null): Promise<void> =>
    deps.write(() => {
      const others = kept().filter((each) => each.key !== key);
      deps.keyValue.set(deps.name, [...others, ...(entry ? [entry] : [])].slice(-deps.limit), deps.now());
    });
  async function first(key: string, work: () => Promise<unknown>): Promise<unknown> {
    const before = kept().find((each) => each.key === key);
    if (before && "result" in before) return before.result;
    if (before) throw outcomeUnknown();
    await put(key, { key });
    try {
      const result = await work();
      await put(key, { key, result });
      return result;
    } catch (err) {
      // The outcome is unknown: the key stays in use.
      if (!(err instanceof GatewayError) || err.details?.["code"] === "OUTBOUND_DELIVERY_UNKNOWN") throw err;
      await put(key, null);
      throw err;
    }
  }
  return (key: string, work: () => Promise<unknown>): Promise<unknown> => {
    const mine = running.get(key) ?? first(key, work).finally(() => running.delete(key));
    running.set(key, mine);
    return mine;
  };
}

const outcomeUnknown = (): GatewayError =>
  new GatewayError("CONFLICT", "this was asked for before, and it is not known how it ended; it is not done again", {
    details: { code: "OUTBOUND_DELIVERY_UNKNOWN" },
    fix: "Look at the conversation, and ask again with another idempotency key if it has not happened.",
  });
