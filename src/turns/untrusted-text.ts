/**
 * Text from outside beside structure that the gateway makes: the model has to tell them apart line by line. Every line that the
 * gateway makes begins with "[", or with the name of a sender as `inboxRowKey` writes it. Pure.
 */

/** Whatever an editor, a terminal or a model may take for the end of a line. */
const LINE_END = /\r\n|[\n\r\v\f\u0085\u2028\u2029]/u;

const quote = (line: string): string => `> ${line}`;

/** Every line of a text as a quotation. */
export const quoteLines = (text: string): string => text.split(LINE_END).map(quote).join("\n");

/** A text after something of the gateway's own in its first line, such as a name: the lines that follow are quotations. */
export function quoteFollowing(text: string): string {
  const [first, ...others] = text.split(LINE_END);
  return [first, ...others.map(quote)].join("\n");
}

/** What begins a line of structure or a quotation: a bracket, a quotation mark, an angle; also after invisible characters. */
const STRUCTURE_START = /^[\p{Z}\p{C}\p{M}]*[\p{Ps}\p{Pe}\p{Pi}\p{Pf}<>＜＞"]/u;

/** A text that stands alone, where nothing names its sender: quoted as soon as one line of it could be taken for structure. */
export function quoteStructure(text: string): string {
  const lines = text.split(LINE_END);
  return lines.some((line) => STRUCTURE_START.test(line)) ? lines.map(quote).join("\n") : lines.join("\n");
}

/** One line without control characters, as part of a line of structure. */
export const oneLine = (text: string, chars: number): string =>
  text
    .replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, " ")
    .trim()
    .slice(0, chars);

/** A name in a line of structure; in quotation marks where it could be taken for more than a name. */
export function quoteName(name: string): string {
  return /[\p{Ps}\p{Pe}\p{Pi}\p{Pf}<>＜＞"“”:：\\]|^[\p{Po}\p{Pd}\p{Pc}#*]/u.test(name) ? JSON.stringify(name) : name;
}
