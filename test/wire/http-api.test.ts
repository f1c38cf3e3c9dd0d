// The HTTP half of the port, end to end: OpenAI's API through the same lanes as a chat, probes, metrics, and nothing else.
import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { contextOf, startModelServer, systemOf, type ModelServer } from "../model-server.ts";
import { http, type HttpResult } from "../server-bench.ts";
import { dropHome, modelConfig, newHome, startGateway, until, type GatewayUnderTest } from "./gateway-process.ts";

type Wire = Record<string, unknown>;
type Completion = { object: string; choices: { message: { content: string }; finish_reason: string }[]; usage: Record<string, number> };

let model: ModelServer;
let gateway: GatewayUnderTest;
const home = newHome();

before(async () => {
  model = await startModelServer();
  const agents = {
    defaults: { model: { primary: "test/echo" } },
    entries: { anna: { name: "Anna", workspace: join(home, "anna") }, otto: { name: "Otto", workspace: join(home, "otto") } },
  };
  gateway = await startGateway({ home, config: { ...modelConfig(model.url), agents } });
});

after(async () => {
  await gateway.kill();
  await model.close();
  dropHome(home);
});

const headers = (more: Record<string, string> = {}): Record<string, string> => ({
  authorization: `Bearer ${gateway.token()}`,
  "content-type": "application/json",
  ...more,
});
const post = (path: string, body: unknown, more: Record<string, string> = {}): Promise<HttpResult> =>
  http(gateway.port, path, { method: "POST", headers: headers(more), body: typeof body === "string" ? body : JSON.stringify(body) });
const get = (path: string): Promise<HttpResult> => http(gateway.port, path, { headers: headers() });
const say = (text: string, rest: Wire = {}): Wire => ({ model: "openclaw", messages: [{ role: "user", content: text }], ...rest });
/** The data of each event of a stream. */
const dataOf = (body: string): string[] => [...body.matchAll(/^data: (.*)$/gm)].map((match) => match[1]!);
const historyOf = async (sessionKey: string): Promise<Wire[]> => {
  const client = await gateway.connect();
  try {
    return (await client.request<{ messages: Wire[] }>("chat.history", { sessionKey })).messages;
  } finally {
    await client.close();
  }
};

test("/v1/models lists the agents, also when there are two and none is marked as the default", async () => {
  const list = JSON.parse((await get("/v1/models")).body) as { object: string; data: { id: string; object: string }[] };
  assert.equal(list.object, "list");
  assert.deepEqual(
    list.data.map((each) => each.id),
    ["openclaw", "openclaw/default", "openclaw/anna", "openclaw/otto"],
  );
  assert.equal((JSON.parse((await get("/v1/models/openclaw%2Fotto")).body) as Wire)["id"], "openclaw/otto");
  assert.equal((await get("/v1/models/gpt-4")).status, 404);
});

test("A chat completion has OpenAI's shape, and its agent is the one that was named", async () => {
  const answer = await post("/v1/chat/completions", say("good morning"));
  assert.equal(answer.status, 200);
  const body = JSON.parse(answer.body) as Completion;
  assert.equal(body.object, "chat.completion");
  assert.equal(body.choices[0]!.message.content, "You said: good morning");
  assert.equal(body.choices[0]!.finish_reason, "stop");
  assert.equal(body.usage["total_tokens"], body.usage["prompt_tokens"]! + body.usage["completion_tokens"]!);
  assert.match(systemOf(model.requests().at(-1)!), /anna/i, "the first agent answers for `openclaw`");

  await post("/v1/chat/completions", { ...say("to otto"), model: "openclaw/otto" });
  assert.match(systemOf(model.requests().at(-1)!), /otto/i);
  await post("/v1/chat/completions", say("to otto by header"), { "x-openclaw-agent-id": "otto" });
  assert.match(systemOf(model.requests().at(-1)!), /otto/i);
});

test("A streamed completion is a role, pieces of text, a reason, the usage and an end", async () => {
  const answer = await post(
    "/v1/chat/completions",
    say("slow:15 one two three", { stream: true, stream_options: { include_usage: true } }),
  );
  assert.match(String(answer.headers["content-type"]), /text\/event-stream/);
  const data = dataOf(answer.body);
  assert.equal(data.pop(), "[DONE]");
  const chunks = data.map(
    (each) => JSON.parse(each) as { object: string; usage?: Wire; choices: { delta: Wire; finish_reason: string | null }[] },
  );
  assert.ok(chunks.every((each) => each.object === "chat.completion.chunk"));
  assert.deepEqual(chunks[0]!.choices[0]!.delta, { role: "assistant" });
  const text = chunks.flatMap((each) => each.choices[0]?.delta["content"] ?? []);
  assert.ok(text.length > 1, "it streams");
  assert.equal(text.join(""), "You said: slow:15 one two three");
  assert.equal(chunks.at(-2)!.choices[0]!.finish_reason, "stop");
  assert.deepEqual([chunks.at(-1)!.choices, typeof chunks.at(-1)!.usage], [[], "object"]);
});

