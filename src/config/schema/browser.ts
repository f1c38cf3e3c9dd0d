import { array, boolean, enumOf, integer, object, record, secret, string } from "../../core/config-schema.ts";

/** What applies where the configuration says nothing. */
export const BROWSER_DEFAULTS = {
  enabled: true,
  evaluateEnabled: false,
  noSandbox: false,
  attachOnly: false,
  extraArgs: [],
  profiles: {},
  ssrfPolicy: { dangerouslyAllowPrivateNetwork: false, allowedHostnames: [] },
} as const;

const HOST = { regex: "(?:\\*\\.)?[^\\s/*@]+", description: "a name or an address, or *. and a name" } as const;

const ssrfPolicy = object("What pages may be from, besides the public internet.", {
  dangerouslyAllowPrivateNetwork: boolean(
    "Pages may be from every address: of this machine, of its network, and of the services of a cloud that give out credentials.",
    { default: BROWSER_DEFAULTS.ssrfPolicy.dangerouslyAllowPrivateNetwork, onInvalid: false },
  ),
  allowedHostnames: array(
    "Hosts that may be opened whatever their address is.",
    string("A host: `intranet.example`, `*.example.org` for all names below it, or an address.", { pattern: HOST }),
    { default: BROWSER_DEFAULTS.ssrfPolicy.allowedHostnames },
  ),
});

/** Flags that would lead requests past the gateway, or have a setting of their own. */
const EXTRA_ARG = {
  regex:
    "--(?!proxy|no-proxy|winhttp-proxy|host-resolver|host-rules|dns-|enable-quic|origin-to-force-quic|quic|webrtc-|force-webrtc|remote-debugging|user-data-dir|no-sandbox|disable-setuid-sandbox|single-process)[a-z][a-z0-9-]*(?:=.*)?",
  description: "a flag of Chromium such as --lang=de that does not concern its proxy, names, debugging port, profile or sandbox",
} as const;

const PROFILE_NAME = { regex: "[a-z0-9-]{1,64}", description: "lower-case letters, digits and -" } as const;
const COLOR = { regex: "#[0-9A-Fa-f]{6}", description: "# and six hexadecimal digits" } as const;

const CDP_URL =
  "Address of a running browser with remote debugging, `http`, `https`, `ws` or `wss`. Agents then use that browser, and none is started.";

const profile = object(
  "One profile: a browser with cookies of its own, or a running browser.",
  {
    driver: enumOf(
      "How the browser is driven. `openclaw` and `clawd`: the gateway starts it, or with `cdpUrl` uses a running one. `existing-session`: only a running one. `extension` is not served.",
      ["openclaw", "clawd", "existing-session", "extension"],
      { default: "openclaw" },
    ),
    cdpUrl: secret(CDP_URL),
    cdpPort: integer("Debugging port of a running browser on this machine, for `attachOnly`. A browser that the gateway starts has none.", {
      min: 1,
      max: 65_535,
    }),
    attachOnly: boolean("Never start a browser; use the running one of `cdpUrl` or `cdpPort`. Default: `browser.attachOnly`."),
    dangerouslyAllowUnguardedNetwork: boolean(
      "Use a running browser although its requests do not pass the gateway's proxy: its pages reach this machine and its network.",
      { default: false, onInvalid: false },
    ),
    useOpenTabs: boolean("Agents may also read and use tabs of a running browser that they did not open.", {
      default: false,
      onInvalid: false,
    }),
    headless: boolean("Without a window. Default: `browser.headless`."),
    executablePath: string("The program. Default: `browser.executablePath`.", { format: "path" }),
    color: string("Color of the profile in lists and on the page.", { pattern: COLOR, default: "#FF4500" }),
  },
  { unserved: ["userDataDir", "mcpCommand", "mcpArgs"] },
);

/** The browser of agents. */
export const browser = object(
  "The browser that agents use with the tool `browser`.",
  {
    enabled: boolean("Offer the tool.", { default: BROWSER_DEFAULTS.enabled, onInvalid: false }),
    evaluateEnabled: boolean("Agents may run JavaScript of their own in a page.", {
      default: BROWSER_DEFAULTS.evaluateEnabled,
      onInvalid: false,
    }),
    executablePath: string("The program; the first of the usual Chromium browsers that is installed when it is not set.", {
      format: "path",
    }),
    headless: boolean("Without a window; when it is not set, `true` on machines without a display."),
    noSandbox: boolean("Chromium runs without its own sandbox. As root it always does.", {
      default: BROWSER_DEFAULTS.noSandbox,
      onInvalid: false,
    }),
    extraArgs: array("Further flags of Chromium.", string("A flag.", { pattern: EXTRA_ARG }), { default: BROWSER_DEFAULTS.extraArgs }),
    attachOnly: boolean("Never start a browser; only use running ones.", { default: BROWSER_DEFAULTS.attachOnly, onInvalid: true }),
    cdpUrl: secret("The same as `cdpUrl` of the profile `openclaw`."),
    defaultProfile: string("The profile that is used when a call names none.", { pattern: PROFILE_NAME, whenAbsent: "openclaw" }),
    profiles: record("Profiles beside `openclaw`, which always exists.", "<name>", profile, { keyPattern: PROFILE_NAME }),
    ssrfPolicy,
  },
  {
    optional: true,
    unserved: ["allowSystemProfileImport", "color", "extensionRelay", "snapshotDefaults", "tabCleanup"],
  },
);
