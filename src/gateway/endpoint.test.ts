import assert from "node:assert/strict";
import { test } from "node:test";
import { loadConfig } from "../config/load.ts";
import { GatewayEndpoint } from "./endpoint.ts";

const config = loadConfig({ path: "/nonexistent/openclaw.json", env: {}, lastGoodPath: "/nonexistent/last.json" }).config;
const withOrigin = { ...config, gateway: { ...config.gateway, publicOrigin: "https://gw.example.org" } };

test("a link for this machine leads to loopback, one for another device over Tailscale or the network", () => {
  const endpoint = new GatewayEndpoint();
  endpoint.opened(["127.0.0.1", "::1"], 18_789, null);
  assert.equal(endpoint.url, "ws://127.0.0.1:18789");
  assert.equal(endpoint.deviceAddress(config).url, "http://127.0.0.1:18789");
  endpoint.opened(["192.0.2.7", "127.0.0.1"], 18_789, "ab".repeat(32));
  assert.deepEqual(endpoint.publicAddress(config), { url: "https://127.0.0.1:18789", source: "gateway.port" });
  assert.deepEqual(endpoint.deviceAddress(config), { url: "https://192.0.2.7:18789", source: "gateway.bind" });
  endpoint.tailnetUrl = "https://vm.tail1.ts.net";
  assert.equal(endpoint.publicAddress(config).url, "https://127.0.0.1:18789");
  assert.deepEqual(endpoint.deviceAddress(config), { url: "https://vm.tail1.ts.net", source: "gateway.tailscale" });
  assert.deepEqual(endpoint.deviceAddress(withOrigin), { url: "https://gw.example.org", source: "gateway.publicOrigin" });
});
