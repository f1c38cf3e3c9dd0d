import { agentIds } from "../config/agents.ts";
import { okFinding, type DoctorFinding } from "./doctor-finding.ts";
import { configOf } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import { skillsFromFiles } from "./skills.ts";
import { plural } from "./terminal-text.ts";
import type { SkillReport } from "../skills/report.ts";

/** Skills that cannot be read, wait for approval, or do not fit into the list that models read; in the others which are off and why. */
export async function checkSkills(invocation: Invocation): Promise<DoctorFinding[]> {
  const findings: DoctorFinding[] = [];
  const seen = new Set<string>();
  for (const agentId of agentIds(configOf(invocation).config)) {
    const report = await skillsFromFiles(invocation, agentId);
    for (const finding of [...badFindings(report), okFinding("skills", summaryOf(report))]) {
      const key = `${finding.check} ${finding.title}`;
      if (!seen.has(key)) findings.push(finding);
      seen.add(key);
    }
  }
  return findings;
}

const warning = (title: string, why: string, fix: string): DoctorFinding => ({ check: "skills", severity: "warning", title, why, fix });

function badFindings({ agentId, problems, skills, prompt }: SkillReport): DoctorFinding[] {
  return [
    ...problems.map(({ path, reason }) => warning(`the skill in ${path} is not read`, `${reason}.`, "correct it, or move it away.")),
    ...skills
      .filter(({ approval }) => approval?.approved === false)
      .map(({ name }) =>
        warning(
          `the skill ${name} is off`,
          "its content is not the one that was approved.",
          `openclaw skills approve ${name} shows it, and asks.`,
        ),
      ),
    ...(prompt.leftOut.length > 0
      ? [
          warning(
            `${plural(prompt.leftOut.length, "skill")} of the agent ${agentId} ${prompt.leftOut.length === 1 ? "is" : "are"} not in the list that models read`,
            `the list has a limit (skills.limits.maxSkillsPromptChars): ${prompt.leftOut.slice(0, 10).join(", ")}.`,
            "name fewer skills in skills of the agent, or raise the limit.",
          ),
        ]
      : []),
  ];
}

function summaryOf({ agentId, skills }: SkillReport): string {
  const off = skills.filter(({ eligible }) => !eligible);
  const why = off.map(({ name, reasons }) => `${name}: ${reasons.map(({ text }) => text).join(", ")}`).join("; ");
  return `${plural(skills.length - off.length, "skill")} of the agent ${agentId} on${off.length > 0 ? `, ${off.length} off (${why})` : ""}`;
}
