import type { Store } from "./open.ts";

export type KeyValueStore = ReturnType<typeof createKeyValueStore>;

/** Small persistent JSON values by name. `set` and `remove` run inside a `store.write`. */
export function createKeyValueStore(store: Store) {
  const read = (name: string): { value: unknown; isDamaged: boolean } => {
    const row = store.get<{ value: string }>("SELECT value FROM facts WHERE name = ?", name);
    if (!row) return { value: null, isDamaged: false };
    try {
      return { value: JSON.parse(row.value) as unknown, isDamaged: false };
    } catch (err) {
      if (err instanceof SyntaxError) return { value: null, isDamaged: true };
      throw err;
    }
  };
  return {
    /** Null when absent. A damaged value counts as absent. */
    get: (name: string): unknown => read(name).value,

    /** Whether there is a value that cannot be read: for those whose absence would permit more. */
    isDamaged: (name: string): boolean => read(name).isDamaged,

    set(name: string, value: unknown, now: number): void {
      store.run(
        "INSERT INTO facts (name, value, updated_at) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at",
        name,
        JSON.stringify(value),
        now,
      );
    },

    remove: (name: string): boolean => store.run("DELETE FROM facts WHERE name = ?", name) > 0,
  };
}
