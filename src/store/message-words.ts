import { asArray, asString, fieldsOf, tryParseJson } from "../core/json.ts";
import { INDEXED_BELOW } from "./indexed-below.ts";
import { createKeyValueStore } from "./key-value.ts";
import type { Store } from "./open.ts";
import { toIndexedText } from "./search-words.ts";

/** Characters of a message that are found. */
const INDEXED_CHARS = 16_384;
/** Messages that one step looks at, and bytes of these that it indexes: a few milliseconds. */
const STEP_ROWS = 64;
const STEP_BYTES = 65_536;

type UnindexedRow = { seq: number; body: string; isIndexed: number };

/** What people and agents wrote, of a stored body; empty for a damaged one, which is reported where it is read. */
function textOf(body: string): string {
  const { content } = fieldsOf(tryParseJson(body));
  if (typeof content === "string") return content;
  const blocks = asArray(content).map(fieldsOf);
  return blocks.flatMap(({ type, text }) => (type === "text" ? [asString(text)] : [])).join("\n");
}

/** The words of the transcript. New messages are indexed with their row; those of an earlier release step by step, the newest first. */
export function createMessageWords(store: Store) {
  const keyValue = createKeyValueStore(store);
  const below = (): number => {
    const known = keyValue.get(INDEXED_BELOW);
    return typeof known === "number" ? known : Number.MAX_SAFE_INTEGER;
  };
  const insert = (seq: number, text: string): void =>
    void store.run("INSERT INTO message_words (rowid, words) VALUES (?, ?)", seq, toIndexedText(text.slice(0, INDEXED_CHARS)));
  return {
    /** Inside the `store.write` that adds the message. */
    add(seq: number, role: string, body: string): void {
      // Before the first message of a file there is nothing to index.
      if (seq === 1) keyValue.set(INDEXED_BELOW, 0, 0);
      const text = role === "user" || role === "assistant" ? textOf(body) : "";
      if (text !== "") insert(seq, text);
    },

    /** Whether every message is in the index. */
    isComplete: (): boolean => below() === 0,

    /** Indexes some of the messages that are not. True: more may be left. Inside a `store.write`. */
    indexSome(now: number): boolean {
      const rows = store.all<UnindexedRow>(
        `SELECT seq, body, EXISTS (SELECT 1 FROM message_words_docsize WHERE id = seq) AS isIndexed FROM messages
         WHERE seq < ? AND role IN ('user', 'assistant') ORDER BY seq DESC LIMIT ?`,
        below(),
        STEP_ROWS,
      );
      let bytes = 0;
      let last = 0;
      for (const { seq, body, isIndexed } of rows) {
        if (bytes >= STEP_BYTES) break;
        last = seq;
        if (isIndexed !== 0) continue;
        bytes += body.length;
        const text = textOf(body);
        if (text !== "") insert(seq, text);
      }
      keyValue.set(INDEXED_BELOW, last, now);
      return last > 0;
    },
  };
}
