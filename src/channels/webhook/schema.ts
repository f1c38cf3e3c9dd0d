import { toolPolicy } from "../../core/tool-policy-schema.ts";
import { CLOSED_GROUP, conversationFields, senderList, proxy, reactionNotifications } from "../schema-fields.ts";
import { number, enumOf, boolean, object, record, secret, string } from "../../core/config-schema.ts";

const groupRule = object(
  "One group or channel of the peer.",
  {
    enabled: boolean("Answer here.", { default: true, onInvalid: false }),
    requireMention: boolean("Answer only when the agent is mentioned.", { onInvalid: true }),
    allowFrom: senderList("People who are answered here; `groupAllowFrom` when it is not set."),
    tools: toolPolicy("Tools in this room, at most: never more than the agent's own `tools` grant.", []),
    systemPrompt: string("Added to the instructions of the agent here.", { maxChars: 20_000 }),
    reactionNotifications,
  },
  { onInvalid: CLOSED_GROUP },
);

const fields = {
  ...conversationFields,
  proxy,
  secret: secret("Signs every request in both directions; at least 16 characters. A channel of this gateway, not of OpenClaw."),
  previousSecret: secret("Accepted as well, while the peer changes over to a new `secret`."),
  outboundUrl: string("Address that gets what the agent says. Plain http:// only on this machine.", { format: "url" }),
  groups: record("Rules for each group or channel by its id, or `*` for all.", "<chat id>", groupRule, {
    optional: true,
    onInvalid: { "*": CLOSED_GROUP },
  }),
  allowBots: boolean("Answer other bots, too.", { onInvalid: false }),
  reactionNotifications,
  reactionAllowlist: senderList("People whose reactions the agent hears about, with `reactionNotifications: allowlist`."),
  replyToMode: enumOf(
    "Whether a reply names the message that it answers: never, in its first part (`first`, `batched`), or in every part.",
    ["off", "first", "all", "batched"],
    { onInvalid: "off" },
  ),
  mediaMaxMb: number("Largest file that is fetched, in MiB.", { min: 0 }),
};

export const schema = object(
  "The generic webhook: signed JSON in and out. The keys of the top level hold for every account that does not say otherwise.",
  {
    ...fields,
    accounts: record("Several peers by name, each with the keys of the top level.", "<account>", object("One peer.", fields)),
    defaultAccount: string("Account that is meant where none is named."),
  },
  { optional: true },
);
