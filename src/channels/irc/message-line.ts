/** One line of the protocol, taken apart. `command` is upper case. */
export type IrcLine = {
  tags: ReadonlyMap<string, string>;
  /** `nick!user@host`, or a server's name; empty when the line has none. */
  prefix: string;
  command: string;
  params: readonly string[];
};

/** Bytes of a message with its CR LF, as every server accepts it. */
export const LINE_BYTES = 512;

const TAG_ESCAPES: Readonly<Record<string, string>> = { ":": ";", s: " ", "\\": "\\", r: "\r", n: "\n" };

function parseTags(text: string): ReadonlyMap<string, string> {
  const tags = new Map<string, string>();
  for (const item of text.split(";")) {
    const at = item.indexOf("=");
    const key = at < 0 ? item : item.slice(0, at);
    const value = at < 0 ? "" : item.slice(at + 1).replaceAll(/\\(.?)/g, (_, char: string) => TAG_ESCAPES[char] ?? char);
    if (key) tags.set(key, value);
  }
  return tags;
}

/** Takes a line apart; null when it has no command. Never throws, whatever a server sends. */
export function parseLine(text: string): IrcLine | null {
  let rest = text;
  let tags: ReadonlyMap<string, string> = new Map();
  let prefix = "";
  if (rest.startsWith("@")) {
    const end = rest.indexOf(" ");
    if (end < 0) return null;
    tags = parseTags(rest.slice(1, end));
    rest = rest.slice(end).trimStart();
  }
  if (rest.startsWith(":")) {
    const end = rest.indexOf(" ");
    if (end < 0) return null;
    prefix = rest.slice(1, end);
    rest = rest.slice(end).trimStart();
  }
  const at = rest.startsWith(":") ? -1 : rest.indexOf(" :");
  const middle = (at < 0 ? rest : rest.slice(0, at)).split(" ").filter((word) => word !== "");
  const command = middle.shift()?.toUpperCase();
  if (!command || !/^([A-Z]+|\d{3})$/.test(command)) return null;
  return { tags, prefix, command, params: at < 0 ? middle : [...middle, rest.slice(at + 2)] };
}

/** `nick!user@host` in its pieces. A server's name has no user. */
export function parsePrefix(prefix: string): { nick: string; user: string; host: string } {
  const bang = prefix.indexOf("!");
  const at = prefix.indexOf("@", Math.max(bang, 0));
  const nick = bang >= 0 ? prefix.slice(0, bang) : at >= 0 ? prefix.slice(0, at) : prefix;
  return { nick, user: bang >= 0 ? prefix.slice(bang + 1, at >= 0 ? at : undefined) : "", host: at >= 0 ? prefix.slice(at + 1) : "" };
}

/** Lower case of nicks and channel names as the server compares them (`CASEMAPPING`). */
export function casefold(name: string, mapping: string): string {
  const lower = name.replaceAll(/[A-Z]/g, (char) => char.toLowerCase());
  if (mapping === "ascii") return lower;
  const folded = lower.replaceAll("[", "{").replaceAll("]", "}").replaceAll("\\", "|");
  return mapping === "rfc1459-strict" ? folded : folded.replaceAll("~", "^");
}

/** A text as one parameter: without line ends, NUL and the CTCP mark, so that nothing in it can become a command. */
export function sanitizeParam(text: string): string {
  return text
    .replaceAll(/[\r\n]+/g, " ")
    .replaceAll("\0", "")
    .replaceAll("\u0001", "");
}

/** True for a nick or channel that can be addressed: one word, one target, no list. */
export function isTarget(text: string): boolean {
  return /^[^\s,:*!@\p{Cc}][^\s,\p{Cc}]*$/u.test(text) && Buffer.byteLength(text) <= 200;
}
