import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { formatFingerprint, parseFingerprint } from "../../core/tls-pin.ts";
import { validityOf } from "./expiry.ts";
import { generateIfAbsent, readTlsPair, tlsPaths } from "./pair.ts";
import { createSelfSigned } from "./self-signed.ts";

const DAY_MS = 86_400_000;
const NOW = Date.UTC(2026, 10, 30, 12);

const request = (hosts: readonly string[], notAfter = NOW + DAY_MS) => ({
  commonName: "gate & way ü",
  hosts,
  notBefore: new Date(NOW),
  notAfter: new Date(notAfter),
});

const run = (...args: string[]): string => execFileSync("openssl", args, { encoding: "utf8" });

function withDir<T>(run: (dir: string) => T): T {
  const dir = mkdtempSync(join(tmpdir(), "tls-"));
  try {
    return run(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

test("a generated certificate has the names, addresses and dates that were asked for", () => {
  const { certificate } = createSelfSigned(request(["localhost", "host-1.example", "127.0.0.1", "::1", "2001:db8::7:0:1"]));
  const parsed = new X509Certificate(certificate);
  assert.equal(
    parsed.subjectAltName,
    "DNS:localhost, DNS:host-1.example, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, IP Address:2001:DB8:0:0:0:7:0:1",
  );
  assert.equal(parsed.subject, "CN=gate & way ü");
  assert.equal(parsed.validFromDate.getTime(), NOW);
  assert.equal(parsed.validToDate.getTime(), NOW + DAY_MS);
  assert.equal(parsed.ca, false);
  const late = new X509Certificate(createSelfSigned(request(["localhost"], Date.UTC(2061, 0, 2, 3, 4, 5))).certificate);
  assert.equal(late.validToDate.getTime(), Date.UTC(2061, 0, 2, 3, 4, 5));
});

test("openssl accepts a generated certificate and reads the same fingerprint", (t) => {
  if (!existsSync("/usr/bin/openssl")) return t.skip("openssl is not installed");
  withDir((dir) => {
    const { certificate, key } = createSelfSigned({
      ...request(["localhost", "127.0.0.1"]),
      notBefore: new Date(0),
      notAfter: new Date(4e12),
    });
    const [cert, keyFile] = [join(dir, "c.pem"), join(dir, "k.pem")];
    writeFileSync(cert, certificate);
    writeFileSync(keyFile, key);
    assert.match(run("verify", "-x509_strict", "-purpose", "sslserver", "-verify_ip", "127.0.0.1", "-CAfile", cert, cert), /: OK/);
    const said = run("x509", "-in", cert, "-noout", "-fingerprint", "-sha256");
    assert.equal(parseFingerprint(said.split("=")[1]!), parseFingerprint(new X509Certificate(certificate).fingerprint256));
    assert.equal(run("x509", "-in", cert, "-noout", "-pubkey"), run("pkey", "-in", keyFile, "-pubout"));
  });
});

test("a pair is made once, privately, and completed when only its key is there", () => {
  withDir((dir) => {
    const paths = tlsPaths({}, dir);
    assert.equal(generateIfAbsent(paths, ["localhost"], NOW), true);
    const first = readTlsPair(paths);
    assert.equal(statSync(paths.key).mode & 0o777, 0o600);
    assert.equal(generateIfAbsent(paths, ["localhost"], NOW), false);
    const key = readFileSync(paths.key, "utf8");
    rmSync(paths.cert);
    assert.equal(generateIfAbsent(paths, ["localhost"], NOW), true);
    assert.notEqual(readTlsPair(paths).fingerprint, first.fingerprint);
    assert.equal(readFileSync(paths.key, "utf8"), key);
  });
});

test("a pair that is not one is refused, with what is wrong and where", () => {
  withDir((dir) => {
    const paths = tlsPaths({}, dir);
    generateIfAbsent(paths, ["localhost"], NOW);
    const other = createSelfSigned(request(["localhost"]));
    writeFileSync(paths.cert, other.certificate);
    assert.throws(() => readTlsPair(paths), /the key in .*gateway-key\.pem does not belong to the certificate in .*gateway-cert\.pem/);
    writeFileSync(paths.cert, "no certificate");
    assert.throws(() => readTlsPair(paths), /gateway-cert\.pem is not a certificate in PEM form/);
    rmSync(paths.cert);
    assert.throws(() => readTlsPair(paths), /gateway-cert\.pem \(gateway\.tls\.certPath\) cannot be read: it does not exist/);
    writeFileSync(paths.cert, other.certificate);
    writeFileSync(paths.key, "no key");
    assert.throws(() => readTlsPair(paths), /gateway-key\.pem is not an unencrypted private key/);
  });
});

test("the dates of a certificate are judged at their edges", () => {
  const dates = { notBefore: NOW, notAfter: NOW + 100 * DAY_MS };
  assert.equal(validityOf(dates, NOW - 1).state, "not-yet-valid");
  assert.equal(validityOf(dates, NOW).state, "valid");
  assert.equal(validityOf(dates, NOW + 70 * DAY_MS).state, "valid");
  assert.equal(validityOf(dates, NOW + 70 * DAY_MS + 1).state, "expires-soon");
  assert.equal(validityOf(dates, NOW + 100 * DAY_MS).state, "expired");
});

test("a fingerprint is read in the forms that tools print, and in no other", () => {
  const hex = "0f".repeat(32);
  for (const text of [hex, hex.toUpperCase(), formatFingerprint(hex), `sha256:${hex}`, `SHA-256=${formatFingerprint(hex)}`, ` ${hex}\n`])
    assert.equal(parseFingerprint(text), hex, text);
  for (const text of ["", hex.slice(2), `${hex}0f`, `md5:${hex}`, "zz".repeat(32)]) assert.equal(parseFingerprint(text), null, text);
});
