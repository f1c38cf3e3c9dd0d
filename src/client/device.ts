import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { Secret } from "../core/secret.ts";
import type { DeviceSigner } from "./protocol-client.ts";

/** The Ed25519 key pair by which gateways recognize this installation. */
export type DeviceIdentity = {
  /** Lower-case hex SHA-256 of the raw public key. */
  readonly id: string;
  /** The raw 32 bytes, base64url. */
  readonly publicKey: string;
  /** PKCS#8 in PEM; written only to a file with mode 0600. */
  readonly privateKey: Secret;
};

const rawPublicKey = (key: KeyObject): Buffer => key.export({ type: "spki", format: "der" }).subarray(-32);

export function createDevice(): DeviceIdentity {
  const { privateKey } = generateKeyPairSync("ed25519");
  return toDevice(new Secret(privateKey.export({ type: "pkcs8", format: "pem" }).toString()));
}

/** The identity of a stored private key. Throws when the text is not an Ed25519 key. */
export function toDevice(privateKey: Secret): DeviceIdentity {
  const key = createPrivateKey(privateKey.reveal());
  if (key.asymmetricKeyType !== "ed25519") throw new TypeError("the device key is not an Ed25519 key");
  const raw = rawPublicKey(createPublicKey(key));
  return { id: createHash("sha256").update(raw).digest("hex"), publicKey: raw.toString("base64url"), privateKey };
}

/** Signs with the private key of the device. */
export function toSigner({ id, publicKey, privateKey }: DeviceIdentity): DeviceSigner {
  const key = createPrivateKey(privateKey.reveal());
  return { id, publicKey, sign: (text) => sign(null, Buffer.from(text), key).toString("base64url") };
}
