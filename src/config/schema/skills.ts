import { array, boolean, integer, object, record, requiredSecret, secret, string } from "../../core/config-schema.ts";

/** Characters of the list of skills in a system prompt, unless the configuration says otherwise. */
const PROMPT_CHARS = 2_048;

/** Names of skills that an agent may use. */
export const skillNames = (doc: string) => array(doc, string("Name of a skill.", { maxChars: 64 }), { onInvalid: [], whenAbsent: "all" });

export const skillsLimits = object(
  "Limits of this agent's skills, where they differ.",
  { maxSkillsPromptChars: integer("Characters of the list of skills in the system prompt.", { min: 0, max: 100_000 }) },
  { optional: true },
);

const directory = string("A directory; `~` is the home directory.", { format: "path" });

/** Skills: directories with instructions that agents read when a task matches. */
export const skills = object(
  "Skills: directories with instructions that an agent reads when a task matches.",
  {
    load: object(
      "Where skills are looked for, besides the workspace, `~/.agents/skills` and `skills` in the state directory.",
      {
        extraDirs: array("Further directories with skills, after all others.", directory, { default: [] }),
        allowSymlinkTargets: array("Directories to which a link in a directory of skills may lead.", directory, { default: [] }),
      },
      { unserved: ["watch"] },
    ),
    limits: object(
      "Limits of skills.",
      {
        maxSkillsPromptChars: integer(
          "Characters of the list of skills in the system prompt. Where it does not fit, descriptions are shortened, and then skills are left out.",
          { default: PROMPT_CHARS, min: 0, max: 100_000 },
        ),
      },
      { unserved: ["maxCandidatesPerRoot", "maxSkillsLoadedPerSource", "maxSkillsInPrompt", "maxSkillFileBytes"] },
    ),
    entries: record(
      "Settings of single skills, by the name or the key of the skill.",
      "<skill>",
      object(
        "One skill.",
        {
          enabled: boolean("Agents may use the skill.", { default: true, onInvalid: false }),
          apiKey: secret("Value of the variable that the skill names as its `primaryEnv`."),
          env: record(
            "Variables for commands of agents that may use the skill, as far as these run outside of the sandbox.",
            "<NAME>",
            requiredSecret("Value of the variable."),
          ),
        },
        { unserved: ["config"] },
      ),
    ),
  },
  { unserved: ["allowBundled", "install", "workshop"] },
);
