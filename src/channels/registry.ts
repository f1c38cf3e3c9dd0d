import type { ChannelId } from "../core/ids.ts";
import * as BUILT_IN from "./built-in.ts";
import type { Channel } from "./channel.ts";
import type { ChannelManifest, SessionKeyTraits } from "./manifest.ts";
import type { ChannelPluginSource } from "./plugin-loader.ts";
import { CASE_INSENSITIVE_CHANNELS } from "./unserved-channels.ts";

/**
 * What is known about channels without loading their code: configuration, routing, CLI, page and documentation read it here. A channel's
 * code is loaded when one of its accounts is configured.
 */
export type BuiltInChannels = typeof BUILT_IN;

/** The schema of each built-in channel's block. */
export const channelSchemas = Object.fromEntries(Object.entries(BUILT_IN).map(([id, { schema }]) => [id, schema])) as {
  readonly [Id in keyof BuiltInChannels]: BuiltInChannels[Id]["schema"];
};

export const channelIds: readonly ChannelId[] = Object.keys(BUILT_IN) as ChannelId[];

/** The manifest of a built-in channel; null for every other id. */
export function channelManifest(id: string): ChannelManifest | null {
  return Object.hasOwn(BUILT_IN, id) ? (BUILT_IN as Readonly<Record<string, ChannelManifest>>)[id]! : null;
}

/** How the ids of a channel become parts of session keys; also for channels that are not built in. */
export function sessionKeyTraits(channel: string): SessionKeyTraits {
  return channelManifest(channel)?.sessionKeys ?? { foldsCase: CASE_INSENSITIVE_CHANNELS.has(channel) };
}

/** The id of a channel plugin; also safe as a file name. */
const PLUGIN_CHANNEL_ID = /^[a-z][a-z0-9-]{0,31}$/;
/** Names that mean something else where a channel is named. */
const RESERVED: ReadonlySet<string> = new Set(["defaults", "default", "webchat", "constructor"]);

/** Whether a plugin may have that id: built-in channels cannot be replaced. */
export function isPluginChannelId(id: string): boolean {
  return PLUGIN_CHANNEL_ID.test(id) && !RESERVED.has(id) && channelManifest(id) === null;
}

/**
 * The channel with that id, loaded on first use; null when there is none. With `plugin` also a channel that is not built in: see
 * `loadChannelPlugin` for what is thrown.
 */
export async function loadChannel(id: ChannelId, plugin?: ChannelPluginSource): Promise<Channel | null> {
  const manifest = channelManifest(id);
  if (manifest) return (await manifest.load()).channel;
  if (!plugin || !isPluginChannelId(id)) return null;
  const { loadChannelPlugin } = await import("./plugin-loader.ts");
  return loadChannelPlugin(id, plugin);
}
