import { bytes, enumOf, boolean, object, array, record, secret, string, integer } from "../../core/config-schema.ts";

const auth = object(
  "Who may connect to the gateway's port.",
  {
    mode: enumOf(
      "How a client proves itself; when it is not set, it follows from which credential is set, and is `token` when none is. `none` holds from the next start on.",
      ["token", "password", "none", "trusted-proxy"],
    ),
    token: secret("The shared token of mode `token`; when it is not set, one is made at the first start and kept in the state directory."),
    password: secret("The shared password of mode `password`."),
    rateLimit: object("How many wrong credentials one address may try.", {
      maxAttempts: integer("Wrong attempts within the window before the address has to wait.", { default: 10, min: 1, max: 10_000 }),
      windowMs: integer("Length of the window in milliseconds.", { default: 60_000, min: 1_000, max: 86_400_000 }),
      lockoutMs: integer("How long the address has to wait, in milliseconds; with 0 it waits for the rest of the window.", {
        default: 300_000,
        min: 0,
        max: 86_400_000,
      }),
      exemptLoopback: boolean("Has no effect: attempts from this machine are counted like all others.", {
        warning: "has no effect: failed attempts from loopback are counted like all others",
      }),
    }),
    allowTailscale: boolean(
      "The page signs in by the identity that Tailscale Serve names and `tailscale whois` confirms (`gateway.tailscale.mode: serve`). The browser needs its device key as well; HTTP routes always ask for a credential.",
      { onInvalid: false, whenAbsent: "true with `serve` and mode `token`, else false" },
    ),
    trustedProxy: object(
      "The headers by which an authenticating reverse proxy names the user (mode `trusted-proxy`).",
      {
        userHeader: string("Header that carries the user's name.", {
          required: true,
          pattern: { regex: "[A-Za-z0-9-]+", description: "a header name" },
        }),
        requiredHeaders: array("Headers that must be there as well, or the request is refused.", string("A header name."), { default: [] }),
        allowUsers: array(
          "Users who may come in; an empty list lets in everybody whom the proxy lets in.",
          string("A user as the proxy names it."),
          {
            default: [],
          },
        ),
      },
      { optional: true, strict: true, unserved: ["allowLoopback", "cloudflareAccessOidc", "deviceAutoApprove"] },
    ),
  },
  { effect: "applied", unserved: ["identityScopes"] },
);

const controlUi = object(
  "The page that the gateway serves to browsers.",
  {
    enabled: boolean("Serve the page.", { default: true }),
    basePath: string("Path under which the page is served, without a slash at its end.", {
      default: "",
      pattern: { regex: "(/[A-Za-z0-9._~-]+)*/?", description: "a path like /openclaw" },
    }),
    root: string(
      "Serves the Control UI of OpenClaw as well, under `/official/`: a directory in which the package `openclaw` is installed, the package, or its `dist/control-ui`.",
      { format: "path" },
    ),
    allowedOrigins: array(
      "Origins of browsers that may connect, besides the gateway's own; `*` allows every origin.",
      string("An origin, such as https://chat.example.org, or `*`.", { format: "origin" }),
      { default: [], onInvalid: [], effect: "applied" },
    ),
  },
  {
    unserved: [
      "dangerouslyDisableDeviceAuth",
      "experimental",
      "environment",
      "communityInvite",
      "github",
      "sessionObserver",
      "embedSandbox",
      "allowExternalEmbedUrls",
      "automaticallyFetchFavicons",
      "dangerouslyAllowHostHeaderOriginFallback",
    ],
  },
);

const securityHeaders = object("Headers of every answer, besides those that are always sent.", {
  strictTransportSecurity: string(
    "Value of `Strict-Transport-Security`, such as `max-age=31536000`; sent to clients that reach the gateway over TLS. `false` sends none.",
    {
      acceptsFalse: true,
      effect: "applied",
      pattern: {
        regex: "max-age=\\d{1,10}(; ?includeSubDomains)?(; ?preload)?",
        description: "max-age=<seconds>, with includeSubDomains and preload if wanted",
      },
    },
  ),
});

