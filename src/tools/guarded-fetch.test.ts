import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { startHttpProxy } from "../../test/fakes/http-proxy.ts";
import { readProxySettings } from "../core/proxy.ts";
import { GatewayError } from "../core/errors.ts";
import { guardedFetch, type GuardedFetchOptions } from "./guarded-fetch.ts";
import { isFetchableAddress, isPublicAddress } from "./public-address.ts";

const closers: (() => void)[] = [];
after(() => closers.forEach((close) => close()));

async function serve(listener: RequestListener): Promise<{ port: number; paths: string[] }> {
  const paths: string[] = [];
  const server = createServer((request, response) => {
    paths.push(`${request.headers.host} ${request.url}`);
    listener(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => void (server.closeAllConnections(), server.close()));
  return { port: (server.address() as AddressInfo).port, paths };
}

/** "public.example" lies on loopback here, and is permitted by that one address; everything else keeps its rule. */
const names: Readonly<Record<string, readonly string[]>> = {
  "public.example": ["127.0.0.1"],
  "private.example": ["10.0.0.7"],
  "both.example": ["127.0.0.1", "169.254.169.254"],
};
const options: GuardedFetchOptions = {
  maxBytes: 1_000,
  resolve: async (host) => names[host] ?? [],
  isAllowed: (address) => address === "127.0.0.1" || isPublicAddress(address),
};
const code = (wanted: string) => (err: unknown) => err instanceof GatewayError && (err.details?.["code"] === wanted || err.code === wanted);

test("only addresses of the public internet are public, in every notation", () => {
  for (const address of ["1.1.1.1", "93.184.216.34", "172.32.0.1", "2606:4700:4700::1111"]) assert.ok(isPublicAddress(address), address);
  const closed =
    "127.0.0.1 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 198.18.0.1 224.0.0.1 255.255.255.255 " +
    ":: ::1 ::ffff:127.0.0.1 ::ffff:1.1.1.1 fe80::1 fe80::1%eth0 fc00::1 fd00:ec2::254 64:ff9b::a00:1 2002:7f00:1::1 2001:db8::1 2001:0:1::1 ff02::1 example.org";
  for (const address of closed.split(" ")) assert.ok(!isPublicAddress(address), address);
});

test("a file is read from the checked address, with its host name", async () => {
  const { port, paths } = await serve((_, response) => void response.writeHead(200, { "content-type": "image/png; x=1" }).end("abc"));
  const got = await guardedFetch(`http://public.example:${port}/a.png`, options);
  assert.deepEqual([Buffer.from(got.bytes).toString(), got.mimeType, paths], ["abc", "image/png", [`public.example:${port} /a.png`]]);
});

test("private, loopback and metadata addresses, mixed names, other schemes and credentials are refused before anything is connected", async () => {
  const refusedUrls = [
    "http://private.example/",
    "http://both.example/",
    "http://169.254.169.254/latest/meta-data",
    "http://[::1]/",
    "http://[::ffff:7f00:1]/",
    "http://2130706434/",
    "http://0x7f.2/",
    "file:///etc/passwd",
    "ftp://public.example/",
    "http://user:pass@public.example/",
    "nonsense",
  ];
  for (const url of refusedUrls) await assert.rejects(guardedFetch(url, options), code("ADDRESS_REFUSED"), url);
  await assert.rejects(guardedFetch("http://127.0.0.1:1/", { maxBytes: 1 }), code("ADDRESS_REFUSED"));
  await assert.rejects(guardedFetch("http://localhost:1/", { maxBytes: 1 }), code("ADDRESS_REFUSED"));
});

test("a redirect is checked like the first URL, and the number of redirects is limited", async () => {
  const to: { location: string } = { location: "" };
  const { port, paths } = await serve((request, response) =>
    request.url === "/end" ? void response.writeHead(200).end("ok") : void response.writeHead(302, to).end(),
  );
  const url = `http://public.example:${port}/start`;
  to.location = "/end";
  assert.equal((await guardedFetch(url, options)).url, `http://public.example:${port}/end`);
  for (const location of [
    "http://private.example/",
    "http://169.254.169.254/",
    "file:///etc/passwd",
    `http://public.example:${port}/start`,
  ]) {
    to.location = location;
    await assert.rejects(guardedFetch(url, options), code("ADDRESS_REFUSED"), location);
  }
  assert.ok(paths.length < 12);
});

test("a file that is too large is refused by its length header or while reading", async () => {
  const announced = await serve((_, response) => void response.writeHead(200, { "content-length": "5000" }).end(Buffer.alloc(5_000)));
  await assert.rejects(guardedFetch(`http://public.example:${announced.port}/`, options), code("TOO_LARGE"));
  const endless = await serve((_, response) => {
    response.writeHead(200);
    response.write(Buffer.alloc(2_000));
  });
  await assert.rejects(guardedFetch(`http://public.example:${endless.port}/`, options), code("TOO_LARGE"));
  const missing = await serve((_, response) => void response.writeHead(404).end());
  await assert.rejects(guardedFetch(`http://public.example:${missing.port}/`, options), code("UNAVAILABLE"));
});

test("a public address of this machine is refused like a private one", () => {
  assert.ok(isFetchableAddress("93.184.216.34"));
  assert.ok(!isFetchableAddress("93.184.216.34", ["127.0.0.1", "93.184.216.34"]));
  assert.ok(!isFetchableAddress("10.0.0.7", []));
});

const tls = (name: string): string => readFileSync(new URL(`../../test/fakes/tls/${name}.pem`, import.meta.url), "utf8");
const resolveSites = async (host: string): Promise<readonly string[]> => (host === "files.example.test" ? ["93.184.216.34"] : ["10.0.0.7"]);

test("through a proxy the tunnel leads to the checked address, and refused URLs never reach the proxy", async () => {
  setDefaultCACertificates([...getCACertificates(), tls("cert")]);
  const site = createTlsServer({ key: tls("key"), cert: tls("cert") }, (request, response) => response.end(request.headers.host));
  await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
  closers.push(() => void (site.closeAllConnections(), site.close()));
  const proxy = await startHttpProxy(() => (site.address() as AddressInfo).port);
  const env = { HTTPS_PROXY: proxy.url, HTTP_PROXY: proxy.url };
  const proxied = { maxBytes: 1_000, resolve: resolveSites, proxies: readProxySettings(env) };
  const got = await guardedFetch("https://files.example.test/a", proxied);
  assert.equal(Buffer.from(got.bytes).toString(), "files.example.test");
  await assert.rejects(guardedFetch("https://inside.example.test/", proxied), code("ADDRESS_REFUSED"));
  await assert.rejects(guardedFetch("http://files.example.test/", proxied), code("ADDRESS_REFUSED"));
  assert.deepEqual(proxy.asked, ["CONNECT 93.184.216.34:443"]);
  const broken = { ...proxied, proxies: readProxySettings({ HTTPS_PROXY: "socks5://127.0.0.1:1" }) };
  await assert.rejects(guardedFetch("https://files.example.test/a", broken), code("UNAVAILABLE"));
  const direct = { ...options, resolve: async () => ["127.0.0.1"], proxies: readProxySettings({ ...env, NO_PROXY: ".example.test" }) };
  const { port } = site.address() as AddressInfo;
  assert.equal((await guardedFetch(`https://files.example.test:${port}/a`, direct)).bytes.length, `files.example.test:${port}`.length);
  assert.equal(proxy.asked.length, 1);
  await proxy.close();
});
