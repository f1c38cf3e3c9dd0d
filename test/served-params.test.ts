import assert from "node:assert/strict";
import { test } from "node:test";
import { GatewayError } from "../src/core/errors.ts";
import { paramsOf, refusedParams } from "../scripts/param-schemas.ts";
import { SERVED_METHODS } from "../src/protocol/methods.ts";
import { PARAM_RULES } from "../src/protocol/served-params.ts";
import { checkParams } from "../src/protocol/validate.ts";

const notServed = (param: string) => (err: unknown) =>
  err instanceof GatewayError &&
  err.code === "INVALID_REQUEST" &&
  err.details?.["code"] === "PARAM_NOT_SERVED" &&
  err.details["param"] === param;

test("each parameter of each schema is served, ignored for a reason, or refused", () => {
  for (const method of SERVED_METHODS) {
    const { served, ignored = {} } = PARAM_RULES[method];
    const all = Object.keys(paramsOf(method).properties ?? {}).toSorted();
    assert.deepEqual([...served, ...Object.keys(ignored), ...refusedParams(method)].toSorted(), all, method);
    for (const { why } of Object.values(ignored)) assert.ok(why.length > 10, method);
  }
});

test("a parameter without an effect is refused by its name", () => {
  const session = { key: "agent:main:main" };
  for (const [param, value] of Object.entries({ execSecurity: "deny", execHost: "node", elevatedLevel: "on", inheritedToolDeny: ["bash"] }))
    assert.throws(() => checkParams("sessions.patch", { ...session, [param]: value }), notServed(param), param);
  assert.throws(() => checkParams("sessions.patch", { ...session, toolOverrides: { webSearch: false } }), notServed("toolOverrides"));
  assert.throws(() => checkParams("sessions.create", { incognito: true }), notServed("incognito"));
  assert.throws(() => checkParams("agent", { message: "hi", idempotencyKey: "k", cwd: "/tmp" }), notServed("cwd"));
  assert.throws(() => checkParams("send", { to: "a", idempotencyKey: "k", parseMode: "HTML" }), notServed("parseMode"));
  assert.throws(() => checkParams("sessions.search", { query: "x", scope: { workspaceDir: "/tmp" } }), notServed("workspaceDir"));
});

test("the values that change nothing are accepted, and the handler never sees them", () => {
  assert.deepEqual(checkParams("sessions.patch", { key: "main", execNode: null, fastMode: false }), { key: "main" });
  assert.deepEqual(checkParams("sessions.create", { incognito: false, toolOverrides: {}, emitCommandHooks: true }), {});
  assert.deepEqual(checkParams("health", { probe: true }), {});
});

test("a value that is retired in every form is refused in every form", () => {
  assert.throws(() => checkParams("sessions.patch", { key: "main", execAsk: null }), notServed("execAsk"));
});
