import { join } from "node:path";
import { defaultAgentId, resolveAgent } from "../config/agents.ts";
import { homeDirectory } from "../config/environment.ts";
import { systemClock } from "../core/clock.ts";
import { toCommandEnv } from "../core/command-env.ts";
import { EXIT } from "../core/errors.ts";
import { asId, type AgentId } from "../core/ids.ts";
import { silentMetrics } from "../core/metrics.ts";
import { AgentSkills, personalHome } from "../skills/agent-skills.ts";
import type { SkillInstaller } from "../skills/skill.ts";
import { toSkillReport, type SkillReport, type SkillRow } from "../skills/report.ts";
import type { CommandHandler } from "./command.ts";
import { gatewayOrFiles } from "./connect.ts";
import { configOf, pathsOf } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import type { Output } from "./output.ts";
import { requireKnownAgent, unknownNameError } from "./known-names.ts";
import { plural, sanitizeLine } from "./terminal-text.ts";

const SOURCES: Readonly<Record<SkillRow["source"], string>> = {
  "openclaw-workspace": "workspace",
  "agents-skills-project": "workspace (.agents)",
  "agents-skills-personal": "personal (~/.agents)",
  "openclaw-managed": "state directory",
  "openclaw-extra": "extra directory",
};

/** The skills of an agent by what this machine's files say. A running gateway may have other programs and variables. */
export async function skillsFromFiles(invocation: Invocation, agent: string | undefined): Promise<SkillReport> {
  const { config } = configOf(invocation);
  const paths = pathsOf(invocation);
  const { env } = invocation.host;
  const commandEnv = toCommandEnv(env, "");
  const agentId: AgentId = agent === undefined ? defaultAgentId(config) : asId<AgentId>(agent.toLowerCase());
  const { workspace } = resolveAgent(config, agentId, paths.state);
  const skills = new AgentSkills({
    config: () => config,
    workspace: () => workspace,
    paths,
    personal: personalHome(homeDirectory(env), paths.state),
    commandEnv: () => commandEnv,
    platform: process.platform,
    clock: systemClock,
    metrics: silentMetrics,
  });
  return toSkillReport({ agentId, workspace, state: paths.state, skills: await skills.of(agentId) });
}

function readReport(invocation: Invocation): Promise<SkillReport> {
  const agentId = requireKnownAgent(invocation, invocation.text("agent"));
  return gatewayOrFiles(
    invocation,
    ["operator.read"],
    ({ client }) => client.request<SkillReport>("skills.status", agentId === undefined ? {} : { agentId }),
    () => skillsFromFiles(invocation, agentId),
  );
}

/** `openclaw skills list` */
export const skillsList: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const report = await readReport(invocation);
  const skills = report.skills.filter(({ eligible }) => eligible || !invocation.has("eligible"));
  out.result({ ...report, skills }, () => {
    if (skills.length === 0)
      return out.line(
        `No skills. Each is a directory with a SKILL.md, in ${sanitizeLine(join(report.workspaceDir, "skills"))}, for example.`,
      );
    out.table(
      [{ title: "skill" }, { title: "on" }, { title: "from" }, { title: "what it is for", truncate: true }],
      skills.map((skill) => [skill.name, skill.eligible ? "yes" : "no", SOURCES[skill.source], skill.description]),
    );
    if (skills.some(({ eligible }) => !eligible) || report.problems.length > 0) out.note("openclaw skills check says why some are off.");
  });
};

/** A line of a table that is left out without a value. */
const optional = (title: string, value: string | undefined): [string, string][] => (value ? [[title, value]] : []);

/** `openclaw skills info <name>` */
export const skillsInfo: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const { skills } = await readReport(invocation);
  const name = invocation.arg(0);
  const skill = skills.find((each) => each.name === name) ?? skills.find((each) => each.name.toLowerCase() === name.toLowerCase());
  if (skill === undefined)
    throw unknownNameError(
      "skill",
      name,
      skills.map((each) => each.name),
      "openclaw skills list",
      EXIT.failure,
    );
  out.result(skill, () => {
    const { requirements, approval } = skill;
    out.pairs([
      ["skill", skill.name],
      ["for", skill.description],
      ["on", skill.eligible ? "yes" : `no: ${skill.reason}`],
      ["in the list", skill.modelVisible ? "yes" : "no"],
      ["/skill", skill.commandVisible ? "yes" : "no"],
      ["file", skill.filePath],
      ["from", SOURCES[skill.source]],
      ["key", skill.skillKey],
      ...optional("homepage", skill.homepage),
      ...optional("systems", requirements.os.join(", ")),
      ...optional(
        "programs",
        [...requirements.bins, ...(requirements.anyBins.length > 0 ? [`one of ${requirements.anyBins.join(", ")}`] : [])].join(", "),
      ),
      ...optional("variables", requirements.env.join(", ")),
      ...optional("configuration", requirements.config.join(", ")),
      ...optional("installed from", approval?.origin),
      ...optional("content", approval && `${approval.approved ? "approved" : "not approved"}, sha256 ${approval.hash || "unknown"}`),
    ]);
    showInstallers(out, skill.install);
  });
};

/** What the author of a skill says about its programs. A person decides and runs it; the gateway never does. */
function showInstallers(out: Output, install: readonly SkillInstaller[]): void {
  if (install.length === 0) return;
  out.line();
  out.line("To install its programs, as its author says; nothing of this is run for you:");
  for (const { label, os, command } of install) {
    const systems = os.length === 0 ? "" : ` (${os.join(", ")})`;
    out.line(sanitizeLine(`  ${label}${systems}: ${command ?? "see the homepage"}`));
  }
}

/** `openclaw skills check` */
export const skillsCheck: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const report = await readReport(invocation);
  const off = report.skills.filter(({ eligible }) => !eligible);
  const waiting = off.filter(({ approval }) => approval?.approved === false);
  const ok = report.problems.length === 0 && waiting.length === 0;
  out.result({ ok, ...report, skills: off }, () => {
    for (const { name, reasons } of off)
      for (const { text, fix } of reasons) out.line(sanitizeLine(`${name}: ${fix === null ? text : `${text} (${fix})`}`));
    for (const { path, reason } of report.problems) out.line(sanitizeLine(`${path} is not used: ${reason}`));
    for (const { name, path, by } of report.hidden) out.line(sanitizeLine(`${path} is hidden: ${by} has the name ${name} as well`));
    for (const line of promptLines(report)) out.line(sanitizeLine(line));
    out.note(`${plural(report.skills.length - off.length, "skill")} on, ${off.length} off, ${plural(report.problems.length, "problem")}`);
  });
  return ok ? EXIT.ok : EXIT.failure;
};

function promptLines({ prompt }: SkillReport): string[] {
  const { leftOut, shortened } = prompt;
  const fix = "shorten descriptions, name fewer skills for the agent, or raise skills.limits.maxSkillsPromptChars";
  return [
    ...(leftOut.length > 0 ? [`Not in the list that models read, which is full: ${leftOut.join(", ")} (${fix})`] : []),
    ...(shortened.length > 0
      ? [`Descriptions are shortened in the list that models read: ${plural(shortened.length, "skill")} (${fix})`]
      : []),
  ];
}
