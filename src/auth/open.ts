import type { Clock } from "../core/clock.ts";
import type { DeviceId } from "../core/ids.ts";
import type { Log } from "../core/log.ts";
import type { Store } from "../store/open.ts";
import { Admission } from "./admission.ts";
import { SignInLinks } from "./bootstrap.ts";
import { stillValid, type Basis } from "./basis.ts";
import type { AuthSettings } from "./credentials.ts";
import { Devices, type DeviceEvents, type Role } from "./devices.ts";
import { SignInLimiter } from "./limiter.ts";
import { ForwardingRules, type Headers, type Route } from "./proxy.ts";
import { SharedSecretWatch } from "./secret-watch.ts";
import { ServiceTokens } from "./tokens.ts";

/** What has ended. Whoever holds a connection or a running request then asks `stillValid` for each of them. */
export type Ended = { device: DeviceId; role: Role | null } | { credential: string } | { settings: "changed" };

export type AuthOptions = {
  store: Store;
  clock: Clock;
  log: Log;
  settings: AuthSettings;
  /** A device asked to be paired, or was answered. */
  requested: DeviceEvents["requested"];
  resolved: DeviceEvents["resolved"];
  /** Credentials have ended: ends what came in with them, at once (close code 4001). */
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
  /** Whether the credential behind a sign-in would still be accepted; asked for sockets and running requests alike. */
  stillValid(basis: Basis): boolean;
  /** Takes new settings over. What came in by the old ones only is ended; a new shared secret also ends what the old one paired. */
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
  const secrets = new SharedSecretWatch({ store, clock, log, devices });
  secrets.check(settings);
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
    stillValid: (basis) => stillValid(basis, { settings, devices, tokens }),
    configure(next) {
      settings = next;
      rules = new ForwardingRules(next);
      secrets.check(next);
      options.disconnect({ settings: "changed" });
    },
    close: () => limiter.flush(),
  };
}
