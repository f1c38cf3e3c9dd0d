import { isPluginChannelId } from "../channels/registry.ts";
import { findChannelPluginFile, type ChannelPluginSource } from "../channels/plugin-loader.ts";
import type { Config } from "../config/schema.ts";
import { OTHER_CHANNELS } from "../channels/unserved-channels.ts";
import { asId, type ChannelId } from "../core/ids.ts";

/** Where the code of a configured channel is that is not built in; null when it may not be one, or is not configured. */
export function pluginSourceOf(config: Config, id: string, stateDir: string): ChannelPluginSource | null {
  if (!isPluginChannelId(id) || !Object.hasOwn(config.channels, id)) return null;
  const block: unknown = config.channels[id];
  if (typeof block !== "object" || block === null || Array.isArray(block)) return null;
  const wanted: unknown = Object.hasOwn(block, "package") ? (block as { package?: unknown }).package : undefined;
  return { stateDir, ...(wanted !== undefined && { package: wanted }) };
}

/**
 * The configured channels that are not built in. Those of OpenClaw without a plugin are left out: their blocks stay in the file
 * for OpenClaw, and the check of the configuration has reported them.
 */
export function pluginChannels(config: Config, stateDir: string): readonly ChannelId[] {
  return Object.keys(config.channels).flatMap((id) => {
    const outside = pluginSourceOf(config, id, stateDir);
    const wanted =
      outside && (outside.package !== undefined || !OTHER_CHANNELS.includes(id) || findChannelPluginFile(stateDir, id) !== null);
    return wanted ? [asId<ChannelId>(id)] : [];
  });
}
