import type { ChannelId } from "../core/ids.ts";
import type { Channel } from "./channel.ts";
import { loadChannelPlugin, type ChannelPluginSource } from "./plugin-loader.ts";

/** One line per channel. A channel's code is loaded when one of its accounts is configured, never before. */
const LOADERS: Readonly<Record<string, () => Promise<{ channel: Channel }>>> = {
  discord: () => import("./discord/index.ts"),
  irc: () => import("./irc/index.ts"),
  signal: () => import("./signal/index.ts"),
  slack: () => import("./slack/index.ts"),
  telegram: () => import("./telegram/index.ts"),
  webhook: () => import("./webhook/index.ts"),
};

export const channelIds: readonly ChannelId[] = Object.keys(LOADERS) as ChannelId[];

/** What a channel outside of this package may be called; also safe as the name of a file. */
const PLUGIN_CHANNEL_ID = /^[a-z][a-z0-9-]{0,31}$/;
/** Names with a meaning of their own where channels are named. */
const RESERVED: ReadonlySet<string> = new Set(["defaults", "default", "webchat", "constructor"]);

/** Whether somebody else's channel may have that id: built-in ones cannot be replaced. */
export function isPluginChannelId(id: string): boolean {
  return PLUGIN_CHANNEL_ID.test(id) && !RESERVED.has(id) && !Object.hasOwn(LOADERS, id);
}

/**
 * The channel with that id, loaded on first use; null when there is none. With `outside` also a channel that is not built in: see
 * `loadChannelPlugin` for what is thrown.
 */
export async function loadChannel(id: ChannelId, outside?: ChannelPluginSource): Promise<Channel | null> {
  const load = Object.hasOwn(LOADERS, id) ? LOADERS[id] : undefined;
  if (load) return (await load()).channel;
  return outside && isPluginChannelId(id) ? await loadChannelPlugin(id, outside) : null;
}
