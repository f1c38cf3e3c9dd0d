import { array, boolean, enumOf, integer, object, record, secret, string } from "../../core/config-schema.ts";
import { PEER_METHODS } from "../../core/peer-address.ts";

const direction = (doc: string, whose: string) =>
  object(doc, {
    agents: array(
      `Ids of agents of ${whose}; \`*\`: all of them. \`agent@link\` allows to pass messages on over another link of that gateway. An empty list allows nothing.`,
      string("Id of an agent, `agent@link`, or `*`.", { maxChars: 320 }),
      { default: [], strict: true, onInvalid: [] },
    ),
    methods: array(
      "`agent`: messages to agents; `agents.list`: the names of the agents that may be asked.",
      enumOf("A method.", PEER_METHODS),
      { default: ["agent"], strict: true, onInvalid: [] },
    ),
    channels: array(
      "Where a message may come from on the gateway that sends it: ids of channels, `webchat` for clients; `*`: everywhere.",
      string("Id of a channel, `webchat`, or `*`.", { maxChars: 64 }),
      { default: ["*"], strict: true, onInvalid: [] },
    ),
  });

/** Not strict: without a token that cannot be read the link is there, and takes or sends nothing. Every other wrong value closes more. */
const peer = object("A link to another gateway. Both gateways have to allow what goes over it.", {
  enabled: boolean("Whether the link is used.", { default: true, onInvalid: false }),
  transport: enumOf(
    "`openclaw`: the other side is a gateway like this one. `a2a`: it speaks A2A 1.0 over HTTP and shows a token instead of a key.",
    ["openclaw", "a2a"],
    { default: "openclaw" },
  ),
  url: string(
    "WebSocket address of the other gateway, `wss://` or `ws://`; with `a2a` the address of its JSON-RPC endpoint, `https://` or `http://`. Without it this gateway waits for the other one.",
    {
      pattern: { regex: "(?:ws|http)s?://\\S+", description: "an address like wss://office.example:18789" },
    },
  ),
  token: secret("With `a2a`: the token that the other side has to show here. Without it nothing is taken from there."),
  outboundToken: secret("With `a2a`: the token that this gateway shows there."),
  tlsFingerprint: string("SHA-256 of the certificate that the other gateway must show; without it this system has to trust it.", {
    pattern: { regex: "(?:[0-9a-fA-F]{2}:?){32}", description: "a SHA-256 fingerprint" },
    // No certificate is this one: the link stays down.
    onInvalid: "invalid",
  }),
  accept: direction("What the other gateway may ask of this one.", "this gateway"),
  send: direction("What this gateway may ask of the other one.", "the other gateway"),
  maxHops: integer("Links that a message may go over, from the gateway where it began; one more is refused.", {
    default: 3,
    min: 1,
    max: 8,
    onInvalid: 1,
  }),
  expireMinutes: integer("How long a message may wait for its delivery and its reply; then its sender reads that it was not answered.", {
    default: 1_440,
    min: 1,
    max: 10_080,
  }),
  maxQueued: integer(
    "Messages that may wait for the link; one more is refused. As many of the other gateway may be without a reply; further ones wait there.",
    { default: 1_000, min: 1, max: 100_000 },
  ),
});

export const peers = record("Links to other gateways by name; an agent of one is `agent@name`.", "<name>", peer, {
  keyPattern: { regex: "[a-z0-9][a-z0-9_-]{0,31}", description: "lower-case letters, digits, - and _, at most 32" },
});
