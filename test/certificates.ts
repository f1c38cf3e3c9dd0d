import { createSelfSigned } from "../src/remote/tls/self-signed.ts";

/** A new self-signed certificate with its key, valid for `days` from now and for this machine and `hosts`. */
export function newTlsPair(days = 400, hosts: readonly string[] = []): { cert: Buffer; key: Buffer; ca: null } {
  const dayMs = 86_400_000;
  const { certificate, key } = createSelfSigned({
    commonName: "test",
    hosts: ["localhost", "127.0.0.1", ...hosts],
    notBefore: new Date(Date.now() - dayMs),
    notAfter: new Date(Date.now() + days * dayMs),
  });
  return { cert: Buffer.from(certificate), key: Buffer.from(key), ca: null };
}
