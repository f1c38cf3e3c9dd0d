import type { ChannelId } from "../core/ids.ts";
import type { Channel } from "./channel.ts";

/** One line per channel. A channel's code is loaded when one of its accounts is configured, never before. */
const LOADERS: Readonly<Record<string, () => Promise<{ channel: Channel }>>> = {
  discord: () => import("./discord/index.ts"),
  irc: () => import("./irc/index.ts"),
  webhook: () => import("./webhook/index.ts"),
  telegram: () => import("./telegram/index.ts"),
};

export const channelIds: readonly ChannelId[] = Object.keys(LOADERS) as ChannelId[];

/** The channel with that id, loaded on first use; null when there is none. */
export async function loadChannel(id: ChannelId): Promise<Channel | null> {
  const load = Object.hasOwn(LOADERS, id) ? LOADERS[id] : undefined;
  return load ? (await load()).channel : null;
}
