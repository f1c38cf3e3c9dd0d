import type { Readable } from "node:stream";
import { CliError, EXIT } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { CancelledError } from "./cancelled-error.ts";
import type { Invocation } from "./invocation.ts";

/**
 * All of standard input as text, without the line break at its end; a terminal is asked for it, up to Ctrl-D. Throws CliError when there is
 * far too much.
 */
export async function readStdin(invocation: Invocation, what: string): Promise<string> {
  const { host, out } = invocation;
  if (host.stdin.isTTY) out.prompt(`${what}; end with Ctrl-D on a line of its own:\n`);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of untilAborted(host)) {
    const part = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    bytes += part.length;
    if (bytes > MAX_BYTES) throw tooLong();
    chunks.push(part);
  }
  return Buffer.concat(chunks)
    .toString("utf8")
    .replace(/\r?\n$/, "");
}

const MAX_BYTES = 4 * LIMITS.messageChars;
const tooLong = (): CliError =>
  new CliError("standard input is too long", {
    why: `the limit is ${LIMITS.messageChars} characters.`,
    fix: "send less.",
    exit: EXIT.usage,
  });

/** Ctrl-C while a terminal or a pipe is waited for ends the command. */
async function* untilAborted({ stdin, signal }: Invocation["host"]): AsyncGenerator<Buffer | string> {
  const stop = (): void => void (stdin as Readable).destroy?.();
  signal.addEventListener("abort", stop, { once: true });
  try {
    yield* stdin;
  } catch (err) {
    if (!signal.aborted) throw err;
  } finally {
    signal.removeEventListener("abort", stop);
  }
  signal.throwIfAborted();
}

/** A secret from standard input: typed or pasted without being shown at a terminal, else as `readStdin`. */
export async function readSecretInput(invocation: Invocation, name: string): Promise<string> {
  const text = invocation.host.stdin.isTTY ? await readSecret(invocation, `${name} (hidden): `) : await readStdin(invocation, name);
  if (text.trim() !== "") return text;
  throw new CliError(`no value for ${name}`, {
    why: "standard input was empty.",
    fix: "pipe it in, or type it at the prompt of a terminal.",
    exit: EXIT.usage,
  });
}

/** The value of a flag, or standard input when it is "-". Throws CliError when it is missing or empty. */
export async function readFlagOrStdin(invocation: Invocation, flag: string): Promise<string> {
  const given = invocation.text(flag);
  const text = given === "-" ? await readStdin(invocation, `Type the ${flag}`) : given;
  if (text?.trim()) return text;
  throw new CliError(given === undefined ? `--${flag} is missing` : `--${flag} is empty`, {
    why: "there is nothing to send.",
    fix: `add --${flag} "..."; - reads it from standard input.`,
    exit: EXIT.usage,
  });
}

const CTRL_C = "\u0003";
/** Ctrl-D, and what the terminal driver makes of one that was typed before the question was asked. */
const CTRL_D: ReadonlySet<string> = new Set(["\u0004", "\u0000"]);
// oxlint-disable-next-line no-control-regex
const BACKSPACE = /[\u0008\u007f]/;

/**
 * Asks a terminal for a secret that is not shown. Ends with Enter or Ctrl-D. A paste of several lines arrives in one piece and is kept
 * whole: what is left of it must not reach the shell.
 */
export async function readSecret({ host, out }: Invocation, question: string): Promise<string> {
  const stdin = host.stdin as Terminal;
  out.prompt(question);
  stdin.setRawMode?.(true);
  stdin.resume();
  try {
    return await new Promise<string>((resolve, reject) => {
      let typed = "";
      const onData = (chunk: Buffer | string): void => {
        const chars = [...String(chunk)];
        for (const [index, char] of chars.entries()) {
          if (char === CTRL_C) return end(() => reject(new CancelledError(EXIT.interrupted)));
          if (CTRL_D.has(char)) return end(() => resolve(typed));
          if (BACKSPACE.test(char)) typed = [...typed].slice(0, -1).join("");
          else if ((char !== "\r" && char !== "\n") || index < chars.length - 1) typed += char === "\r" ? "\n" : char;
        }
        if (typed.length > MAX_BYTES) return end(() => reject(tooLong()));
        if (/[\r\n]/.test(chars.at(-1) ?? "")) end(() => resolve(typed));
      };
      const onEnd = (): void => end(() => resolve(typed));
      const onAbort = (): void => end(() => reject(new CancelledError(EXIT.interrupted)));
      const end = (settle: () => void): void => {
        stdin.off("data", onData);
        stdin.off("end", onEnd);
        host.signal.removeEventListener("abort", onAbort);
        settle();
      };
      stdin.on("data", onData);
      stdin.on("end", onEnd);
      host.signal.addEventListener("abort", onAbort, { once: true });
    }).then((text) => text.trim());
  } finally {
    stdin.setRawMode?.(false);
    stdin.pause();
    out.prompt("\n");
  }
}

type Terminal = NodeJS.ReadableStream & { setRawMode?: (mode: boolean) => unknown };
