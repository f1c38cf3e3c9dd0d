/** The way to a value: keys and array positions. */
export type KeyPath = readonly (string | number)[];

const PLAIN = /^[^\s.[\]"'\\]+$/;

/** `gateway.port`, `bindings[0].match`, `agents.defaults.models["a.b/c"]`. */
export function formatPath(path: KeyPath): string {
  let out = "";
  for (const step of path) {
    if (typeof step === "number") out += `[${step}]`;
    else if (!PLAIN.test(step)) out += `[${JSON.stringify(step)}]`;
    else out += out === "" ? step : `.${step}`;
  }
  return out;
}

/**
 * The reverse of formatPath; `a.0.b` names a key `0`, which edits take as a position where an array is. Returns null for
 * text that is not a path.
 */
export function parsePath(text: string): KeyPath | null {
  const path: (string | number)[] = [];
  const step = /\.?([^\s.[\]"'\\]+)|\[(\d{1,9})\]|\[("(?:[^"\\]|\\.)*"|'[^'\\]*')\]/y;
  while (step.lastIndex < text.length) {
    const at = step.lastIndex;
    const match = step.exec(text);
    if (!match || (at === 0 && text.startsWith("."))) return null;
    if (at > 0 && match[1] !== undefined && !match[0].startsWith(".")) return null;
    if (match[1] !== undefined) path.push(match[1]);
    else if (match[2] !== undefined) path.push(Number(match[2]));
    else {
      const key = unquote(match[3]!);
      if (key === null) return null;
      path.push(key);
    }
  }
  return path.length > 0 ? path : null;
}

function unquote(text: string): string | null {
  if (text.startsWith("'")) return text.slice(1, -1);
  try {
    return JSON.parse(text) as string;
  } catch (err) {
    if (err instanceof SyntaxError) return null;
    throw err;
  }
}
