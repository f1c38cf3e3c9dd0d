// Group: wire
import assert from "node:assert/strict";
import { createServer as createHttpServer, request, type IncomingMessage } from "node:http";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { pipeline, type Duplex } from "node:stream";
import { test, type TestContext } from "node:test";
import { localSite } from "../../test/fakes/browser-host.ts";
import { readProxySettings } from "../core/proxy.ts";
import { checkedAddresses } from "./browser/driver/egress-policy.ts";
import { EgressProxy, type EgressRules } from "./egress-proxy.ts";
import { isListed } from "./egress-rules.ts";

const PUBLIC = "93.184.215.14";
const NAMES: Readonly<Record<string, readonly string[]>> = {
  "public.example": [PUBLIC],
  "inside.example": ["10.0.0.7"],
  "mixed.example": [PUBLIC, "127.0.0.1"],
  "mapped.example": ["::ffff:127.0.0.1"],
  "site.example": ["127.0.0.1"],
  "none.example": [],
};
const resolve = async (host: string): Promise<readonly string[]> => {
  const found = NAMES[host];
  if (!found) throw new Error(`there is no ${host}`);
  return found;
};

type Settings = Parameters<typeof checkedAddresses>[1] & Pick<EgressRules, "proxies">;

/** A proxy with the rules of browsers. */
async function proxyFor(t: TestContext) {
  const egress = new EgressProxy({ user: "browser" });
  t.after(() => egress.close());
  const { username, password } = egress.credential;
  const proxy = {
    configure: (rules: Settings) =>
      egress.configure({ addressesOf: ({ host }) => checkedAddresses(host, rules, resolve), proxies: rules.proxies }),
    takeRefusal: (host: string) => egress.takeRefusal(host),
  };
  return { proxy, port: await egress.listen(), authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}` };
}

function get(port: number, path: string, headers: Record<string, string> = {}): Promise<{ status: number; text: string }> {
  return new Promise((done, reject) => {
    const asked = request({ host: "127.0.0.1", port, path, headers }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () => done({ status: response.statusCode ?? 0, text }));
    });
    asked.on("error", reject);
    asked.end();
  });
}

/** The first line of the answer to a CONNECT, with the socket. */
function tunnel(port: number, authority: string, authorization?: string): Promise<{ line: string; socket: Socket }> {
  return new Promise((done) => {
    const socket = connect(port, "127.0.0.1");
    const credential = authorization === undefined ? "" : `Proxy-Authorization: ${authorization}\r\n`;
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${credential}\r\n`);
    socket.once("data", (chunk: Buffer) => done({ line: chunk.toString().split("\r\n", 1)[0]!, socket }));
  });
}

const proxies = { http: null, https: null, noProxy: "", problems: [] };
const settings = { allowPrivateNetwork: false, allowedHostnames: ["site.example"], proxies };

