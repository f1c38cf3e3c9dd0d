import type { ObjectNode } from "../core/config-schema.ts";
import { asId, type ChannelId } from "../core/ids.ts";
import type { Channel, ChannelCapabilities, ChatKind, SetupGuide } from "./channel.ts";

/** How a channel's ids become parts of session keys. */
export type SessionKeyTraits = {
  /** Ids mean the same in either case, so that keys hold them in lower case. Folding ids that differ by case would give two people one session. */
  readonly foldsCase: boolean;
  /** Kinds of chats whose ids nevertheless keep their case. */
  readonly caseSensitiveKinds?: readonly ChatKind[];
  /** The word in front of a thread's id in the key of a group. Default: `thread`. */
  readonly threadWord?: "thread" | "topic";
};

/** What everybody else may know about a channel without loading its code. Imports of a description must stay cheap: all are loaded at startup. */
export type ChannelDescription = {
  readonly id: string;
  readonly label: string;
  /** One sentence for the documentation. */
  readonly summary: string;
  /** The page about the channel, from the root of the repository. */
  readonly docs: string;
  readonly capabilities: ChannelCapabilities;
  /** Config key -> environment variable that is read in its place, for the account `default` only. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Keys that a form asks for beside the required ones. Default: every secret one. */
  readonly setup?: readonly string[];
  readonly guide?: SetupGuide;
  /** Sets of keys; each set that is complete makes a connection. A secret counts under its own key, wherever it comes from. */
  readonly connectionKeys: readonly (readonly string[])[];
  /** Keys that only the account `default` takes from the channel's block. */
  readonly notInherited?: readonly string[];
  /** Keys that forms show first, beside those that all channels share. */
  readonly commonKeys: readonly string[];
  readonly sessionKeys: SessionKeyTraits;
  /** Why two programs cannot receive messages with the same credentials, for a platform where that is so. */
  readonly singleReceiver?: string;
};

/** A built-in channel: its description, the schema of `channels.<id>`, and its code, which is loaded when an account needs it. */
export type ChannelManifest<Schema extends ObjectNode = ObjectNode> = ChannelDescription & {
  readonly schema: Schema;
  readonly load: () => Promise<{ readonly channel: Channel }>;
};

export function defineManifest<Schema extends ObjectNode>(
  description: ChannelDescription,
  schema: Schema,
  load: ChannelManifest["load"],
): ChannelManifest<Schema> {
  return { ...description, schema, load };
}

/** The part of a description that a `Channel` repeats, so that the supervisor treats plugins and built-in channels alike. */
export function channelFacts(
  description: ChannelDescription,
): Pick<Channel, "id" | "label" | "capabilities" | "environment" | "setup" | "guide"> {
  const { id, label, capabilities, environment, setup, guide } = description;
  return {
    id: asId<ChannelId>(id),
    label,
    capabilities,
    ...(environment && { environment }),
    ...(setup && { setup }),
    ...(guide && { guide }),
  };
}
