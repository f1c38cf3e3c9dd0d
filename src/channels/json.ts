/** What a text says as JSON; the text itself when it is none. */
export function parseJsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (err) {
    if (err instanceof SyntaxError) return text;
    throw err;
  }
}

/** Whether a number is a moment in milliseconds since the epoch that a Date can hold (ECMA-262, "Time Values and Time Range"). */
export const isTimestamp = (ms: number): boolean => Number.isFinite(ms) && Math.abs(ms) <= 8.64e15;
