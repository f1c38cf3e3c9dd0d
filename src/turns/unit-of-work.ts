import type { Store } from "../store/open.ts";

/**
 * A change whose effects outside of the store wait for its transaction. Exactly one of `onCommit` and `onRollback` follows an `apply`.
 * After `onRollback` the same unit may be applied again.
 */
export type UnitOfWork<T = void> = {
  /** Writes the rows; runs inside a `store.write`. */
  apply: () => void;
  /** The rows are on disk. */
  onCommit: () => T;
  onRollback: () => void;
};

export const noWork: UnitOfWork = { apply: () => {}, onCommit: () => {}, onRollback: () => {} };

/** Several units as one: they share a transaction. */
export const combineWork = (units: readonly UnitOfWork<unknown>[]): UnitOfWork => ({
  apply: () => units.forEach((unit) => unit.apply()),
  onCommit: () => units.forEach((unit) => unit.onCommit()),
  onRollback: () => units.forEach((unit) => unit.onRollback()),
});

/** A unit that is known only in its transaction: `plan` is asked at each `apply`. */
export function planInTransaction(plan: () => UnitOfWork<unknown>): UnitOfWork {
  let work: UnitOfWork<unknown> = noWork;
  return {
    apply: () => {
      work = noWork;
      work = plan();
      work.apply();
    },
    onCommit: () => void work.onCommit(),
    onRollback: () => {
      work.onRollback();
      work = noWork;
    },
  };
}

/** Runs a unit in a transaction of its own. Rejects when it cannot be stored. */
export async function commitWork<T>(store: Store, work: UnitOfWork<T>): Promise<T> {
  try {
    await store.write(work.apply);
  } catch (err) {
    work.onRollback();
    throw err;
  }
  return work.onCommit();
}
