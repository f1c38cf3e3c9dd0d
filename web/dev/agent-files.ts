/** Invented agents and their files for the scripted gateway. */
type Params = Record<string, unknown>;
type File = { content: string; at: number };

const NAMES = ["AGENTS.md", "SOUL.md", "USER.md", "IDENTITY.md", "TOOLS.md", "MEMORY.md"];
const WORKSPACE = "/home/ann/.openclaw/workspace";

export class ScriptedAgentFiles {
  #files = new Map<string, File>();
  #now = 0;
  #isMany = false;
  #isOn = false;

  reset(): void {
    this.#isOn = false;
    this.#isMany = false;
    this.#now = Date.now();
    this.#files = new Map([
      [
        "AGENTS.md",
        { content: "# How to work\n\n- Answer in the language of the message.\n- Ask before you delete anything.\n", at: this.#now },
      ],
      ["SOUL.md", { content: "Calm, precise, a little dry.\n", at: this.#now }],
    ]);
  }

  /** Two agents, and every time is this one. */
  fill(now: number): void {
    this.reset();
    this.#isOn = true;
    this.#isMany = true;
    this.#now = now;
    for (const file of this.#files.values()) file.at = now - 3_600_000;
  }

  /** The agent writes one of its files. */
  write(name: string, content: string): void {
    this.#files.set(name, { content, at: this.#now + 1 });
  }

  text(name: string): string {
    return this.#files.get(name)?.content ?? "";
  }

  /** Undefined for a method that is none of these. `main`: the models of its agents, where a page asks for them. */
  answer(method: string, params: Params, main: Params | null): unknown {
    const agentId = String(params["agentId"] ?? "main");
    const name = String(params["name"] ?? "");
    if (method === "agents.list") return main !== null || this.#isOn ? this.#list(main ?? {}) : undefined;
    if (method === "agents.files.list") return { agentId, workspace: WORKSPACE, files: NAMES.map((each) => this.#row(each)) };
    if (method === "agents.files.set") this.#files.set(name, { content: String(params["content"]), at: this.#now });
    else if (method !== "agents.files.get") return undefined;
    const file = { ...this.#row(name), content: this.text(name) };
    return { ...(method === "agents.files.set" && { ok: true }), agentId, workspace: WORKSPACE, file };
  }

  #list(main: Params): Params {
    const agents = [{ id: "main", kind: "agent", identity: { name: "Rosa", emoji: "🌹" }, workspace: WORKSPACE, ...main }];
    const work = { id: "work", kind: "agent", name: "Work", workspace: `${WORKSPACE}-work`, ...main };
    return { defaultId: "main", agents: this.#isMany ? [...agents, work] : agents };
  }

  #row(name: string): Params {
    const file = this.#files.get(name);
    const path = `${WORKSPACE}/${name}`;
    return file === undefined
      ? { name, path, missing: true }
      : { name, path, missing: false, size: file.content.length, updatedAtMs: file.at };
  }
}
