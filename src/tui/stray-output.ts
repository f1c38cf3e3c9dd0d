import { TUI_LIMITS } from "./limits.ts";

/**
 * Keeps what is written to `stream` while the screen is drawn: a warning in the middle of it would stay there. Returns the function that
 * ends this and gives what was kept.
 */
export function holdOutput(stream: NodeJS.WriteStream): () => string {
  const { write } = stream;
  let held = "";
  stream.write = (chunk: string | Uint8Array, ...more: unknown[]): boolean => {
    const text = typeof chunk === "string" ? chunk : Buffer.from(chunk).toString();
    if (held.length < TUI_LIMITS.strayOutputChars) held += text;
    const done = more.findLast((each) => typeof each === "function");
    if (typeof done === "function") done();
    return true;
  };
  return () => {
    stream.write = write;
    return held;
  };
}