test("A response, whole and as events, has the shape of the Responses API", async () => {
  const whole = JSON.parse((await post("/v1/responses", { model: "openclaw", input: "hello" })).body) as Wire & { output: Wire[] };
  assert.deepEqual([whole["object"], whole["status"], whole["output_text"]], ["response", "completed", "You said: hello"]);
  const answer = await post("/v1/responses", { model: "openclaw", input: [{ role: "user", content: "slow:15 a b c" }], stream: true });
  const events = dataOf(answer.body).map((each) => JSON.parse(each) as Wire);
  const types = events.map((each) => each["type"]);
  const steps = [
    "created",
    "in_progress",
    "output_item.added",
    "content_part.added",
    "output_text.delta",
    "output_text.done",
    "content_part.done",
    "output_item.done",
    "completed",
  ];
  assert.deepEqual(
    [...new Set(types)],
    steps.map((step) => `response.${step}`),
  );
  assert.equal(
    events
      .filter((each) => each["type"] === "response.output_text.delta")
      .map((each) => each["delta"])
      .join(""),
    "You said: slow:15 a b c",
  );
  assert.deepEqual(
    events.map((each) => each["sequence_number"]),
    events.map((_, index) => index),
  );
});

test("`user` names a session that lasts; without it each completion stands alone", async () => {
  model.clear();
  for (const text of ["I am Ida", "who am I?"]) await post("/v1/chat/completions", say(text, { user: "ida" }));
  assert.match(contextOf(model.requests()[1]!).join("\n"), /I am Ida/);
  const rows = await historyOf("agent:anna:openai-user:ida");
  assert.deepEqual(
    rows.map((row) => row["role"]),
    ["user", "assistant", "user", "assistant"],
  );
  model.clear();
  for (const text of ["I am Odysseus", "who am I?"]) await post("/v1/chat/completions", say(text));
  assert.doesNotMatch(contextOf(model.requests()[1]!).join("\n"), /Odysseus/);
});

test("Earlier messages of the request are shown to the agent", async () => {
  model.clear();
  const messages = [
    { role: "system", content: "Speak like a pirate." },
    { role: "user", content: "My ship is called Rosa." },
    { role: "assistant", content: "Arr, Rosa!" },
    { role: "user", content: "What is it called?" },
  ];
  await post("/v1/chat/completions", { model: "openclaw", messages });
  assert.equal(model.requests().length, 1);
  const shown = [systemOf(model.requests()[0]!), ...contextOf(model.requests()[0]!)].join("\n");
  for (const text of ["Speak like a pirate.", "My ship is called Rosa.", "Arr, Rosa!", "What is it called?"])
    assert.ok(shown.includes(text), text);
});

const onlyOnce = (): Promise<HttpResult> =>
  post("/v1/chat/completions", say("only once", { user: "idem" }), { "idempotency-key": "key-1" });

test("The same idempotency key is one run with one answer", async () => {
  model.clear();
  const [first, second] = await Promise.all([onlyOnce(), onlyOnce()]);
  const third = await onlyOnce();
  for (const answer of [first, second, third])
    assert.equal((JSON.parse(answer.body) as Completion).choices[0]!.message.content, "You said: only once");
  assert.equal(model.requests().length, 1);
});

test("A client that goes away stops its run", async () => {
  const leaving = request({ host: "127.0.0.1", port: gateway.port, path: "/v1/chat/completions", method: "POST", headers: headers() });
  leaving.on("error", () => undefined);
  leaving.end(JSON.stringify(say("hang", { stream: true, user: "leaver" })));
  const [response] = (await once(leaving, "response")) as [import("node:http").IncomingMessage];
  response.on("error", () => undefined);
  let seen = "";
  response.on("data", (chunk: Buffer) => (seen += chunk.toString()));
  await until("the first words", () => seen.includes("partial"));
  leaving.destroy();
  const rows = await until("the end of the run", async () => {
    const found = await historyOf("agent:anna:openai-user:leaver");
    return found.some((row) => row["stopReason"] === "aborted") && found;
  });
  assert.equal(rows.length, 2);
});

