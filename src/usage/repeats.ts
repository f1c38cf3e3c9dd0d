/** Whether requests say nearly the same as earlier ones: what a loop looks like. Bounded, and without the texts themselves. */

/** Words of a text that count; a longer text is known by its beginning. */
const WORDS = 32;
const SCANNED_CHARS = 1_000;
/** Texts with fewer words are not compared: people answer "ok" or "yes, do it" many times. */
const LEAST_WORDS = 5;
/** Different texts that are remembered: a loop may have this many steps. */
const GROUPS = 8;
/** Share of words that two texts have in common from which they are nearly the same. */
const SIMILAR = 0.8;
const HOUR_MS = 3_600_000;

/** The words of a text as sorted numbers, each once. */
export type Fingerprint = Uint32Array;

/** Null: too short to compare. Numbers count as equal, so that a counter, a date or an id makes no difference. Pure. */
export function fingerprintOf(text: string): Fingerprint | null {
  const words = text
    .slice(0, SCANNED_CHARS)
    .toLowerCase()
    .match(/[\p{L}\p{N}_]+/gu);
  if (words === null || words.length < LEAST_WORDS) return null;
  return Uint32Array.from(new Set(words.slice(0, WORDS).map(hashOf))).toSorted();
}

/** FNV-1a of a word; all words with a digit are one. */
function hashOf(word: string): number {
  if (/\p{N}/u.test(word)) return 0;
  let hash = 0x811c9dc5;
  for (let index = 0; index < word.length; index++) hash = Math.imul(hash ^ word.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}

/** The share of words that both have. Pure. */
export function similarityOf(a: Fingerprint, b: Fingerprint): number {
  let common = 0;
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (a[i] === b[j]) common++;
    const [left, right] = [a[i]!, b[j]!];
    if (left <= right) i++;
    if (right <= left) j++;
  }
  return common / (a.length + b.length - common);
}

type Group = { sample: Fingerprint; /** Monotonic. */ times: number[] };

/** Requests of the last hour, by what they say. */
export class Repeats {
  /** The one that was seen last comes last. */
  readonly #groups: Group[] = [];

  /** How many requests of the last hour said nearly this. */
  count(sample: Fingerprint, now: number): number {
    return this.#find(sample)?.times.filter((at) => now - at < HOUR_MS).length ?? 0;
  }

  /** `most`: more are not counted. */
  add(sample: Fingerprint, now: number, most: number): void {
    const known = this.#find(sample);
    if (known) this.#groups.splice(this.#groups.indexOf(known), 1);
    else if (this.#groups.length >= GROUPS) this.#groups.shift();
    const times = [...(known?.times.filter((at) => now - at < HOUR_MS) ?? []), now];
    // Compared with the first of them: texts that drift apart slowly are not the same in the end.
    this.#groups.push({ sample: known?.sample ?? sample, times: times.slice(-most) });
  }

  #find(sample: Fingerprint): Group | undefined {
    return this.#groups.find((group) => similarityOf(group.sample, sample) >= SIMILAR);
  }
}
