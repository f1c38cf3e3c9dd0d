import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { adopt as adoptOriginal, type AdoptReport } from "../adopt/adopt.ts";
import type { AdoptItem } from "../adopt/item.ts";
import { findOriginals } from "../adopt/original.ts";
import { homeDirectory } from "../config/environment.ts";
import { formatPath } from "../config/key-path.ts";
import { expandPath } from "../config/paths.ts";
import { systemTimeZone } from "../config/time-zone.ts";
import { CliError, EXIT } from "../core/errors.ts";
import { findRunningGateway } from "../core/pid-file.ts";
import { profileOf } from "../core/profile.ts";
import { editFile } from "./config-edit.ts";
import type { CommandHandler } from "./command.ts";
import { configOf, pathsOf } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import { plural, sanitizeLine } from "./terminal-text.ts";

/** `openclaw adopt` */
export const adopt: CommandHandler = async (invocation) => {
  const report = await runAdoption(invocation, sourceOf(invocation));
  const isDryRun = invocation.has("dry-run");
  const { items, settings, ...rest } = report;
  const wrote = settings.map(({ path }) => formatPath(path));
  invocation.out.result({ ok: true, dryRun: isDryRun, ...rest, settings: wrote, items }, () => show(report, invocation));
};

const homeOf = ({ host }: Invocation): string => homeDirectory(host.env) ?? host.cwd;

/** Installations of the original on this machine. */
export const originalsOf = (invocation: Invocation): readonly string[] =>
  findOriginals(invocation.host.env, homeOf(invocation), pathsOf(invocation).state);

function sourceOf(invocation: Invocation): string {
  const named = invocation.text("from");
  if (named !== undefined) return requireOriginal(expandPath(named, homeOf(invocation), invocation.host.cwd));
  const [first] = originalsOf(invocation);
  if (first !== undefined) return first;
  throw new CliError("No installation of OpenClaw was found", {
    why: "none of ~/.openclaw and $OPENCLAW_HOME/.openclaw has its sessions or credentials.",
    fix: "name its state directory: openclaw adopt --from <dir>",
    exit: EXIT.unavailable,
  });
}

function requireOriginal(dir: string): string {
  if (existsSync(dir)) return dir;
  throw new CliError(`${sanitizeLine(dir)} does not exist`, {
    why: "adopt reads the configuration and the sessions of another installation there, and changes nothing in it.",
    fix: "name the state directory of OpenClaw, for example: openclaw adopt --from ~/.openclaw",
    exit: EXIT.unavailable,
  });
}

/** Takes what can be used of the original at `from`; with --dry-run it only looks. */
export async function runAdoption(invocation: Invocation, from: string): Promise<AdoptReport> {
  const { host } = invocation;
  const paths = pathsOf(invocation);
  const own = findRunningGateway(paths.gateway);
  if (own)
    throw new CliError(`The gateway of ${paths.state} is running (pid ${own.pid})`, {
      why: "sessions are taken into its store, which it owns while it runs.",
      fix: "openclaw gateway stop, then openclaw adopt",
      exit: EXIT.unavailable,
    });
  const loaded = configOf(invocation);
  if (loaded.exists && loaded.raw === null)
    throw new CliError(`${paths.config} cannot be changed`, {
      why: `${loaded.issues[0]?.message ?? "it cannot be read"}.`,
      fix: "openclaw config validate",
      exit: EXIT.config,
    });
  return await adoptOriginal({
    from,
    paths,
    configText: loaded.raw,
    env: host.env,
    home: homeOf(invocation),
    now: host.now(),
    zone: systemTimeZone(host.env).name,
    write: !invocation.has("dry-run"),
    shadow: invocation.has("shadow"),
    lockDirs: [tmpdir()],
    edit: async (settings) => {
      await editFile(invocation, (edit) => {
        for (const { path, value } of settings) edit.set(path, value);
      });
    },
  });
}

/** A command of this call's profile, as it is typed. */
export function ownCommand({ host }: Invocation, words: string): string {
  const profile = profileOf(host.env);
  return `openclaw ${profile === null ? "" : `--profile ${profile} `}${words}`;
}

const TITLES: Readonly<Record<AdoptItem["kind"], string>> = {
  config: "Configuration",
  agent: "Agents",
  channel: "Channels",
  model: "Model providers",
  key: "Keys of providers",
  person: "Approved people",
  workspace: "Workspaces",
  session: "Sessions",
  job: "Jobs",
};

function show(report: AdoptReport, invocation: Invocation): void {
  const { out } = invocation;
  const isDryRun = invocation.has("dry-run");
  const { items, from, isShared, messages } = report;
  out.line(`${isDryRun ? "Would take" : "Took"} from ${sanitizeLine(from)}, which is only read:`);
  for (const [kind, title] of Object.entries(TITLES)) {
    const group = items.filter((item) => item.kind === kind);
    if (group.length === 0) continue;
    out.line();
    out.line(out.paint("bold", title));
    for (const { name, taken, present, detail } of group) {
      const mark = taken ? out.paint("green", "taken") : present ? "not taken" : out.paint("yellow", "not taken");
      out.paragraph(`  ${mark}  ${sanitizeLine(name)}${detail === "" ? "" : `: ${sanitizeLine(detail)}`}`, "    ");
    }
  }
  out.line();
  const count = items.filter(({ taken }) => taken).length;
  out.line(`${plural(count, "item")} ${isDryRun ? "would be taken" : "taken"}, ${plural(messages, "message")}.`);
  if (isShared)
    out.note("Both use this directory: the configuration and the workspaces are shared, and sessions and jobs go to its folder gateway/.");
  if (!isDryRun && report.settings.length > 0)
    out.note(`Wrote ${pathsOf(invocation).config}: ${report.settings.map(({ path }) => formatPath(path)).join(", ")}`);
  showNext(report, invocation);
}

function showNext({ from, shadow, runningPid, port }: AdoptReport, invocation: Invocation): void {
  const { out } = invocation;
  const again = ownCommand(invocation, `adopt${invocation.has("from") ? ` --from ${sanitizeLine(from)}` : ""}`);
  if (invocation.has("dry-run")) {
    if (runningPid !== null && shadow !== "begins")
      out.note(`The gateway of the original is running (pid ${runningPid}): stop it first, or use --shadow.`);
    return out.note(`Nothing was written. Next: ${again}${invocation.has("shadow") ? " --shadow" : ""}`);
  }
  if (shadow === "begins")
    return out.note(
      `Shadow mode: this gateway will listen on port ${port} and send nothing. Next: ${ownCommand(invocation, "gateway")}. To take over later, stop both, then: ${again}`,
    );
  if (shadow === "ends") out.note("Shadow mode is over. What was held is never sent.");
  out.note(`Next: ${ownCommand(invocation, "gateway")}`);
}
