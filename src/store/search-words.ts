/** Characters of scripts in which words are not divided by spaces, or are found by their parts. */
const UNSPACED = "\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Hangul}ー";
const UNSPACED_RUN = new RegExp(`[${UNSPACED}]+`, "gu");
const IS_UNSPACED = new RegExp(`^[${UNSPACED}]`, "u");
/** A run of such characters, or letters and digits of other scripts. */
const WORD = new RegExp(`[${UNSPACED}]+|(?:(?![${UNSPACED}])[\\p{L}\\p{N}\\p{M}])+`, "gu");

/** Every two neighboring characters, and the last one alone, so that each character begins something. */
const toPairs = (run: string): string[] => {
  const characters = [...run];
  return characters.map((each, index) => each + (characters[index + 1] ?? ""));
};

const quoteWord = (word: string): string => `"${word.replaceAll('"', '""')}"`;

/**
 * A text as a full-text index reads it: in scripts without spaces every two neighboring characters are a word, so that any part of a text
 * is found. Pure.
 */
export const toIndexedText = (text: string): string =>
  text.normalize("NFKC").replaceAll(UNSPACED_RUN, (run) => ` ${toPairs(run).join(" ")} `);

/** The words of a query, at most `limit`. Pure. */
export const toQueryWords = (query: string, limit: number): readonly string[] =>
  [...new Set(query.normalize("NFKC").toLowerCase().match(WORD))].slice(0, limit);

/** What finds the texts that have all of the words, in the language of FTS5. Pure. */
export const matchAll = (words: readonly string[]): string => words.map(toTerm).join(" AND ");

/** What finds the texts that have one of the words, or two characters of one without spaces. Pure. */
export const matchAny = (words: readonly string[]): string =>
  words.flatMap((word) => (IS_UNSPACED.test(word) && [...word].length > 2 ? innerPairs(word).map(quoteWord) : [toTerm(word)])).join(" OR ");

/** What finds the texts that have words which begin with these. Pure. */
export const matchStarts = (words: readonly string[]): string =>
  words.map((word) => (IS_UNSPACED.test(word) ? toTerm(word) : `${quoteWord(word)}*`)).join(" AND ");

/** The ends of words that someone is still writing, before which an index of stems has nothing: "runnin", "deploye". */
const UNFINISHED = /(?<=[a-z]{3})(?:in|io|ie|i|e|l)$/;
const DOUBLED = /(?<=[a-z]{2})([b-df-hj-np-tv-z])\1$/;
/** The beginning that a word and its unfinished forms have in common. Pure. */
export const toBeginning = (word: string): string => word.replace(UNFINISHED, "").replace(DOUBLED, "$1");

const innerPairs = (run: string): string[] => toPairs(run).slice(0, -1);

function toTerm(word: string): string {
  if (!IS_UNSPACED.test(word)) return quoteWord(word);
  const pairs = innerPairs(word);
  return pairs.length === 0 ? `${quoteWord(word)}*` : quoteWord(pairs.join(" "));
}
