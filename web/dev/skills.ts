/** Invented skills for the scripted gateway. */
type Params = Record<string, unknown>;
type Row = Record<string, unknown> & { name: string };

const row = (name: string, description: string, more: object = {}): Row => ({
  name,
  description,
  source: "openclaw-workspace",
  skillKey: name,
  eligible: true,
  disabled: false,
  modelVisible: true,
  userInvocable: true,
  ...more,
});
const off = (reason: string): object => ({ eligible: false, modelVisible: false, reason });

const SWITCHED_OFF = "it is switched off (set skills.entries.notes.enabled to true)";

export class ScriptedSkills {
  #isNotesOn = false;

  reset(): void {
    this.#isNotesOn = false;
  }

  /** Undefined for a method that is none of these. */
  answer(method: string, params: Params): unknown {
    if (method === "skills.status") return this.#status(params);
    if (method !== "skills.update") return undefined;
    this.#isNotesOn = params["enabled"] === true;
    return { ok: true, skillKey: params["skillKey"], config: { enabled: this.#isNotesOn } };
  }

  #status({ agentId }: Params): unknown {
    const about = { agentId, workspaceDir: "/home/ann/.openclaw/workspace", managedSkillsDir: "/home/ann/.openclaw/skills" };
    if (agentId === "ops") return { ...about, skills: [], problems: [] };
    const skills = [
      row("calendar", "Reads and changes the family calendar.", {
        source: "openclaw-managed",
        ...off("its content is not the approved one (openclaw skills approve calendar)"),
      }),
      row("deploy", "Puts a release on the servers.", { modelVisible: false, source: "agents-skills-personal" }),
      row("notes", "Keeps notes, and finds them again.", this.#isNotesOn ? {} : { disabled: true, ...off(SWITCHED_OFF) }),
      row("radio", "Plays a station.", {
        ...off("it needs the programs tuner (install them where PATH of the gateway leads)"),
        missing: { bins: ["tuner"] },
        install: [
          { id: "brew", label: "Homebrew", os: ["darwin"], command: "brew install example/tap/tuner" },
          { id: "npm", label: "npm", os: [], command: "npm install -g tuner-cli" },
          { id: "odd", label: "By hand", os: [], command: null },
        ],
      }),
      row("weather", "Current weather and forecasts of a place."),
    ];
    return { ...about, skills, problems: [{ path: "/home/ann/.openclaw/workspace/skills/draft", reason: "it has no description" }] };
  }
}
