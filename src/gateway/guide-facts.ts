import type { GuideFacts } from "../agents/pi/guide.ts";
import type { ChannelSupervisor } from "../channels/supervisor.ts";
import { VERSION } from "../core/version.ts";
import type { GatewayBase } from "./base.ts";
import type { GatewayEndpoint } from "./endpoint.ts";
import type { RunningConfig } from "./running-config.ts";
import type { Storage } from "./storage.ts";

type GuideFactsDeps = Pick<GatewayBase, "paths" | "log" | "uptimeMs"> &
  Pick<Storage, "pairings" | "sessions"> & { running: RunningConfig; endpoint: GatewayEndpoint; accounts: ChannelSupervisor["status"] };

/** What the setup guide, which answers while no model is configured, knows about this gateway. */
export function guideFacts({ paths, log, uptimeMs, pairings, sessions, running, endpoint, accounts }: GuideFactsDeps): GuideFacts {
  const { agents } = running;
  return {
    version: VERSION,
    uptimeSeconds: Math.floor(uptimeMs() / 1000),
    url: endpoint.url,
    configPath: paths.config,
    ...(log.file ? { logPath: log.file } : {}),
    channels: accounts().map(({ channel, account, state, cause }) => ({
      id: `${channel}/${account}`,
      state,
      ...(cause ? { detail: cause } : {}),
    })),
    models: agents.models(agents.defaultAgent()).map((entry) => ({ name: `${entry.provider}/${entry.id}`, available: entry.available })),
    pendingPairings: pairings.pending().length,
    sessions: sessions.count(),
    problems: running.errors(),
  };
}
