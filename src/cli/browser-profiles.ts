import { CliError, EXIT } from "../core/errors.ts";
import type { CommandHandler } from "./command.ts";
import { applyConfigEdit, refuseUnknownKeys } from "./config-edit.ts";
import { callGateway } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { requireKnownAgent } from "./known-names.ts";
import { plural, sanitizeLine } from "./terminal-text.ts";

/** The profile that always exists. */
const OWN_PROFILE = "openclaw";

type ProfileRow = {
  name: string;
  driver: string;
  color: string;
  running: boolean;
  tabCount: number;
  isDefault: boolean;
  isRemote: boolean;
  cdpUrl: string | null;
  problem?: string;
  fix?: string;
};

/** `openclaw browser profiles` */
export const browserProfiles: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const agentId = requireKnownAgent(invocation, invocation.text("agent"));
  const params = agentId === undefined ? {} : { agentId };
  const { profiles } = await callGateway<{ profiles: ProfileRow[] }>(invocation, ["operator.read"], "browser.profiles", params);
  out.result({ profiles }, () => {
    for (const row of profiles) for (const line of profileLines(row)) out.line(sanitizeLine(line));
  });
};

function profileLines({ name, driver, color, running, tabCount, isDefault, isRemote, cdpUrl, problem, fix }: ProfileRow): string[] {
  const state = running ? `running (${plural(tabCount, "tab")})` : "stopped";
  const marks = [isDefault && " [default]", isRemote && " [remote]", driver !== OWN_PROFILE && ` [${driver}]`].filter(Boolean).join("");
  const where = cdpUrl === null ? "started by the gateway" : `running browser at ${cdpUrl}, not behind the gateway's proxy`;
  return [
    `${name}: ${state}${marks}`,
    `  ${where}, color: ${color}`,
    ...(problem === undefined ? [] : [`  Not usable: ${problem} ${fix ?? ""}`.trimEnd()]),
  ];
}

function requireName(invocation: Invocation): string {
  const name = invocation.text("name") ?? "";
  if (/^[a-z0-9-]{1,64}$/.test(name)) return name;
  throw new CliError(name === "" ? "no profile is named" : `"${sanitizeLine(name).slice(0, 80)}" cannot be the name of a profile`, {
    why: "names have lower-case letters, digits and hyphens.",
    fix: "add --name work",
    exit: EXIT.usage,
  });
}

/** `openclaw browser create-profile` */
export const createProfile: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const name = requireName(invocation);
  const named = { driver: invocation.text("driver"), cdpUrl: invocation.text("cdp-url"), color: invocation.text("color") };
  const profile = {
    ...Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined)),
    ...(invocation.has("allow-unguarded") && { dangerouslyAllowUnguardedNetwork: true }),
  };
  const path = ["browser", "profiles", name];
  refuseUnknownKeys(invocation, (edit) => edit.set(path, profile));
  const where = await applyConfigEdit(invocation, (edit) => {
    if (name === OWN_PROFILE || edit.get(path) !== undefined)
      throw new CliError(`there is a profile ${name} already`, {
        why: "nothing was changed.",
        fix: `openclaw browser delete-profile --name ${name} removes it; openclaw config set browser.profiles.${name}.<key> <value> changes it.`,
      });
    edit.set(path, profile);
  });
  out.result({ ok: true, profile: name, where }, () => {
    out.line(sanitizeLine(`Created the profile ${name} in ${where}.`));
    if (named.cdpUrl !== undefined && !invocation.has("allow-unguarded"))
      out.note(
        `Its requests do not pass the gateway's proxy: it is not used before openclaw config set browser.profiles.${name}.dangerouslyAllowUnguardedNetwork true`,
      );
    else out.note(`Try it with: openclaw browser doctor --deep --browser-profile ${name}`);
  });
};

type Reset = { profile: string; paths: string[] };

/** `openclaw browser delete-profile` */
export const deleteProfile: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const name = requireName(invocation);
  const path = ["browser", "profiles", name];
  const check = (known: unknown): void => {
    if (known !== undefined) return;
    throw new CliError(name === OWN_PROFILE ? `the profile ${OWN_PROFILE} always exists` : `there is no profile ${name}`, {
      why: "nothing was changed.",
      fix:
        name === OWN_PROFILE
          ? "openclaw browser reset-profile removes what it has stored."
          : "openclaw browser profiles shows those that there are.",
    });
  };
  const { profiles } = await callGateway<{ profiles: ProfileRow[] }>(invocation, ["operator.read"], "browser.profiles", {});
  const row = profiles.find((each) => each.name === name);
  // A running browser keeps what is its own.
  const { paths } =
    row === undefined || name === OWN_PROFILE || row.cdpUrl !== null
      ? { paths: [] }
      : await callGateway<Reset>(invocation, ["operator.admin"], "browser.profiles.reset", { profile: name, allAgents: true });
  const where = await applyConfigEdit(invocation, (edit) => {
    check(edit.get(path));
    edit.unset(path);
  });
  out.result({ ok: true, profile: name, where, moved: paths }, () => {
    out.line(sanitizeLine(`Deleted the profile ${name} in ${where}.`));
    for (const each of paths) out.line(sanitizeLine(`What it had stored is in ${each}.`));
  });
};

/** `openclaw browser reset-profile` */
export const resetProfile: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const agentId = requireKnownAgent(invocation, invocation.text("agent"));
  const profile = invocation.text("browser-profile");
  const answer = await callGateway<Reset>(invocation, ["operator.admin"], "browser.profiles.reset", {
    ...(profile !== undefined && { profile }),
    ...(agentId !== undefined && { agentId }),
  });
  out.result(answer, () => {
    if (answer.paths.length === 0) out.line(`The profile ${sanitizeLine(answer.profile)} has stored nothing.`);
    for (const path of answer.paths) out.line(sanitizeLine(`Moved what the profile ${answer.profile} had stored to ${path}.`));
  });
};
