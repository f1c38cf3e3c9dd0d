import assert from "node:assert/strict";
import { test } from "node:test";
import { toRouteCall } from "./browser-routes.ts";

const refused = (method: string, path: string): unknown => toRouteCall({ method, path, query: {}, body: {} });

test("the paths of OpenClaw's command line are actions of the tool, and others are refused by their name", () => {
  const cases: readonly [method: string, path: string, given: { query?: object; body?: object }, expected: unknown][] = [
    ["GET", "/", {}, { about: "status" }],
    ["get", "/tabs", { query: { profile: "work" } }, { about: "tabs" }],
    ["POST", "/tabs/open", { body: { url: "http://x/" } }, { action: "open", args: { targetUrl: "http://x/" } }],
    ["DELETE", "/tabs/t%31", {}, { action: "close", args: { targetId: "t1" } }],
    ["POST", "/act", { body: { kind: "click", ref: "e1", targetId: "" } }, { action: "act", args: { kind: "click", ref: "e1" } }],
    [
      "GET",
      "/snapshot",
      { query: { interactive: "true" } },
      { action: "snapshot", args: { interactive: "true", compact: "true" }, as: "snapshot" },
    ],
    ["POST", "/set/device", { body: { name: "iPhone 14" } }, { action: "emulate", args: { device: "iPhone 14" } }],
    ["POST", "/set/geolocation", { body: { latitude: 1.5, longitude: -2 } }, { action: "emulate", args: { geolocation: "1.5,-2" } }],
    ["POST", "/set/credentials", { body: { username: "a", password: "b:c" } }, { action: "emulate", args: { credentials: "a:b:c" } }],
    ["POST", "/set/credentials", { body: { clear: true } }, { action: "emulate", args: { credentials: "" } }],
  ];
  for (const [method, path, { query = {}, body = {} }, expected] of cases)
    assert.deepEqual(toRouteCall({ method, path, query: { ...query }, body: { ...body } }), expected, `${method} ${path}`);
  assert.match(String(refused("POST", "/profiles/create")), /openclaw browser create-profile/);
  for (const path of ["/cookies", "/constructor", "/tabs/a/b", "/__proto__"])
    assert.match(String(refused("GET", path)), /is not served/, path);
});
