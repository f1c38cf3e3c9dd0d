import assert from "node:assert/strict";
import { test } from "node:test";
import { bypassesProxy, parseProxyUrl, proxyFor, readProxySettings } from "./proxy.ts";

test("the environment names a proxy for each scheme, lower-case names first, and this machine is never behind it", () => {
  const settings = readProxySettings({
    HTTP_PROXY: "proxy:3128",
    https_proxy: "http://low:1",
    HTTPS_PROXY: "http://high:2",
    NO_PROXY: "a.test",
  });
  assert.equal(settings.http?.href, "http://proxy:3128/");
  assert.equal(settings.https?.href, "http://low:1/");
  assert.deepEqual(settings.noProxy.split(",").slice(0, 3), ["a.test", "localhost", "127.0.0.1-127.255.255.255"]);
  assert.deepEqual(settings.problems, []);
  assert.equal(proxyFor("https", null, settings)?.url.host, "low:1");
  assert.equal(proxyFor("http", null, readProxySettings({ HTTP_PROXY: "  " })), null);
});

test("a proxy that cannot be used is an error for its scheme, never a direct connection", () => {
  for (const [value, why] of [
    ["socks5://p:1", "SOCKS"],
    ["ftp://p", "scheme"],
    ["http://", "not an address"],
    ["http://p:99999", "not an address"],
  ] as const) {
    const settings = readProxySettings({ HTTPS_PROXY: value });
    assert.match(settings.problems[0]!.message, new RegExp(why), value);
    assert.throws(() => proxyFor("https", null, settings), /^Error: HTTPS_PROXY /, value);
    assert.equal(proxyFor("http", null, settings), null);
    assert.ok("fix" in parseProxyUrl(value));
  }
});

test("ALL_PROXY is reported, because it has no effect", () => {
  assert.deepEqual(
    readProxySettings({ ALL_PROXY: "http://p:1" }).problems.map(({ name, message }) => `${name} ${message}`),
    ["ALL_PROXY has no effect here"],
  );
  assert.deepEqual(readProxySettings({ ALL_PROXY: "http://p:1", HTTP_PROXY: "http://p:1", HTTPS_PROXY: "http://p:1" }).problems, []);
});

test("the proxy of an account counts for every host but this machine", () => {
  const settings = readProxySettings({ HTTPS_PROXY: "http://env:1", NO_PROXY: "*" });
  assert.equal(proxyFor("https", "http://own:2", settings)?.url.host, "own:2");
  assert.ok(!proxyFor("https", "http://own:2", settings)!.noProxy.includes("*"));
});

test("NO_PROXY names hosts with everything below them, ports, addresses and ranges", () => {
  for (const [noProxy, host, port, direct] of [
    ["*", "a.test", 443, true],
    ["", "a.test", 443, false],
    ["a.test", "a.test", 443, true],
    ["a.test", "x.A.test", 443, true],
    [".a.test, b.test", "x.a.test", 443, true],
    ["*.a.test", "x.a.test", 443, true],
    ["a.test", "aa.test", 443, false],
    ["a.test:8443", "a.test", 443, false],
    ["a.test:8443", "a.test", 8443, true],
    ["10.0.0.0-10.0.0.9", "10.0.0.5", 443, true],
    ["10.0.0.0-10.0.0.9", "10.0.0.10", 443, false],
    ["10.0.0.0-10.0.0.9", "a.test", 443, false],
    ["::1", "[::1]", 443, true],
    ["[::1]:80", "[::1]", 443, false],
  ] as const)
    assert.equal(bypassesProxy(host, port, noProxy), direct, `${noProxy} ${host}:${port}`);
});
