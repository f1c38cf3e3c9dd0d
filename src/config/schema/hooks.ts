import { array, boolean, enumOf, integer, object, record, requiredSecret, secret, string } from "../../core/config-schema.ts";
import { THINKING_CHOICES } from "../../core/thinking.ts";

const NAME = { regex: "[A-Za-z0-9][A-Za-z0-9._-]{0,63}", description: "letters, digits, dots, dashes and underscores" } as const;
const TRUST_TEXT =
  "Rights of its runs: `none`: those of a sender of a channel without trust (the agent's own `tools`, commands only in the sandbox); `owner`: those of an operator.";

const signature = object(
  "One way in which senders sign.",
  {
    scheme: enumOf(
      "`github` (X-Hub-Signature-256), `stripe` (Stripe-Signature) or `slack` (X-Slack-Signature).",
      ["github", "stripe", "slack"],
      { required: true },
    ),
    secret: { ...requiredSecret("The shared secret."), required: true },
    toleranceSeconds: integer("How old the time of a signature may be; 300 when it is not set. GitHub signs no time.", {
      min: 1,
      max: 86_400,
    }),
  },
  { strict: true },
);

const mapping = object(
  "One hook.",
  {
    id: string("Its name in lists; the path when it is not set.", { pattern: NAME }),
    match: object(
      "Which requests it takes.",
      {
        path: string("The rest of the address after `hooks.path`.", {
          pattern: { regex: "/?[A-Za-z0-9][A-Za-z0-9._/-]{0,127}", description: "a path such as github" },
        }),
        source: string("Only payloads whose field `source` is this."),
      },
      { optional: true, strict: true },
    ),
    action: enumOf("`agent`: a run; `wake`: a system event for the main session.", ["agent", "wake"]),
    signature: string("The entry of `hooks.signatures` that senders sign with; without one they need the token.", { pattern: NAME }),
    trust: enumOf(TRUST_TEXT, ["none", "owner"]),
    wakeMode: enumOf("Of `wake`: `now` asks for a heartbeat, `next-heartbeat` waits for the next turn.", ["now", "next-heartbeat"]),
    name: string("Name for people.", { maxChars: 200 }),
    agentId: string("Agent that runs it; the default agent when it is not set.", { maxChars: 64 }),
    sessionKey: string("Session of its runs; may have placeholders.", { maxChars: 256 }),
    sessionMode: enumOf("`isolated`: each delivery has a session of its own; `persistent`: all have `sessionKey`.", [
      "isolated",
      "persistent",
    ]),
    messageTemplate: string(
      "What the agent is asked. `{{a.b[0]}}` is a value of the payload, `{{headers.x}}` and `{{query.k}}` of the request, `{{payload}}` all of it.",
      { maxChars: 32_000 },
    ),
    textTemplate: string("The same for `wake`.", { maxChars: 8_000 }),
    forEach: string("A list of the payload: one run for each of its items.", {
      pattern: { regex: "[^.\\[\\]]{1,64}", description: "a field of the payload" },
    }),
    deliver: boolean("Send the answer to a chat."),
    channel: string("Channel of that chat; the last one of the agent when it is not set.", { maxChars: 64 }),
    to: string("Room or person on the channel.", { acceptsNumber: true, maxChars: 512 }),
    model: string("Model of its runs, as `provider/model`."),
    thinking: enumOf("How long the model thinks.", THINKING_CHOICES),
    timeoutSeconds: integer("Longest time of a run.", { min: 1, max: 86_400 }),
    transform: object(
      "Code that changes or drops requests before anything else is done with them (docs/hooks.md). It runs in a process without files and network.",
      {
        module: string("File beneath the directory of transforms, which ends in .js, .mjs or .ts.", { required: true, maxChars: 512 }),
        export: string("Name of the function; the default export, or `transform`, when it is not set.", { maxChars: 128 }),
      },
      { optional: true, strict: true },
    ),
  },
  // Half of a hook would take what was not meant.
  { strict: true, unserved: ["allowUnsafeExternalContent"] },
);

const internal = object(
  "Code that runs when something happens in the gateway: folders with HOOK.md and a handler, in `hooks` of the workspace or of the state directory.",
  {
    enabled: boolean("Run the handlers that are enabled below.", { default: false, onInvalid: false }),
    entries: record(
      "Hooks by name (`openclaw hooks enable`).",
      "<name>",
      object(
        "One hook.",
        {
          enabled: boolean("It may run.", { default: false, onInvalid: false }),
          sha256: string("Hash of the content that may run; with another one it is off. This gateway's own key.", {
            pattern: { regex: "[0-9a-f]{64}", description: "64 hexadecimal digits" },
          }),
        },
        { unserved: ["env"] },
      ),
      { keyPattern: NAME },
    ),
  },
  { unserved: ["load", "handlers", "installs"] },
);

/** Requests of other programs that start runs. */
export const hooks = object(
  "Requests of other programs that start runs or leave system events (docs/hooks.md).",
  {
    enabled: boolean("Take requests at `path`. It needs a token, or a signature for each hook.", { default: false, onInvalid: false }),
    path: string("First part of the addresses.", {
      default: "/hooks",
      pattern: { regex: "/[A-Za-z0-9][A-Za-z0-9._-]{0,63}(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,63})*", description: "a path such as /hooks" },
      effect: "restart-gateway",
    }),
    token: secret("Token that requests without a signature need, as `Authorization: Bearer` or `X-OpenClaw-Token`."),
    signatures: record("Ways in which senders sign, by name. This gateway's own key.", "<name>", signature, { keyPattern: NAME }),
    trust: enumOf(`${TRUST_TEXT} Of \`/hooks/agent\` and \`/hooks/wake\`.`, ["none", "owner"], { default: "none" }),
    requestsPerMinute: integer("Deliveries that one hook takes in a minute; further ones are answered 429. This gateway's own key.", {
      default: 120,
      min: 1,
      max: 100_000,
    }),
    allowedAgentIds: array("Ids of the agents that hooks may run; `*`: all.", string("Id of an agent.", { maxChars: 64 })),
    defaultSessionKey: string("Session of `/hooks/agent`; a session for each request when it is not set.", { maxChars: 256 }),
    allowRequestSessionKey: boolean("Requests to `/hooks/agent` may name the session, within `allowedSessionKeyPrefixes`.", {
      default: false,
      onInvalid: false,
    }),
    allowedSessionKeyPrefixes: array(
      "How session keys of requests have to begin.",
      string("Beginning of a key, such as hook:.", { maxChars: 128 }),
      { default: [] },
    ),
    presets: array(
      "Hooks that are ready: `github`, `gmail` and `generic`, at the path of their name.",
      enumOf("A preset.", ["github", "gmail", "generic"]),
      { default: [] },
    ),
    transformsDir: string("Directory of transforms, within `hooks/transforms` of the state directory, which it is when it is not set.", {
      maxChars: 1_024,
    }),
    mappings: array("Hooks of your own.", mapping, { default: [] }),
    internal,
  },
  { unserved: ["gmail", "maxBodyBytes"] },
);
