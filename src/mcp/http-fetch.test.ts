// Group: wire
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { startHttpProxy } from "../../test/fakes/http-proxy.ts";
import { readProxySettings } from "../core/proxy.ts";
import { createHttpFetch } from "./http-fetch.ts";

test("requests go through the proxy of the environment, but for hosts that bypass it, and never around one that cannot be used", async (t) => {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.headers.host} ${String(request.headers["x-key"])}`);
    response.end("pong");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const proxy = await startHttpProxy(() => port);
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await proxy.close();
  });
  const settings = readProxySettings({ HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url });
  const http = createHttpFetch(settings, null);
  t.after(http.close);
  const answer = await http.fetch("http://mcp.invalid/mcp", { method: "POST", headers: { "x-key": "k" }, body: "{}" });
  assert.equal(await answer.text(), "pong");
  assert.deepEqual(proxy.asked, ["POST http://mcp.invalid/mcp"]);
  assert.equal(await (await http.fetch(`http://127.0.0.1:${port}/mcp`)).text(), "pong");
  assert.equal(proxy.asked.length, 1);
  // The tunnel leads to a server without TLS.
  await assert.rejects(() => http.fetch("https://mcp.invalid/mcp"));
  assert.equal(proxy.asked[1], "CONNECT mcp.invalid:443");
  assert.deepEqual(seen.slice(0, 2), ["POST mcp.invalid k", `GET 127.0.0.1:${port} undefined`]);
  const broken = createHttpFetch(readProxySettings({ HTTP_PROXY: "socks5://127.0.0.1:1" }), null);
  await assert.rejects(() => broken.fetch(`http://mcp.invalid:${port}/`), /HTTP_PROXY names a SOCKS proxy/);
});

test("answers keep their status and headers, a redirect is not followed, and what is not HTTP is refused", async (t) => {
  const server = createServer((request, response) => {
    if (request.url === "/moved") return void response.writeHead(307, { location: "http://other.invalid/" }).end();
    if (request.url === "/nothing") return void response.writeHead(202).end();
    response.writeHead(204, { "x-two": ["a", "b"] }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const http = createHttpFetch(readProxySettings({}), null);
  t.after(http.close);
  const empty = await http.fetch(origin);
  assert.deepEqual([empty.status, empty.headers.get("x-two"), empty.body], [204, "a, b", null]);
  const moved = await http.fetch(`${origin}/moved`);
  assert.deepEqual([moved.status, moved.headers.get("location"), await moved.text()], [307, "http://other.invalid/", ""]);
  assert.equal(await (await http.fetch(`${origin}/nothing`)).text(), "");
  await assert.rejects(() => http.fetch("file:///etc/passwd"), /only http and https addresses are used/);
  await assert.rejects(() => http.fetch(origin, { method: "POST", body: new Blob(["x"]) }), /only texts are sent/);
  await assert.rejects(() => http.fetch(origin, { signal: AbortSignal.abort() }));
});
