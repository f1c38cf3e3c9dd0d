import { isUserAllowed, sharedSecret, type Basis } from "./basis.ts";
import { isLoopback } from "./trusted-proxy.ts";
import type { Clock } from "../core/clock.ts";
import { reasonOf } from "../core/errors.ts";
import type { DeviceId } from "../core/ids.ts";
import type { Log } from "../core/log.ts";
import type { Secret } from "../core/secret.ts";
import { secureEquals } from "../core/secure-compare.ts";
import { SignInLinkUsedError, type SignInLinkRow, type SignInLinks } from "./sign-in-links.ts";
import { isHighEntropy, TOKEN_PREFIXES, type AuthSettings } from "./credentials.ts";
import { verifyDevice, type DeviceProof } from "./device.ts";
import type { DeviceInfo, Devices, GrantRow, Role } from "./devices.ts";
import type { CredentialKind, SignInLimiter } from "./limiter.ts";
import { AUTH_ERRORS, type AuthFailure } from "./auth-errors.ts";
import type { PeerGate } from "./peer-gate.ts";
import { covers, intersectScopes, OPERATOR_SCOPES } from "./scopes.ts";
import type { ServiceTokenRow, ServiceTokens } from "./tokens.ts";

/** The relevant params of `connect`, already validated against their schema. */
export type ConnectClaims = {
  client: { id: string; mode: string; version: string; displayName?: string; platform?: string; deviceFamily?: string };
  role?: string;
  scopes?: readonly string[];
  auth?: { token?: string; deviceToken?: string; bootstrapToken?: string; password?: string };
  device?: DeviceProof;
};

/** Facts about the peer that the server determined. */
export type PeerFacts = {
  /** Address by which failures are counted. */
  address: string;
  /** Connected without a proxy. */
  direct: boolean;
  /** User that a trusted proxy authenticated. */
  user: string | null;
  /** What Tailscale's headers say about a client of the tailnet. */
  tailnet: { login: string; address: string } | null;
  origin: string | null;
  originAllowed: boolean;
  /** Scopes of an `x-openclaw-scopes` header; they can only reduce the granted ones. */
  scopeLimit: readonly string[] | null;
};

export type SignInMethod =
  | "token"
  | "password"
  | "device-token"
  | "bootstrap-token"
  | "service-token"
  | "none"
  | "trusted-proxy"
  | "tailscale"
  | "peer-key";

const KEY = Symbol("verified");

/** A peer whose credential was verified. Only this module creates one, and a `Caller` can only be built from it. */
export class Verified {
  readonly role: Role | "peer";
  readonly scopes: ReadonlySet<string>;
  readonly method: SignInMethod;
  /** Id of the credential: `shared`, a token id, a device id, `none` or `user:<name>`. */
  readonly credential: string;
  readonly device: DeviceId | null;
  /** A device token created by this sign-in; it must be sent to the peer now, because only its hash is stored. */
  readonly issuedDeviceToken: { token: Secret; issuedAt: number } | null;
  /** Argument of `Auth.isStillValid`. */
  readonly basis: Basis;

  constructor(key: typeof KEY, fields: Omit<Verified, "scopes"> & { scopes: Iterable<string> }) {
    if (key !== KEY) throw new Error("a verified peer can be made by a sign-in only");
    this.role = fields.role;
    this.scopes = new Set(fields.scopes);
    this.method = fields.method;
    this.credential = fields.credential;
    this.device = fields.device;
    this.issuedDeviceToken = fields.issuedDeviceToken;
    this.basis = fields.basis;
  }
}

/** Clients that run in a browser: they must come from an allowed origin. */
const BROWSER_CLIENTS: ReadonlySet<string> = new Set(["openclaw-control-ui", "webchat-ui", "webchat", "openclaw-browser-copilot"]);

/** Result of identifying a credential. */
type CredentialProof =
  | { kind: "shared"; method: "token" | "password" | "none" | "trusted-proxy" | "tailscale"; credential: string }
  | { kind: "service"; row: ServiceTokenRow }
  | { kind: "device"; grant: GrantRow }
  | { kind: "link"; row: SignInLinkRow };

export type AuthenticatorOptions = {
  settings: () => AuthSettings;
  devices: Devices;
  tokens: ServiceTokens;
  links: SignInLinks;
  limiter: SignInLimiter;
  clock: Clock;
  log: Log;
  verifyTailnetUser: TailnetUserVerifier;
  /** Decides about other gateways that connect. Absent: none may. */
  peers?: PeerGate;
};

