// Group: wire
import assert from "node:assert/strict";
import { test } from "node:test";
import { mcpBench, mcpServer } from "../../test/fakes/mcp-bench.ts";
import { startMcpHttpServer } from "../../test/fakes/mcp-http-server.ts";
import { textOf } from "../../test/fakes/tool-context.ts";
import { until } from "../../test/until.ts";

const never = new AbortController().signal;

test("a server is reached over HTTP, with its headers, by the transport that it has", async (t) => {
  const server = await startMcpHttpServer(t);
  const header = { "X-Key": "k-1" };
  const bench = mcpBench(t, {
    newer: mcpServer({ url: `${server.origin}/mcp`, header }),
    older: mcpServer({ url: `${server.origin}/sse`, header }),
    named: mcpServer({ url: `${server.origin}/sse`, transport: "sse" }),
    moved: mcpServer({ url: `${server.origin}/moved` }),
  });
  const names = (await bench.servers.list(never)).map(({ name }) => name);
  assert.deepEqual(names, ["newer__greet", "older__greet", "named__greet", "moved__greet"]);
  for (const name of names) assert.match(textOf(await bench.call(name)), /\n> hello$/, name);
  const transports = ["newer", "older", "named", "moved"].map((name) => bench.report(name).transport);
  assert.deepEqual(transports, ["streamable-http", "sse", "sse", "streamable-http"]);
  const [newer, moved] = [
    server.requests.filter((line) => line.includes("/mcp k-1")),
    server.requests.filter((line) => line.includes("/moved")),
  ];
  assert.ok(newer.length >= 3 && moved.length > 0);
  await bench.servers.stop();
  await until("every session has ended", () => server.sessions() === 0);
});

test("a server that forgets its session is asked for another one by the next call", async (t) => {
  const server = await startMcpHttpServer(t);
  const bench = mcpBench(t, { one: mcpServer({ url: `${server.origin}/mcp` }) });
  assert.ok(!(await bench.call("one__greet")).isError);
  server.forget();
  assert.match(textOf(await bench.call("one__greet")), /^The call of one__greet failed: .*404/);
  await until("the server is used again", async () => !(await bench.call("one__greet")).isError);
});

test("failures over HTTP are named, and a redirect to elsewhere is not followed", async (t) => {
  const server = await startMcpHttpServer(t);
  const elsewhere = await startMcpHttpServer(t);
  const bench = mcpBench(t, {
    one: mcpServer({ url: `${server.origin}/mcp`, header: { Authorization: "Bearer tok-12345" }, connectionTimeoutMs: 5_000 }),
    closed: mcpServer({ url: "http://127.0.0.1:9/mcp" }),
    lost: mcpServer({ url: `${server.origin}/nothing` }),
    file: mcpServer({ url: "file:///etc/passwd" }),
  });
  server.answer((_request, response) => void response.writeHead(401).end("no tok-12345"));
  assert.match((await bench.servers.probe("one")).cause!, /401/);
  assert.doesNotMatch(bench.report("one").cause!, /tok-12345/);
  server.answer((_request, response) => void response.writeHead(307, { location: `${elsewhere.origin}/mcp` }).end());
  assert.equal((await bench.servers.probe("one")).state, "failed");
  server.answer((_request, response) => void response.writeHead(200, { "content-type": "text/html" }).end("<p>hi</p>"));
  assert.equal((await bench.servers.probe("one")).state, "failed");
  server.answer(null);
  assert.deepEqual(elsewhere.requests, []);
  assert.match((await bench.servers.probe("closed")).cause!, /ECONNREFUSED/);
  assert.match((await bench.servers.probe("lost")).cause!, /404/);
  assert.match((await bench.servers.probe("file")).cause!, /only http and https/);
  assert.equal((await bench.servers.probe("one")).state, "ready");
});

test("an answer without an end is cut off", async (t) => {
  const server = await startMcpHttpServer(t);
  const bench = mcpBench(t, { one: mcpServer({ url: `${server.origin}/mcp`, connectionTimeoutMs: 15_000 }) });
  server.answer((_request, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    const chunk = "x".repeat(1_048_576);
    const write = (): void => {
      while (response.write(chunk));
      response.once("drain", write);
    };
    write();
  });
  assert.match((await bench.servers.probe("one")).cause!, /a message of more than 16777216 bytes/);
});
