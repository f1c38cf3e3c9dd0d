import type { AuthSettings } from "../auth/credentials.ts";
import type { GatewayOptions } from "../core/gateway-process.ts";
import type { LoadedConfig } from "../config/load.ts";
import { AgentCatalog } from "./agent-catalog.ts";
import type { GatewayBase } from "./base.ts";
import type { LocalModels } from "./local-models.ts";
import type { ConfigState } from "./running-config.ts";
import { authSettings, logLevels } from "./settings.ts";

export type ConfigStateDeps = Pick<GatewayBase, "paths" | "log"> & { options: GatewayOptions; local: LocalModels };

/** Builds what follows from a configuration. The log learns its secrets first, so that no error can show one. */
export function buildConfigState(
  loaded: LoadedConfig,
  { paths, log, options, local }: ConfigStateDeps,
  current?: AuthSettings,
): ConfigState {
  const { config } = loaded;
  log.registerSecrets(config);
  const agents = new AgentCatalog(config, { stateDir: paths.state, env: process.env, local });
  // A change from which nothing can be derived fails here, and not with the next message. At start nothing may prevent the start.
  if (current) agents.settings(agents.defaultAgent());
  const auth = authSettings(config, { options, gatewayDir: paths.gateway, log });
  return { loaded, agents, auth: keepAuthentication(auth, current, log), logLevels: logLevels(config, options.verbose) };
}

/** Authentication is not switched off while the gateway runs: whether that is safe depends on its address, and is decided at start. */
function keepAuthentication(next: AuthSettings, current: AuthSettings | undefined, log: GatewayBase["log"]): AuthSettings {
  if (next.mode !== "none" || !current || current.mode === "none") return next;
  log.warn("authentication stays on until a restart", { mode: current.mode });
  return current;
}
