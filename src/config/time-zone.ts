import { readlinkSync, realpathSync } from "node:fs";
import { reasonOf } from "../core/errors.ts";

type Env = Readonly<Record<string, string | undefined>>;

export type SystemTimeZone = {
  /** A name that Intl accepts. */
  readonly name: string;
  /** Why the setting of the system could not be used; null when it could. */
  readonly problem: string | null;
};

export const TIME_ZONE_FIX = "Set TZ to a name such as Europe/Berlin or UTC, or set agents.defaults.userTimezone.";

export function isTimeZone(name: string): boolean {
  try {
    return Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "Etc/Unknown";
  } catch (err) {
    if (err instanceof RangeError) return false;
    throw err;
  }
}

/**
 * The time zone of this machine. `TZ` may hold what the C library understands and Intl does not (`UTC+8`, an empty text, a
 * file): a file is looked up, and anything else means UTC, with the problem in words.
 */
export function systemTimeZone(env: Env): SystemTimeZone {
  const { TZ } = env;
  if (TZ === undefined) {
    const name = Intl.DateTimeFormat().resolvedOptions().timeZone as string | undefined;
    return name !== undefined && isTimeZone(name) ? { name, problem: null } : fallbackZone("this machine names no time zone");
  }
  const text = TZ.replace(/^:/, "").trim();
  const name = text.startsWith("/") ? readZoneFile(text) : text;
  if (name !== null && isTimeZone(name)) return { name, problem: null };
  return fallbackZone(TZ.trim() === "" ? "TZ is set and empty" : `TZ is ${JSON.stringify(TZ.slice(0, 80))}, which names no time zone`);
}

const fallbackZone = (problem: string): SystemTimeZone => ({ name: "UTC", problem });

/** Files of zones lie under a directory `zoneinfo`, in which they have their names. */
function readZoneFile(path: string): string | null {
  for (const resolve of [realpathSync, readlinkSync]) {
    try {
      const [, name] = /\/zoneinfo\/(?:posix\/|right\/)?(.+)$/.exec(resolve(path)) ?? [];
      if (name !== undefined) return name;
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code === undefined) throw new Error(reasonOf(err), { cause: err });
    }
  }
  return null;
}
