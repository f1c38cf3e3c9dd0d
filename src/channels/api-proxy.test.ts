// Group: wire
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { WebSocketServer } from "ws";
import { startHttpProxy } from "../../test/fakes/http-proxy.ts";
import { callApi, NotSentError } from "./api.ts";
import { openWebSocket } from "./websocket.ts";

const tls = (name: string): string => readFileSync(new URL(`../../test/fakes/tls/${name}.pem`, import.meta.url), "utf8");
const platform = createServer({ key: tls("key"), cert: tls("cert") }, (request, response) =>
  response.end(JSON.stringify({ path: request.url })),
);
const sockets = new WebSocketServer({ server: platform });
sockets.on("connection", (socket) => socket.send("hello"));
const { signal } = new AbortController();
const port = (): number => (platform.address() as AddressInfo).port;

before(async () => {
  setDefaultCACertificates([...getCACertificates(), tls("cert")]);
  await new Promise<void>((resolve) => platform.listen(0, "127.0.0.1", resolve));
});
after(() => {
  for (const socket of sockets.clients) socket.terminate();
  platform.closeAllConnections();
  platform.close();
});

test("requests and sockets of an account open a tunnel through its proxy, with its credentials", async () => {
  const proxy = await startHttpProxy(port);
  const own = proxy.url.replace("http://", "http://user:word@");
  const { body } = await callApi({ url: "https://api.example.test/x?y=1", proxy: own, signal });
  assert.deepEqual(body, { path: "/x?y=1" });
  const socket = openWebSocket("wss://gateway.example.test/", { handshakeMs: 5_000, proxy: own, fail: (err) => assert.ifError(err) });
  const text = await new Promise<string>((resolve, reject) => {
    socket.once("message", (data: Buffer) => resolve(data.toString()));
    socket.once("error", reject);
  });
  socket.terminate();
  assert.equal(text, "hello");
  assert.deepEqual(proxy.asked, ["CONNECT api.example.test:443", "CONNECT gateway.example.test:443"]);
  assert.deepEqual([...proxy.credentials], [`Basic ${Buffer.from("user:word").toString("base64")}`]);
  await proxy.close();
});

test("plain http goes to the proxy as a whole address; this machine is reached directly", async () => {
  const target = createHttpServer((request, response) => response.end(JSON.stringify(request.url)));
  await new Promise<void>((resolve) => target.listen(0, "127.0.0.1", resolve));
  const { port: targetPort } = target.address() as AddressInfo;
  const proxy = await startHttpProxy(() => targetPort);
  assert.equal((await callApi({ url: "http://api.example.test/a", proxy: proxy.url, signal })).body, "/a");
  assert.equal((await callApi({ url: `http://127.0.0.1:${targetPort}/b`, proxy: proxy.url, signal })).body, "/b");
  assert.deepEqual(proxy.asked, ["GET http://api.example.test/a"]);
  await proxy.close();
  target.closeAllConnections();
  target.close();
});

test("a failure before the tunnel is established counts as not sent", async () => {
  const refusing = await startHttpProxy(port, { status: 403 });
  await assert.rejects(callApi({ url: "https://api.example.test/", proxy: refusing.url, signal }), NotSentError);
  await refusing.close();
  // The proxy no longer listens.
  await assert.rejects(callApi({ url: "https://api.example.test/", proxy: refusing.url, signal }), NotSentError);
  await assert.rejects(callApi({ url: "https://api.example.test/", proxy: "socks5://127.0.0.1:1", signal }), /SOCKS/);
  const unknownCertificate = await startHttpProxy(port);
  await assert.rejects(callApi({ url: "https://api.other.test/", proxy: unknownCertificate.url, signal }), NotSentError);
  await unknownCertificate.close();
});
