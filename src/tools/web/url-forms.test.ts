// Group: wire
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { GatewayError } from "../../core/errors.ts";
import { readProxySettings } from "../../core/proxy.ts";
import { guardedFetch } from "./guarded-fetch.ts";

/** Addresses of this machine, of private networks, of links and of the metadata services of clouds. */
const PRIVATE = ["127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.7", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"];
const hex = (value: number, width = 0): string => value.toString(16).padStart(width, "0");

/** The ways in which programs write one IPv4 address, also within IPv6. */
function hostsOf(address: string): string[] {
  const [a, b, c, d] = address.split(".").map(Number) as [number, number, number, number];
  const whole = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  const mapped = `${hex((a << 8) | b)}:${hex((c << 8) | d)}`;
  const wide = [...address].map((char) => (char === "." ? "。" : String.fromCodePoint(char.codePointAt(0)! + 0xfee0))).join("");
  return [
    address,
    `${address}.`,
    String(whole),
    `0x${hex(whole, 8)}`,
    `0X${hex(whole, 8).toUpperCase()}`,
    `0${whole.toString(8)}`,
    [a, b, c, d].map((part) => `0x${hex(part)}`).join("."),
    [a, b, c, d].map((part) => `0${part.toString(8)}`).join("."),
    [a, b, c, d].map((part) => `000${part.toString(8)}`).join("."),
    `${a}.${((b << 16) | (c << 8) | d) >>> 0}`,
    `${a}.${b}.${(c << 8) | d}`,
    `0x${hex(a)}.${b}.0${c.toString(8)}.${d}`,
    wide,
    [...address].map((char) => (char === "." ? "." : `%${hex(char.codePointAt(0)!, 2)}`)).join(""),
    `[::ffff:${address}]`,
    `[::ffff:${mapped}]`,
    `[0:0:0:0:0:ffff:${mapped}]`,
    `[::${mapped}]`,
    `[64:ff9b::${mapped}]`,
    `[2002:${mapped}::]`,
  ];
}

/** Hosts that are no IPv4 address; every name leads to this machine here. */
const OTHERS = [
  "[::1]",
  "[::]",
  "[0:0:0:0:0:0:0:1]",
  "[fe80::1]",
  "[fe80::1%25eth0]",
  "[fc00::1]",
  "[fd00:ec2::254]",
  "[ff02::1]",
  "[::ffff:0:127.0.0.1]",
  "localhost",
  "LOCALHOST",
  "localhost.",
  "a.localhost",
  "localtest.example",
  "xn--lcalhost-d1a",
  "metadata.google.internal",
  "ⓛocalhost",
];
/** What is around a host. */
const AROUND: readonly ((host: string, port: number) => string)[] = [
  (host, port) => `http://${host}:${port}/`,
  (host, port) => `HTTP:\\\\${host}:${port}\\x`,
  (host, port) => `http://public.example@${host}:${port}/`,
  (host, port) => `  http:////${host}:${port}/#@1.1.1.1`,
];

test("no form of an address reaches this machine or a private network, and each is refused before a connection", async (t) => {
  let reached = 0;
  const server = createServer((_request, response) => {
    reached += 1;
    response.end("reached");
  });
  server.on("connection", () => (reached += 1));
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const hosts = [...PRIVATE.flatMap(hostsOf), ...OTHERS];
  const urls = AROUND.flatMap((around, index) =>
    (index === 0 ? hosts : hosts.filter((_, at) => at % 7 === index)).map((host) => around(host, port)),
  );
  urls.push(
    "file:///etc/passwd",
    "ftp://127.0.0.1/",
    "gopher://127.0.0.1:70/",
    "data:text/plain,x",
    "//127.0.0.1/",
    "http://",
    "http:127.0.0.1",
  );
  assert.ok(urls.length >= 200, String(urls.length));
  for (const url of urls) {
    // No proxy and no system resolver decides here.
    const fetched = guardedFetch(url, {
      maxBytes: 100,
      timeoutMs: 60_000,
      resolve: async () => ["127.0.0.1"],
      proxies: readProxySettings({}),
    });
    await assert.rejects(fetched, (err: unknown) => err instanceof GatewayError && !/time|ECONN/.test(err.message), url);
  }
  assert.equal(reached, 0);
});
