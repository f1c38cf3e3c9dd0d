import { readdirSync, readFileSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { GatewayError } from "../core/errors.ts";

const directory = new URL("./migrations/", import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, directory), "utf8");

/** What all migrations come to, as scripts/gen-store-schema.ts writes it. */
const SCHEMA = "schema.sql";

/** The numbered SQL files, in order. */
function migrations(): { version: number; name: string }[] {
  return readdirSync(directory)
    .filter((name) => /^\d{4}-[a-z0-9-]+\.sql$/.test(name))
    .toSorted()
    .map((name) => ({ version: Number(name.slice(0, 4)), name }));
}

/** Number of the last migration that this release knows: the format of its store. */
export const latestFormat = (): number => migrations().at(-1)!.version;

/** This release would lose data in rows of a later release. */
export const newerReleaseError = (at: number, latest: number): GatewayError =>
  new GatewayError("UNAVAILABLE", `the store was written by a later release (format ${at}, this one knows ${latest})`, {
    fix: "Start the later release, or use another OPENCLAW_STATE_DIR.",
  });

/** Brings a store to the format of this release. Throws GatewayError UNAVAILABLE for one that a later release has written. */
export function migrate(db: DatabaseSync): void {
  const { user_version: at } = db.prepare("PRAGMA user_version").get() as { user_version: number };
  const steps = migrations();
  const latest = steps.at(-1)!.version;
  if (at > latest) throw newerReleaseError(at, latest);
  if (at === latest) return;
  // The migrations cost a new store five times as much: each change of a table reads the whole schema again.
  const sql = isEmpty(db)
    ? read(SCHEMA)
    : steps
        .filter(({ version }) => version > at)
        .map(({ name }) => read(name))
        .join("\n");
  // One transaction: a new file needs one write to the disk instead of one for each step.
  db.exec(`BEGIN IMMEDIATE;\n${sql}\nPRAGMA user_version=${latest};\nCOMMIT;`);
}

const isEmpty = (db: DatabaseSync): boolean => db.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined;

/** Tables, indexes and triggers of this release that the file lacks: all pages of such a file may be intact. */
export function missingParts(db: DatabaseSync): string[] {
  const expected = new Map<string, string>();
  for (const [, type, name] of read(SCHEMA).matchAll(/^CREATE (?:VIRTUAL |UNIQUE )?(TABLE|INDEX|TRIGGER) "?(\w+)/gm))
    expected.set(name!, `${type!.toLowerCase()} ${name}`);
  const found = db.prepare("SELECT name FROM sqlite_schema").all() as { name: string }[];
  for (const { name } of found) expected.delete(name);
  return [...expected.values()];
}
