/** Reading JSON from a platform, a client or a file: no field is trusted before its type was checked. */

export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether a value is a JSON object: not null, not an array. */
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The object, or null for every other value. */
export const asObject = (value: unknown): JsonObject | null => (isObject(value) ? value : null);

const NO_FIELDS: JsonObject = Object.freeze({});
/** The object, or an empty object for every other value. */
export const fieldsOf = (value: unknown): JsonObject => (isObject(value) ? value : NO_FIELDS);

/** The array, or an empty array for every other value. */
export const asArray = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** The objects of an array; its other items are left out. */
export const asObjects = (value: unknown): readonly JsonObject[] => asArray(value).filter(isObject);

/** The string, or an empty string for every other value. */
export const asString = (value: unknown): string => (typeof value === "string" ? value : "");

/** The strings of an array; its other items are left out. */
export const asStrings = (value: unknown): readonly string[] => asArray(value).filter((item) => typeof item === "string");

/** The finite number, or null for every other value. */
export const asNumber = (value: unknown): number | null => (typeof value === "number" && Number.isFinite(value) ? value : null);

const problemOf = (value: unknown, what: string, expected: string): Error =>
  new Error(value === undefined || value === null ? `${what} is missing` : `${what} is not ${expected}`);

/** The object, or an error that names `what`. */
export function requireObject(value: unknown, what: string): JsonObject {
  if (isObject(value)) return value;
  throw problemOf(value, what, "an object");
}

/** The array, or an error that names `what`. */
export function requireArray(value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw problemOf(value, what, "an array");
}

/** The string, or an error that names `what`. An empty string counts as missing. */
export function requireString(value: unknown, what: string): string {
  if (typeof value === "string" && value !== "") return value;
  throw problemOf(value === "" ? null : value, what, "a string");
}

/** The finite number, or an error that names `what`. */
export function requireNumber(value: unknown, what: string): number {
  const number = asNumber(value);
  if (number !== null) return number;
  throw problemOf(value, what, "a number");
}

/** The parsed JSON, or undefined for a text that is not JSON. */
export function tryParseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (err) {
    if (err instanceof SyntaxError) return undefined;
    throw err;
  }
}

/** The parsed JSON, or the text itself when it is not JSON. */
export function parseJsonOrText(text: string): unknown {
  const value = tryParseJson(text);
  return value === undefined ? text : value;
}

/** Whether a number is a time in milliseconds since the epoch that a Date can hold (ECMA-262, "Time Values and Time Range"). */
export const isTimestamp = (ms: number): boolean => Number.isFinite(ms) && Math.abs(ms) <= 8.64e15;

/** Why a value from outside cannot be stored as JSON, or null. Does not recurse, because the depth is what is being checked. */
export function findStorageProblem(value: unknown, limits: { depth: number; chars: number }): string | null {
  const open: { value: unknown; depth: number }[] = [{ value, depth: 1 }];
  let chars = 0;
  for (let item = open.pop(); item !== undefined; item = open.pop()) {
    if (item.depth > limits.depth) return `are nested more than ${limits.depth} levels deep`;
    chars += typeof item.value === "string" ? item.value.length + 1 : 1;
    if (typeof item.value === "object" && item.value !== null) {
      const depth = item.depth + 1;
      for (const [key, each] of Object.entries(item.value)) {
        chars += key.length;
        if (chars > limits.chars) break;
        open.push({ value: each, depth });
      }
    }
    if (chars > limits.chars) return `have more than ${limits.chars} characters`;
  }
  return null;
}
