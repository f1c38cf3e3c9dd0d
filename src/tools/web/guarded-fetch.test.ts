import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { startHttpProxy } from "../../../test/fakes/http-proxy.ts";
import { readProxySettings } from "../../core/proxy.ts";
import { GatewayError } from "../../core/errors.ts";
import { guardedFetch, type GuardedFetchOptions } from "./guarded-fetch.ts";
import { isFetchableAddress, isPublicAddress } from "../public-address.ts";

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
  "two.example": ["::1", "127.0.0.1"],
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

test("longer content is cut where the caller wants that", async () => {
  const { port } = await serve((_, response) => void response.writeHead(200, { "content-length": "5000" }).end(Buffer.alloc(5_000, "a")));
  const got = await guardedFetch(`http://public.example:${port}/`, { ...options, tooLarge: "cut" });
  assert.deepEqual([got.bytes.length, got.isCut], [1_000, true]);
  const whole = await guardedFetch(`http://public.example:${port}/`, { ...options, tooLarge: "cut", maxBytes: 5_000 });
  assert.deepEqual([whole.bytes.length, whole.isCut], [5_000, false]);
});

test("compressed content is decompressed, and its limit is that of what comes out", async () => {
  const packers = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync };
  const { port } = await serve((request, response) => {
    const [, encoding, size] = request.url!.split("/") as [string, keyof typeof packers, string];
    response.writeHead(200, { "content-encoding": encoding }).end(packers[encoding]?.(Buffer.alloc(Number(size), "a")) ?? "x");
  });
  for (const encoding of Object.keys(packers)) {
    const url = `http://public.example:${port}/${encoding}`;
    assert.equal((await guardedFetch(`${url}/1000`, options)).bytes.length, 1_000, encoding);
    await assert.rejects(guardedFetch(`${url}/500000`, options), code("TOO_LARGE"), encoding);
    assert.equal((await guardedFetch(`${url}/500000`, { ...options, tooLarge: "cut" })).bytes.length, 1_000, encoding);
  }
  await assert.rejects(guardedFetch(`http://public.example:${port}/zstd/1`, options), /its encoding zstd is not supported/);
});

test("damaged or unfinished compressed content is an error", async () => {
  const { port } = await serve((request, response) => {
    const packed = gzipSync(randomBytes(2_000));
    response.writeHead(200, { "content-encoding": "gzip", "content-length": request.url === "/short" ? String(packed.length) : "4" });
    if (request.url === "/short") response.write(packed.subarray(0, 900), () => response.destroy());
    else response.end("none");
  });
  for (const path of ["/short", "/wrong"]) {
    await assert.rejects(guardedFetch(`http://public.example:${port}${path}`, { ...options, maxBytes: 10_000 }), code("UNAVAILABLE"), path);
  }
});

test("more headers reach only the origin of the first URL", async () => {
  const seen: (string | undefined)[] = [];
  const other = await serve((request, response) => void (seen.push(request.headers.authorization), response.end("there")));
  const { port } = await serve((request, response) => {
    seen.push(request.headers.authorization);
    if (request.url === "/a") response.writeHead(302, { location: "/b" }).end();
    else response.writeHead(302, { location: `http://public.example:${other.port}/` }).end();
  });
  const got = await guardedFetch(`http://public.example:${port}/a`, {
    ...options,
    headers: { authorization: "Bearer key" },
    userAgent: "test",
  });
  assert.equal(Buffer.from(got.bytes).toString(), "there");
  assert.deepEqual(seen, ["Bearer key", "Bearer key", undefined]);
});

test("content is posted once, and never to where a redirect leads", async () => {
  const bodies: string[] = [];
  const { port, paths } = await serve(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    bodies.push(`${request.method} ${body}`);
    if (request.url === "/moved") response.writeHead(307, { location: "/" }).end();
    else response.writeHead(418, { "content-type": "text/plain; charset=UTF-8" }).end("short and stout");
  });
  const got = await guardedFetch(`http://public.example:${port}/`, { ...options, body: "täxt", anyStatus: true });
  assert.deepEqual(
    [got.status, got.mimeType, got.charset, Buffer.from(got.bytes).toString()],
    [418, "text/plain", "utf-8", "short and stout"],
  );
  await assert.rejects(guardedFetch(`http://public.example:${port}/moved`, { ...options, body: "x" }), code("ADDRESS_REFUSED"));
  assert.deepEqual(bodies, ["POST täxt", "POST x"]);
  assert.equal(paths.length, 2);
});

test("all checked addresses of a name are tried", async () => {
  const { port } = await serve((_, response) => void response.end("ok"));
  const got = await guardedFetch(`http://two.example:${port}/`, { ...options, isAllowed: () => true });
  assert.equal(Buffer.from(got.bytes).toString(), "ok");
});

const neverResolves = (): Promise<readonly string[]> => new Promise(() => {});

test("a resolver that does not answer ends with the time of the fetch", async () => {
  const late = guardedFetch("http://slow.example/", { ...options, resolve: neverResolves, timeoutMs: 20 });
  await assert.rejects(late, /slow\.example could not be read: timed out/);
});

const tls = (name: string): string => readFileSync(new URL(`../../../test/fakes/tls/${name}.pem`, import.meta.url), "utf8");
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
