import { appendFileSync, closeSync, fsyncSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ensureDirectorySync, isAbsent, writeFileAtomicSync } from "../../core/files.ts";
import { asNumber, asString, fieldsOf, tryParseJson } from "../../core/json.ts";
import type { NodeAnswer } from "../../store/nodes.ts";
import { HOST_LIMITS } from "./limits.ts";

type Limits = Readonly<Record<"answers" | "answerMs" | "answerChars" | "keptBytes", number>>;
type Entry = { id: string; at: number; /** Absent while it runs. */ answer?: NodeAnswer };

/**
 * What this node was asked and what it answered, on disk before it runs and before it answers. A request that comes again, after a lost
 * connection or a restart of either side, gets the first answer; it never runs twice.
 */
export class KeptAnswers {
  readonly #path: string;
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry>();
  #lines = 0;
  /** The last write failed, at whatever byte. */
  #isTorn = false;

  readonly #limits: Limits;
  /** Of the file. */
  #bytes = 0;

  constructor(directory: string, now: () => number, limits: Limits = HOST_LIMITS) {
    this.#limits = limits;
    ensureDirectorySync(directory);
    this.#path = join(directory, "answers.jsonl");
    this.#now = now;
    this.#load();
  }

  get(id: string): Entry | undefined {
    return this.#entries.get(id);
  }

  /** Throws when it cannot be stored: then nothing may run. */
  begin(id: string): void {
    this.#add({ id, at: this.#now() });
  }

  end(id: string, answer: NodeAnswer): void {
    const isLong = JSON.stringify(answer).length > this.#limits.answerChars;
    this.#add({ id, at: this.#now(), answer: isLong ? NOT_KEPT : answer });
  }

  /** What an earlier process began and did not end. */
  interrupted(): readonly string[] {
    return [...this.#entries.values()].filter(({ answer }) => answer === undefined).map(({ id }) => id);
  }

  #add(entry: Entry): void {
    const file = openSync(this.#path, "a", 0o600);
    try {
      // On a full disk the beginning of a line stays: the next one must not become a part of it.
      const line = `${this.#isTorn ? "\n" : ""}${JSON.stringify(entry)}\n`;
      this.#isTorn = true;
      appendFileSync(file, line);
      this.#bytes += Buffer.byteLength(line);
      fsyncSync(file);
      this.#isTorn = false;
    } finally {
      closeSync(file);
    }
    this.#entries.set(entry.id, entry);
    if (++this.#lines > this.#limits.answers * 3 || this.#bytes > 2 * this.#limits.keptBytes) this.#compact();
  }

  #load(): void {
    let text: string;
    try {
      text = readFileSync(this.#path, "utf8");
    } catch (err) {
      if (isAbsent(err)) return;
      throw err;
    }
    for (const line of text.split("\n")) {
      // The last line may be incomplete after a crash: it was not acknowledged.
      const { id, at, answer } = fieldsOf(tryParseJson(line));
      if (asString(id) === "" || asNumber(at) === null) continue;
      this.#lines++;
      this.#entries.set(asString(id), {
        id: asString(id),
        at: asNumber(at)!,
        ...(answer !== undefined && { answer: answer as NodeAnswer }),
      });
    }
    this.#compact();
  }

  /** Of what is kept, the newest answers have their content. */
  #compact(): void {
    const { answers, answerMs, keptBytes } = this.#limits;
    const oldest = this.#now() - answerMs;
    const kept = [...this.#entries.values()].filter(({ at }) => at >= oldest).slice(-answers);
    this.#bytes = 0;
    const newestFirst = kept.toReversed().map((entry): Entry => {
      const hasRoom = this.#bytes + toLine(entry).length <= keptBytes;
      const shortened: Entry = hasRoom || entry.answer === undefined ? entry : { ...entry, answer: NOT_KEPT };
      this.#bytes += Buffer.byteLength(toLine(shortened));
      return shortened;
    });
    const entries = newestFirst.toReversed();
    this.#entries.clear();
    for (const entry of entries) this.#entries.set(entry.id, entry);
    writeFileAtomicSync(this.#path, entries.map(toLine).join(""));
    this.#lines = kept.length;
    this.#isTorn = false;
  }
}

const toLine = (entry: Entry): string => `${JSON.stringify(entry)}\n`;

const NOT_KEPT: NodeAnswer = {
  ok: false,
  code: "RESULT_NOT_KEPT",
  message: "it ran; its result was too large to be kept and was sent once",
};
