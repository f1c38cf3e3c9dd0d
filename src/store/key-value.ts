import type { Store } from "./open.ts";

export type KeyValueStore = ReturnType<typeof createKeyValueStore>;

/** Small persistent JSON values by name. `set` and `remove` run inside a `store.write`. */
export function createKeyValueStore(store: Store) {
  return {
    /** Null when absent. A damaged value counts as absent. */
    get(name: string): unknown {
      const row = store.get<{ value: string }>("SELECT value FROM facts WHERE name = ?", name);
      if (!row) return null;
      try {
        return JSON.parse(row.value) as unknown;
      } catch (err) {
        if (err instanceof SyntaxError) return null;
        throw err;
      }
    },

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
