import { CliError, EXIT } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { Invocation } from "./invocation.ts";

/** All of standard input as text, without the line break at its end. Throws CliError when there is none, or far too much. */
export async function readInput({ host }: Invocation): Promise<string> {
  if (host.stdin.isTTY)
    throw new CliError("nothing is piped in", {
      why: "the text is read from standard input.",
      fix: "pipe it: echo text | openclaw ...",
      exit: EXIT.usage,
    });
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of host.stdin) {
    const part = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    bytes += part.length;
    if (bytes > 4 * LIMITS.messageChars)
      throw new CliError("standard input is too long", {
        why: `more than ${LIMITS.messageChars} characters cannot be sent.`,
        fix: "send less.",
        exit: EXIT.usage,
      });
    chunks.push(part);
  }
  return Buffer.concat(chunks)
    .toString("utf8")
    .replace(/\r?\n$/, "");
}

/** The value of a flag, or standard input when it is "-". Throws CliError when it is missing or empty. */
export async function readText(invocation: Invocation, flag: string): Promise<string> {
  const given = invocation.text(flag);
  const text = given === "-" ? await readInput(invocation) : given;
  if (text?.trim()) return text;
  throw new CliError(given === undefined ? `--${flag} is missing` : `--${flag} is empty`, {
    why: "there is nothing to send.",
    fix: `add --${flag} "..."; - reads it from standard input.`,
    exit: EXIT.usage,
  });
}

/** A line of the terminal that is not shown while it is typed. */
export async function readSecret({ host }: Invocation, question: string): Promise<string> {
  const [{ createInterface }, { Writable }] = await Promise.all([import("node:readline/promises"), import("node:stream")]);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  process.stderr.write(question);
  const prompt = createInterface({ input: host.stdin, output: silent, terminal: true });
  try {
    return (await prompt.question("", { signal: host.signal })).trim();
  } finally {
    prompt.close();
    process.stderr.write("\n");
  }
}
