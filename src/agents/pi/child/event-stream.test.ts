import assert from "node:assert/strict";
import { test } from "node:test";
import { readEvents } from "./event-stream.ts";

/** What is read of a body that arrives in these chunks. */
async function read(chunks: readonly string[]): Promise<string> {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk));
      controller.close();
    },
  });
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of readEvents(body)) text += decoder.decode(piece, { stream: true });
  return text;
}

const event = (choice: object): string => `data: ${JSON.stringify({ id: "1", choices: [{ index: 0, ...choice }] })}\n\n`;
const callEvent = (args: unknown): string =>
  event({ delta: { tool_calls: [{ index: 0, id: "c", function: { name: "read", arguments: args } }] }, finish_reason: null });
const DONE = "data: [DONE]\n\n";

test("arguments that are an object become the text of it, wherever the chunks of the stream end", async () => {
  const path = 'é "quoted" {"arguments":{}}';
  const given = callEvent({ path, lines: [1, 2] }) + event({ delta: {}, finish_reason: "tool_calls" }) + DONE;
  const expected = callEvent(JSON.stringify({ path, lines: [1, 2] })) + event({ delta: {}, finish_reason: "tool_calls" }) + DONE;
  for (const size of [1, 7, 64, given.length])
    assert.equal(await read(given.match(new RegExp(`[^]{1,${size}}`, "g"))!), expected, `chunks of ${size}`);
  assert.equal(await read([callEvent([]).replaceAll("\n", "\r\n")]), callEvent("[]").replaceAll("\n", "\r\n"));
});

test("an end without a reason gets one, and other ends stay as they are", async () => {
  const text = event({ delta: { content: "ok" }, finish_reason: "" });
  const named = (reason: string): string => event({ delta: {}, finish_reason: reason });
  const stop = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n';
  const calls = stop.replace("stop", "tool_calls");
  assert.equal(await read([text, named(""), DONE]), text + named("") + stop + DONE);
  assert.equal(await read([callEvent('{"a":1}'), named(""), DONE]), callEvent('{"a":1}') + named("") + calls + DONE);
  for (const whole of [text + named("stop") + DONE, named("length") + text + DONE, text + named("content_filter") + DONE, text + text])
    assert.equal(await read([whole]), whole);
});

test("other lines than chunks of a completion are not changed", async () => {
  const others = [
    callEvent('{"arguments":{"a":1}}'),
    'data: {"type":"response.created","tool":{"arguments":{"a":1}}}\n\n',
    'data: {"choices":[{"delta":{"tool_calls":[{"function":{"arguments":{]}\n\n',
    ': "arguments":{}\n',
    event({ delta: { tool_calls: [{ index: 0, function: { arguments: null } }] } }),
    "data: no end",
  ];
  for (const other of others) assert.equal(await read([other]), other);
});