test("Errors have OpenAI's shape and a status that tells the truth", async () => {
  const cases: [string, unknown, number, string][] = [
    ["/v1/chat/completions", "{not json", 400, "invalid_request_error"],
    ["/v1/chat/completions", [], 400, "invalid_request_error"],
    ["/v1/chat/completions", { model: "gpt-4", messages: [{ role: "user", content: "x" }] }, 400, "invalid_request_error"],
    ["/v1/chat/completions", { model: "openclaw/absent", messages: [{ role: "user", content: "x" }] }, 404, "invalid_request_error"],
    ["/v1/chat/completions", { model: "openclaw", messages: [] }, 400, "invalid_request_error"],
    ["/v1/chat/completions", { model: "openclaw", messages: [{ role: "user", content: "" }] }, 400, "invalid_request_error"],
    ["/v1/chat/completions", { model: "openclaw", messages: [{ role: "king", content: "x" }] }, 400, "invalid_request_error"],
    ["/v1/responses", { model: "openclaw" }, 400, "invalid_request_error"],
    ["/v1/chat/completions", say("error:401"), 503, "server_error"],
    ["/v1/responses", { model: "openclaw", input: "error:400" }, 503, "server_error"],
  ];
  for (const [path, body, status, type] of cases) {
    const answer = await post(path, body);
    const label = `${path} ${JSON.stringify(body)}: ${answer.body}`;
    assert.equal(answer.status, status, label);
    const { error } = JSON.parse(answer.body) as { error: Wire };
    assert.equal(error["type"], type, label);
    assert.ok(typeof error["message"] === "string" && "code" in error && "param" in error, label);
  }
  const streamed = await post("/v1/chat/completions", say("error:401", { stream: true }));
  assert.match(dataOf(streamed.body).at(-2)!, /"error":\{"message":/);
});

test("A slash in a completion is text, not a command", async () => {
  const answer = await post("/v1/chat/completions", say("/status"));
  assert.match((JSON.parse(answer.body) as Completion).choices[0]!.message.content, /^You said:\s+\/status$/);
});

test("Probes need no credential and tell alive, started and ready apart", async () => {
  for (const path of ["/healthz", "/health"]) {
    const answer = await http(gateway.port, path);
    assert.deepEqual([answer.status, JSON.parse(answer.body)], [200, { ok: true, status: "live" }]);
  }
  const started = JSON.parse((await http(gateway.port, "/startupz")).body) as Wire;
  assert.deepEqual([started["ok"], started["status"]], [true, "started"]);
  for (const path of ["/readyz", "/ready", "/readyz?strict"]) {
    const answer = await http(gateway.port, path);
    const body = JSON.parse(answer.body) as { ready: boolean; failing: unknown[]; parts: { name: string; state: string }[] };
    assert.deepEqual([answer.status, body.ready, body.failing], [200, true, []], `${path}: ${answer.body}`);
    assert.ok(body.parts.some((part) => part.name === "store" && part.state === "ready"));
  }
});

test("Metrics need a credential, and every line of them is Prometheus text", async () => {
  for (const path of ["/metrics", "/api/diagnostics/prometheus"]) {
    assert.equal((await http(gateway.port, path)).status, 401);
    const answer = await get(path);
    assert.match(String(answer.headers["content-type"]), /^text\/plain; version=0\.0\.4/);
    const lines = answer.body.trimEnd().split("\n");
    const sample = /^[a-z_:][a-z0-9_:]*(\{([a-zA-Z_]\w*="([^"\\]|\\.)*",?)*\})? (-?\d+(\.\d+)?(e[+-]?\d+)?|[+-]Inf|NaN)$/;
    for (const line of lines) assert.ok(/^# (HELP|TYPE) [a-z_:][a-z0-9_:]* /.test(line) || sample.test(line), line);
    const value = (name: string): number =>
      Number(
        lines
          .find((line) => line.startsWith(name))
          ?.split(" ")
          .at(-1),
      );
    assert.ok(value("gateway_turns_admitted_total") > 5, "turns are counted");
    assert.ok(lines.some((line) => line.startsWith("gateway_server_requests_total{") && line.includes('method="chat.history"')));
  }
});

test("Unknown paths are 404, wrong verbs 405, and the page is served", async () => {
  for (const path of ["/nope", "/api/x", "/v1/embeddings", "/.env", "/assets/../../package.json", "/%2e%2e/%2e%2e/etc/passwd", "/v1/"]) {
    assert.equal((await get(path)).status, 404, path);
  }
  assert.equal((await get("/v1/chat/completions")).status, 405);
  const config = await http(gateway.port, "/control-ui-config.json");
  assert.equal(config.status, 401);
  assert.equal((JSON.parse((await get("/control-ui-config.json")).body) as Wire)["assistantAgentId"], "anna");
});

test("A browser of another site gets nothing, not even with the token", async () => {
  const foreign = { ...headers(), origin: "https://evil.example" };
  assert.equal((await http(gateway.port, "/v1/models", { headers: foreign })).status, 403);
  assert.equal((await http(gateway.port, "/v1/models", { headers: { ...headers(), host: "evil.example" } })).status, 403);
  assert.equal((await http(gateway.port, "/v1/models", { headers: { ...headers(), "x-forwarded-for": "10.0.0.1" } })).status, 403);
});
