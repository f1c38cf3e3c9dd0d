import assert from "node:assert/strict";
import { connect as connectTcp } from "node:net";
import { test } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { newTlsPair } from "../../test/certificates.ts";
import { startServerBench } from "../../test/server-bench.ts";
import { until } from "../../test/until.ts";
import { createMetrics } from "../observe/metrics.ts";

const secure = (port: number): Promise<TLSSocket> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => resolve(socket));
    socket.on("error", reject);
  });

test("each socket has one place among the pre-auth connections, before and after its TLS handshake, and none after its end", async (t) => {
  const metrics = createMetrics();
  const bench = await startServerBench({ deps: { metrics } });
  t.after(() => bench.stop());
  const { port } = await bench.server.listen(["127.0.0.1"], 0, newTlsPair());
  const places = (): string => /^gateway_server_preauth_connections (\d+)$/m.exec(metrics.render())?.[1] ?? "none";
  const silent = connectTcp(port, "127.0.0.1");
  await until("the silent socket has a place", () => places() === "1");
  const good = await secure(port);
  await until("the encrypted socket has a place", () => places() === "2");
  const wrong = connectTcp(port, "127.0.0.1", () => wrong.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n"));
  await new Promise((resolve) => wrong.on("close", resolve).on("error", () => {}));
  await until("the plain request has none", () => places() === "2");
  silent.destroy();
  await until("the silent socket has none", () => places() === "1");
  good.destroy();
  await until("the encrypted socket has none", () => places() === "0");
});

test("a request over TLS is answered with the certificate that was swapped in, while an older socket still works", async (t) => {
  const bench = await startServerBench();
  t.after(() => bench.stop());
  const { port } = await bench.server.listen(["127.0.0.1"], 0, newTlsPair());
  const old = await secure(port);
  const oldPrint = old.getPeerCertificate().fingerprint256;
  bench.server.swapTls(newTlsPair());
  const fresh = await secure(port);
  assert.notEqual(fresh.getPeerCertificate().fingerprint256, oldPrint);
  for (const socket of [old, fresh]) {
    const answer = new Promise<string>((resolve) => socket.once("data", (chunk: Buffer) => resolve(chunk.toString())));
    socket.write(`GET /healthz HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nconnection: close\r\n\r\n`);
    assert.match(await answer, /^HTTP\/1\.1 200 /);
  }
});
