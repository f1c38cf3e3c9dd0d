import { LIMITS } from "../core/limits.ts";
import type { Store } from "./open.ts";
import { decodeRows } from "./row-decoding.ts";

/** One changed key of a version, and what it took to make it work. */
export type VersionChange = { path: string; effect: string };

/** A version of the configuration file that was in use. */
export type ConfigVersion = {
  id: number;
  at: number;
  author: string | null;
  changes: readonly VersionChange[];
  bytes: number;
};

type VersionSqlRow = Omit<ConfigVersion, "changes"> & { changes: string };

const COLUMNS = "id, at, author, changes, octet_length(text) AS bytes";

export type ConfigVersions = ReturnType<typeof createConfigVersions>;

/** Texts of the configuration file, in which secrets are placeholders. Functions that change rows run inside a `store.write`. */
export function createConfigVersions(store: Store) {
  return {
    /** Adds a version, and removes the oldest ones beyond LIMITS.configVersions or LIMITS.configVersionBytes. */
    add({ at, author, changes, text }: { at: number; author: string | null; changes: readonly VersionChange[]; text: string }): void {
      const sql = "INSERT INTO config_versions (at, author, changes, text) VALUES (?, ?, ?, ?)";
      store.run(sql, at, author, JSON.stringify(changes), text);
      let left: number = LIMITS.configVersionBytes;
      const kept = store
        .all<{ id: number; bytes: number }>("SELECT id, octet_length(text) AS bytes FROM config_versions ORDER BY id DESC")
        .slice(0, LIMITS.configVersions)
        .filter(({ bytes }, index) => (left -= bytes) >= 0 || index === 0);
      store.run("DELETE FROM config_versions WHERE id < ?", kept.at(-1)!.id);
    },

    /** The newest first. */
    list: (): ConfigVersion[] =>
      decodeRows(
        store,
        store.all<VersionSqlRow>(`SELECT ${COLUMNS} FROM config_versions ORDER BY id DESC`),
        ({ id }) => `config_versions ${id}`,
        ({ changes, ...row }) => ({ ...row, changes: JSON.parse(changes) as VersionChange[] }),
      ),

    text: (id: number): string | undefined => store.get<{ text: string }>("SELECT text FROM config_versions WHERE id = ?", id)?.text,

    latestText: (): string | undefined => store.get<{ text: string }>("SELECT text FROM config_versions ORDER BY id DESC LIMIT 1")?.text,
  };
}
