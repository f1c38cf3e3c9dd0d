import { homedir } from "node:os";
import { channelIds, channelManifest } from "../channels/registry.ts";
import { systemTimeZone, TIME_ZONE_FIX } from "./time-zone.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** Something about the environment that is set and has no effect, or another one than it seems. */
export type EnvironmentIssue = { readonly name: string; readonly message: string; readonly fix: string };

/** Variables of ours that people set. */
const KNOWN_VARIABLES = [
  "OPENCLAW_STATE_DIR",
  "OPENCLAW_CONFIG_PATH",
  "OPENCLAW_HOME",
  "OPENCLAW_PROFILE",
  "OPENCLAW_GATEWAY_TOKEN",
  "OPENCLAW_GATEWAY_PASSWORD",
  "OPENCLAW_GATEWAY_URL",
  "OPENCLAW_DISCOVER_LOCAL_MODELS",
  "OPENCLAW_AGENT_WARM_UP",
  "OPENCLAW_SECRETS_PASSPHRASE",
  "OPENCLAW_SECRETS_PASSPHRASE_FILE",
  "OPENCLAW_SECRETS_KEY_FILE",
  "OPENCLAW_DEBUG",
  "OPENCLAW_RUNNER",
  "OPENCLAW_GATEWAY_CRASH_AT",
  "OPENCLAW_SERVICE_MARKER",
  "OPENCLAW_SERVICE_KIND",
  "OPENCLAW_SUPERVISOR_MODE",
  "OPENCLAW_SYSTEMD_UNIT",
  "OPENCLAW_LAUNCHD_LABEL",
  "OPENCLAW_WINDOWS_TASK_NAME",
  "OPENCLAW_WRAPPER",
  "OPENCLAW_CANARY",
] as const;

/** What people write for which of ours. */
const CORRECTIONS: Readonly<Record<string, string>> = {
  OPENCLAW_TOKEN: "OPENCLAW_GATEWAY_TOKEN",
  OPENCLAW_PASSWORD: "OPENCLAW_GATEWAY_PASSWORD",
  OPENCLAW_CONFIG: "OPENCLAW_CONFIG_PATH",
  OPENCLAW_CONFIG_FILE: "OPENCLAW_CONFIG_PATH",
  OPENCLAW_STATE: "OPENCLAW_STATE_DIR",
  OPENCLAW_DATA_DIR: "OPENCLAW_STATE_DIR",
  OPENCLAW_URL: "OPENCLAW_GATEWAY_URL",
  OPENCLAW_PORT: "gateway.port in openclaw.json, or --port",
  OPENCLAW_GATEWAY_PORT: "gateway.port in openclaw.json, or --port",
  OPENCLAW_GATEWAY_BIND: "gateway.bind in openclaw.json, or --bind",
  OPENCLAW_BIND: "gateway.bind in openclaw.json, or --bind",
  OPENCLAW_LOG_LEVEL: "logging.level in openclaw.json",
};

/**
 * Looks through the environment. `referenced` are names that the configuration refers to. Values are never part of a message,
 * but for TZ.
 */
export function checkEnvironment(env: Env, referenced: ReadonlySet<string> = new Set()): EnvironmentIssue[] {
  const unknown = Object.keys(env)
    .filter((name) => name.startsWith("OPENCLAW_") && env[name] && !isKnown(name) && !referenced.has(name))
    .toSorted()
    .map((name) => ({
      name,
      message: `the environment variable ${name.slice(0, 80)} is set and not used`,
      fix: correctionFor(name) ?? "Unset it; the documentation of the configuration names the variables that are read.",
    }));
  // What the machine says without TZ costs 11 ms and 5 MiB to find out; the first turn does.
  const problem = env["TZ"] === undefined ? null : systemTimeZone(env).problem;
  return [...unknown, ...(problem === null ? [] : [{ name: "TZ", message: `${problem}; UTC is used`, fix: TIME_ZONE_FIX }])];
}

const isOfChannel = (name: string): boolean =>
  channelIds.some((id) => Object.values(channelManifest(id)?.environment ?? {}).includes(name));

const isKnown = (name: string): boolean =>
  (KNOWN_VARIABLES as readonly string[]).includes(name) || isOfChannel(name) || /^OPENCLAW_(KEY|HEADER|REDACTED)_/.test(name);

/**
 * Replaces a time zone that Intl does not know, so that the programs that inherit `env` (agents among them) have the same one as this
 * process.
 */
export function normalizeEnvironment(env: Record<string, string | undefined>): void {
  if (env["TZ"] !== undefined) env["TZ"] = systemTimeZone(env).name;
}

function correctionFor(name: string): string | null {
  const meant = Object.hasOwn(CORRECTIONS, name) ? CORRECTIONS[name] : KNOWN_VARIABLES.find((each) => distance(each, name) <= 2);
  return meant === undefined ? null : `Use ${meant}.`;
}

/** Edits that turn one word into the other. */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return 3;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}

/** The home directory, or null when the environment names none and this user has no entry in the system's list of users. */
export function homeDirectory(env: Env): string | null {
  const named = env["OPENCLAW_HOME"]?.trim() || env["HOME"]?.trim();
  if (named) return named;
  try {
    return homedir();
  } catch (err) {
    if ((err as { code?: string }).code === "ERR_SYSTEM_ERROR") return null;
    throw err;
  }
}
