import { CliError, EXIT } from "../core/errors.ts";
import { profileOf } from "../core/profile.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** How the service of one state directory is called by each system. */
export type ServiceNames = { readonly systemd: string; readonly launchd: string; readonly windows: string };

/** The names that OpenClaw uses. A profile has its own; another name from the environment counts for the default profile only. Pure. */
export function serviceNames(env: Env): ServiceNames {
  const profile = profileOf(env);
  if (profile !== null)
    return { systemd: `openclaw-gateway-${profile}.service`, launchd: `ai.openclaw.${profile}`, windows: `OpenClaw Gateway (${profile})` };
  return {
    systemd: withSuffix(nameFrom(env, "OPENCLAW_SYSTEMD_UNIT", /^[A-Za-z0-9:_.@-]{1,200}$/) ?? "openclaw-gateway.service"),
    launchd: nameFrom(env, "OPENCLAW_LAUNCHD_LABEL", /^[A-Za-z0-9._-]{1,200}$/) ?? "ai.openclaw.gateway",
    windows: nameFrom(env, "OPENCLAW_WINDOWS_TASK_NAME", /^[A-Za-z0-9 ()._-]{1,200}$/) ?? "OpenClaw Gateway",
  };
}

const withSuffix = (unit: string): string => (unit.endsWith(".service") ? unit : `${unit}.service`);

/** A name becomes a part of a path. */
function nameFrom(env: Env, variable: string, pattern: RegExp): string | null {
  const name = env[variable]?.trim();
  if (!name) return null;
  if (pattern.test(name) && !name.startsWith(".") && !name.startsWith("-")) return name;
  throw new CliError(`${variable} is not a name for a service`, {
    why: "it has characters that such a name cannot have.",
    fix: `unset ${variable}, or choose another name`,
    exit: EXIT.usage,
  });
}
