import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { wrapFetch } from "./provider-fetch.ts";

const plain = globalThis.fetch;
afterEach(() => {
  globalThis.fetch = plain;
});

/** The response that a wrapped fetch gives for a body of these chunks; `onCancel` is called when the reader leaves early. */
async function responseOf(chunks: readonly string[], type: string, onCancel = (): void => {}, err?: Error): Promise<Response> {
  const left = chunks.map((chunk) => new TextEncoder().encode(chunk));
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const chunk = left.shift();
      if (chunk) controller.enqueue(chunk);
      else if (err) controller.error(err);
      else controller.close();
    },
    cancel: onCancel,
  });
  globalThis.fetch = () => Promise.resolve(new Response(body, { headers: { "content-type": type } }));
  wrapFetch([], { getStore: () => undefined });
  return fetch("http://127.0.0.1:9/");
}

async function read(response: Response): Promise<string[]> {
  const decoder = new TextDecoder();
  const pieces: string[] = [];
  for await (const piece of response.body!) pieces.push(decoder.decode(piece, { stream: true }));
  return pieces;
}

test("a large chunk of an event stream is read in small pieces, without a change of its bytes", async () => {
  const text = "data: é\n\n".repeat(5_000);
  const pieces = await read(await responseOf([text, "data: end\n\n"], "text/event-stream; charset=utf-8"));
  assert.equal(pieces.join(""), `${text}data: end\n\n`);
  assert.ok(Math.max(...pieces.map(({ length }) => length)) <= 2_048);
});

test("a body of another type is read as it arrives", async () => {
  const text = "x".repeat(10_000);
  assert.deepEqual(await read(await responseOf([text], "application/json")), [text]);
});

test("a reader that stops early ends the request", async () => {
  let cancelled = 0;
  const response = await responseOf(["data: a\n\n", "data: b\n\n"], "text/event-stream", () => void cancelled++);
  for await (const piece of response.body!) {
    assert.ok(piece.length > 0);
    break;
  }
  assert.equal(cancelled, 1);
});

test("a connection that fails ends the iteration with its error", async () => {
  const response = await responseOf(["data: a\n\n"], "text/event-stream", () => {}, new Error("reset"));
  await assert.rejects(read(response), /reset/);
});

test("a request names a span of the run's trace, and no other trace that a library or a configuration adds", async () => {
  const sent: Headers[] = [];
  globalThis.fetch = (_input, init) => {
    sent.push(new Headers(init?.headers));
    return Promise.resolve(new Response("{}"));
  };
  const traceId = "0af7651916cd43dd8448eb211c80319c";
  const spans: string[] = [];
  let trace: { traceId: string; sampled: boolean } | undefined = { traceId, sampled: true };
  const run = () => ({ remainingWaitMs: 0, onWait: () => {}, trace, onRequest: (spanId: string) => void spans.push(spanId) });
  wrapFetch([], { getStore: run });
  const forged = { traceparent: `00-${"1".repeat(32)}-${"2".repeat(16)}-01`, tracestate: "vendor=1", "x-kept": "yes" };
  await fetch("http://127.0.0.1:9/", { headers: forged });
  trace = undefined;
  await fetch("http://127.0.0.1:9/", { headers: forged });
  await fetch("http://127.0.0.1:9/", { headers: { "x-kept": "yes" } });
  assert.deepEqual(
    sent.map((headers) => [headers.get("traceparent"), headers.get("tracestate"), headers.get("x-kept")]),
    [
      [`00-${traceId}-${spans[0]}-01`, null, "yes"],
      [null, null, "yes"],
      [null, null, "yes"],
    ],
  );
});
