import type { Invocation } from "./invocation.ts";

/** What a value names, where that depends on the installation; completion asks for it. */
export type NameKind = "account" | "agent" | "channel" | "device" | "key" | "model" | "request" | "session" | "token";

export type Flag = {
  /** Without the dashes. */
  readonly name: string;
  readonly short?: string;
  /** Placeholder of its value in the help; a flag without one is a switch. */
  readonly value?: string;
  readonly choices?: readonly string[];
  readonly names?: NameKind;
  /** The value is a whole number within these. */
  readonly range?: readonly [min: number, max: number];
  /** May be given several times. */
  readonly many?: boolean;
  readonly help: string;
};

/** `<name>` is needed, `[name]` is not, `[name...]` takes the rest. */
export type Argument = {
  readonly name: string;
  readonly needed: boolean;
  readonly rest?: boolean;
  readonly choices?: readonly string[];
  readonly names?: NameKind;
};

/** Exit code; undefined means 0. */
export type Run = (invocation: Invocation) => Promise<number | void> | number | void;

export type Command = {
  readonly words: readonly string[];
  /** Heading of the overview; only on the first command of a family. */
  readonly group?: string;
  readonly summary: string;
  readonly args?: readonly Argument[];
  readonly flags?: readonly Flag[];
  /** Talks to a gateway: takes --url, --token and the like. */
  readonly remote?: boolean;
  /** `true`: the family's name alone means this command. */
  readonly isDefault?: boolean;
  readonly examples: readonly string[];
  /** With --json it prints one value per line. */
  readonly jsonLines?: boolean;
  /** More about it, below the flags of its help. */
  readonly notes?: readonly string[];
  /** Loads the one file that does it. */
  readonly load: () => Promise<Run>;
};

export const COMMON_FLAGS: readonly Flag[] = [
  { name: "json", help: "Print one JSON value." },
  { name: "no-color", help: "No color (NO_COLOR does the same; a pipe never gets any)." },
  { name: "help", short: "h", help: "Show this help." },
];

export const REMOTE_FLAGS: readonly Flag[] = [
  { name: "url", value: "url", help: "Gateway to use (default: this machine's, or gateway.remote)." },
  {
    name: "token",
    value: "token",
    help: "Gateway token. Prefer OPENCLAW_GATEWAY_TOKEN: command-line values are visible in the process list.",
  },
  { name: "token-file", value: "file", help: "File that contains the gateway token." },
  { name: "password-file", value: "file", help: "File that contains the gateway password." },
  { name: "timeout", value: "ms", range: [1, 86_400_000], help: "Request timeout in milliseconds; connecting has its own limit of 10 s." },
];

/** All flags that a command takes. */
export function flagsOf(command: Command): readonly Flag[] {
  const own = command.flags ?? [];
  const remote = command.remote ? REMOTE_FLAGS.filter((flag) => !own.some((each) => each.name === flag.name)) : [];
  return [...own, ...remote, ...COMMON_FLAGS];
}

export const nameOf = (command: Command): string => command.words.join(" ");

/** `openclaw logs [flags]` as the first line of the help has it. */
export function usageOf(command: Command): string {
  const args = (command.args ?? []).map(({ name, needed, rest }) =>
    needed ? `<${name}${rest ? "..." : ""}>` : `[${name}${rest ? "..." : ""}]`,
  );
  return ["openclaw", ...command.words, ...args, "[flags]"].join(" ");
}
