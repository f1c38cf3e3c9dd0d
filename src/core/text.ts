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

/** The length of the longest run of backticks. */
export function longestBackticks(text: string): number {
  let longest = 0;
  for (const [run] of text.matchAll(/`+/g)) longest = Math.max(longest, run.length);
  return longest;
}

/** The line before and behind a text as a block of code in Markdown, which the text cannot end. */
export const codeFence = (text: string): string => "`".repeat(Math.max(3, longestBackticks(text) + 1));

/** The text with one mark at its end: its own, or a full stop. */
export const toSentence = (text: string): string => text.replace(/[.!?]*$/, (marks) => marks[0] ?? ".");

/** The first sentence, or all of the text where it has no end. */
export const firstSentence = (text: string): string => /^.+?[.](?=\s|$)/s.exec(text)?.[0] ?? text;
