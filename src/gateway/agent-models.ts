import { asId } from "../core/ids.ts";
import type { RunningConfig } from "./running-config.ts";

/** Whether a name is a model of the agent: an alias, `provider/id`, or an id alone. */
export function isKnownModel({ agents, config }: RunningConfig, agentId: string, model: string): boolean {
  const aliases = { ...config.agents.defaults.models, ...config.agents.entries[agentId]?.models };
  const isAlias = Object.values(aliases).some((each) => (each as { alias?: string }).alias === model);
  return isAlias || agents.modelNames(asId(agentId)).some((name) => name === model || name.endsWith(`/${model}`));
}
