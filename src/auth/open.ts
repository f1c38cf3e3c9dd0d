import type { Clock } from "../core/clock.ts";
import type { DeviceId } from "../core/ids.ts";
import type { Log } from "../core/log.ts";
import type { Secret } from "../core/secret.ts";
import type { Store } from "../store/open.ts";
import { Admission } from "./admission.ts";
import { SignInLinks } from "./bootstrap.ts";
import { equals, type AuthSettings } from "./credentials.ts";
import { Devices, type DeviceEvents, type Role } from "./devices.ts";
import { SignInLimiter } from "./limiter.ts";
import { ForwardingRules, type Headers, type Route } from "./proxy.ts";
import { ServiceTokens } from "./tokens.ts";

/** Which sockets must be closed because their credential ended. */
export type Ended = { device: DeviceId; role: Role | null } | { credential: string };

export type AuthOptions = {
  store: Store;
  clock: Clock;
  log: Log;
  settings: AuthSettings;
  /** A device asked to be paired, or was answered. */
  requested: DeviceEvents["requested"];
  resolved: DeviceEvents["resolved"];
  /** Closes the sockets of an ended credential, at once (close code 4001). */
  disconnect: (ended: Ended) => void;
};

/** Everything that decides who may come in and what they may do. */
export type Auth = {
  readonly settings: AuthSettings;
  readonly devices: Devices;
  readonly tokens: ServiceTokens;
  readonly links: SignInLinks;
  readonly admission: Admission;
  /** How a request came here; see ForwardingRules. */
  route(headers: Headers, remote: string): Route;
  /** Takes new settings over. Sockets that came in with a shared secret which changed are closed. */
  configure(settings: AuthSettings): void;
  /** Writes what is still in memory. */
  close(): void;
};

export function openAuth(options: AuthOptions): Auth {
  const { store, clock, log } = options;
  let settings = options.settings;
  let rules = new ForwardingRules(settings);
  const limiter = new SignInLimiter({ store, clock, log, rate: () => settings.rateLimit });
  const revoked = (device: DeviceId, role: Role | null): void => options.disconnect({ device, role });
  const devices = new Devices({ store, clock, events: { requested: options.requested, resolved: options.resolved, revoked } });
  const tokens = new ServiceTokens({ store, clock, revoked: (credential) => options.disconnect({ credential }) });
  const links = new SignInLinks({ store, clock });
  const admission = new Admission({ settings: () => settings, devices, tokens, links, limiter, clock, log });
  return {
    get settings() {
      return settings;
    },
    devices,
    tokens,
    links,
    admission,
    route: (headers, remote) => rules.read(headers, remote),
    configure(next) {
      const before = settings;
      settings = next;
      rules = new ForwardingRules(next);
      for (const credential of endedCredentials(before, next)) options.disconnect({ credential });
    },
    close: () => limiter.flush(),
  };
}

const secretOf = (settings: AuthSettings): Secret | null =>
  settings.mode === "password" ? settings.password : settings.mode === "token" ? settings.token : null;

function endedCredentials(before: AuthSettings, next: AuthSettings): string[] {
  const ended: string[] = [];
  const old = secretOf(before);
  const now = secretOf(next);
  if (old && (before.mode !== next.mode || !now || !equals(old.reveal(), now))) ended.push("shared");
  if (before.mode === "none" && next.mode !== "none") ended.push("none");
  return ended;
}
