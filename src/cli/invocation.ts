import type { ExternalSecrets } from "../config/secret-refs.ts";
import { CancelledError } from "./cancelled-error.ts";
import type { Output, Streams } from "./output.ts";
import { CliError, EXIT } from "../core/errors.ts";
import type { AccountCandidate, Env, GatewayOptions, RunningGateway } from "../core/gateway-process.ts";

/** The values of the flags that were given, by name. */
export type FlagValues = ReadonlyMap<string, readonly string[]>;

/** What the process gives to a command. Tests make their own. */
export type CliHost = {
  readonly streams: Streams;
  readonly stdin: NodeJS.ReadableStream & { isTTY?: boolean };
  readonly env: Env;
  /** Selects a profile: from now on `env` is that of the profile. */
  readonly useProfile: (name: string) => void;
  readonly cwd: string;
  readonly now: () => number;
  /** Aborts at the first SIGINT or SIGTERM that the command does not take for itself. */
  readonly signal: AbortSignal;
  /** Loads the gateway itself; only `openclaw gateway` calls it. */
  readonly startGateway: (options: GatewayOptions) => Promise<RunningGateway>;
  /** Asks the platform whether an account is good, where no gateway runs that could; resolves to the bot's name. Throws GatewayError. */
  readonly verifyChannel: (candidate: AccountCandidate, signal: AbortSignal) => Promise<{ name: string }>;
};

/** One call of one command: its validated arguments and flags, and its environment. */
export class Invocation {
  readonly args: readonly string[];
  readonly out: Output;
  readonly host: CliHost;
  readonly #flags: FlagValues;
  /** Secrets that the configuration refers to and that this user can read without a program or a question. */
  external?: ExternalSecrets;

  constructor(args: readonly string[], flags: FlagValues, out: Output, host: CliHost) {
    this.args = args;
    this.#flags = flags;
    this.out = out;
    this.host = host;
  }

  /** The same call without one of its flags, for a flag that means something else further down. */
  clearFlag(flag: string): Invocation {
    const cleared = new Invocation(this.args, new Map([...this.#flags].filter(([name]) => name !== flag)), this.out, this.host);
    if (this.external) cleared.external = this.external;
    return cleared;
  }

  /** The same call with another signal, for work that an interruption must not leave half done. */
  withSignal(signal: AbortSignal): Invocation {
    return new Invocation(this.args, this.#flags, this.out, { ...this.host, signal });
  }

  has(flag: string): boolean {
    return this.#flags.has(flag);
  }

  text(flag: string): string | undefined {
    return this.#flags.get(flag)?.at(-1);
  }

  list(flag: string): readonly string[] {
    return this.#flags.get(flag) ?? [];
  }

  /** A flag with a `range`: the parser has checked it. */
  number(flag: string): number | undefined {
    const text = this.text(flag);
    return text === undefined ? undefined : Number(text);
  }

  /** The argument at `index`; the parser has checked that a needed one is there. */
  arg(index: number): string {
    return this.args[index] ?? "";
  }

  /** Asks for a yes on the terminal. Without a terminal, or without a yes, it throws with the flag to use. */
  async confirm(question: string): Promise<void> {
    if (this.has("yes")) return;
    if (!this.host.stdin.isTTY || !this.out.interactive || this.out.json) {
      throw new CliError("this needs a confirmation", { why: question, fix: "add --yes", exit: EXIT.usage });
    }
    const { createInterface } = await import("node:readline/promises");
    const prompt = createInterface({ input: this.host.stdin, output: process.stderr });
    try {
      const answer = await prompt.question(`${question} [y/N] `, { signal: this.host.signal });
      if (/^y(es)?$/i.test(answer.trim())) return;
    } finally {
      prompt.close();
    }
    throw new CancelledError();
  }
}
