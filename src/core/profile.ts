import { CliError, EXIT } from "./errors.ts";

type Env = Readonly<Record<string, string | undefined>>;

const PROFILE = /^[a-z0-9][a-z0-9_-]{0,63}$/;
/** The profile that `--dev` selects. */
export const DEV_PROFILE = "dev";

const DEFAULT_PORT = 18_789;
const DEV_PORT = 19_001;
/** Ports of named profiles begin here, so far from the others that no two of them are taken for each other. */
const FIRST_PORT = 20_000;
const PORTS = 40_000;

/**
 * The profile of this environment, in lower case; null: the default one. Each profile has a state directory, a port and a service of its
 * own. Throws CliError for a name that cannot be one.
 */
export function profileOf(env: Env): string | null {
  const name = (env["OPENCLAW_PROFILE"] ?? "").trim().toLowerCase();
  if (name === "" || name === "default") return null;
  if (PROFILE.test(name)) return name;
  throw new CliError("this is not the name of a profile", {
    why: "a name has letters, digits, - and _, at most 64, and begins with a letter or a digit.",
    fix: "choose another name for --profile or OPENCLAW_PROFILE",
    exit: EXIT.usage,
  });
}

/** Selects a profile for this process and the programs that it starts. What named another place before does not count any more. */
export function selectProfile(env: Record<string, string | undefined>, name: string): void {
  profileOf({ OPENCLAW_PROFILE: name });
  env["OPENCLAW_PROFILE"] = name;
  delete env["OPENCLAW_STATE_DIR"];
  delete env["OPENCLAW_CONFIG_PATH"];
}

/** The name of the state directory in the home directory. */
export const stateDirName = (profile: string | null): string => (profile === null ? ".openclaw" : `.openclaw-${profile}`);

/** The profile of a state directory in the home directory; undefined for another directory. */
export function profileOfDirectory(name: string): string | null | undefined {
  if (name === ".openclaw") return null;
  const profile = name.startsWith(".openclaw-") ? name.slice(".openclaw-".length) : "";
  return PROFILE.test(profile) ? profile : undefined;
}

/** The port of a gateway whose configuration names none. */
export function defaultPort(profile: string | null): number {
  if (profile === null) return DEFAULT_PORT;
  return profile === DEV_PROFILE ? DEV_PORT : FIRST_PORT + (fnv1a32(profile) % PORTS);
}

function fnv1a32(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}
