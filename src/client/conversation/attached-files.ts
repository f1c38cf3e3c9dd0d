/** Files within the text of a message, as the gateway writes them for the agent: a line that names the file, and its text in a fence. Pure. */

export type AttachedFile = {
  kind: string;
  name: string;
  mimeType: string;
  /** As the gateway writes it: "12 KiB". */
  size: string | null;
  /** Null where the agent got a path, or nothing. */
  text: string | null;
  /** As it is in the message. */
  raw: string;
};

export type MessageParts = { text: string; files: readonly AttachedFile[] };

const HEAD =
  /^\[(?:attached |of the answered message: )(file|image|audio|video) ("(?:[^"\\\n]|\\[^\n]){0,400}") \(([^()\n,]{1,140})(?:, ([^()\n]{1,40}))?\)[^\]\n]*\]$/;
const STORED = /^\[stored at [^\]\n]+\]$/;
const FENCE = /^`{3,}$/;

/**
 * What a person has written, and the files that came with it. The files are the end of a message: what follows the first line that names one
 * and does not name a file makes the whole message a text, because someone has typed it.
 */
export function splitAttachedFiles(message: string): MessageParts {
  if (!message.includes("[attached ") && !message.includes("[of the answered message: ")) return { text: message, files: [] };
  const lines = message.split("\n");
  const first = lines.findIndex((line, at) => HEAD.test(line) && (at === 0 || lines[at - 1] === ""));
  if (first === -1) return { text: message, files: [] };
  const files: AttachedFile[] = [];
  for (let at = first; at < lines.length;) {
    if (lines[at] === "") {
      at += 1;
      continue;
    }
    const found = readFile(lines, at);
    if (found === null) return { text: message, files: [] };
    files.push(found.file);
    at = found.end;
  }
  return { text: lines.slice(0, first).join("\n").trimEnd(), files };
}

function readFile(lines: readonly string[], at: number): { file: AttachedFile; end: number } | null {
  const [, kind, quoted, mimeType, size = null] = HEAD.exec(lines[at]!) ?? [];
  const name = quoted === undefined ? null : parseName(quoted);
  if (kind === undefined || mimeType === undefined || name === null) return null;
  let end = at + 1;
  let text: string | null = null;
  const fence = lines[end] ?? "";
  if (FENCE.test(fence)) {
    const close = lines.indexOf(fence, end + 1);
    if (close === -1) return null;
    text = lines.slice(end + 1, close).join("\n");
    end = close + 1;
  }
  if (STORED.test(lines[end] ?? "")) end += 1;
  return { file: { kind, name, mimeType, size, text, raw: lines.slice(at, end).join("\n") }, end };
}

/** The gateway writes the name as JSON does. */
function parseName(quoted: string): string | null {
  try {
    return String(JSON.parse(quoted));
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
