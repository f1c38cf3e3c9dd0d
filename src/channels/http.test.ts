import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTcp, type AddressInfo } from "node:net";
import { test } from "node:test";
import { callApi, MultipartForm, NotSentError, readBytes } from "./api.ts";
import { openHttp } from "./http.ts";

const { signal } = new AbortController();

async function withServer(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  run: (url: string) => Promise<void>,
): Promise<void> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await run(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

test("a request arrives with its method, headers and body, and the answer comes whatever its status", () =>
  withServer(
    (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const { method, url, headers } = request;
        response.writeHead(418, { "retry-after": "1.5", "set-cookie": ["a", "b"] });
        response.end(JSON.stringify({ method, url, type: headers["content-type"], body: Buffer.concat(chunks).toString() }));
      });
    },
    async (url) => {
      const { status, headers, body } = await callApi({ url: `${url}/x?y=1`, body: { a: 1 }, headers: { "x-own": "1" }, signal });
      assert.deepEqual([status, headers.get("Retry-After"), headers.get("nothing")], [418, "1.5", null]);
      assert.deepEqual(body, { method: "POST", url: "/x?y=1", type: "application/json", body: '{"a":1}' });
      const form = await callApi({ url, body: new URLSearchParams({ a: "ü b" }), signal });
      assert.equal((form.body as { body: string }).body, "a=%C3%BC+b");
      assert.equal(((await callApi({ url, signal })).body as { method: string }).method, "GET");
    },
  ));

test("a redirect is an answer: nothing is sent elsewhere", () =>
  withServer(
    (_request, response) => response.writeHead(302, { location: "http://127.0.0.1:1/" }).end(),
    async (url) => assert.equal((await callApi({ url, signal })).status, 302),
  ));

test("NotSentError is thrown only when the request was certainly not sent", async () => {
  const closed = createTcp();
  await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
  const { port } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  await assert.rejects(callApi({ url: `http://127.0.0.1:${port}`, signal }), NotSentError);
  await assert.rejects(callApi({ url: "http://no-such-host.invalid", signal }), NotSentError);
  await assert.rejects(callApi({ url: "ftp://127.0.0.1", signal }), NotSentError);
  // A server without TLS: the connection is established, but no byte of the request was sent.
  await withServer(
    (_request, response) => response.end(),
    (url) => assert.rejects(callApi({ url: url.replace("http:", "https:"), body: {}, signal }), NotSentError),
  );
  await withServer(
    (request) => request.socket.destroy(),
    (url) => assert.rejects(callApi({ url, body: {}, signal }), (err) => err instanceof Error && !(err instanceof NotSentError)),
  );
});

test("an abort ends the request, and the reading of its answer, with its reason", () =>
  withServer(
    (request, response) => {
      if (request.url === "/begins") response.write("some bytes");
    },
    async (url) => {
      const whole = callApi({ url, signal, timeoutMs: 400 });
      await assert.rejects(whole, (err) => (err as Error).name === "TimeoutError" && !(err instanceof NotSentError));
      const abort = new AbortController();
      const answer = await openHttp({ url: `${url}/begins`, signal: abort.signal });
      const read = readBytes(answer, 1_000);
      abort.abort(new Error("enough"));
      await assert.rejects(read, /enough/);
      await assert.rejects(openHttp({ url, signal: AbortSignal.abort(new Error("before")) }), NotSentError);
    },
  ));

test("a file that is longer than allowed is not read to its end", () =>
  withServer(
    (request, response) => {
      if (request.url === "/announced") response.writeHead(200, { "content-length": "5000" });
      response.end(Buffer.alloc(5_000));
    },
    async (url) => {
      for (const path of ["/announced", "/chunked"])
        await assert.rejects(
          openHttp({ url: url + path, signal }).then((answer) => readBytes(answer, 1_000)),
          /larger than 1000/,
        );
      assert.equal((await readBytes(await openHttp({ url, signal }), 5_000)).length, 5_000);
    },
  ));

test("a form is read as it was meant, whatever its names say", async () => {
  const bytes = Buffer.from([0, 255, 13, 10, 45, 45]);
  const { bytes: body, type } = new MultipartForm([
    { name: "caption", value: "ü 🦞\r\nline" },
    { name: "document", file: { name: 'a"b\r\nü.bin', mimeType: "text/x;evil: 1", bytes } },
  ]);
  const read = await new Response(body as Uint8Array<ArrayBuffer>, { headers: { "content-type": type } }).formData();
  assert.equal(read.get("caption"), "ü 🦞\r\nline");
  const file = read.get("document") as File;
  assert.deepEqual([file.name, file.type, Buffer.from(await file.arrayBuffer())], ['a"b\r\nü.bin', "application/octet-stream", bytes]);
});

test("forms of ours and of the platform are sent as forms", () =>
  withServer(
    (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => response.end(JSON.stringify([request.headers["content-type"], Buffer.concat(chunks).toString()])));
    },
    async (url) => {
      const theirs = new FormData();
      theirs.set("a", "1");
      for (const body of [theirs, new MultipartForm([{ name: "a", value: "1" }])]) {
        const [type, text] = (await callApi({ url, body, signal })).body as [string, string];
        assert.match(type, /^multipart\/form-data; boundary=/);
        assert.match(text, /name="a"\r\n\r\n1\r\n/);
      }
    },
  ));
