/** How an ACP agent is started, with everything that the configuration and the preset of its name say. */
export type AcpAgentSpec = {
  /** By which people call it. */
  name: string;
  argv: readonly string[];
  /** Absolute path; null: the workspace of the turn. */
  cwd: string | null;
  /** Its whole environment. */
  env: Readonly<Record<string, string>>;
  /** The mode and the model that it is set to; null leaves its own. */
  mode: string | null;
  model: string | null;
  /** Its own options by id, and the values that they are set to. */
  options: Readonly<Record<string, string>>;
  /** Longest silence of an agent that neither runs a tool nor waits for a person. */
  silenceMs: number;
  /** `oneshot`: each turn begins with an empty context. */
  lifetime: "persistent" | "oneshot";
};

/** The provider of models that are ACP agents: `acp/<agent>`, or `acp/<agent>/<model>`. */
export const ACP_PROVIDER = "acp";

/** The agent, and its model where one is named. Pure. */
export function parseAcpModel(id: string): { agent: string; model: string | null } {
  const slash = id.indexOf("/");
  return slash === -1 ? { agent: id, model: null } : { agent: id.slice(0, slash), model: id.slice(slash + 1) || null };
}
