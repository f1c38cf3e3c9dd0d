import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { runsInWorker } from "../channels/account-supervisor.ts";
import type { Channel } from "../channels/channel.ts";
import type { AccountSpec } from "../channels/account-types.ts";
import type { ChannelPluginSource } from "../channels/plugin-loader.ts";
import { systemClock, type Clock } from "../core/clock.ts";

/** Where the events of an isolated account wait. Account names are free text, so they are not part of the path. */
export function spoolPath(gatewayDir: string, channel: string, account: string): string {
  return join(gatewayDir, "isolated", `${channel}-${createHash("sha256").update(account).digest("hex").slice(0, 16)}.db`);
}

/**
 * The channel as one account runs it: in a worker thread where that is configured. An account that is not isolated any more first takes
 * over the events that its thread has left. The code for this is loaded on first use.
 */
export async function withChannelWorker(
  channel: Channel,
  { account, config }: AccountSpec,
  { gatewayDir, outside, clock = systemClock }: { gatewayDir: string; outside: ChannelPluginSource | null; clock?: Clock },
): Promise<Channel> {
  const spool = spoolPath(gatewayDir, channel.id, account);
  const isolated = runsInWorker(config);
  if (!isolated && !existsSync(spool)) return channel;
  const [{ createWorkerChannel, createSpoolDrainingChannel }, { openSpool, removeSpool }] = await Promise.all([
    import("../channels/worker/worker-channel.ts"),
    import("../store/spool.ts"),
  ]);
  const entry = new URL(import.meta.url.endsWith(".ts") ? "./channel-worker.ts" : "./channel-worker.js", import.meta.url);
  const deps = { account, config, pluginSource: outside, entry, spoolPath: spool, openSpool, removeSpool, clock };
  return isolated ? createWorkerChannel(channel, deps) : createSpoolDrainingChannel(channel, deps);
}
