import { closeSync, openSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { ensureDirectorySync } from "../core/files.ts";
import type { Log } from "../core/log.ts";
import { matchAll, matchAny, toIndexedText, toQueryWords } from "./search-words.ts";
import { damageError, isDamage, isForeignSchema } from "./store-errors.ts";

/** A note as it was when it was indexed. `stamp` differs after every change of the file. */
type IndexedNote = { path: string; stamp: string; changedAt: number };

/** Some lines of a note. */
type NoteChunk = { firstLine: number; lastLine: number; text: string };

type NoteChange = { note: IndexedNote; chunks: readonly NoteChunk[] };

/** A chunk that matches a query; a higher score is a better match. */
type NoteMatch = { id: number; path: string; score: number };

/** `isAll`: every match has all words; otherwise none has, and each has one of them. */
type NoteMatches = { matches: readonly NoteMatch[]; isAll: boolean };

/** A file of another version is made again. */
const VERSION = 2;
/** What the index loses in a power failure is found in the notes again, so that nothing waits for the disk. */
const PRAGMAS = "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA busy_timeout=2000; PRAGMA cache_size=-2000;";
const TABLES = `
CREATE TABLE note (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, stamp TEXT NOT NULL, changed_at REAL NOT NULL) STRICT;
CREATE TABLE chunk (id INTEGER PRIMARY KEY AUTOINCREMENT, note INTEGER NOT NULL, first_line INTEGER NOT NULL, last_line INTEGER NOT NULL, text TEXT NOT NULL) STRICT;
CREATE INDEX chunk_note ON chunk (note);
CREATE VIRTUAL TABLE chunk_words USING fts5 (words, content='', contentless_delete=1, tokenize='porter unicode61 remove_diacritics 2');
INSERT INTO chunk_words (chunk_words, rank) VALUES ('automerge', 0);
CREATE TABLE vector (chunk INTEGER PRIMARY KEY, numbers BLOB NOT NULL) STRICT;
CREATE TABLE vector_model (fingerprint TEXT NOT NULL) STRICT;
PRAGMA user_version=${VERSION};`;

/** Pages of the word lists that are merged after a change: merges of FTS5's own choice take up to 50 ms, these 10. */
const MERGE = "INSERT INTO chunk_words (chunk_words, rank) VALUES ('merge', 16)";

const FIND = `SELECT f.id, n.path, f.score FROM (SELECT rowid AS id, -bm25(chunk_words) AS score FROM chunk_words WHERE chunk_words MATCH ? ORDER BY rowid DESC LIMIT ?) f JOIN chunk c ON c.id = f.id JOIN note n ON n.id = c.note`;

/** Words of a query that count. */
const MAX_WORDS = 32;

/**
 * The words of an agent's notes, in a file of its own, which holds nothing that the notes do not: it is opened with the first use, and
 * made again when it is damaged or of another version. Its calls are synchronous; the caller limits how much one of them does.
 */
export class NoteIndex {
  readonly #path: string;
  readonly #log: Log;
  #db: DatabaseSync | null = null;
  #generation = 0;

  constructor(path: string, log: Log) {
    this.#path = path;
    this.#log = log;
  }

  /** Another number after the index was made again: then it knows no notes. */
  get generation(): number {
    return this.#generation;
  }

  notes(): readonly IndexedNote[] {
    return this.#use((db) => db.prepare("SELECT path, stamp, changed_at AS changedAt FROM note").all() as IndexedNote[]);
  }

  count(): { notes: number; chunks: number } {
    const sql = "SELECT (SELECT count(*) FROM note) AS notes, (SELECT count(*) FROM chunk) AS chunks";
    return this.#use((db) => db.prepare(sql).get() as { notes: number; chunks: number });
  }

  /** Puts notes in, in place of what was there of them, and takes others out, all or nothing. */
  update(changes: readonly NoteChange[], removed: readonly string[]): void {
    this.#use((db) => {
      db.exec("BEGIN IMMEDIATE");
      try {
        for (const path of [...removed, ...changes.map(({ note }) => note.path)]) removeNote(db, path);
        for (const change of changes) addNote(db, change);
        db.exec("COMMIT");
        db.exec(MERGE);
      } catch (err) {
        if (db.isTransaction) db.exec("ROLLBACK");
        throw err;
      }
    });
  }

  /**
   * The chunks with all words of a query, or where none has, those with one of them. The `limit` chunks that were indexed last count, so
   * that a common word costs no more than a rare one.
   */
  search(query: string, limit: number): NoteMatches {
    const words = toQueryWords(query, MAX_WORDS);
    if (words.length === 0) return { matches: [], isAll: true };
    const find = (match: string): NoteMatch[] => this.#use((db) => db.prepare(FIND).all(match, limit) as NoteMatch[]);
    const [all, any] = [matchAll(words), matchAny(words)];
    const matches = find(all);
    return matches.length > 0 || all === any ? { matches, isAll: true } : { matches: find(any), isAll: false };
  }

  /** The model of the vectors that are kept: those of another one are removed. */
  useVectorsOf(fingerprint: string): void {
    this.#use((db) => {
      const known = db.prepare("SELECT fingerprint FROM vector_model").get() as { fingerprint: string } | undefined;
      if (known?.fingerprint === fingerprint) return;
      db.exec("BEGIN IMMEDIATE; DELETE FROM vector; DELETE FROM vector_model;");
      db.prepare("INSERT INTO vector_model (fingerprint) VALUES (?)").run(fingerprint);
      db.exec("COMMIT");
    });
  }

  /** Chunks that have no vector yet, those that were indexed last first. */
  withoutVector(limit: number): readonly { id: number; path: string; text: string }[] {
    const sql =
      "SELECT c.id, n.path, c.text FROM chunk c JOIN note n ON n.id = c.note LEFT JOIN vector v ON v.chunk = c.id WHERE v.chunk IS NULL ORDER BY c.id DESC LIMIT ?";
    return this.#use((db) => db.prepare(sql).all(limit) as { id: number; path: string; text: string }[]);
  }

  countVectors(): number {
    return this.#use((db) => (db.prepare("SELECT count(*) AS n FROM vector").get() as { n: number }).n);
  }

  /** Keeps vectors of chunks that are still there. */
  addVectors(vectors: readonly { id: number; vector: Float32Array }[]): void {
    this.#use((db) => {
      const add = db.prepare("INSERT OR REPLACE INTO vector (chunk, numbers) SELECT id, ? FROM chunk WHERE id = ?");
      db.exec("BEGIN IMMEDIATE");
      try {
        for (const { id, vector } of vectors) add.run(toBlob(vector), id);
        db.exec("COMMIT");
      } catch (err) {
        if (db.isTransaction) db.exec("ROLLBACK");
        throw err;
      }
    });
  }

  /** Vectors by their chunk, from the one after `after` on. */
  vectors(after: number, limit: number): readonly { id: number; path: string; vector: Float32Array }[] {
    const sql =
      "SELECT v.chunk AS id, n.path, v.numbers FROM vector v JOIN chunk c ON c.id = v.chunk JOIN note n ON n.id = c.note WHERE v.chunk > ? ORDER BY v.chunk LIMIT ?";
    const rows = this.#use((db) => db.prepare(sql).all(after, limit) as { id: number; path: string; numbers: Uint8Array }[]);
    return rows.map(({ id, path, numbers }) => ({ id, path, vector: fromBlob(numbers) }));
  }

  /** The chunks with these ids that are still there, in this order. */
  read(ids: readonly number[]): readonly (NoteChunk & { id: number })[] {
    const sql = "SELECT id, first_line AS firstLine, last_line AS lastLine, text FROM chunk WHERE id = ?";
    return this.#use((db) => {
      const one = db.prepare(sql);
      return ids.flatMap((id) => (one.get(id) as (NoteChunk & { id: number }) | undefined) ?? []);
    });
  }

  /** Forgets all notes: they are indexed again. */
  clear(): void {
    this.close();
    this.#remove();
  }

  close(): void {
    this.#db?.close();
    this.#db = null;
  }

  /** Runs `use`; once more with an empty index where the file turns out to be damaged. */
  #use<T>(use: (db: DatabaseSync) => T): T {
    try {
      return use((this.#db ??= this.#open()));
    } catch (err) {
      if (!isDamage(err)) throw toUnavailable(err);
      this.#log.warn("the index of an agent's notes is damaged and is made again", { path: this.#path, cause: reasonOf(err) });
      this.clear();
      return use((this.#db = this.#open()));
    }
  }

  #open(): DatabaseSync {
    ensureDirectorySync(dirname(this.#path));
    closeSync(openSync(this.#path, "a", 0o600));
    const db = new DatabaseSync(this.#path);
    try {
      db.exec(PRAGMAS);
      const { user_version: version } = db.prepare("PRAGMA user_version").get() as { user_version: number };
      const { tables } = db.prepare("SELECT count(*) AS tables FROM sqlite_schema").get() as { tables: number };
      if (tables > 0 && version !== VERSION) throw damageError(`its version is ${version}, not ${VERSION}`);
      if (tables === 0) db.exec(`BEGIN; ${TABLES} COMMIT;`);
      return db;
    } catch (err) {
      db.close();
      throw isForeignSchema(err) ? damageError(reasonOf(err)) : err;
    }
  }

  #remove(): void {
    for (const suffix of ["", "-wal", "-shm"]) rmSync(this.#path + suffix, { force: true });
    this.#generation += 1;
  }
}

/** A disk that is full or cannot be written. */
function toUnavailable(err: unknown): unknown {
  if (!(err instanceof Error) || !("code" in err)) return err;
  return new GatewayError("UNAVAILABLE", `the index of the notes cannot be used: ${reasonOf(err)}`, {
    retryable: true,
    fix: "Free some space, or make the state directory writable; the index goes on by itself.",
  });
}

const toBlob = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength);

/** Numbers of four bytes, at an address that is a multiple of four. */
function fromBlob(bytes: Uint8Array): Float32Array {
  const isAligned = bytes.byteOffset % 4 === 0;
  const { buffer, byteOffset } = isAligned ? bytes : Uint8Array.from(bytes);
  return new Float32Array(buffer, byteOffset, Math.floor(bytes.byteLength / 4));
}

function removeNote(db: DatabaseSync, path: string): void {
  const note = db.prepare("SELECT id FROM note WHERE path = ?").get(path) as { id: number } | undefined;
  if (!note) return;
  db.prepare("DELETE FROM vector WHERE chunk IN (SELECT id FROM chunk WHERE note = ?)").run(note.id);
  db.prepare("DELETE FROM chunk_words WHERE rowid IN (SELECT id FROM chunk WHERE note = ?)").run(note.id);
  db.prepare("DELETE FROM chunk WHERE note = ?").run(note.id);
  db.prepare("DELETE FROM note WHERE id = ?").run(note.id);
}

function addNote(db: DatabaseSync, { note, chunks }: NoteChange): void {
  const added = db.prepare("INSERT INTO note (path, stamp, changed_at) VALUES (?, ?, ?)").run(note.path, note.stamp, note.changedAt);
  const insert = db.prepare("INSERT INTO chunk (note, first_line, last_line, text) VALUES (?, ?, ?, ?)");
  const index = db.prepare("INSERT INTO chunk_words (rowid, words) VALUES (?, ?)");
  for (const { firstLine, lastLine, text } of chunks) {
    const { lastInsertRowid } = insert.run(added.lastInsertRowid, firstLine, lastLine, text);
    index.run(lastInsertRowid, toIndexedText(`${note.path.replace(/^memory\/|\.md$/g, "")} ${text}`));
  }
}
