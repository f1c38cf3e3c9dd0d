// Group: wire
// Servers behind TLS: certificates that are checked or not, and those that servers ask of their clients.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { request as requestPlain } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { TLSSocket } from "node:tls";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { mcpBench, mcpServer, scriptFile } from "../../test/fakes/mcp-bench.ts";
import { startMcpHttpServer } from "../../test/fakes/mcp-http-server.ts";
import { textOf } from "../../test/fakes/tool-context.ts";
import { readTlsSettings } from "./http-fetch.ts";

/** A clock that does not move: the limits of a start do not end while a busy machine starts the server. */
const unhurried = (): { clock: FakeClock } => ({ clock: new FakeClock() });
const TLS = join(import.meta.dirname, "../../test/fakes/tls");
const CERT = join(TLS, "cert.pem");
const KEY = join(TLS, "key.pem");

/** A server with a certificate of its own making in front of one without TLS; it can ask its clients for one. */
async function startTlsServer(t: TestContext, requestCert: boolean): Promise<{ url: string; subjects: Set<string> }> {
  const inner = await startMcpHttpServer(t);
  const subjects = new Set<string>();
  const options = {
    cert: readFileSync(CERT),
    key: readFileSync(KEY),
    ca: readFileSync(CERT),
    requestCert,
    rejectUnauthorized: requestCert,
  };
  const server = createServer(options, (request, response) => {
    subjects.add(String((request.socket as TLSSocket).getPeerCertificate().subject?.CN ?? "none"));
    const { port, hostname } = new URL(inner.origin);
    const forwarded = requestPlain({ hostname, port, path: request.url, method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    forwarded.on("error", () => response.destroy());
    response.on("close", () => forwarded.destroy());
    request.pipe(forwarded);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, subjects };
}

test("a certificate that cannot be verified is refused, unless sslVerify is off", async (t) => {
  const { url } = await startTlsServer(t, false);
  const bench = mcpBench(t, { checked: mcpServer({ url }), open: mcpServer({ url, sslVerify: false }) }, unhurried());
  assert.equal((await bench.servers.probe("checked")).state, "failed");
  assert.match(bench.report("checked").cause!, /certificate/);
  assert.match(textOf(await bench.call("open__greet")), /\n> hello$/);
});

test("a server that asks for a certificate gets the configured one", async (t) => {
  const { url, subjects } = await startTlsServer(t, true);
  const both = scriptFile(t, {}).path;
  writeFileSync(both, `${readFileSync(CERT, "utf8")}\n${readFileSync(KEY, "utf8")}`);
  const bench = mcpBench(
    t,
    {
      none: mcpServer({ url, sslVerify: false }),
      two: mcpServer({ url, sslVerify: false, clientCert: CERT, clientKey: KEY }),
      one: mcpServer({ url, sslVerify: false, clientCert: both }),
      lost: mcpServer({ url, sslVerify: false, clientCert: "/no/such.pem" }),
    },
    unhurried(),
  );
  assert.equal((await bench.servers.probe("none")).state, "failed");
  for (const name of ["two", "one"]) assert.match(textOf(await bench.call(`${name}__greet`)), /\n> hello$/, name);
  assert.ok(subjects.size === 1 && !subjects.has("none"), [...subjects].join(" "));
  assert.match((await bench.servers.probe("lost")).cause!, /^its clientCert cannot be read: ENOENT.*\/no\/such\.pem/);
});

test("the settings are those of the server's own origin, and of https only", async () => {
  const config = { sslVerify: false, clientCert: CERT, clientKey: KEY };
  assert.equal((await readTlsSettings({ ...config, url: "https://one.example/mcp" }))?.origin, "https://one.example");
  assert.equal(await readTlsSettings({ ...config, url: "http://one.example/mcp" }), null);
  assert.equal(await readTlsSettings(config), null);
});
