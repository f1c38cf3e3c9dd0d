import assert from "node:assert/strict";
import { test } from "node:test";
import { toConnectFailure } from "./connect-failure.ts";
import type { PageCredentialKind } from "./connect-failure.ts";
import type { ProtocolError } from "../../src/client/conversation/protocol-types.ts";

const refused = (code: string, details: Record<string, unknown> = {}, extra: Partial<ProtocolError> = {}): ProtocolError => ({
  code: "INVALID_REQUEST",
  message: "no",
  details: { code, ...details },
  ...extra,
});
const fail = (error: ProtocolError, kind: PageCredentialKind = "token"): ReturnType<typeof toConnectFailure> =>
  toConnectFailure(error, { origin: "https://desk.example", kind });

test("every code of a refused connect has a title, a sentence and a next step", () => {
  const table: [string, PageCredentialKind, "signin" | "wait" | "stop", RegExp][] = [
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
    assert.equal(failure.action, next, code);
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
  assert.equal(fail(refused("AUTH_TOKEN_MISMATCH"), "device").clearDevice, true);
  assert.equal(fail(refused("AUTH_TOKEN_MISMATCH"), "token").clearDevice, false);
  assert.equal(fail(refused("AUTH_RATE_LIMITED"), "device").clearDevice, false);
  assert.equal(fail(refused("PAIRING_REQUIRED"), "device").clearDevice, false);
});

test("a gateway that starts or leaves is waited for, as long as it asks", () => {
  const starting = fail({ code: "UNAVAILABLE", message: "starting", details: { reason: "startup-sidecars" }, retryAfterMs: 500 });
  assert.deepEqual([starting.action, starting.retryMs], ["wait", 500]);
  assert.match(starting.title, /starting/);
  assert.match(fail({ code: "UNAVAILABLE", message: "x", details: { reason: "gateway-restarting" } }).title, /restarting/);
  assert.equal(fail(refused("AUTH_RATE_LIMITED", {}, { retryAfterMs: 60_000 })).retryMs, 60_000);
});
