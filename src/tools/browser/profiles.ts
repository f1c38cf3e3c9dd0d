import type { BrowserConfig } from "../../config/schema.ts";

/** The profile that every agent has. */
export const OWN_PROFILE = "openclaw";
const COLOR = "#FF4500";

/** A running browser that agents use. */
export type RunningBrowser = {
  /** May have a token of a provider in it. */
  url: string;
  useOpenTabs: boolean;
};

export type BrowserProfile = {
  name: string;
  isDefault: boolean;
  driver: string;
  color: string;
  /** The running browser that it is; null: the gateway starts one. */
  attach: RunningBrowser | null;
  /** Where the running browser is, without what may be a secret; null for one that the gateway starts. */
  address: string | null;
  isRemote: boolean;
  executablePath: string | undefined;
  headless: boolean | undefined;
  /** Why it cannot be used, as a sentence, and how that is changed. */
  problem: { what: string; fix: string } | null;
};

type ProfileConfig = BrowserConfig["profiles"][string];

/** All profiles, the default one first. Pure. */
export function listProfiles(config: BrowserConfig): BrowserProfile[] {
  const names = [...new Set([OWN_PROFILE, ...Object.keys(config.profiles)])];
  const profiles = names.map((name) => toProfile(name, config));
  return [...profiles.filter(({ isDefault }) => isDefault), ...profiles.filter(({ isDefault }) => !isDefault)];
}

/** The profile with a name, or the default one. Pure. */
export function findProfile(config: BrowserConfig, name: string | undefined): BrowserProfile | { what: string; fix: string } {
  const wanted = name ?? config.defaultProfile ?? OWN_PROFILE;
  const profiles = listProfiles(config);
  const found = profiles.find((each) => each.name === wanted);
  if (found) return found;
  const shown = JSON.stringify(wanted.slice(0, 64));
  return {
    what: `There is no browser profile ${shown}. Profiles: ${profiles.map((each) => each.name).join(", ")}.`,
    fix: name === undefined ? "Correct browser.defaultProfile." : "openclaw browser create-profile makes one.",
  };
}

function toProfile(name: string, config: BrowserConfig): BrowserProfile {
  const own: Partial<ProfileConfig> = Object.hasOwn(config.profiles, name) ? config.profiles[name]! : {};
  const { driver = OWN_PROFILE, cdpPort, color = COLOR } = own;
  const attachOnly = driver === "existing-session" || (own.attachOnly ?? config.attachOnly);
  const named = (own.cdpUrl ?? (name === OWN_PROFILE ? config.cdpUrl : undefined))?.reveal().trim();
  const url = named || (attachOnly && cdpPort !== undefined ? `http://127.0.0.1:${cdpPort}` : null);
  const address = url === null ? null : addressOf(url);
  return {
    name,
    isDefault: name === (config.defaultProfile ?? OWN_PROFILE),
    driver: driver === "clawd" ? OWN_PROFILE : driver,
    color,
    attach: url === null ? null : { url, useOpenTabs: own.useOpenTabs ?? false },
    address,
    isRemote: url !== null && address !== null && !isLoopback(url),
    executablePath: own.executablePath ?? config.executablePath,
    headless: own.headless ?? config.headless,
    problem: problemOf({ name, driver, attachOnly, url, address, isAllowed: own.dangerouslyAllowUnguardedNetwork ?? false }),
  };
}

type Facts = { name: string; driver: string; attachOnly: boolean; url: string | null; address: string | null; isAllowed: boolean };

function problemOf({ name, driver, attachOnly, url, address, isAllowed }: Facts): BrowserProfile["problem"] {
  const at = `browser.profiles.${name}`;
  if (driver === "extension")
    return {
      what: `The profile ${name} has the driver extension, which is not served.`,
      fix: `Set ${at}.cdpUrl of a running browser instead.`,
    };
  if (attachOnly && url === null)
    return { what: `The profile ${name} only uses a running browser, and none is named.`, fix: `Set ${at}.cdpUrl or cdpPort.` };
  if (url === null) return null;
  if (address === null)
    return { what: `${at}.cdpUrl is not an address with http, https, ws or wss.`, fix: "Correct it, such as http://127.0.0.1:9222." };
  if (isAllowed) return null;
  return {
    what: `The profile ${name} is a running browser (${address}), whose requests do not pass the gateway's proxy: its pages reach this machine and its network.`,
    fix: `${at}.dangerouslyAllowUnguardedNetwork: true accepts that.`,
  };
}

/** Scheme, host and port: what follows may be a token. */
function addressOf(url: string): string | null {
  const parsed = URL.parse(url);
  return parsed !== null && /^(?:https?|wss?):$/.test(parsed.protocol) && parsed.hostname !== ""
    ? `${parsed.protocol}//${parsed.host}`
    : null;
}

function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
}