/** Whether Tailscale says that the address belongs to this login. */
export type TailnetUserVerifier = (address: string, login: string) => Promise<boolean>;

/** The only entry for peers: `connect` for WebSockets, `bearer` for HTTP. */
export class Authenticator {
  readonly #options: AuthenticatorOptions;
  #sharedIsGuessable: { secret: Secret; guessable: boolean } | null = null;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  /** Checks a `connect`. `nonce` is the one of this connection's challenge. Never throws for a bad credential. */
  async authenticateConnect(claims: ConnectClaims, peer: PeerFacts, nonce: string): Promise<Verified | AuthFailure> {
    const role = claims.role ?? "operator";
    if (role === "peer") return this.#authenticatePeer(claims, peer, nonce);
    if (role !== "operator" && role !== "node") return AUTH_ERRORS.invalidRole();
    if (peer.origin !== null && !peer.originAllowed) return AUTH_ERRORS.origin(peer.origin);
    const browser = BROWSER_CLIENTS.has(claims.client.id) || claims.client.mode === "webchat";
    if (browser && peer.origin === null) return AUTH_ERRORS.origin(null);
    const device = this.#verifyDevice(claims, role, nonce);
    if (device !== null && typeof device !== "string") {
      this.#options.limiter.recordFailure(peer.address, "signature");
      return AUTH_ERRORS.device(device);
    }
    const tailnet = browser && role === "operator" && device !== null ? await this.#identifyTailnetUser(claims.auth ?? {}, peer) : null;
    const proof = tailnet ?? this.#identifyCredential(claims.auth ?? {}, peer, device, role);
    if ("refused" in proof) return proof;
    return this.#admit(proof, claims, role, device, peer);
  }

  /**
   * Another gateway: it is recognized by its key alone and holds no scope. No credential of an operator makes one, and what lets it in is of
   * no use in another role.
   */
  async #authenticatePeer(claims: ConnectClaims, peer: PeerFacts, nonce: string): Promise<Verified | AuthFailure> {
    const { limiter, peers } = this.#options;
    if (peer.origin !== null) return AUTH_ERRORS.origin(peer.origin);
    const device = this.#verifyDevice(claims, "peer", nonce);
    if (device === null || peers === undefined) return device === null ? AUTH_ERRORS.deviceRequired() : AUTH_ERRORS.invalidRole();
    if (typeof device !== "string") {
      limiter.recordFailure(peer.address, "signature");
      return AUTH_ERRORS.device(device);
    }
    const { publicKey } = claims.device!;
    const admitted = await peers.admit({ keyId: device, publicKey, token: claims.auth?.token ?? "", address: peer.address });
    if ("refused" in admitted) {
      limiter.recordFailure(peer.address, "signature");
      return AUTH_ERRORS.peer(admitted.refused);
    }
    return new Verified(KEY, {
      role: "peer",
      scopes: [],
      method: "peer-key",
      credential: `peer:${admitted.name}`,
      device,
      issuedDeviceToken: null,
      basis: { proof: { kind: "peer", name: admitted.name, keyId: device }, settings: this.#options.settings(), device: null },
    });
  }

  /** Checks the `Authorization` header of an HTTP request. */
  authenticateBearer(authorization: string | undefined, peer: PeerFacts): Verified | AuthFailure {
    if (peer.origin !== null && !peer.originAllowed) return AUTH_ERRORS.origin(peer.origin);
    const text = /^Bearer +(\S{1,512})\s*$/i.exec(authorization ?? "")?.[1];
    const password = this.#options.settings().mode === "password";
    const presented = text === undefined ? {} : password ? { token: text, password: text } : { token: text };
    const proof = this.#identifyCredential(presented, peer, "bearer", "operator");
    if ("refused" in proof) return proof;
    const grant = proof.kind === "shared" ? OPERATOR_SCOPES : proof.kind === "device" ? proof.grant.scopes : proof.row.scopes;
    if (proof.kind === "link") return AUTH_ERRORS.deviceRequired();
    if (proof.kind === "service") this.#writeInBackground(this.#options.tokens.recordUse(proof.row));
    return new Verified(KEY, {
      role: "operator",
      scopes: narrowScopes(grant, peer.scopeLimit),
      method: proof.kind === "shared" ? proof.method : proof.kind === "device" ? "device-token" : "service-token",
      credential: proof.kind === "shared" ? proof.credential : proof.kind === "device" ? proof.grant.deviceId : proof.row.id,
      device: null,
      issuedDeviceToken: null,
      basis: this.#basis(proof, "operator", proof.kind === "device" ? proof.grant.deviceId : null),
    });
  }

