import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { Secret } from "../core/secret.ts";
import { checkSignature, isToken, type SignatureScheme } from "./signatures.ts";

const NOW = 1_800_000_000_000;
const SECONDS = String(NOW / 1_000);
const secret = new Secret("s3cret-of-the-sender");
const BODY = Buffer.from('{"id":"evt_1","text":"hello"}');
const sign = (text: string, key = secret.reveal()): string => createHmac("sha256", key).update(text).digest("hex");

const HEADERS: Readonly<Record<SignatureScheme, (time: string, key?: string) => Record<string, string>>> = {
  github: (_time, key) => ({ "x-hub-signature-256": `sha256=${sign(BODY.toString(), key)}` }),
  stripe: (time, key) => ({ "stripe-signature": `t=${time},v0=abc,v1=${sign(`${time}.${BODY.toString()}`, key)}` }),
  slack: (time, key) => ({ "x-slack-request-timestamp": time, "x-slack-signature": `v0=${sign(`v0:${time}:${BODY.toString()}`, key)}` }),
};
const SCHEMES = ["github", "stripe", "slack"] as const;
const check = (scheme: SignatureScheme, headers: Record<string, string>, body: Uint8Array = BODY, now = NOW) =>
  checkSignature({ scheme, secret, toleranceMs: 300_000 }, headers, body, now);

test("each scheme accepts its own signature, and names what was signed", () => {
  for (const scheme of SCHEMES) {
    const first = check(scheme, HEADERS[scheme](SECONDS));
    assert.ok("digest" in first, scheme);
    assert.deepEqual(check(scheme, HEADERS[scheme](SECONDS)), first);
  }
});

test("a missing, blank, cut, foreign or misplaced signature is refused, and so is another body", () => {
  for (const scheme of SCHEMES) {
    const good = HEADERS[scheme](SECONDS);
    const bad: Record<string, string>[] = [
      {},
      Object.fromEntries(Object.keys(good).map((name) => [name, ""])),
      HEADERS[scheme](SECONDS, "another secret"),
      Object.fromEntries(Object.entries(good).map(([name, value]) => [name, value.slice(0, -1)])),
      Object.fromEntries(Object.entries(good).map(([name, value]) => [name, value.replace(/[0-9a-f]{64}/, "0".repeat(64))])),
      Object.fromEntries(
        Object.entries(good).map(([name, value]) => [name, value.replace("sha256=", "sha1=").replace("v1=", "v9=").replace("v0=", "v9=")]),
      ),
    ];
    for (const headers of bad)
      assert.deepEqual(check(scheme, headers), { refused: "bad-signature" }, `${scheme} ${JSON.stringify(headers)}`);
    assert.deepEqual(check(scheme, good, Buffer.from('{"id":"evt_2"}')), { refused: "bad-signature" });
  }
});

test("a signature with a time is refused when it is old or from the future", () => {
  for (const scheme of ["stripe", "slack"] as const) {
    assert.deepEqual(check(scheme, HEADERS[scheme](SECONDS), BODY, NOW + 301_000), { refused: "stale" });
    assert.deepEqual(check(scheme, HEADERS[scheme](SECONDS), BODY, NOW - 301_000), { refused: "stale" });
    assert.ok("digest" in check(scheme, HEADERS[scheme](SECONDS), BODY, NOW + 299_000));
    const moved = Object.fromEntries(
      Object.entries(HEADERS[scheme](SECONDS)).map(([name, value]) => [name, value.replace(SECONDS, String(NOW / 1_000 + 400))]),
    );
    assert.deepEqual(check(scheme, moved, BODY, NOW + 400_000), { refused: "bad-signature" }, "the time is signed");
  }
});

test("a token is compared as a whole", () => {
  const token = new Secret("long-random-token");
  assert.equal(isToken(token, "long-random-token"), true);
  for (const given of ["", "long-random-toke", "long-random-token ", "LONG-RANDOM-TOKEN"]) assert.equal(isToken(token, given), false);
});
