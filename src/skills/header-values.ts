import { asString, asStrings } from "../core/json.ts";

/** One line without control characters; numbers and switches as they are written. */
export function textOf(value: unknown): string {
  const text = ["number", "boolean"].includes(typeof value) ? String(value) : asString(value);
  return text
    .normalize("NFC")
    .replaceAll(/[\s\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ")
    .toWellFormed()
    .trim();
}

/** A list of words, which may also be a single one. */
export const listOf = (value: unknown): readonly string[] =>
  (typeof value === "string" ? [value] : asStrings(value)).map(textOf).filter((word) => word !== "" && word.length <= 200);
