import { DISCORD_LIMITS } from "./limits.ts";
import type { ChannelInfo } from "./state.ts";
import { CHANNEL_TYPE, isSnowflake, isThread, asObject, asObjects, textOf, type DiscordObject } from "./protocol.ts";

/** A channel object of Discord as what we keep of it. `guild` is known from the event around it where the object does not say it. */
export function toChannelInfo(channel: DiscordObject, guild?: string): ChannelInfo {
  const type = typeof channel["type"] === "number" ? channel["type"] : 0;
  const owner = isSnowflake(channel["guild_id"]) ? channel["guild_id"] : guild;
  const peer = asObjects(channel["recipients"])[0]?.["id"];
  const name = textOf(channel["name"]).slice(0, 100);
  return {
    type,
    ...(owner !== undefined && { guild: owner }),
    // The parent of a channel is its category, which the gateway does not use.
    ...(isThread(type) && isSnowflake(channel["parent_id"]) && { parent: channel["parent_id"] }),
    ...(name && { name }),
    ...(type === CHANNEL_TYPE.direct && isSnowflake(peer) && { peer }),
  };
}

/** What every channel and thread is that we have heard of: needed to see that a message was written in a thread. Bounded. */
export class DiscordChannelCache {
  readonly #map = new Map<string, ChannelInfo>();

  get(id: string): ChannelInfo | undefined {
    return this.#map.get(id);
  }

  set(id: string, place: ChannelInfo): void {
    this.#map.delete(id);
    this.#map.set(id, place);
    if (this.#map.size > DISCORD_LIMITS.places) this.#map.delete(this.#map.keys().next().value!);
  }

  /** The direct conversation with a person, where one is known. */
  findDirectChannel(peer: string): string | undefined {
    for (const [id, place] of this.#map) if (place.peer === peer) return id;
    return undefined;
  }

  /** Learns from the events that tell of channels. True when the channel is gone. */
  applyEvent(type: string, data: DiscordObject): { gone: string } | null {
    const guild = isSnowflake(data["guild_id"]) ? data["guild_id"] : undefined;
    switch (type) {
      case "GUILD_CREATE":
        this.#setAll([...asObjects(data["channels"]), ...asObjects(data["threads"])], isSnowflake(data["id"]) ? data["id"] : undefined);
        return null;
      case "THREAD_LIST_SYNC":
        this.#setAll(asObjects(data["threads"]), guild);
        return null;
      case "CHANNEL_CREATE":
      case "CHANNEL_UPDATE":
      case "THREAD_CREATE":
      case "THREAD_UPDATE":
        this.#setAll([data], guild);
        return null;
      case "CHANNEL_DELETE":
      case "THREAD_DELETE":
        if (!isSnowflake(data["id"])) return null;
        this.#map.delete(data["id"]);
        return { gone: data["id"] };
      case "INTERACTION_CREATE": {
        const channel = asObject(data["channel"]);
        // Without a server, who pressed or called is the other person.
        if (channel) this.#setAll([guild === undefined ? { recipients: [data["user"]], ...channel } : channel], guild);
        return null;
      }
      default:
        return null;
    }
  }

  #setAll(channels: readonly DiscordObject[], guild: string | undefined): void {
    for (const channel of channels) if (isSnowflake(channel["id"])) this.set(channel["id"], toChannelInfo(channel, guild));
  }
}
