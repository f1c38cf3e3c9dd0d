import { channelSchemas } from "../../channels/registry.ts";
import { channelDefaults } from "../../channels/schema-fields.ts";
import { OTHER_CHANNELS } from "../../channels/unserved-channels.ts";
import { object, unknown } from "../../core/config-schema.ts";

/** Channels that this release serves, besides `defaults`. Every other key of `channels` is kept as it is: it may be a channel of someone else. */
export const channels = object(
  "Chat applications that the gateway is connected to.",
  { defaults: channelDefaults, ...channelSchemas },
  {
    effect: "restart-channel",
    unserved: ["modelByChannel"],
    additional: {
      node: unknown("A channel that is not built in: one of yours, or one that this release does not serve. Kept as it is."),
      known: OTHER_CHANNELS,
      warning: "is not served by this release",
      note: "is not built in: channels/<id>.mjs in the state directory, or the package that its key `package` names, provides it",
    },
  },
);
