import { array, boolean, object, string } from "../../core/config-schema.ts";

/** What applies where the configuration says nothing. */
export const BROWSER_DEFAULTS = {
  enabled: true,
  evaluateEnabled: false,
  noSandbox: false,
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
    ssrfPolicy,
  },
  {
    optional: true,
    unserved: ["attachOnly", "cdpUrl", "color", "defaultProfile", "extraArgs", "profiles", "snapshotDefaults", "tabCleanup"],
  },
);
