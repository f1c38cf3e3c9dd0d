/** The neighbor of a run of marks. `joined`: a letter of a script that joins words to marks without a blank, such as Han or Arabic, or a pictograph. */
type CharacterClass = "blank" | "punctuation" | "joined" | "other";

const BLANK = /\s/u;
const PICTOGRAPH = /\p{Extended_Pictographic}/u;
const PUNCTUATION = /[\p{P}\p{S}]/u;
/** Punctuation that is written without blanks around it. */
const WIDE = /[\u3000-\u303f\uff00-\uffef\ufe30-\ufe4f]/u;
const SPACED_LETTER = /[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{Script=Armenian}\p{Script=Georgian}]/u;
const LETTER = /[\p{L}\p{M}]/u;
const DIGIT = /\p{N}/u;

function characterClassOf(char: string | undefined): CharacterClass {
  if (char === undefined || BLANK.test(char)) return "blank";
  const code = char.codePointAt(0)!;
  if (code < 128) return /[A-Za-z\d]/.test(char) ? "other" : "punctuation";
  if (WIDE.test(char)) return "joined";
  if (PICTOGRAPH.test(char) || code === 0xfe0f || code === 0x200d) return "joined";
  if (PUNCTUATION.test(char)) return "punctuation";
  return LETTER.test(char) && !SPACED_LETTER.test(char) ? "joined" : "other";
}

function charBefore(text: string, at: number): string | undefined {
  if (at === 0) return undefined;
  const code = text.charCodeAt(at - 1);
  return code >= 0xdc00 && code <= 0xdfff && at > 1 ? String.fromCodePoint(text.codePointAt(at - 2)!) : text[at - 1];
}

function charAfter(text: string, at: number): string | undefined {
  const code = text.codePointAt(at);
  return code === undefined ? undefined : String.fromCodePoint(code);
}

/**
 * Whether the marks in [from, to) may begin or end a style: CommonMark's rules of flanking, except that a letter of a script without
 * blanks between words counts like a blank beside punctuation, that pictographs count like such letters, and that one `*` between
 * digits, or letters of a script with blanks between words, multiplies.
 */
export function flanking(text: string, from: number, to: number, char: string): { canOpen: boolean; canClose: boolean } {
  const left = charBefore(text, from);
  const right = charAfter(text, to);
  const before = characterClassOf(left);
  const after = characterClassOf(right);
  const isLeft = after !== "blank" && (after !== "punctuation" || before !== "other");
  const isRight = before !== "blank" && (before !== "punctuation" || after !== "other");
  if (char === "_") {
    return {
      canOpen: isLeft && (!isRight || before === "punctuation"),
      canClose: isRight && (!isLeft || after === "punctuation"),
    };
  }
  if (char === "*" && to - from === 1 && isWord(left) && isWord(right)) return { canOpen: false, canClose: false };
  return { canOpen: isLeft, canClose: isRight };
}

const isWord = (char: string | undefined): boolean => char !== undefined && (DIGIT.test(char) || SPACED_LETTER.test(char));
