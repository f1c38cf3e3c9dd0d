import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createSecureContext } from "node:tls";
import { GatewayError, reasonOf } from "../../core/errors.ts";
import { ensureDirectorySync, fileProblemOf, isAbsent, writeFileAtomicSync } from "../../core/files.ts";

import { parseFingerprint } from "../../core/tls-pin.ts";
import { createSelfSigned } from "./self-signed.ts";

export type TlsPaths = { cert: string; key: string; ca: string | null };

/** A certificate with its key, checked to belong together. */
export type TlsPair = {
  cert: Buffer;
  key: Buffer;
  ca: Buffer | null;
  /** SHA-256 of the certificate, hex: what clients pin. */
  fingerprint: string;
  notBefore: number;
  notAfter: number;
};

export type TlsKeys = { certPath?: string | undefined; keyPath?: string | undefined; caPath?: string | undefined };

/** Where the files are: those of the configuration, else those that the gateway makes for itself. */
export function tlsPaths({ certPath, keyPath, caPath }: TlsKeys, gatewayDir: string): TlsPaths {
  const own = join(gatewayDir, "tls");
  return { cert: certPath ?? join(own, "gateway-cert.pem"), key: keyPath ?? join(own, "gateway-key.pem"), ca: caPath ?? null };
}

const GENERATED_DAYS = 3_650;
const DAY_MS = 86_400_000;

/**
 * Makes a self-signed certificate when there is none, with the key that is there or a new one. True when it did. Never replaces a file: a
 * start that was interrupted between the two files leaves a key.
 */
export function generateIfAbsent(paths: TlsPaths, hosts: readonly string[], now: number): boolean {
  if (readIfThere(paths.cert) !== null) return false;
  const known = readIfThere(paths.key);
  const { certificate, key } = createSelfSigned({
    commonName: "OpenClaw Gateway",
    hosts,
    // Clocks of clients may be behind.
    notBefore: new Date(now - DAY_MS),
    notAfter: new Date(now + GENERATED_DAYS * DAY_MS),
    ...(known === null ? {} : { key: known }),
  });
  for (const path of [paths.key, paths.cert]) ensureDirectorySync(dirname(path));
  if (known === null) writeFileAtomicSync(paths.key, key);
  writeFileAtomicSync(paths.cert, certificate);
  return true;
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (err) {
    if (isAbsent(err)) return null;
    throw err;
  }
}

/** Reads the pair. Throws GatewayError when a file cannot be used or the key belongs to another certificate. */
export function readTlsPair(paths: TlsPaths): TlsPair {
  const cert = readTlsFile(paths.cert, "gateway.tls.certPath");
  const key = readTlsFile(paths.key, "gateway.tls.keyPath");
  const ca = paths.ca === null ? null : readTlsFile(paths.ca, "gateway.tls.caPath");
  const parsed = parseWith(paths.cert, "not a certificate in PEM form", () => new X509Certificate(cert));
  const privateKey = parseWith(paths.key, "not an unencrypted private key in PEM form", () => createPrivateKey(key));
  if (!parsed.checkPrivateKey(privateKey))
    throw unusable(`the key in ${paths.key} does not belong to the certificate in ${paths.cert}`, "Replace both files by a pair.");
  parseWith(paths.cert, "refused by OpenSSL", () => createSecureContext({ cert, key, ...(ca && { ca }) }));
  return {
    cert,
    key,
    ca,
    fingerprint: parseFingerprint(parsed.fingerprint256)!,
    notBefore: parsed.validFromDate.getTime(),
    notAfter: parsed.validToDate.getTime(),
  };
}

function readTlsFile(path: string, key: string): Buffer {
  try {
    return readFileSync(path);
  } catch (err) {
    throw unusable(`${path} (${key}) cannot be read: ${fileProblemOf(err)}`, "Put the file there, or correct the path.", err);
  }
}

function parseWith<T>(path: string, what: string, parse: () => T): T {
  try {
    return parse();
  } catch (err) {
    throw unusable(`${path} is ${what}: ${reasonOf(err)}`, "Replace the file; the server certificate comes first in it.", err);
  }
}

const unusable = (message: string, fix: string, cause?: unknown): GatewayError =>
  new GatewayError("UNAVAILABLE", message, { fix, ...(cause === undefined ? {} : { cause }) });