  /** Taken before the first await, so that revocations in between are detected afterwards. */
  #basis(proof: CredentialProof, role: Role, device: string | null): Basis {
    return {
      proof: toBasisProof(proof),
      settings: this.#options.settings(),
      device: device === null ? null : { id: device, role, revision: this.#options.devices.revision(device, role) },
    };
  }

  #verifyDevice(claims: ConnectClaims, role: Role | "peer", nonce: string): ReturnType<typeof verifyDevice> | null {
    if (!claims.device) return null;
    const { token, deviceToken, bootstrapToken } = claims.auth ?? {};
    const fields = {
      clientId: claims.client.id,
      clientMode: claims.client.mode,
      role,
      scopes: claims.scopes ?? [],
      token: token || deviceToken || bootstrapToken || "",
      platform: claims.client.platform,
      deviceFamily: claims.client.deviceFamily,
    };
    return verifyDevice(claims.device, fields, nonce, this.#options.clock.now());
  }

  /** Identifies the presented credential. Device tokens need the signature of their device, except as a bearer. */
  #identifyCredential(
    auth: NonNullable<ConnectClaims["auth"]>,
    peer: PeerFacts,
    device: DeviceId | "bearer" | null,
    role: Role,
  ): CredentialProof | AuthFailure {
    const texts = [auth.token, auth.deviceToken, auth.bootstrapToken].filter((text) => text !== undefined && text !== "") as string[];
    for (const text of texts) {
      const proof = this.#findGenerated(text, device, role);
      if (proof) return proof;
    }
    const { mode } = this.#options.settings();
    if (mode === "none") return { kind: "shared", method: "none", credential: "none" };
    if (mode === "trusted-proxy") return this.#checkProxyUser(peer);
    const given = (mode === "password" ? auth.password : auth.token) || undefined;
    const expected = this.#sharedSecret();
    if (expected === null) return mode === "password" ? AUTH_ERRORS.passwordNotConfigured() : AUTH_ERRORS.tokenNotConfigured();
    if (given !== undefined) {
      const lockedMs = this.#isGuessable(expected) ? this.#options.limiter.lockedMs(peer.address, mode) : 0;
      if (lockedMs > 0) return AUTH_ERRORS.rateLimited(lockedMs);
      if (secureEquals(given, expected)) return { kind: "shared", method: mode, credential: "shared" };
    }
    return this.#recordFailure(auth, texts, given, peer, device, role);
  }

  /**
   * The page in a browser of the tailnet needs no other credential, if the settings say so, the browser has a device key, and Tailscale
   * itself confirms whose address it is. A presented credential counts instead.
   */
  async #identifyTailnetUser(auth: NonNullable<ConnectClaims["auth"]>, peer: PeerFacts): Promise<CredentialProof | null> {
    const { allowTailscale = false } = this.#options.settings();
    const presented = [auth.token, auth.deviceToken, auth.bootstrapToken, auth.password].some((text) => text !== undefined && text !== "");
    if (!allowTailscale || presented || peer.tailnet === null) return null;
    const { address, login } = peer.tailnet;
    if (!(await this.#options.verifyTailnetUser(address, login))) return null;
    return { kind: "shared", method: "tailscale", credential: `tailnet:${login.toLowerCase()}` };
  }

  /** Credentials that this gateway generated cannot be guessed, so they are checked even during a lockout. */
  #findGenerated(text: string, device: DeviceId | "bearer" | null, role: Role): CredentialProof | null {
    const token = this.#options.tokens.find(text);
    if (token) return { kind: "service", row: token };
    const grant = device === null ? null : this.#options.devices.grantOfToken(text);
    if (grant && grant.role === role && (device === "bearer" || grant.deviceId === device)) return { kind: "device", grant };
    const link = this.#options.links.find(text);
    return link ? { kind: "link", row: link } : null;
  }

  #checkProxyUser(peer: PeerFacts): CredentialProof | AuthFailure {
    if (peer.user === null) {
      this.#options.limiter.recordFailure(peer.address, "proxy");
      return AUTH_ERRORS.identityMissing();
    }
    if (!isUserAllowed(this.#options.settings(), peer.user)) return AUTH_ERRORS.userNotAllowed();
    return { kind: "shared", method: "trusted-proxy", credential: `user:${peer.user}` };
  }

  /** The matching row of the failure table. Every failure is counted, regardless of the credential. */
  #recordFailure(
    auth: NonNullable<ConnectClaims["auth"]>,
    texts: readonly string[],
    given: string | undefined,
    peer: PeerFacts,
    device: DeviceId | "bearer" | null,
    role: Role,
  ): AuthFailure {
    const password = this.#options.settings().mode === "password";
    const nothing = texts.length === 0 && !auth.password;
    if (nothing) {
      if (device === null) return AUTH_ERRORS.deviceRequired();
      return password ? AUTH_ERRORS.passwordMissing() : AUTH_ERRORS.tokenMissing();
    }
    const kind = credentialKindOf(auth, given, password);
    this.#options.limiter.recordFailure(peer.address, kind);
    if (kind === "device-token") return AUTH_ERRORS.deviceTokenMismatch();
    if (kind === "link") return AUTH_ERRORS.linkInvalid();
    const known = device !== null && device !== "bearer" && auth.deviceToken === undefined;
    const canRetry = known && this.#options.devices.grant(device, role)?.tokenHash != null;
    return password ? AUTH_ERRORS.passwordMismatch(canRetry) : AUTH_ERRORS.tokenMismatch(canRetry);
  }

  async #admit(
    proof: CredentialProof,
    claims: ConnectClaims,
    role: Role,
    device: DeviceId | null,
    peer: PeerFacts,
  ): Promise<Verified | AuthFailure> {
    if (role === "node" && device === null) return AUTH_ERRORS.deviceRequired();
    const basis = this.#basis(proof, role, device);
    switch (proof.kind) {
      case "service":
        if (role === "node") return AUTH_ERRORS.unauthorizedRole(role);
        this.#writeInBackground(this.#options.tokens.recordUse(proof.row));
        return toVerified(role, grantedScopes(claims, proof.row.scopes), "service-token", proof.row.id, device, peer, basis);
      case "device":
        return this.#admitDeviceToken(proof.grant, claims, role, device!, peer, basis);
      case "link":
        if (device === null) return AUTH_ERRORS.deviceRequired();
        return this.#admitLink(proof.row, claims, role, device, peer, basis);
      case "shared":
        if (device === null || proof.credential !== "shared") {
          const scopes = role === "node" ? [] : intersectScopes(claims.scopes ?? [], OPERATOR_SCOPES);
          return toVerified(role, scopes, proof.method, proof.credential, device, peer, basis);
        }
        return this.#admitSharedWithDevice(proof.method, claims, role, device, peer, basis);
    }
  }

  async #admitDeviceToken(
    grant: GrantRow,
    claims: ConnectClaims,
    role: Role,
    device: DeviceId,
    peer: PeerFacts,
    basis: Basis,
  ): Promise<Verified | AuthFailure> {
    const scopes = grantedScopes(claims, grant.scopes);
    const wanted = intersectScopes(claims.scopes ?? [], OPERATOR_SCOPES);
    if (wanted.length > 0 && scopes.length === 0) return this.#requestPairing(claims, device, role, "scope-upgrade", peer);
    this.#writeInBackground(this.#options.devices.recordSeen(grant, "device-token-auth"));
    return toVerified(role, scopes, "device-token", device, device, peer, basis);
  }

  async #admitLink(
    link: SignInLinkRow,
    claims: ConnectClaims,
    role: Role,
    device: DeviceId,
    peer: PeerFacts,
    basis: Basis,
  ): Promise<Verified | AuthFailure> {
    if (link.role !== role) {
      this.#options.limiter.recordFailure(peer.address, "link");
      return AUTH_ERRORS.linkInvalid();
    }
    try {
      const paired = await this.#options.devices.pair(toPairingDevice(claims, device, peer), { role, scopes: link.scopes }, "link", () =>
        this.#options.links.consume(link, device),
      );
      const issued = paired.token && { token: paired.token, issuedAt: paired.issuedAt };
      return toVerified(role, grantedScopes(claims, link.scopes), "bootstrap-token", device, device, peer, basis, issued);
    } catch (err) {
      if (err instanceof SignInLinkUsedError) return AUTH_ERRORS.linkInvalid();
      throw err;
    }
  }

  async #admitSharedWithDevice(
    method: SignInMethod,
    claims: ConnectClaims,
    role: Role,
    device: DeviceId,
    peer: PeerFacts,
    basis: Basis,
  ): Promise<Verified | AuthFailure> {
    const scopes = role === "node" ? [] : intersectScopes(claims.scopes ?? [], OPERATOR_SCOPES);
    const grant = this.#options.devices.grant(device, role);
    if (grant && covers(grant.scopes, scopes)) {
      const issued = grant.tokenHash === null ? await this.#options.devices.issueToken(device, role) : null;
      this.#writeInBackground(this.#options.devices.recordSeen(grant, "shared-auth"));
      return toVerified(role, scopes, method, "shared", device, peer, basis, issued);
    }
    // The shared secret alone grants these rights without a device, so on this machine it is sufficient for pairing.
    const here = peer.direct && isLoopback(peer.address);
    if (this.#options.settings().pairWithSharedSecret && here && this.#options.devices.mayPairSilently(device)) {
      const paired = await this.#options.devices.pair(toPairingDevice(claims, device, peer), { role, scopes }, "silent");
      const issued = paired.token && { token: paired.token, issuedAt: paired.issuedAt };
      return toVerified(role, scopes, method, "shared", device, peer, basis, issued);
    }
    return this.#requestPairing(claims, device, role, grant ? "scope-upgrade" : "not-paired", peer);
  }

  async #requestPairing(claims: ConnectClaims, device: DeviceId, role: Role, reason: string, peer: PeerFacts): Promise<AuthFailure> {
    const scopes = role === "node" ? [] : intersectScopes(claims.scopes ?? [], OPERATOR_SCOPES);
    const request = await this.#options.devices.request(
      { ...toPairingDevice(claims, device, peer), origin: peer.origin },
      { role, scopes, reason },
    );
    return AUTH_ERRORS.pairing(request);
  }

  #sharedSecret(): Secret | null {
    return sharedSecret(this.#options.settings());
  }

  #isGuessable(secret: Secret): boolean {
    if (this.#options.settings().mode === "password") return true;
    if (this.#sharedIsGuessable?.secret !== secret) this.#sharedIsGuessable = { secret, guessable: !isHighEntropy(secret) };
    return this.#sharedIsGuessable.guessable;
  }

  /** Updates the last-seen time without waiting; a full disk must not prevent sign-in. */
  #writeInBackground(write: Promise<void>): void {
    write.catch((err: unknown) => this.#options.log.warn("the last-seen time of a sign-in was not stored", { cause: reasonOf(err) }));
  }
}

