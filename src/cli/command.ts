import type { Invocation } from "./invocation.ts";

/** What a value names, where that depends on the installation; completion asks for it. */
export type ValueKind =
  | "account"
  | "agent"
  | "approval"
  | "channel"
  | "device"
  | "key"
  | "mcp-server"
  | "model"
  | "plugin"
  | "request"
  | "session"
  | "skill"
  | "token";

export type CliFlag = {
  /** Without the dashes. */
  readonly name: string;
  readonly short?: string;
  /** Placeholder of its value in the help; a flag without one is a switch. */
  readonly value?: string;
  readonly choices?: readonly string[];
  readonly valueKind?: ValueKind;
  /** The value is a whole number within these. */
  readonly range?: readonly [min: number, max: number];
  /** May be given several times. */
  readonly multiple?: boolean;
  readonly help: string;
};

/** `<name>` is needed, `[name]` is not, `[name...]` takes the rest. */
export type CliArgument = {
  readonly name: string;
  readonly required: boolean;
  readonly variadic?: boolean;
  readonly choices?: readonly string[];
  readonly valueKind?: ValueKind;
};

/** Exit code; undefined means 0. */
export type CommandHandler = (invocation: Invocation) => Promise<number | void> | number | void;

export type CliCommand = {
  readonly path: readonly string[];
  /** Heading of the overview; only on the first command of a family. */
  readonly group?: string;
  readonly summary: string;
  readonly args?: readonly CliArgument[];
  readonly flags?: readonly CliFlag[];
  /** Talks to a gateway: takes --url, --token and the other connection flags. */
  readonly usesGateway?: boolean;
  /** `true`: the family's name alone means this command. */
  readonly isDefault?: boolean;
  readonly examples: readonly string[];
  /** With --json it prints one value per line. */
  readonly jsonLines?: boolean;
  /** More about it, below the flags of its help. */
  readonly notes?: readonly string[];
  /** Loads the one file that does it. */
  readonly load: () => Promise<CommandHandler>;
};

/** The commands that share a first word, or a single one. */
export type CommandFamily = {
  /** What a family of several commands is about. */
  readonly summary?: string;
  readonly commands: readonly CliCommand[];
  /** Commands for programs. */
  readonly hidden?: readonly CliCommand[];
};

export const COMMON_FLAGS: readonly CliFlag[] = [
  { name: "json", help: "Print one JSON value." },
  { name: "no-color", help: "Disable color (same as NO_COLOR; output to a pipe never has color)." },
  { name: "profile", value: "name", help: "Use the gateway of this profile, with a state directory and a port of its own." },
  { name: "dev", help: "Use the profile dev." },
  { name: "help", short: "h", help: "Show this help." },
];

export const REMOTE_FLAGS: readonly CliFlag[] = [
  { name: "url", value: "url", help: "Gateway to use (default: this machine's, or gateway.remote)." },
  {
    name: "token",
    value: "token",
    help: "Gateway token. Prefer OPENCLAW_GATEWAY_TOKEN: command-line values are visible in the process list.",
  },
  { name: "token-file", value: "file", help: "File that contains the gateway token." },
  { name: "password-file", value: "file", help: "File that contains the gateway password." },
  {
    name: "tls-fingerprint",
    value: "sha256",
    help: "Accept only the certificate with this fingerprint (default: gateway.remote.tlsFingerprint).",
  },
  { name: "timeout", value: "ms", range: [1, 86_400_000], help: "Request timeout in milliseconds; connecting has its own limit of 10 s." },
];

/** All flags that a command takes. */
export function allFlags(command: CliCommand): readonly CliFlag[] {
  const own = command.flags ?? [];
  const remote = command.usesGateway ? REMOTE_FLAGS.filter((flag) => !own.some((each) => each.name === flag.name)) : [];
  return [...own, ...remote, ...COMMON_FLAGS];
}

export const commandName = (command: CliCommand): string => command.path.join(" ");

/** `openclaw logs [flags]` as the first line of the help has it. */
export function commandUsage(command: CliCommand): string {
  const args = (command.args ?? []).map(({ name, required: needed, variadic: rest }) =>
    needed ? `<${name}${rest ? "..." : ""}>` : `[${name}${rest ? "..." : ""}]`,
  );
  return ["openclaw", ...command.path, ...args, "[flags]"].join(" ");
}
