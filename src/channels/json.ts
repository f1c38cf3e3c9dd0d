/** Reading JSON that a platform or a configuration gave us: nothing in it is believed before it was looked at. */

export type JsonObject = Readonly<Record<string, unknown>>;

export const asObject = (value: unknown): JsonObject | null =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : null;
export const asArray = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
/** The text itself; empty for everything that is none. */
export const asString = (value: unknown): string => (typeof value === "string" ? value : "");

/** What a text says as JSON; the text itself when it is none. */
export function parseJsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (err) {
    if (err instanceof SyntaxError) return text;
    throw err;
  }
}

/** An object, or an error that says what is missing. */
export function requireObject(value: unknown, what: string): JsonObject {
  const found = asObject(value);
  if (!found) throw new Error(`${what} is missing`);
  return found;
}

/** Whether a number is a moment in milliseconds since the epoch that a Date can hold (ECMA-262, "Time Values and Time Range"). */
export const isTimestamp = (ms: number): boolean => Number.isFinite(ms) && Math.abs(ms) <= 8.64e15;
