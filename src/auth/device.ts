import { createHash, createPublicKey, verify } from "node:crypto";
import type { DetailCode } from "../core/error-codes.ts";
import { asId, type DeviceId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";

/** What a device signs, as `connect` carries it. */
export type DeviceProof = { id: string; publicKey: string; signature: string; signedAt: number; nonce: string };

export type SignedDeviceFields = {
  clientId: string;
  clientMode: string;
  role: string;
  scopes: readonly string[];
  /** The token of `auth`; empty when there is none. */
  token: string;
  platform: string | undefined;
  deviceFamily: string | undefined;
};

/** `code` and `reason` go to the client as they are. */
export type DeviceFault = { code: DetailCode; reason: string; message: string };

const fault = (code: DetailCode, reason: string, message: string): DeviceFault => ({ code, reason, message });
const FAULTS = {
  key: fault("DEVICE_AUTH_PUBLIC_KEY_INVALID", "device-public-key", "device public key invalid"),
  id: fault("DEVICE_AUTH_DEVICE_ID_MISMATCH", "device-id-mismatch", "device identity mismatch"),
  stale: fault("DEVICE_AUTH_SIGNATURE_EXPIRED", "device-signature-stale", "device signature expired"),
  nonce: fault("DEVICE_AUTH_NONCE_MISMATCH", "device-nonce-mismatch", "device nonce mismatch"),
  signature: fault("DEVICE_AUTH_SIGNATURE_INVALID", "device-signature", "device signature invalid"),
} as const;

/** Trimmed, and only A to Z in lower case: what both sides do to metadata before it is signed. */
const normalized = (text: string | undefined): string => (text ?? "").trim().replaceAll(/[A-Z]/g, (char) => char.toLowerCase());

/** The signed text, version 2 or 3. */
export function devicePayload(version: 2 | 3, proof: DeviceProof, fields: SignedDeviceFields): string {
  const common = [
    `v${version}`,
    proof.id,
    fields.clientId,
    fields.clientMode,
    fields.role,
    fields.scopes.join(","),
    String(proof.signedAt),
    fields.token,
    proof.nonce,
  ];
  if (version === 3) common.push(normalized(fields.platform), normalized(fields.deviceFamily));
  return common.join("|");
}

/** Lower-case hex SHA-256 of the raw public key. */
export function deviceIdOf(rawPublicKey: Buffer): DeviceId {
  return asId<DeviceId>(createHash("sha256").update(rawPublicKey).digest("hex"));
}

/** Checks id, age, nonce and signature (v3, then v2). `nonce` is the one of this connection's challenge. */
export function verifyDevice(proof: DeviceProof, fields: SignedDeviceFields, nonce: string, now: number): DeviceId | DeviceFault {
  const raw = Buffer.from(proof.publicKey, "base64url");
  if (raw.length !== 32) return FAULTS.key;
  if (deviceIdOf(raw) !== proof.id) return FAULTS.id;
  if (Math.abs(now - proof.signedAt) > LIMITS.signatureSkewMs) return FAULTS.stale;
  if (proof.nonce !== nonce) return FAULTS.nonce;
  const signature = Buffer.from(proof.signature, "base64url");
  if (signature.length !== 64) return FAULTS.signature;
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: raw.toString("base64url") }, format: "jwk" });
  const signed = ([3, 2] as const).some((version) => verify(null, Buffer.from(devicePayload(version, proof, fields)), key, signature));
  return signed ? asId<DeviceId>(proof.id) : FAULTS.signature;
}
