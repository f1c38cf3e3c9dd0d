import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  X509Certificate,
  type KeyObject,
} from "node:crypto";
import { isIP } from "node:net";
import { bitString, boolean, explicit, implicit, integer, objectId, octetString, sequence, set, time, utf8String } from "./der.ts";

export type CertificateRequest = {
  commonName: string;
  /** DNS names and addresses under which the gateway is reached. */
  hosts: readonly string[];
  notBefore: Date;
  notAfter: Date;
  /** The key to use, in PEM form, of the curve P-256; without it there is a new one. */
  key?: string;
};

export type PemPair = { certificate: string; key: string };

const OID = {
  commonName: "2.5.4.3",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  subjectKeyId: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  extendedKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
} as const;

/** A self-signed certificate (RFC 5280) with a P-256 key. Node can read certificates, but not make them. */
export function createSelfSigned(request: CertificateRequest): PemPair {
  const privateKey =
    request.key === undefined ? generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey : createPrivateKey(request.key);
  const publicKey = createPublicKey(privateKey);
  const der = encodeCertificate(request, publicKey, privateKey);
  const parsed = new X509Certificate(der);
  if (!parsed.verify(publicKey) || !parsed.checkPrivateKey(privateKey)) throw new Error("the generated certificate is not valid");
  return { certificate: parsed.toString(), key: privateKey.export({ type: "pkcs8", format: "pem" }) as string };
}

function encodeCertificate({ commonName, hosts, notBefore, notAfter }: CertificateRequest, publicKey: KeyObject, key: KeyObject): Buffer {
  const algorithm = sequence(objectId(OID.ecdsaWithSha256));
  const name = sequence(set(sequence(objectId(OID.commonName), utf8String(commonName))));
  const publicKeyInfo = publicKey.export({ type: "spki", format: "der" });
  const serial = randomBytes(16);
  // Positive, and without a leading zero.
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  const toBeSigned = sequence(
    explicit(0, integer(Buffer.from([2]))),
    integer(serial),
    algorithm,
    name,
    sequence(time(notBefore), time(notAfter)),
    name,
    publicKeyInfo,
    explicit(3, extensions(hosts, publicKeyInfo)),
  );
  return sequence(toBeSigned, algorithm, bitString(sign("sha256", toBeSigned, { key, dsaEncoding: "der" })));
}

const extension = (id: string, critical: boolean, value: Buffer): Buffer =>
  sequence(objectId(id), ...(critical ? [boolean(true)] : []), octetString(value));

function extensions(hosts: readonly string[], publicKeyInfo: Buffer): Buffer {
  return sequence(
    extension(OID.basicConstraints, true, sequence()),
    // digitalSignature
    extension(OID.keyUsage, true, bitString(Buffer.from([0x80]), 7)),
    extension(OID.extendedKeyUsage, false, sequence(objectId(OID.serverAuth))),
    extension(OID.subjectAltName, false, sequence(...hosts.map(generalName))),
    extension(OID.subjectKeyId, false, octetString(createHash("sha1").update(publicKeyInfo).digest())),
  );
}

function generalName(host: string): Buffer {
  const version = isIP(host);
  return version === 0 ? implicit(2, Buffer.from(host, "ascii")) : implicit(7, version === 4 ? ipv4Bytes(host) : ipv6Bytes(host));
}

const ipv4Bytes = (address: string): Buffer => Buffer.from(address.split(".").map(Number));

const groups = (text: string): number[] =>
  text
    .split(":")
    .filter(Boolean)
    .map((group) => Number.parseInt(group, 16));

function ipv6Bytes(address: string): Buffer {
  // The URL parser writes an address in its one canonical form, without embedded IPv4.
  const [head = "", tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const [before, after] = [groups(head), groups(tail ?? "")];
  const all = [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}
