/** The first `maxChars` characters; never half of a surrogate pair. */
export function clip(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  const last = text.charCodeAt(maxChars - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? maxChars - 1 : maxChars);
}

/** Well-formed UTF-16 without NUL, which databases, encoders and terminals accept. */
export const toWellFormed = (text: string): string => {
  const formed = text.isWellFormed() ? text : text.toWellFormed();
  return formed.includes("\0") ? formed.replaceAll("\0", "") : formed;
};

/** The text with one mark at its end: its own, or a full stop. */
export const toSentence = (text: string): string => text.replace(/[.!?]*$/, (marks) => marks[0] ?? ".");

/** The first sentence, or all of the text where it has no end. */
export const firstSentence = (text: string): string => /^.+?[.](?=\s|$)/s.exec(text)?.[0] ?? text;
