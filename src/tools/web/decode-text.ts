import { TextDecoder } from "node:util";
import { incompleteCharacter } from "../truncation.ts";

/** Bytes in which a page may name its encoding. */
const DECLARATION_BYTES = 1_024;

/**
 * The text of a file: by its byte order mark, then by the encoding that the server names, then by the one that an HTML page names,
 * else as UTF-8, or as windows-1252 where it is not UTF-8. Never throws; invalid bytes become replacement characters. Pure.
 */
export function decodeText(bytes: Uint8Array, charset: string | null): string {
  const decoder = decoderFor(markOf(bytes)) ?? decoderFor(charset) ?? decoderFor(declaredIn(bytes));
  if (decoder !== null) return decoder.decode(bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(withoutPart(bytes));
  } catch (err) {
    if (!(err instanceof TypeError)) throw err;
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

function decoderFor(label: string | null): TextDecoder | null {
  if (label === null) return null;
  try {
    return new TextDecoder(label);
  } catch (err) {
    if (err instanceof RangeError) return null;
    throw err;
  }
}

function markOf([first, second, third]: Uint8Array): string | null {
  if (first === 0xef && second === 0xbb && third === 0xbf) return "utf-8";
  if (first === 0xff && second === 0xfe) return "utf-16le";
  return first === 0xfe && second === 0xff ? "utf-16be" : null;
}

/** What an HTML page says; UTF-16 is not possible there, because the declaration was readable. */
function declaredIn(bytes: Uint8Array): string | null {
  const start = new TextDecoder("windows-1252").decode(bytes.subarray(0, DECLARATION_BYTES));
  const label = /<meta\s[^>]{0,200}?charset\s{0,9}=\s{0,9}["']?([\w.:+-]{1,40})/i.exec(start)?.[1]?.toLowerCase() ?? null;
  return label?.startsWith("utf-16") ? "utf-8" : label;
}

/** Without the first bytes of a character at the end, which a file that was cut may have. */
const withoutPart = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, bytes.length - incompleteCharacter(bytes));
