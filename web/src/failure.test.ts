import assert from "node:assert/strict";
import { test } from "node:test";
import { toFailure } from "./failure.ts";
import type { SecretKind } from "./failure.ts";
import type { WireError } from "./wire.ts";

const refused = (code: string, details: Record<string, unknown> = {}, extra: Partial<WireError> = {}): WireError => ({
  code: "INVALID_REQUEST",
  message: "no",
  details: { code, ...details },
  ...extra,
});
const fail = (error: WireError, kind: SecretKind = "token"): ReturnType<typeof toFailure> =>
  toFailure(error, { origin: "https://desk.example", kind });

test("every code of a refused connect has a title, a sentence and a next step", () => {
  const table: [string, SecretKind, "signin" | "wait" | "stop", RegExp][] = [
    ["AUTH_TOKEN_MISSING", "none", "signin", /Sign in/],
    ["AUTH_TOKEN_MISMATCH", "token", "signin", /token is not correct/],
    ["AUTH_PASSWORD_MISMATCH", "token", "signin", /token is not correct/],
    ["AUTH_TOKEN_MISMATCH", "device", "signin", /signed out/],
    ["AUTH_DEVICE_TOKEN_MISMATCH", "device", "signin", /signed out/],
    ["AUTH_BOOTSTRAP_TOKEN_INVALID", "link", "signin", /used or has expired/],
    ["DEVICE_IDENTITY_REQUIRED", "token", "signin", /not secure enough/],
    ["DEVICE_AUTH_SIGNATURE_INVALID", "device", "stop", /could not check/],
    ["DEVICE_AUTH_SIGNATURE_EXPIRED", "device", "wait", /clock is off/],
    ["PAIRING_REQUIRED", "token", "wait", /waiting for approval/],
    ["CONTROL_UI_ORIGIN_NOT_ALLOWED", "token", "stop", /not on the gateway's list/],
    ["PROTOCOL_MISMATCH", "token", "stop", /different versions/],
    ["CLIENT_VERSION_MISMATCH", "token", "stop", /different versions/],
    ["AUTH_RATE_LIMITED", "token", "wait", /Too many attempts/],
    ["AUTH_TOKEN_NOT_CONFIGURED", "token", "stop", /no token to compare/],
    ["SOMETHING_ELSE", "token", "stop", /refused this page/],
  ];
  for (const [code, kind, next, title] of table) {
    const failure = fail(refused(code), kind);
    assert.match(failure.title, title, code);
    assert.equal(failure.next, next, code);
    assert.equal(failure.code, code);
    assert.ok(failure.text.endsWith(".") || (failure.text.endsWith(":") && failure.command !== null), code);
  }
});

test("a pairing request names its command and is tried again calmly", () => {
  const failure = fail(refused("PAIRING_REQUIRED", { requestId: "req-1" }));
  assert.equal(failure.command, "openclaw devices approve req-1");
  assert.ok((failure.retryMs ?? 0) >= 2_000);
  assert.match(fail(refused("PAIRING_REQUIRED", { requestId: "x", reason: "scope-upgrade" })).title, /Additional access/);
});

test("the origin that is refused is in the command that allows it", () => {
  assert.match(fail(refused("CONTROL_UI_ORIGIN_NOT_ALLOWED")).command ?? "", /allowedOrigins '\["https:\/\/desk\.example"\]'$/);
});

test("only a device token that was refused is forgotten", () => {
  assert.equal(fail(refused("AUTH_TOKEN_MISMATCH"), "device").forgetDevice, true);
  assert.equal(fail(refused("AUTH_TOKEN_MISMATCH"), "token").forgetDevice, false);
  assert.equal(fail(refused("AUTH_RATE_LIMITED"), "device").forgetDevice, false);
  assert.equal(fail(refused("PAIRING_REQUIRED"), "device").forgetDevice, false);
});

test("a gateway that starts or leaves is waited for, as long as it asks", () => {
  const starting = fail({ code: "UNAVAILABLE", message: "starting", details: { reason: "startup-sidecars" }, retryAfterMs: 500 });
  assert.deepEqual([starting.next, starting.retryMs], ["wait", 500]);
  assert.match(starting.title, /starting/);
  assert.match(fail({ code: "UNAVAILABLE", message: "x", details: { reason: "gateway-restarting" } }).title, /restarting/);
  assert.equal(fail(refused("AUTH_RATE_LIMITED", {}, { retryAfterMs: 60_000 })).retryMs, 60_000);
});
