import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { contextOf, replyTo, startModelServer, type ModelServer } from "./model-server.ts";

let server: ModelServer;
before(async () => {
  server = await startModelServer();
});
after(() => server.close());

const ask = (text: string, stream: boolean): Promise<Response> =>
  fetch(`${server.url}/v1/chat/completions`, {
    method: "POST",
    body: JSON.stringify({ model: "test-model", stream, messages: [{ role: "user", content: text }] }),
  });

test("An echo comes back whole, with usage", async () => {
  const body = (await (await ask("hello there", false)).json()) as { choices: { message: { content: string } }[]; usage: object };
  assert.equal(body.choices[0]!.message.content, "You said: hello there");
  assert.deepEqual(body.usage, { prompt_tokens: 3, completion_tokens: 3, total_tokens: 6 });
  assert.deepEqual(contextOf(server.requests().at(-1)!), ["user: hello there"]);
});

test("A stream ends with the finish reason, the usage and [DONE]", async () => {
  const events = (await (await ask("tool:bash:ls -l", true)).text()).trim().split("\n\n");
  assert.equal(events.at(-1), "data: [DONE]");
  assert.match(events.at(-2)!, /"usage":\{"prompt_tokens":4/);
  assert.match(events.at(-3)!, /"finish_reason":"tool_calls"/);
  assert.match(events.at(-4)!, /\{\\"command\\":\\"ls -l\\"\}/);
});

test("An error directive sets the HTTP status", async () => {
  assert.equal((await ask("error:429", true)).status, 429);
});

test("A cut drops the socket in the middle of the stream", async () => {
  const response = await ask("cut", true);
  await assert.rejects(response.text());
});

test("A directive counts on the last line of a text that has a header", () => {
  assert.deepEqual(replyTo("[irc alice]\nerror:500"), { status: 500, message: "scripted error 500" });
  assert.ok("steps" in replyTo("do not tool:bash:ls"));
});

test("A scripted behavior takes precedence over directives, and may decline", async () => {
  server.setBehaviour((request) => (request.model === "test-model" ? { steps: [{ text: "fixed" }] } : undefined));
  const body = (await (await ask("error:500", false)).json()) as { choices: { message: { content: string } }[] };
  server.setBehaviour(undefined);
  assert.equal(body.choices[0]!.message.content, "fixed");
});
