import type { AuthSettings } from "./credentials.ts";
import type { Devices, Role } from "./devices.ts";
import type { PeerGate } from "./peer-gate.ts";
import type { Secret } from "../core/secret.ts";
import { secureEquals } from "../core/secure-compare.ts";
import type { ServiceTokens } from "./tokens.ts";

/** What a sign-in depends on. It is kept with the connection or request to check later whether it is still valid. */
export type Basis = {
  readonly proof:
    | { readonly kind: "shared" | "none" | "device" | "tailnet" }
    | { readonly kind: "user"; readonly name: string }
    | { readonly kind: "service"; readonly id: string; readonly expiresAt: number | null }
    | { readonly kind: "peer"; readonly name: string; readonly keyId: string };
  /** The settings at the time of the check. */
  readonly settings: AuthSettings;
  /** The device that signed in, and the number of its revocations at that time. */
  readonly device: { readonly id: string; readonly role: Role; readonly revision: number } | null;
};

/** The shared secret of these settings, or null if they have none. */
export const sharedSecret = (settings: AuthSettings): Secret | null => {
  const secret = settings.mode === "password" ? settings.password : settings.mode === "token" ? settings.token : null;
  return secret && !secret.isEmpty ? secret : null;
};

/** Whether the credential of a sign-in would still be accepted. The only decision about closing connections and requests. */
export function isStillValid(
  basis: Basis,
  now: {
    settings: AuthSettings;
    devices: Pick<Devices, "grant" | "revision">;
    tokens: Pick<ServiceTokens, "isLive">;
    peers?: Pick<PeerGate, "isLinked">;
  },
): boolean {
  const { proof, device } = basis;
  if (device && now.devices.revision(device.id, device.role) !== device.revision) return false;
  switch (proof.kind) {
    case "service":
      return now.tokens.isLive(proof.id);
    case "device":
      return device !== null && now.devices.grant(device.id, device.role) !== null;
    case "none":
      return now.settings.mode === "none";
    case "shared":
      return basis.settings === now.settings || isSameSecret(basis.settings, now.settings);
    case "peer":
      return now.peers?.isLinked(proof.name, proof.keyId) === true;
    case "tailnet":
      return now.settings.allowTailscale === true;
    case "user":
      return basis.settings === now.settings || (isSameProxy(basis.settings, now.settings) && isUserAllowed(now.settings, proof.name));
  }
}

/** Whether a user of the proxy may sign in. An empty list allows every user that the proxy authenticates. */
export function isUserAllowed(settings: AuthSettings, user: string): boolean {
  const allowed = settings.proxy?.allowUsers ?? [];
  return allowed.length === 0 || allowed.includes(user);
}

export function isSameSecret(before: AuthSettings, next: AuthSettings): boolean {
  const old = sharedSecret(before);
  const present = sharedSecret(next);
  return before.mode === next.mode && old !== null && present !== null && secureEquals(old.reveal(), present);
}

/** Whether a user whom the proxy of `before` authenticated would still be trusted. Additional proxies change nothing. */
function isSameProxy(before: AuthSettings, next: AuthSettings): boolean {
  if (before.mode !== next.mode || !before.proxy || !next.proxy) return false;
  const trusted = new Set(next.trustedProxies);
  if (!before.trustedProxies.every((address) => trusted.has(address))) return false;
  if (before.proxy.userHeader !== next.proxy.userHeader) return false;
  const required = new Set(before.proxy.requiredHeaders);
  if (!next.proxy.requiredHeaders.every((header) => required.has(header))) return false;
  const [old, present] = [before.proxy.secret, next.proxy.secret];
  if (!old || !present) return old === present || present === null;
  return old.header === present.header && secureEquals(old.value.reveal(), present.value);
}