test("names and addresses that are not public are refused, whatever form they have", async () => {
  const refused = async (host: string): Promise<void> => {
    await assert.rejects(checkedAddresses(host, settings, resolve), /not on the public internet|cannot|no address|there is no/, host);
  };
  for (const host of ["inside.example", "mixed.example", "mapped.example", "none.example", "127.0.0.1", "[::1]", "::1", "0.0.0.0"])
    await refused(host);
  for (const host of ["169.254.169.254", "[fd00::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "192.168.1.1", "100.64.0.1"])
    await refused(host);
  assert.deepEqual(await checkedAddresses("PUBLIC.example.", settings, resolve), [PUBLIC]);
  assert.deepEqual(await checkedAddresses("site.example", settings, resolve), ["127.0.0.1"]);
  assert.deepEqual(await checkedAddresses("inside.example", { ...settings, allowPrivateNetwork: true }, resolve), ["10.0.0.7"]);
  await assert.rejects(checkedAddresses("content-autofill.googleapis.com", settings, resolve), /asks it for itself/);
});

test("the forms of addresses that only the system's resolver reads are refused as well", async () => {
  for (const host of ["2130706433", "0x7f000001", "017700000001", "127.1", "0", "localhost"])
    await assert.rejects(checkedAddresses(host, settings), /not on the public internet|ENOTFOUND|EAI_AGAIN/, host);
});

test("a list of hosts has names, and all names below one", () => {
  assert.ok(isListed("a.example", ["A.example."]));
  assert.ok(isListed("x.y.example", ["*.y.example"]));
  assert.ok(!isListed("y.example", ["*.y.example"]));
  assert.ok(!isListed("evily.example", ["*.y.example", "y.exampl"]));
});

test("without the credential nothing is forwarded", async (t) => {
  const { proxy, port } = await proxyFor(t);
  proxy.configure({ allowPrivateNetwork: true, allowedHostnames: [], proxies });
  const site = await localSite((_request, response) => void response.end("inside"));
  t.after(site.close);
  assert.equal((await get(port, `${site.origin}/`)).status, 407);
  assert.equal((await get(port, `${site.origin}/`, { "proxy-authorization": "Basic d3Jvbmc6d3Jvbmc=" })).status, 407);
  const { line, socket } = await tunnel(port, `127.0.0.1:${site.port}`);
  assert.match(line, / 407 /);
  socket.destroy();
  assert.deepEqual(site.requests, []);
});

test("a request goes to the address that was checked, without the headers for the proxy", async (t) => {
  const { proxy, port, authorization } = await proxyFor(t);
  proxy.configure(settings);
  let seen: Record<string, unknown> = {};
  const site = await localSite((request, response) => {
    seen = request.headers;
    response.setHeader("connection", "close");
    response.end("hello");
  });
  t.after(site.close);
  const headers = { "proxy-authorization": authorization, "proxy-connection": "keep-alive", cookie: "a=1" };
  assert.deepEqual(await get(port, `http://site.example:${site.port}/x?y=1`, headers), { status: 200, text: "hello" });
  assert.deepEqual(site.requests, ["GET /x?y=1"]);
  assert.equal(seen["host"], `site.example:${site.port}`);
  assert.equal(seen["cookie"], "a=1");
  assert.equal(seen["proxy-authorization"], undefined);
  const refused = await get(port, `http://127.0.0.1:${site.port}/`, headers);
  assert.deepEqual(refused, { status: 403, text: "127.0.0.1 was not opened: it is not on the public internet." });
  assert.equal(proxy.takeRefusal("127.0.0.1")?.message, "it is not on the public internet");
  assert.equal((await get(port, "http://absent.example/", headers)).status, 502);
  assert.equal((await get(port, "/", headers)).status, 400);
});

for (const [what, head] of [
  ["a status that is none", "HTTP/1.1 099 Odd"],
  ["a control character beside its status", "HTTP/1.1 200 O\u0001K"],
] as const) {
  test(`a site that answers with ${what} ends its own request only`, async (t) => {
    const site = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.end(`${head}\r\ncontent-length: 0\r\n\r\n`));
    });
    await new Promise<void>((done) => site.listen(0, "127.0.0.1", done));
    t.after(() => site.close());
    const { proxy, port, authorization } = await proxyFor(t);
    proxy.configure({ allowPrivateNetwork: true, allowedHostnames: [], proxies });
    const url = `http://site.example:${(site.address() as AddressInfo).port}/`;
    assert.equal((await get(port, url, { "proxy-authorization": authorization })).status, 502);
  });
}

test("a tunnel carries bytes both ways, and ends with either side", async (t) => {
  const { proxy, port, authorization } = await proxyFor(t);
  proxy.configure(settings);
  const server = createServer(
    (socket) => void socket.on("data", (chunk) => void (socket.write(chunk), String(chunk) === "end" && socket.end())),
  );
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  t.after(() => server.close());
  const authority = `site.example:${(server.address() as AddressInfo).port}`;
  const { line, socket } = await tunnel(port, authority, authorization);
  assert.match(line, / 200 /);
  const closed = new Promise((done) => socket.once("close", done));
  socket.write("ping");
  assert.equal(await new Promise((done) => socket.once("data", (chunk) => done(String(chunk)))), "ping");
  socket.write("end");
  await closed;
  for (const [target, status] of [
    [`127.0.0.1:${(server.address() as AddressInfo).port}`, 403],
    ["site.example:0", 400],
    ["site.example", 400],
    ["a@b:80", 400],
    ["mixed.example:443", 403],
    ["absent.example:443", 502],
  ] as const) {
    const { line: answer, socket: other } = await tunnel(port, target, authorization);
    assert.match(answer, new RegExp(` ${status} `), target);
    other.destroy();
  }
});

