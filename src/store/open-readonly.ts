import { statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { GatewayError } from "../core/errors.ts";
import { silentLog } from "../core/log.ts";
import { Store } from "./store.ts";

/**
 * Opens the store in `dir` for reading while no gateway runs: nothing is created, migrated, repaired or changed. Null when there
 * is none yet. Throws GatewayError UNAVAILABLE when it cannot be read, e.g. because a gateway owns it.
 */
export function openReadonlyStore(dir: string): Store | null {
  const path = join(dir, "gateway.db");
  // SQLite would treat an empty file as a database and remove its write-ahead log.
  if (!statSync(path, { throwIfNoEntry: false })?.size) return null;
  try {
    const db = new DatabaseSync(path, { readOnly: true });
    db.prepare("PRAGMA user_version").get();
    return new Store(path, db, null, { dir, log: silentLog });
  } catch (err) {
    throw new GatewayError("UNAVAILABLE", `the store ${path} cannot be read`, { cause: err, fix: "openclaw doctor looks for the cause." });
  }
}