/** Scopes of a credential with its own scopes: the requested ones, or all if none are requested. */
function grantedScopes(claims: ConnectClaims, own: readonly string[]): string[] {
  return intersectScopes(claims.scopes ?? own, own);
}

function narrowScopes(scopes: readonly string[], narrow: readonly string[] | null): string[] {
  return narrow === null ? [...scopes] : intersectScopes(narrow, scopes);
}

function toVerified(
  role: Role,
  scopes: readonly string[],
  method: SignInMethod,
  credential: string,
  device: DeviceId | null,
  peer: PeerFacts,
  basis: Basis,
  issued: Verified["issuedDeviceToken"] = null,
): Verified {
  return new Verified(KEY, {
    role,
    scopes: narrowScopes(scopes, peer.scopeLimit),
    method,
    credential,
    device,
    issuedDeviceToken: issued,
    basis,
  });
}

function toBasisProof(proof: CredentialProof): Basis["proof"] {
  switch (proof.kind) {
    case "service":
      return { kind: "service", id: proof.row.id, expiresAt: proof.row.expiresAt };
    case "device":
    case "link":
      return { kind: "device" };
    case "shared":
      if (proof.method === "tailscale") return { kind: "tailnet" };
      if (proof.method === "trusted-proxy") return { kind: "user", name: proof.credential.slice("user:".length) };
      return { kind: proof.method === "none" ? "none" : "shared" };
  }
}

function toPairingDevice(claims: ConnectClaims, id: DeviceId, peer: PeerFacts): { id: DeviceId; publicKey: string; facts: DeviceInfo } {
  const { client } = claims;
  return {
    id,
    publicKey: claims.device!.publicKey,
    facts: {
      displayName: client.displayName ?? null,
      platform: client.platform ?? null,
      deviceFamily: client.deviceFamily ?? null,
      clientId: client.id,
      clientMode: client.mode,
      remote: peer.address,
    },
  };
}

function credentialKindOf(auth: NonNullable<ConnectClaims["auth"]>, given: string | undefined, password: boolean): CredentialKind {
  const main = auth.token || auth.deviceToken || auth.bootstrapToken || "";
  if (main.startsWith(TOKEN_PREFIXES.link) || (main !== "" && main === auth.bootstrapToken)) return "link";
  if (main.startsWith(TOKEN_PREFIXES.deviceToken) || (main !== "" && main === auth.deviceToken && given === undefined))
    return "device-token";
  return password || (given === undefined && auth.password) ? "password" : "token";
}
