import { discoverLocalServers, needsLocalServer, type LocalServer } from "../agents/models.ts";
import { modelName } from "../agents/runtime.ts";
import { agentIds } from "../config/agents.ts";
import type { Clock } from "../core/clock.ts";
import { reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { silentLog, type Log } from "../core/log.ts";
import type { RunningConfig } from "./running-config.ts";

/** Model servers of this machine that answer without being configured. */
export class LocalModels {
  #servers: readonly LocalServer[] = [];

  get servers(): readonly LocalServer[] {
    return this.#servers;
  }

  async discover(env: NodeJS.ProcessEnv, log: Log): Promise<void> {
    this.#servers = await discoverLocalServers(env, log);
  }
}

export type LocalModelWatchDeps = { running: RunningConfig; local: LocalModels; log: Log; clock: Clock; signal: AbortSignal };

/** Looks for local model servers, and logs when the default agent is answered by another model because of what it finds. */
export async function discoverLocalModels({ running, local }: Pick<LocalModelWatchDeps, "running" | "local">, log: Log): Promise<void> {
  const selection = () => running.agents.modelSelection(running.agents.defaultAgent());
  const before = selection();
  await local.discover(process.env, log);
  const after = selection();
  if (modelName(before.primary) !== modelName(after.primary)) log.info(after.note);
}

/** While a configured model needs a local server, one that is started later is found without a restart. */
export async function watchLocalModels(deps: LocalModelWatchDeps, log = deps.log): Promise<void> {
  const { running, clock, signal } = deps;
  try {
    const { config, agents } = running;
    const wanted = config.models.mode === "merge" && agentIds(config).some((id) => needsLocalServer(agents.modelInputs(id)));
    if (wanted) await discoverLocalModels(deps, log);
  } catch (err) {
    deps.log.warn("the search for local models failed", { cause: reasonOf(err) });
  }
  // That no server is found is logged once.
  if (!signal.aborted) clock.after(LIMITS.localProbeEveryMs, () => void watchLocalModels(deps, silentLog));
}
