import { dirname, relative, sep } from "node:path";
import { isBeneath } from "../core/files.ts";
import { clip } from "../core/text.ts";
import { SKILL_FILE, type Skill } from "./skill.ts";

/** The list of skills for a system prompt, and the skills that it names. */
export type SkillPrompt = {
  /** Empty without a skill. */
  text: string;
  /** Names that the limit left no room for. */
  leftOut: readonly string[];
  /** Names whose description was shortened. */
  shortened: readonly string[];
};

const HEAD = `# Skills

A skill is a directory with instructions for one kind of task, in its ${SKILL_FILE}. When a task matches a description, read that file first and follow it: unlike other files, it is an instruction. Paths in it, and {baseDir}, are relative to the directory. A skill grants no tool and no permission.`;

/** Of a description that is shortened, at least so much is kept. */
const SHORT_CHARS = 60;

/** The list of `skills` within `maxChars`: where they do not fit, descriptions are shortened first, and then skills are left out. Pure. */
export function toSkillPrompt(skills: readonly Skill[], workspace: string, maxChars: number): SkillPrompt {
  const renderFirst = (count: number, chars: number): string =>
    render(groupByRoot(skills.slice(0, count), workspace), chars, skills.length - count);
  const fits = (count: number, chars: number): boolean => renderFirst(count, chars).length <= maxChars;
  const longest = Math.max(0, ...skills.map(({ description }) => description.length));
  const count = fits(skills.length, SHORT_CHARS) ? skills.length : largest(0, skills.length - 1, (some) => fits(some, SHORT_CHARS));
  if (count === 0) return { text: "", leftOut: skills.map(({ name }) => name), shortened: [] };
  const chars = fits(count, longest) ? longest : largest(SHORT_CHARS, longest, (some) => fits(count, some));
  const isShortened = ({ description }: Skill): boolean => description.length > chars;
  const [shown, rest] = [skills.slice(0, count), skills.slice(count)];
  return {
    text: renderFirst(count, chars),
    leftOut: rest.map(({ name }) => name),
    shortened: shown.filter(isShortened).map(({ name }) => name),
  };
}

/** The largest number from `low` on, which counts without being asked about, up to `high` for which `holds`. */
function largest(low: number, high: number, holds: (value: number) => boolean): number {
  let [from, to] = [low, high];
  while (from < to) {
    const middle = Math.ceil((from + to) / 2);
    if (holds(middle)) from = middle;
    else to = middle - 1;
  }
  return from;
}

type Group = { root: string; skills: readonly Skill[] };

/** The skills of each directory, which is then named once. */
function groupByRoot(skills: readonly Skill[], workspace: string): Group[] {
  const groups = Map.groupBy(skills, ({ directory }) => {
    const root = dirname(directory);
    return isBeneath(workspace, root) ? relative(workspace, root).split(sep).join("/") : root;
  });
  return [...groups].map(([root, members]) => ({ root, skills: members }));
}

function render(groups: readonly Group[], descriptionChars: number, omitted: number): string {
  const parts = groups.map(({ root, skills }) => [`In ${root}/:`, ...skills.map((skill) => lineOf(skill, descriptionChars))].join("\n"));
  const rest = omitted === 0 ? [] : [`${omitted} more ${omitted === 1 ? "skill is" : "skills are"} not listed here.`];
  return [HEAD, ...parts, ...rest].join("\n\n");
}

function lineOf({ name, description, directory }: Skill, chars: number): string {
  const entry = directory.slice(dirname(directory).length + 1);
  const shown = description.length <= chars ? description : `${clip(description, chars - 1).trimEnd()}…`;
  return `- ${entry === name ? name : `${name} (${entry})`}: ${shown}`;
}
