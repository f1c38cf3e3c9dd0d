import { toolPolicy } from "./agents.ts";
import { CLOSED, conversationFields, people, proxy, reactionNotifications } from "./channel-shape.ts";
import { amount, choice, flag, group, map, secret, text } from "./shape.ts";

const room = group(
  "One group or channel of the peer.",
  {
    enabled: flag("Answer here.", { default: true, whenWrong: false }),
    requireMention: flag("Answer only when the agent is mentioned.", { whenWrong: true }),
    allowFrom: people("People who are answered here; `groupAllowFrom` when it is not set."),
    tools: toolPolicy("Tools in this room, at most: never more than the agent's own `tools` grant.", []),
    systemPrompt: text("Added to the instructions of the agent here.", { maxChars: 20_000 }),
    reactionNotifications,
  },
  { whenWrong: CLOSED },
);

const fields = {
  ...conversationFields,
  proxy,
  secret: secret("Signs every request in both directions; at least 16 characters. A channel of this gateway, not of OpenClaw."),
  previousSecret: secret("Accepted as well, while the peer changes over to a new `secret`."),
  outboundUrl: text("Address that gets what the agent says. Plain http:// only on this machine.", { format: "url" }),
  groups: map("Rules for each group or channel by its id, or `*` for all.", "<chat id>", room, {
    optional: true,
    whenWrong: { "*": CLOSED },
  }),
  allowBots: flag("Answer other bots, too.", { whenWrong: false }),
  reactionNotifications,
  reactionAllowlist: people("People whose reactions the agent hears about, with `reactionNotifications: allowlist`."),
  replyToMode: choice(
    "Whether a reply names the message that it answers: never, in its first part (`first`, `batched`), or in every part.",
    ["off", "first", "all", "batched"],
    { whenWrong: "off" },
  ),
  mediaMaxMb: amount("Largest file that is fetched, in MiB.", { min: 0 }),
};

export const webhook = group(
  "The generic webhook: signed JSON in and out. The keys of the top level hold for every account that does not say otherwise.",
  {
    ...fields,
    accounts: map("Several peers by name, each with the keys of the top level.", "<account>", group("One peer.", fields)),
    defaultAccount: text("Account that is meant where none is named."),
  },
  { optional: true },
);