const http = object(
  "The HTTP routes of the gateway.",
  {
    endpoints: object("Routes that can be switched off one by one.", {
      chatCompletions: object(
        "`POST /v1/chat/completions`.",
        { enabled: boolean("Serve the route.", { default: true, onInvalid: false }) },
        { unserved: ["images"] },
      ),
      responses: object(
        "`POST /v1/responses`.",
        { enabled: boolean("Serve the route.", { default: true, onInvalid: false }) },
        { unserved: ["maxUrlParts", "files", "images"] },
      ),
      a2a: object("`POST /a2a/v1` and the card at `/.well-known/agent-card.json`, for the links in `peers` with `transport: a2a`.", {
        enabled: boolean("Serve the routes.", { default: false, onInvalid: false }),
        advertisedUrl: string("Origin in the card, when it is not `gateway.publicOrigin`; the one of the request when neither is set.", {
          format: "origin",
        }),
        replyTimeoutMs: integer("How long a request waits for the end of its task; then it is answered with the task as it is.", {
          default: 120_000,
          min: 5_000,
          max: 600_000,
        }),
        rateLimitPerMinute: integer("Requests of each link in a minute; further ones are refused. 0: no limit.", {
          default: 30,
          min: 0,
          max: 100_000,
        }),
      }),
    }),
    securityHeaders,
  },
  {},
);

const tls = object(
  "TLS on the gateway's own port. A changed certificate is used at once, without an end of connections; changed paths need a restart.",
  {
    enabled: boolean("Speak TLS (1.3) only. Addresses become https:// and wss://.", { default: false, onInvalid: true }),
    autoGenerate: boolean("Make a self-signed certificate when there is none. Clients pin its fingerprint.", { default: true }),
    certPath: string("File of the certificate in PEM form, followed by its chain.", {
      format: "path",
      whenAbsent: "<state>/gateway/tls/gateway-cert.pem",
    }),
    keyPath: string("File of the private key in PEM form, without a passphrase.", {
      format: "path",
      whenAbsent: "<state>/gateway/tls/gateway-key.pem",
    }),
    caPath: string("File of the authority's certificates, which complete the chain that clients get.", { format: "path" }),
  },
  {},
);

const tailscale = object(
  "Reach the gateway over Tailscale, with the program `tailscale` of this machine. The gateway listens on loopback for it.",
  {
    mode: enumOf(
      "`serve`: https for the devices of the tailnet. `funnel`: https for the internet, only with `gateway.auth.mode: password`.",
      ["off", "serve", "funnel"],
      { default: "off", onInvalid: "off" },
    ),
  },
  { effect: "applied", unserved: ["preserveFunnel", "resetOnExit", "serviceName"] },
);

const remote = object(
  "The gateway on another machine that the command line uses.",
  {
    url: string("WebSocket address, such as wss://host.example.org.", { format: "url" }),
    token: secret("Token for that gateway."),
    password: secret("Password for that gateway."),
    transport: enumOf("`direct` connects to `url`. `ssh` goes through a tunnel to `sshTarget`.", ["ssh", "direct"], {
      whenAbsent: "ssh when `sshTarget` is set, else direct",
    }),
    tlsFingerprint: string("SHA-256 of the gateway's certificate: it is accepted if it matches, and no other.", {
      pattern: { regex: "(?:[sS][hH][aA]-?256[:/=] ?)?(?:[0-9a-fA-F]{2}:?){32}", description: "64 hex digits, with or without colons" },
    }),
    sshTarget: string("Where the tunnel leads: user@host or user@host:port.", {
      pattern: { regex: "[^-\\s@][^\\s@]*@[^-\\s@][^\\s@]*|[^-\\s@][^\\s@]*", description: "user@host or user@host:port" },
    }),
    sshIdentity: string("File of the private key for ssh, besides those that ssh finds itself.", { format: "path" }),
    sshHostKeyPolicy: enumOf(
      "`strict`: the host key must be known already. `openssh`: what the configuration of ssh says.",
      ["strict", "openssh"],
      { default: "strict", onInvalid: "strict" },
    ),
    remotePort: integer("Port of the gateway on that machine, for the tunnel.", { default: 18_789, min: 1, max: 65_535 }),
    edgeAuth: record(
      "Headers for an access proxy in front of that gateway; sent over wss only, and never to another origin.",
      "<header>",
      secret("Value of the header."),
      { keyPattern: { regex: "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", description: "the name of a header" } },
    ),
  },
  { effect: "applied" },
);

