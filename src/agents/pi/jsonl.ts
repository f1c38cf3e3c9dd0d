import { StringDecoder } from "node:string_decoder";

/** One record of a splitter: its text, or a mark that it exceeded the cap and was skipped. */
export type JsonlRecord = { text: string } | { tooLongChars: number };

/**
 * Splits a byte stream into records at LF and nothing else: U+2028, U+2029 and a lone CR are ordinary characters inside
 * JSON strings. One CR before the LF is removed, empty records are dropped. A record longer than `capChars` is discarded
 * while it arrives (memory stays bounded) and reported once it ends; the following records are complete again.
 */
export function createJsonlSplitter(capChars: number): { push(chunk: Buffer): JsonlRecord[] } {
  const decoder = new StringDecoder("utf8");
  let parts: string[] = [];
  let length = 0;

  function add(text: string): void {
    length += text.length;
    if (length > capChars) parts = [];
    else if (text !== "") parts.push(text);
  }

  function finish(): JsonlRecord | undefined {
    const whole = parts.join("");
    const total = length;
    parts = [];
    length = 0;
    if (total > capChars) return { tooLongChars: total };
    const text = whole.endsWith("\r") ? whole.slice(0, -1) : whole;
    return text === "" ? undefined : { text };
  }

  return {
    push(chunk) {
      const records: JsonlRecord[] = [];
      const text = decoder.write(chunk);
      let start = 0;
      for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", start)) {
        add(text.slice(start, end));
        const record = finish();
        if (record) records.push(record);
        start = end + 1;
      }
      add(text.slice(start));
      return records;
    },
  };
}

/** One record, ready to write. */
export const toJsonl = (value: unknown): string => `${JSON.stringify(value)}\n`;
