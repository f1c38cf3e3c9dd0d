import type { ProtocolClient } from "../client/client.ts";
import { accountRows, type ChannelsStatus } from "./channels.ts";
import type { CommandPolicy } from "./exec-policy.ts";

/** What holds for the commands of one agent. */
export type AgentPolicy = { readonly agentId: string; readonly surface: "operator" | "channel"; readonly commands: CommandPolicy };

type Explanation = { /** Absent in a gateway of an earlier version. */ commands?: CommandPolicy };

/** What holds for the commands of every agent: for operators, and for people on channels where a channel is in use. */
export async function readPolicies(client: ProtocolClient): Promise<readonly AgentPolicy[]> {
  const [{ agents }, channels] = await Promise.all([
    client.request<{ agents: { id: string }[] }>("agents.list", {}),
    client.request<ChannelsStatus>("channels.status", {}),
  ]);
  const channel = accountRows(channels).find(({ enabled }) => enabled !== false)?.channel;
  const wanted = agents.flatMap(({ id: agentId }) => [
    { agentId, surface: "operator" as const, params: { agentId } },
    ...(channel === undefined ? [] : [{ agentId, surface: "channel" as const, params: { agentId, channel } }]),
  ]);
  const found = wanted.map(async ({ agentId, surface, params }): Promise<AgentPolicy[]> => {
    const { commands } = await client.request<Explanation>("tools.explain", params);
    return commands ? [{ agentId, surface, commands }] : [];
  });
  return (await Promise.all(found)).flat();
}

/** What becomes of commands that need the sandbox where there is none; null for a policy whose commands do not need it. Pure. */
function fateWithoutSandbox({ isGranted, mode, host, readOnly }: CommandPolicy): "refused" | "asked" | null {
  if (!isGranted || mode === "deny") return null;
  if (readOnly || host === "sandbox") return "refused";
  return mode === "auto" && host === "auto" ? "asked" : null;
}

/** What the lack of a sandbox means with these policies, one sentence each; none when no command needs it. Pure. */
export function notesWithoutSandbox(policies: readonly AgentPolicy[]): readonly string[] {
  const agentsWith = (surface: AgentPolicy["surface"], fate: "refused" | "asked"): string =>
    policies
      .filter((each) => each.surface === surface && fateWithoutSandbox(each.commands) === fate)
      .map(({ agentId }) => agentId)
      .join(", ");
  const notes: readonly [agents: string, text: (agents: string) => string][] = [
    [agentsWith("operator", "asked"), (agents) => `You are asked about every command of ${agents} that does more than read.`],
    [agentsWith("operator", "refused"), (agents) => `Your commands of ${agents} are refused.`],
    [agentsWith("channel", "asked"), (agents) => `People on channels wait for an owner with every command of ${agents}.`],
    [agentsWith("channel", "refused"), (agents) => `Commands of ${agents} for people on channels are refused.`],
  ];
  return notes.filter(([agents]) => agents !== "").map(([agents, text]) => text(agents));
}
