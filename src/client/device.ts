import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { Secret } from "../core/secret.ts";

/** An Ed25519 key pair that stands for this installation at a gateway. */
export type DeviceIdentity = {
  /** Lower-case hex SHA-256 of the raw public key. */
  readonly id: string;
  /** The raw 32 bytes, base64url. */
  readonly publicKey: string;
  /** PKCS#8 in PEM; written only to a file with mode 0600. */
  readonly privateKey: Secret;
};

/** What a signature covers besides the key. */
export type DeviceSignatureInput = {
  clientId: string;
  clientMode: string;
  role: string;
  scopes: readonly string[];
  /** `ts` and `nonce` of the challenge. */
  signedAtMs: number;
  nonce: string;
  /** The token that is sent along; never the password. */
  token: string;
  platform: string;
  deviceFamily: string;
};

const rawPublicKey = (key: KeyObject): Buffer => key.export({ type: "spki", format: "der" }).subarray(-32);

export function createDevice(): DeviceIdentity {
  const { privateKey } = generateKeyPairSync("ed25519");
  return toDevice(new Secret(privateKey.export({ type: "pkcs8", format: "pem" }).toString()));
}

/** The identity that a stored private key stands for. Throws when the text is not an Ed25519 key. */
export function toDevice(privateKey: Secret): DeviceIdentity {
  const key = createPrivateKey(privateKey.reveal());
  if (key.asymmetricKeyType !== "ed25519") throw new TypeError("the device key is not an Ed25519 key");
  const raw = rawPublicKey(createPublicKey(key));
  return { id: createHash("sha256").update(raw).digest("hex"), publicKey: raw.toString("base64url"), privateKey };
}

const lowerAscii = (text: string): string => text.trim().replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());

/** The text that is signed, version 3. */
export function toSignedText(deviceId: string, signed: DeviceSignatureInput): string {
  const { clientId, clientMode, role, scopes, signedAtMs, token, nonce } = signed;
  const device = [lowerAscii(signed.platform), lowerAscii(signed.deviceFamily)];
  return ["v3", deviceId, clientId, clientMode, role, scopes.join(","), signedAtMs, token, nonce, ...device].join("|");
}

/** The `device` member of `connect`. */
export function toDeviceProof(device: DeviceIdentity, signed: DeviceSignatureInput): Record<string, unknown> {
  const signature = sign(null, Buffer.from(toSignedText(device.id, signed)), createPrivateKey(device.privateKey.reveal()));
  return {
    id: device.id,
    publicKey: device.publicKey,
    signature: signature.toString("base64url"),
    signedAt: signed.signedAtMs,
    nonce: signed.nonce,
  };
}
