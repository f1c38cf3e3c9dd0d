import { bytes, enumOf, boolean, object, array, secret, string, integer } from "../../core/config-schema.ts";

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
  { effect: "applied", unserved: ["allowTailscale", "identityScopes"] },
);

const controlUi = object(
  "The page that the gateway serves to browsers.",
  {
    enabled: boolean("Serve the page.", { default: true }),
    basePath: string("Path under which the page is served, without a slash at its end.", {
      default: "",
      pattern: { regex: "(/[A-Za-z0-9._~-]+)*/?", description: "a path like /openclaw" },
    }),
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
      "root",
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
    }),
  },
  { unserved: ["securityHeaders"] },
);

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
    remote: object(
      "The gateway on another machine that the command line uses.",
      {
        url: string("WebSocket address, such as wss://host.example.org.", { format: "url" }),
        token: secret("Token for that gateway."),
        password: secret("Password for that gateway."),
      },
      {
        effect: "applied",
        unserved: ["transport", "remotePort", "edgeAuth", "tlsFingerprint", "sshTarget", "sshIdentity", "sshHostKeyPolicy"],
      },
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
    tls: object(
      "TLS on the gateway's own port.",
      {
        enabled: boolean("Not served yet: put a reverse proxy in front for TLS.", {
          warning: "is not served yet: put a reverse proxy in front for TLS",
        }),
      },
      { optional: true, unserved: ["autoGenerate", "certPath", "keyPath", "caPath"] },
    ),
  },
  {
    effect: "restart-gateway",
    unserved: ["portals", "cliAgents", "terminal", "roles", "allowRealIpFallback", "tools", "tailscale", "push", "securityHeaders"],
  },
);
