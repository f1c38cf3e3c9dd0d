import { asString, fieldsOf, tryParseJson, type JsonObject } from "../../../core/json.ts";
import { decodeText } from "../decode-text.ts";
import type { FetchedAnswer } from "../guarded-fetch.ts";
import type { SearchHit } from "./search-provider.ts";

/** The JSON object of an answer, or an Error. */
export function readJsonAnswer({ bytes, charset }: FetchedAnswer): JsonObject {
  const value = tryParseJson(decodeText(bytes, charset));
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("its answer is not a JSON object");
  return fieldsOf(value);
}

/** A hit from fields that may have any type. `date`: the first ten characters of a date with time, or the text as it is. */
export function toHit(fields: JsonObject, names: { snippet: string; date: readonly string[] }): SearchHit {
  const date = names.date.map((name) => asString(fields[name])).find((text) => text !== "");
  return {
    title: asString(fields["title"]),
    url: asString(fields["url"]),
    snippet: asString(fields[names.snippet]),
    date: date !== undefined && /^\d{4}-\d\d-\d\dT/.test(date) ? date.slice(0, 10) : date,
  };
}
