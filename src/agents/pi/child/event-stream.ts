import { asArray, asObject, fieldsOf, type JsonObject } from "../../../core/json.ts";

/** An event without an end would be held in memory for as long as the provider sends it. */
const EVENT_BYTES = 16_777_216;
/**
 * Event parsers of the provider libraries copy the rest of a chunk after each event, so that a chunk costs the square of its size: 64 KB
 * of short events take 4 ms of CPU, in pieces of this size less than 1 ms.
 */
const PIECE_BYTES = 2_048;

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const SPACE = 32;
const QUOTE = 34;
const COLON = 58;
const OPEN_BRACKET = 91;
const OPEN_BRACE = 123;

const ARGUMENTS = Buffer.from('"arguments"');
const FINISH_REASON = Buffer.from('"finish_reason"');
const DONE = Buffer.from("[DONE]");

/** How one stream ends, as far as it has been read. */
type StreamEnd = {
  /** A chunk gave a reason. */
  isNamed: boolean;
  /** A chunk gave an empty text as the reason. */
  isEmpty: boolean;
  hasCalls: boolean;
};

/**
 * The body of an event stream in pieces of at most PIECE_BYTES, in which what the provider libraries misread has been replaced: arguments of
 * a call that are an object in place of a text, and an end whose reason is an empty text. Fails with an event that is larger than
 * EVENT_BYTES. As the iterator of a stream does, ends the request when the reader stops early.
 */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  const end: StreamEnd = { isNamed: false, isEmpty: false, hasCalls: false };
  /** The line that has not ended. */
  let open: Uint8Array[] = [];
  let openBytes = 0;
  let isOver = false;
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((err: unknown) => {
        isOver = true;
        throw err;
      });
      if (done) {
        isOver = true;
        if (openBytes > 0) yield* inPieces(repairLines(joined(open), end));
        return;
      }
      const lastLine = Math.max(value.lastIndexOf(LINE_FEED), value.lastIndexOf(CARRIAGE_RETURN)) + 1;
      if (lastLine > 0) {
        const whole = joined([...open, value.subarray(0, lastLine)]);
        open = [];
        openBytes = 0;
        yield* inPieces(repairLines(whole, end));
      }
      if (lastLine === value.length) continue;
      open.push(value.subarray(lastLine));
      openBytes += value.length - lastLine;
      if (openBytes > EVENT_BYTES) throw new Error("the provider sent an event that is too large to be read");
    }
  } finally {
    if (!isOver) await reader.cancel();
    reader.releaseLock();
  }
}

/** One part is not copied. */
const joined = (parts: readonly Uint8Array[]): Buffer =>
  parts.length === 1 ? Buffer.from(parts[0]!.buffer, parts[0]!.byteOffset, parts[0]!.byteLength) : Buffer.concat(parts);

function* inPieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

/** Whole lines as the provider libraries read them: nearly always the same bytes, which are only searched. */
function repairLines(lines: Buffer, end: StreamEnd): Uint8Array {
  const hasObject = noteValues(lines, ARGUMENTS, (first) => {
    end.hasCalls = true;
    return first === OPEN_BRACE || first === OPEN_BRACKET;
  });
  noteValues(lines, FINISH_REASON, (first, second) => {
    if (first === QUOTE && second === QUOTE) end.isEmpty = true;
    else if (first === QUOTE) end.isNamed = true;
    return false;
  });
  const isUnnamedEnd = end.isEmpty && !end.isNamed && lines.includes(DONE);
  if (!hasObject && !isUnnamedEnd) return lines;
  const repaired = lines
    .toString()
    .split("\n")
    .map((line) => (hasObject ? repairArguments(line) : line))
    .flatMap((line) => (isUnnamedEnd && /^data: ?\[DONE\]/.test(line) ? [endOf(end), "", line] : [line]));
  return Buffer.from(repaired.join("\n"));
}

/** Calls `isFound` with the first two bytes of each value of a key, until it returns true; whether it did. */
function noteValues(lines: Buffer, key: Buffer, isFound: (first: number | undefined, second: number | undefined) => boolean): boolean {
  for (let at = lines.indexOf(key); at >= 0; at = lines.indexOf(key, at + key.length)) {
    let from = at + key.length;
    while (lines[from] === SPACE) from++;
    if (lines[from] !== COLON) continue;
    from++;
    while (lines[from] === SPACE) from++;
    if (isFound(lines[from], lines[from + 1])) return true;
  }
  return false;
}

/** A chunk that says how the answer has ended. */
const endOf = ({ hasCalls }: StreamEnd): string =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: hasCalls ? "tool_calls" : "stop" }] })}`;

/** An event with the chunk of a completion, with the arguments of its calls as texts; other lines as they are. */
function repairArguments(line: string): string {
  const [, start, json, rest] = /^(data: ?)(\{.*\})(\s*)$/.exec(line) ?? [];
  const chunk = json === undefined ? null : parseObject(json);
  if (chunk === null || !Array.isArray(chunk["choices"])) return line;
  const choices = chunk["choices"].map((choice: unknown) => {
    const fields = fieldsOf(choice);
    const delta = asObject(fields["delta"]);
    return { ...fields, ...(delta && { delta: { ...delta, ...withTextArguments(delta) } }) };
  });
  return `${start}${JSON.stringify({ ...chunk, choices })}${rest}`;
}

/** The calls of a message or a delta, with their arguments as texts; nothing where there are none. Pure. */
export function withTextArguments({ tool_calls: calls }: JsonObject): { tool_calls?: readonly JsonObject[] } {
  if (!Array.isArray(calls) || calls.length === 0) return {};
  return {
    tool_calls: asArray(calls).map((call) => {
      const fields = fieldsOf(call);
      const called = asObject(fields["function"]);
      const args = called?.["arguments"];
      const isText = typeof args !== "object" || args === null;
      return isText ? fields : { ...fields, function: { ...called, arguments: JSON.stringify(args) } };
    }),
  };
}

function parseObject(json: string): JsonObject | null {
  try {
    return asObject(JSON.parse(json));
  } catch {
    return null; // the library refuses what is not JSON
  }
}