/** A proxy of a network, by which alone it is left: it has a password, and may refuse. */
async function upstream(t: TestContext, status = 200): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createHttpServer((_request, response) => void response.writeHead(405).end());
  server.on("connect", ({ url = "", headers }: IncomingMessage, socket: Duplex) => {
    asked.push(`${url} ${Buffer.from(String(headers["proxy-authorization"]).slice(6), "base64").toString()}`);
    if (status !== 200) return void socket.end(`HTTP/1.1 ${status} No\r\n\r\n`);
    const [, host, port] = /^(.*):(\d+)$/.exec(url)!;
    const site = connect(Number(port), host === PUBLIC ? "127.0.0.1" : host!);
    socket.write("HTTP/1.1 200 OK\r\n\r\n");
    pipeline(socket, site, () => site.destroy());
    pipeline(site, socket, () => socket.destroy());
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://ada:p%40ss@127.0.0.1:${(server.address() as AddressInfo).port}/`, asked };
}

test("through the proxy of the gateway's environment a request goes to the address that was checked", async (t) => {
  const { proxy, port, authorization } = await proxyFor(t);
  const next = await upstream(t);
  const site = await localSite((_request, response) => void response.end("hello"));
  t.after(site.close);
  const headers = { "proxy-authorization": authorization };
  proxy.configure({ ...settings, proxies: { ...proxies, http: next.url, https: next.url, noProxy: "site.example" } });
  assert.deepEqual(await get(port, `http://public.example:${site.port}/`, headers), { status: 200, text: "hello" });
  const { line, socket } = await tunnel(port, `public.example:${site.port}`, authorization);
  assert.match(line, / 200 /);
  socket.destroy();
  assert.deepEqual(next.asked, [`${PUBLIC}:${site.port} ada:p@ss`, `${PUBLIC}:${site.port} ada:p@ss`], "not by its name");
  assert.equal((await get(port, `http://site.example:${site.port}/`, headers)).status, 200);
  assert.equal((await get(port, `http://inside.example:${site.port}/`, headers)).status, 403, "the guard holds behind a proxy as well");
  assert.equal(next.asked.length, 2);
  assert.match((await get(port, "http://absent.example/", headers)).text, /this machine cannot resolve its name/);
});

test("a proxy that refuses, that does not answer or that cannot be used is named, and there is no other way", async (t) => {
  const { proxy, port, authorization } = await proxyFor(t);
  const site = await localSite((_request, response) => void response.end("hello"));
  t.after(site.close);
  const headers = { "proxy-authorization": authorization };
  const refusing = await upstream(t, 403);
  const { problems } = readProxySettings({ HTTP_PROXY: "socks5://127.0.0.1:1" });
  for (const [given, reason] of [
    [{ http: refusing.url }, /the proxy 127\.0\.0\.1:\d+ answered 403 to CONNECT/],
    [{ http: "http://127.0.0.1:9/" }, /the proxy 127\.0\.0\.1:9 cannot be reached/],
    [{ problems }, /HTTP_PROXY names a SOCKS proxy, which is not supported/],
  ] as const) {
    proxy.configure({ ...settings, proxies: { ...proxies, ...given } });
    const { status, text } = await get(port, `http://site.example:${site.port}/`, headers);
    assert.equal(status, 403);
    assert.match(text, reason);
    assert.match(proxy.takeRefusal("site.example")!.fix, /HTTP_PROXY, HTTPS_PROXY or NO_PROXY/);
  }
  assert.deepEqual(site.requests, []);
});
