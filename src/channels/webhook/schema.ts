import { toolPolicy } from "../../core/tool-policy-schema.ts";
import { CLOSED_GROUP, conversationFields, senderList, proxy, reactionNotifications, roomReactionNotifications } from "../schema-fields.ts";
import { number, enumOf, boolean, object, record, secret, string, type TypeOf } from "../../core/config-schema.ts";

export const SECRET_FIX = "Set channels.webhook.secret to a long random text: openssl rand -hex 32";

const groupRule = object(
  "One group or channel of the peer.",
  {
    enabled: boolean("Answer here.", { default: true, onInvalid: false }),
    requireMention: boolean("Answer only when the agent is mentioned.", { onInvalid: true, whenAbsent: true }),
    allowFrom: senderList("People who are answered here. Default: `groupAllowFrom`."),
    tools: toolPolicy("Upper bound of the tools here; never more than the agent's own `tools`.", []),
    systemPrompt: string("Text added to the system prompt here.", { maxChars: 20_000 }),
    reactionNotifications: roomReactionNotifications,
  },
  { onInvalid: CLOSED_GROUP },
);

const fields = {
  ...conversationFields,
  proxy,
  secret: secret("Signs requests in both directions; at least 16 characters. Not an OpenClaw channel.", { fix: SECRET_FIX }),
  previousSecret: secret("Also accepted, while the peer switches to a new `secret`.", { fix: SECRET_FIX }),
  outboundUrl: string("URL that receives the messages of the agent. Plain http:// only on this machine.", { format: "url" }),
  groups: record("Rules for each group or channel by its id, or `*` for all.", "<chat id>", groupRule, {
    optional: true,
    onInvalid: { "*": CLOSED_GROUP },
  }),
  allowBots: boolean("Also answer other bots.", { onInvalid: false, whenAbsent: false }),
  reactionNotifications,
  reactionAllowlist: senderList("People whose reactions the agent is notified of with `reactionNotifications: allowlist`."),
  replyToMode: enumOf(
    "Parts of a reply that name the answered message: none, the first (`first`, `batched`), or all.",
    ["off", "first", "all", "batched"],
    { onInvalid: "off" },
  ),
  mediaMaxMb: number("Largest file that is downloaded, in MiB.", { min: 0 }),
};

const peer = object("One peer.", fields);

/** The keys of one account, checked. */
export type WebhookAccountKeys = TypeOf<typeof peer>;

export const schema = object(
  "The generic webhook: signed JSON in and out. Top-level keys are the defaults of every account.",
  {
    ...fields,
    accounts: record("Several peers by name, each with the top-level keys.", "<account>", peer),
    defaultAccount: string("Account that is used when none is named."),
  },
  { optional: true },
);
