/** Reading JSON that a platform or a configuration gave us: nothing in it is believed before it was looked at. */

export type Raw = Readonly<Record<string, unknown>>;

export const record = (value: unknown): Raw | null =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Raw) : null;
export const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
/** The text itself; empty for everything that is none. */
export const word = (value: unknown): string => (typeof value === "string" ? value : "");

/** What a text says as JSON; the text itself when it is none. */
export function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (err) {
    if (err instanceof SyntaxError) return text;
    throw err;
  }
}

/** An object, or an error that says what is missing. */
export function need(value: unknown, what: string): Raw {
  const found = record(value);
  if (!found) throw new Error(`${what} is missing`);
  return found;
}

/** Whether a number is a moment in milliseconds since the epoch that a Date can hold (ECMA-262, "Time Values and Time Range"). */
export const isTime = (ms: number): boolean => Number.isFinite(ms) && Math.abs(ms) <= 8.64e15;
