import assert from "node:assert/strict";
import { test } from "node:test";
import { checkProxies } from "./doctor-proxy.ts";

test("doctor names a proxy that cannot be used, with its fix, and one that is used without its credentials", () => {
  const [broken] = checkProxies({ HTTPS_PROXY: "socks5://user:word@proxy.test:1080" });
  assert.deepEqual([broken!.severity, broken!.title], ["problem", "HTTPS_PROXY names a SOCKS proxy, which is not supported"]);
  assert.ok("fix" in broken! && broken.fix);
  const [ignored] = checkProxies({ ALL_PROXY: "http://proxy.test:3128" });
  assert.equal(ignored!.severity, "warning");
  const [used] = checkProxies({ HTTPS_PROXY: "http://user:word@proxy.test:3128" });
  assert.deepEqual([used!.severity, used!.title], ["ok", "channels, models and tools connect: https through proxy.test:3128"]);
  assert.equal(checkProxies({})[0]!.title, "no proxy is set");
});
