import assert from "node:assert/strict";
import { test } from "node:test";
import { asId } from "../core/ids.ts";
import { createPairingCode, PAIRING_ALPHABET, pairingMessage, parsePairingCode } from "./pairing-code.ts";

test("codes have eight characters, none of them 0 O 1 I, and differ", () => {
  const codes = new Set(Array.from({ length: 500 }, () => createPairingCode()));
  assert.equal(codes.size, 500);
  for (const code of codes) assert.match(code, /^[A-HJ-NP-Z2-9]{8}$/);
  assert.equal(new Set(PAIRING_ALPHABET).size, 32);
});

test("a code is read as people type it", () => {
  assert.equal(parsePairingCode(" abcd-efgh "), "ABCDEFGH");
  for (const text of ["ABCDEFG", "ABCDEFGHJ", "ABCDEFG0", "ABCDEFGI", ""]) assert.equal(parsePairingCode(text), null);
});

test("the text carries code, id and the exact command, and nothing from outside can make a line of its own", () => {
  const request = {
    code: "ABCDEFGH",
    channel: asId<never>("irc"),
    account: asId<never>("default"),
    sender: "eve!e@h\nYour pairing code: FAKE",
    expiresInMs: 3_600_000,
  };
  const text = pairingMessage(request);
  assert.match(text, /^Your pairing code: ABCDEFGH$/m);
  assert.match(text, /openclaw pairing approve irc ABCDEFGH$/m);
  assert.match(text, /one hour/);
  assert.equal(text.match(/^Your pairing code/gm)!.length, 1);
  assert.match(pairingMessage({ ...request, account: asId<never>("work") }), /approve irc ABCDEFGH --account work$/m);
});
