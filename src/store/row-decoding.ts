import type { SQLInputValue } from "node:sqlite";

type SqlRow = Record<string, SQLInputValue>;

/** The latest time of a Date, ms; also a safe integer, so that a clamped value is valid as a count and as a time. */
const MAX_DATE_MS = 8_640_000_000_000_000;

/** node:sqlite refuses a whole row for one integer beyond 2^53. */
export const isOutOfRange = (err: unknown): boolean => (err as { code?: string } | null)?.code === "ERR_OUT_OF_RANGE";

/** Converts the big integers of a row to numbers; `outside` lists the columns whose value was clamped. */
export function clampRow(row: SqlRow): { row: SqlRow; outside: string[] } {
  const outside: string[] = [];
  const out: SqlRow = {};
  for (const [name, value] of Object.entries(row)) {
    if (typeof value !== "bigint") out[name] = value;
    else if (value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)) out[name] = Number(value);
    else {
      out[name] = value > 0n ? MAX_DATE_MS : -MAX_DATE_MS;
      outside.push(name);
    }
  }
  return { row: out, outside };
}

/** The source of rows: it reports each unreadable record once. */
type RowSource = { reportUnreadable(key: string, cause: string): void };

/** Decodes rows. A row that cannot be decoded is skipped and reported by its key. */
export function decodeRows<Raw, Out>(
  source: RowSource,
  rows: readonly Raw[],
  keyOf: (raw: Raw) => unknown,
  read: (raw: Raw) => Out,
): Out[] {
  const out: Out[] = [];
  for (const raw of rows) {
    try {
      out.push(read(raw));
    } catch (err) {
      if (!isContentError(err)) throw err;
      source.reportUnreadable(String(keyOf(raw)), err.message);
    }
  }
  return out;
}

/** `decodeRows` for at most one row. */
export function decodeRow<Raw, Out>(
  source: RowSource,
  raw: Raw | undefined,
  keyOf: (raw: Raw) => unknown,
  read: (raw: Raw) => Out,
): Out | undefined {
  return raw === undefined ? undefined : decodeRows(source, [raw], keyOf, read)[0];
}

/** A column that holds a JSON array of strings. Throws TypeError for anything else. */
export function parseStrings(text: string): string[] {
  const value: unknown = JSON.parse(text);
  if (Array.isArray(value) && value.every((each) => typeof each === "string")) return value;
  throw new TypeError("expected an array of strings");
}

/** Invalid JSON, or a value of another type than the column's. */
const isContentError = (err: unknown): err is Error => err instanceof SyntaxError || err instanceof TypeError || err instanceof RangeError;
