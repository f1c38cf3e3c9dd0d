import type { Clock } from "../core/clock.ts";
import type { DeviceId } from "../core/ids.ts";
import type { Log } from "../core/log.ts";
import type { Store } from "../store/open.ts";
import { Authenticator, type TailnetUserVerifier } from "./authenticator.ts";
import { SignInLinks } from "./sign-in-links.ts";
import { isStillValid, type Basis } from "./basis.ts";
import type { AuthSettings } from "./credentials.ts";
import { Devices, type DeviceEvents, type Role } from "./devices.ts";
import { SignInLimiter } from "./limiter.ts";
import type { PeerGate } from "./peer-gate.ts";
import { TrustedProxies, type Listener, type RequestHeaders, type PeerAttribution } from "./trusted-proxy.ts";
import { SharedSecretWatch } from "./secret-watch.ts";
import { ServiceTokens } from "./tokens.ts";

/** Revoked credentials. Owners of connections and running requests then check each of them with `isStillValid`. */
export type RevokedCredential = { device: DeviceId; role: Role | null } | { credential: string } | { settings: "changed" };

export type AuthOptions = {
  store: Store;
  clock: Clock;
  log: Log;
  settings: AuthSettings;
  /** A pairing request of a device was filed or decided. */
  requested: DeviceEvents["requested"];
  resolved: DeviceEvents["resolved"];
  /** Credentials were revoked: closes their connections and aborts their requests at once (close code 4001). */
  onRevoked: (ended: RevokedCredential) => void;
  /** Decides about other gateways that connect. */
  peers?: PeerGate;
};

/** Authentication and authorization of all peers. */
export type Auth = {
  readonly settings: AuthSettings;
  readonly devices: Devices;
  readonly tokens: ServiceTokens;
  readonly links: SignInLinks;
  readonly authenticator: Authenticator;
  /** How a request reached the gateway; see TrustedProxies. */
  attributePeer(headers: RequestHeaders, remote: string, listener?: Listener): PeerAttribution;
  /** Asks Tailscale whether an address belongs to a login; null while it cannot be asked. */
  verifyTailnetUser: TailnetUserVerifier | null;
  /** Whether the credential of a sign-in would still be accepted; used for sockets and running requests. */
  isStillValid(basis: Basis): boolean;
  /** Applies new settings. Sign-ins that are no longer valid end; a new shared secret also revokes devices that the old one paired. */
  configure(settings: AuthSettings): void;
  /** Writes pending changes. */
  close(): void;
};

export function openAuth(options: AuthOptions): Auth {
  const { store, clock, log } = options;
  let settings = options.settings;
  let rules = new TrustedProxies(settings);
  const limiter = new SignInLimiter({ store, clock, log, rate: () => settings.rateLimit });
  const revoked = (device: DeviceId, role: Role | null): void => options.onRevoked({ device, role });
  const devices = new Devices({ store, clock, events: { requested: options.requested, resolved: options.resolved, revoked } });
  const tokens = new ServiceTokens({ store, clock, revoked: (credential) => options.onRevoked({ credential }) });
  const links = new SignInLinks({ store, clock });
  const secrets = new SharedSecretWatch({ store, clock, log, devices });
  secrets.check(settings);
  const admission = new Authenticator({
    settings: () => settings,
    devices,
    tokens,
    links,
    limiter,
    clock,
    log,
    verifyTailnetUser: (address, login) => auth.verifyTailnetUser?.(address, login) ?? Promise.resolve(false),
    ...(options.peers && { peers: options.peers }),
  });
  const auth: Auth = {
    get settings() {
      return settings;
    },
    devices,
    tokens,
    links,
    authenticator: admission,
    attributePeer: (headers, remote, listener) => rules.attributePeer(headers, remote, listener),
    verifyTailnetUser: null,
    isStillValid: (basis) => isStillValid(basis, { settings, devices, tokens, ...(options.peers && { peers: options.peers }) }),
    configure(next) {
      settings = next;
      rules = new TrustedProxies(next);
      secrets.check(next);
      options.onRevoked({ settings: "changed" });
    },
    close: () => limiter.flush(),
  };
  return auth;
}