const RELAY_URL = {
  regex: "https://[^\\s?#]+|http://(127\\.0\\.0\\.1|localhost|\\[::1\\])(:\\d+)?(/[^\\s?#]*)?",
  description: "an address with https, or with http on this machine",
};
const COMMAND_NAME = { regex: "[A-Za-z][A-Za-z0-9]*([._-][A-Za-z0-9]+)*", description: "the name of a command, such as camera.snap" };

export const gateway = object(
  "The port, who may connect to it, and what it serves.",
  {
    port: integer("TCP port for WebSocket and HTTP.", { default: 18_789, min: 1, max: 65_535 }),
    mode: enumOf(
      "`local` runs a gateway on this machine; `remote` makes the command line use the one in `gateway.remote`.",
      ["local", "remote"],
      {
        default: "local",
        effect: "applied",
      },
    ),
    bind: enumOf(
      "Addresses to listen on: this machine only, all of the local network, the Tailscale address, the best of them, or `customBindHost`.",
      ["loopback", "lan", "tailnet", "auto", "custom"],
      { default: "loopback" },
    ),
    customBindHost: string("Address to listen on when `bind` is `custom`."),
    publicOrigin: string("Origin under which people reach the gateway from outside, such as https://chat.example.org.", {
      format: "origin",
      effect: "applied",
    }),
    auth,
    trustedProxies: array(
      "Addresses or networks (CIDR) of reverse proxies whose forwarding headers are believed.",
      string("An address or network."),
      { default: [], onInvalid: [], effect: "applied" },
    ),
    media: object("Files that people send and agents make, kept in the state directory.", {
      maxTotalBytes: bytes("All kept files together; more are refused. What no message refers to any more is removed by itself.", {
        default: "2gb",
      }),
      maxAccountBytesPerDay: bytes("Files received from one account of a channel in one day (UTC); more are refused.", {
        default: "512mb",
      }),
    }),
    controlUi,
    http,
    remote,
    shadow: boolean(
      "Shadow mode: channels receive, agents answer, and nothing is sent. Messages for channels are held, counted and never sent, also not when it ends. For a gateway beside the one that answers.",
      { default: false, onInvalid: true, effect: "applied" },
    ),
    reload: object(
      "What happens when the file changes while the gateway runs.",
      {
        mode: enumOf(
          "`hybrid` applies what can be applied and says what needs a restart; `off` ignores changes until the next start.",
          ["hybrid", "off"],
          { default: "hybrid" },
        ),
      },
      { effect: "applied", unserved: ["debounceMs", "deferralTimeoutMs"] },
    ),
    nodes: object(
      "Devices that connect as nodes.",
      {
        pairing: object(
          "How nodes and clients become known.",
          {
            autoApproveLocal: boolean("Approve a client on this machine without asking, when it holds the shared credential.", {
              default: true,
              onInvalid: false,
              effect: "applied",
            }),
          },
          { unserved: ["autoApproveCidrs", "sshVerify"] },
        ),
        commands: object(
          "Which commands of nodes may run, beside those that their platform has and a person has approved.",
          {
            allow: array(
              "Further commands. Those that act on a person's device, such as `camera.snap` or `sms.send`, run only if they are named here.",
              string("The name of a command, such as camera.snap.", { pattern: COMMAND_NAME }),
              { default: [], onInvalid: [] },
            ),
            deny: array(
              "Commands that never run, whatever else allows them.",
              string("The name of a command.", { pattern: COMMAND_NAME }),
              { default: [] },
            ),
          },
          { effect: "applied" },
        ),
      },
      { unserved: ["browser", "pluginTools", "allowSkills"] },
    ),
    push: object(
      "Messages that wake the apps of phones.",
      {
        apns: object("Apple's push service.", {
          relay: object("The relay that an iOS app has registered with. Without `baseUrl` no device is woken.", {
            baseUrl: string("Address of the relay, with https; http only on this machine.", { pattern: RELAY_URL }),
            timeoutMs: integer("How long the relay may take to answer.", { default: 10_000, min: 1_000, max: 60_000 }),
          }),
        }),
      },
      { effect: "applied" },
    ),
    tls,
    tailscale,
  },
  {
    effect: "restart-gateway",
    unserved: ["portals", "cliAgents", "terminal", "roles", "allowRealIpFallback", "tools"],
  },
);
