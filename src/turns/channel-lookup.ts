import type { Channel, ChannelCapabilities } from "../channels/channel.ts";

/** The channels whose code is loaded, asked for each use: a channel may be loaded later. */
export type ChannelLookup = {
  /** What the channel can do; null while it is not known. */
  capabilities(channel: string): ChannelCapabilities | null;
  /** How the channel writes ids; undefined where it has no form of its own. */
  canonicalId(channel: string): Channel["canonicalId"];
  /** The channel's second reading of an event; undefined when the channel has none or is not loaded. */
  redecode(channel: string): Channel["redecode"];
};
