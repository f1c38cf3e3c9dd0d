import { ACP_PRESETS } from "../core/acp-presets.ts";
import { toAgentId } from "../core/agent-id.ts";
import { GatewayError } from "../core/errors.ts";
import { acpOf } from "./agents.ts";
import type { Config } from "./schema.ts";

type AcpSource = Pick<Config, "acp" | "agents">;

/** How an agent of another vendor is started, by the configuration and the preset of its name. */
export type ResolvedAcpAgent = {
  readonly argv: readonly string[];
  readonly cwd: string | null;
  /** What is added to its environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly mode: string | null;
  readonly model: string | null;
  readonly silenceMs: number;
};

/** Longest silence of an agent without an entry of its own. */
const SILENCE_SECONDS = 600;

/** The names of the agents of other vendors that may be used, in alphabetical order. */
export function acpAgentNames({ acp, agents }: Pick<Config, "acp" | "agents">): readonly string[] {
  if (!acp.enabled) return [];
  const answering = Object.entries(agents.entries).flatMap(([id, entry]) => acpOf(entry, toAgentId(id))?.agent ?? []);
  const named = acp.allowedAgents ?? [
    ...Object.keys(acp.agents),
    ...(acp.defaultAgent === undefined ? [] : [acp.defaultAgent]),
    ...answering,
  ];
  return [...new Set(named)].toSorted();
}

/** Throws, with the reason and the fix, for an agent that may not be used. */
export function resolveAcpAgent(config: AcpSource, name: string): ResolvedAcpAgent {
  requireUsable(config, name);
  const entry = config.acp.agents[name];
  const { command, args = [], cwd = null, mode = null, model = null, timeoutSeconds = SILENCE_SECONDS } = entry ?? {};
  const env = Object.entries(entry?.env ?? {}).map(([key, value]) => [key, value.reveal()] as const);
  return {
    argv: command === undefined ? [...ACP_PRESETS[name]!.argv, ...args] : [command, ...args],
    cwd,
    env: Object.fromEntries(env),
    mode,
    model,
    silenceMs: timeoutSeconds * 1_000,
  };
}

function requireUsable(config: AcpSource, name: string): void {
  if (!config.acp.enabled)
    throw new GatewayError("UNAVAILABLE", "Agents of other vendors are switched off.", {
      fix: "Set acp.enabled to true.",
      retryable: false,
    });
  const names = acpAgentNames(config);
  const isNamed = names.includes(name);
  const hasCommand = config.acp.agents[name]?.command !== undefined || Object.hasOwn(ACP_PRESETS, name);
  if (isNamed && hasCommand) return;
  const known = names.length === 0 ? "None is configured." : `Configured: ${names.join(", ")}.`;
  const fix = isNamed ? `Set acp.agents.${name}.command.` : "Add it to acp.allowedAgents, or to acp.agents with its command.";
  throw new GatewayError("INVALID_REQUEST", `The agent ${JSON.stringify(name.slice(0, 64))} may not be used here. ${known}`, { fix });
}
