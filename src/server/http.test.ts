// Group: wire
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { GatewayError } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { BEARER, http, RawClient, startServerBench, tryConnect, type HttpResult, type ServerBench } from "../../test/server-bench.ts";
import type { CompletionEvent, CompletionRun, OpenAiBackend } from "./openai-backend.ts";
import type { ReadinessResponse } from "./deps.ts";

const runs: CompletionRun[] = [];
let script: CompletionEvent[] = [];
const port: OpenAiBackend = {
  routes: { chatCompletions: true, responses: true },
  agents: () => ["main", "work"],
  async *run(run) {
    runs.push(run);
    for (const event of script) {
      if (event.type === "tool" && event.name === "wait")
        await new Promise<void>((resolve) => run.signal.addEventListener("abort", () => resolve()));
      else yield event;
    }
  },
};
const FINAL: CompletionEvent = { type: "final", text: "Hello there.", usage: { inputTokens: 3, outputTokens: 2 }, finishReason: "stop" };
const readiness: ReadinessResponse = { ready: true, failing: [], degraded: ["irc"], parts: [{ name: "irc", state: "failed" }] };

let dir: string;
let room: ServerBench;
before(async () => {
  dir = mkdtempSync(join(tmpdir(), "page-"));
  mkdirSync(join(dir, "assets"));
  writeFileSync(join(dir, "index.html"), "<!doctype html><p>page</p>");
  writeFileSync(join(dir, "assets/app-Ab12Cd34.js"), "plain");
  writeFileSync(join(dir, "assets/app-Ab12Cd34.js.br"), "brotli");
  writeFileSync(join(dir, "favicon.svg"), "<svg/>");
  writeFileSync(join(dir, "secret.key"), "never");
  room = await startServerBench({ deps: { openai: port, pageDir: dir, readiness: () => readiness } });
});
after(async () => {
  await room.stop();
  rmSync(dir, { recursive: true, force: true });
});

test("a CONNECT is answered: nothing is a proxy here", async () => {
  const socket = connect(room.port, "127.0.0.1");
  socket.write(`CONNECT evil.example:443 HTTP/1.1\r\nHost: 127.0.0.1:${room.port}\r\n\r\n`);
  let answer = "";
  for await (const chunk of socket) answer += String(chunk);
  assert.match(answer, /^HTTP\/1\.1 405 /);
});

test("a route of the API that is switched off does not exist, and the other one does", async () => {
  const half = await startServerBench({ deps: { openai: { ...port, routes: { chatCompletions: false, responses: true } } } });
  try {
    const ask = (path: string): Promise<HttpResult> =>
      http(half.port, path, { method: "POST", body: JSON.stringify({ model: "nothing" }), headers: BEARER });
    assert.equal((await ask("/v1/chat/completions")).status, 404);
    assert.equal((await ask("/v1/responses")).status, 400);
  } finally {
    await half.stop();
  }
});

const post = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<HttpResult> =>
  http(room.port, path, {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
    headers: { ...BEARER, ...headers },
  });
const events = (answer: HttpResult): string[] =>
  answer.body
    .split("\n\n")
    .filter(Boolean)
    .map((block) =>
      block
        .split("\n")
        .find((line) => line.startsWith("data: "))!
        .slice(6),
    );

describe("routes", () => {
  test("every route of the table says what it needs, and refuses without it", async () => {
    assert.ok(room.server.routes.length >= 15);
    const narrow = await room.auth.tokens.create(
      { name: "n", scopes: ["operator.pairing"] },
      { scopes: new Set(["operator.admin"]), name: "t" },
    );
    for (const route of room.server.routes) {
      const path = route.path.replace("/*", "/x");
      const open = ["public", "static", "signed"].includes(route.auth);
      const bare = await http(room.port, path, { method: route.method });
      assert.equal(bare.status === 401, !open, `${route.method} ${path} without a credential: ${bare.status}`);
      const wrong = await http(room.port, path, { method: route.method, headers: { authorization: "Bearer nope" } });
      assert.equal(wrong.status === 401, !open, `${route.method} ${path} with a wrong one: ${wrong.status}`);
      if (!open) {
        const weak = await http(room.port, path, { method: route.method, headers: { authorization: `Bearer ${narrow.token.reveal()}` } });
        assert.equal(weak.status, 403, `${route.method} ${path} without its scope`);
      }
    }
  });

  for (const path of [
    "/nope",
    "/.git/config",
    "/index.html",
    "/assets/../secret.key",
    "/%2e%2e/etc/passwd",
    "//etc/passwd",
    "/assets/%2e%2e%2fsecret.key",
    "/secret.key",
    "/chatx",
    "/v1/embeddings",
    "/api/x",
    "/assets/",
    "/metrics/",
    "/\u0000".replace("\u0000", "%00"),
  ]) {
    test(`${path} is not found`, async () => {
      assert.equal((await http(room.port, path, { headers: BEARER })).status, 404);
    });
  }

  test("other methods are refused with what would be right", async () => {
    const options = await http(room.port, "/v1/chat/completions", { method: "OPTIONS" });
    assert.equal(options.status, 405);
    assert.equal(options.headers["allow"], "POST");
    assert.equal((await http(room.port, "/healthz", { method: "DELETE" })).status, 405);
  });

  test("the probes tell the truth", async () => {
    assert.deepEqual(JSON.parse((await http(room.port, "/health")).body), { ok: true, status: "live" });
    const ready = await http(room.port, "/readyz");
    assert.equal(ready.status, 200, "one broken channel does not make the gateway unready");
    assert.deepEqual(JSON.parse(ready.body).degraded, ["irc"]);
    assert.equal((await http(room.port, "/ready?strict")).status, 503);
    room.phase.value = "starting";
    assert.equal((await http(room.port, "/healthz")).status, 503);
    assert.equal((await http(room.port, "/startupz")).status, 503);
    assert.equal((await http(room.port, "/readyz")).status, 503);
    room.phase.value = "serving";
    assert.equal((await http(room.port, "/startupz")).status, 200);
    const head = await http(room.port, "/healthz", { method: "HEAD" });
    assert.equal(head.body, "");
    assert.equal(head.headers["content-length"], String('{"ok":true,"status":"live"}'.length));
  });

  test("metrics and boot data come to holders of a credential", async () => {
    for (const path of ["/metrics", "/api/diagnostics/prometheus"]) {
      const answer = await http(room.port, path, { headers: BEARER });
      assert.equal(answer.body, "up 1\n");
      assert.match(String(answer.headers["content-type"]), /^text\/plain; version=0\.0\.4/);
    }
    assert.deepEqual(JSON.parse((await http(room.port, "/control-ui-config.json", { headers: BEARER })).body), { basePath: "" });
  });

  test("the link of an approval leads to its place on the page", async () => {
    const { status, headers } = await http(room.port, "/approve/3f2a-1");
    assert.equal(status, 302);
    assert.equal(headers["location"], "../#approve=3f2a-1");
    for (const path of ["/approve/", "/approve/a/b", "/approve/%0d%0ax:y"]) assert.equal((await http(room.port, path)).status, 404);
  });

  test("the page is served on its own routes, compressed and cached, under a strict policy", async () => {
    for (const path of ["/", "/chat", "/chat/agent:main:main"]) {
      const answer = await http(room.port, path);
      assert.match(answer.body, /page/);
      assert.match(String(answer.headers["content-security-policy"]), /script-src 'self';.*frame-ancestors 'none'/);
      assert.equal(answer.headers["cache-control"], "no-cache");
      const again = await http(room.port, path, { headers: { "if-none-match": String(answer.headers["etag"]) } });
      assert.equal(again.status, 304);
    }
    assert.equal((await http(room.port, "/chat/app.js")).status, 404, "a script that is not there is not the page");
    const asset = await http(room.port, "/assets/app-Ab12Cd34.js", { headers: { "accept-encoding": "gzip, br" } });
    assert.equal(asset.body, "brotli");
    assert.equal(asset.headers["content-encoding"], "br");
    assert.match(String(asset.headers["cache-control"]), /immutable/);
    assert.equal((await http(room.port, "/assets/app-Ab12Cd34.js")).body, "plain");
  });
});

describe("where a request may come from", () => {
  const hosts: [string, number][] = [
    ["127.0.0.1", 200],
    ["127.0.0.1:18789", 200],
    ["localhost:1", 200],
    ["LOCALHOST", 200],
    ["[::1]:18789", 200],
    ["evil.example", 403],
    ["127.0.0.1.evil.example", 403],
    ["localhost.evil.example", 403],
    ["127.evil.com", 403],
    ["0.0.0.0", 403],
    ["192.0.2.1", 403],
    ["127.0.0.1@evil.example", 403],
    ["evil.example:80\t", 403],
    ["[::1", 403],
  ];
  for (const [host, status] of hosts) {
    test(`the host ${JSON.stringify(host)} is answered ${status}, on HTTP and on an upgrade`, async () => {
      assert.equal((await http(room.port, "/healthz", { headers: { host } })).status, status);
      const raw = new RawClient(room.url, { host });
      raw.ws.on("unexpected-response", (_request, response) => {
        assert.equal(response.statusCode, 403);
        raw.ws.terminate();
      });
      if (status === 200) await raw.next();
      else await raw.end();
      raw.close();
    });
  }

  const origins: [string, boolean][] = [
    ["http://127.0.0.1:PORT", true],
    ["https://127.0.0.1:PORT", true],
    ["http://127.0.0.1:1", false],
    ["http://localhost:PORT", false],
    ["null", false],
    ["file://", false],
    ["chrome-extension://abc", false],
    ["http://127.0.0.1:PORT.evil.example", false],
    ["http://evil.example", false],
    ["http://127.0.0.1:PORT/path", false],
    ["http://user@127.0.0.1:PORT", false],
  ];
  for (const [template, ok] of origins) {
    test(`the origin ${template} is ${ok ? "allowed" : "refused"} on HTTP and on connect`, async () => {
      const origin = template.replace("PORT", String(room.port));
      assert.equal((await http(room.port, "/metrics", { headers: { ...BEARER, origin } })).status, ok ? 200 : 403);
      const { raw, answer } = await tryConnect(room, {}, { origin });
      assert.equal(answer.ok, ok);
      raw.close();
    });
  }

  test("configured origins and names are allowed, and only they", async () => {
    const other = await startServerBench({
      surface: { allowedOrigins: ["https://ui.example"], publicOrigin: "https://gw.example:8443", hostNames: ["box.tail1234.ts.net"] },
    });
    for (const host of ["ui.example", "gw.example:8443", "box.tail1234.ts.net"])
      assert.equal((await http(other.port, "/healthz", { headers: { host } })).status, 200, host);
    assert.equal((await tryConnect(other, {}, { origin: "https://ui.example" })).answer.ok, true);
    assert.equal((await tryConnect(other, {}, { origin: "https://ui.example:444" })).answer.ok, false);
    assert.equal((await tryConnect(other, {}, { origin: "https://UI.example.evil" })).answer.ok, false);
    await other.stop();
  });

  for (const name of ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded", "x-real-ip"]) {
    test(`${name} from a peer that is not a trusted proxy is refused before anything else`, async () => {
      const answer = await http(room.port, "/healthz", { headers: { ...BEARER, [name]: "127.0.0.1" } });
      assert.equal(answer.status, 403);
      assert.equal(JSON.parse(answer.body).error.type, "proxy_attribution_required");
      const raw = new RawClient(room.url, { [name]: "127.0.0.1" });
      const status = await new Promise((resolve) => raw.ws.on("unexpected-response", (_request, response) => resolve(response.statusCode)));
      assert.equal(status, 403);
      raw.ws.terminate();
    });
  }

  for (const jump of [3_600_000, -3_600_000])
    test(`the uptime is the time that passed when the clock is set by ${jump / 60_000} minutes`, async () => {
      const clock = new FakeClock(1_800_000_000_000);
      const room = await startServerBench({ clock });
      clock.advance(5_000);
      clock.jump(jump);
      const { uptimeMs } = JSON.parse((await http(room.port, "/readyz")).body) as { uptimeMs: number };
      assert.equal(uptimeMs, 5_000);
      await room.stop();
    });

  test("behind a trusted proxy the named user comes in, and a new device there needs approval with a token", async () => {
    const proxied = await startServerBench({
      settings: {
        mode: "trusted-proxy",
        trustedProxies: ["127.0.0.1"],
        proxy: { userHeader: "x-user", requiredHeaders: [], allowUsers: ["ann"], secret: { header: "x-secret", value: new Secret("s3") } },
      },
    });
    const headers = { "x-forwarded-for": "203.0.113.5", "x-secret": "s3", "x-user": "ann" };
    assert.equal((await tryConnect(proxied, { auth: {} }, headers)).answer.ok, true);
    assert.equal((await http(proxied.port, "/metrics", { headers })).status, 200);
    const outsider = await tryConnect(proxied, { auth: {} }, { ...headers, "x-user": "bob" });
    assert.equal(outsider.answer.error!.details!["code"], "AUTH_UNAUTHORIZED");
    const unproven = await tryConnect(proxied, { auth: {} }, { ...headers, "x-secret": "no" });
    assert.equal(unproven.answer.error!.details!["code"], "AUTH_IDENTITY_HEADER_REQUIRED");
    assert.equal((await http(proxied.port, "/metrics")).status, 401);
    assert.ok("degraded" in JSON.parse((await http(proxied.port, "/readyz")).body));
    const outside = JSON.parse((await http(proxied.port, "/readyz", { headers: { "x-forwarded-for": "203.0.113.5" } })).body) as object;
    assert.deepEqual(Object.keys(outside), ["ready", "uptimeMs"], "names are for callers from this machine only");
    await proxied.stop();
  });

  test("a scopes header narrows what a credential may do", async () => {
    assert.equal((await http(room.port, "/metrics", { headers: { ...BEARER, "x-openclaw-scopes": "operator.pairing" } })).status, 403);
    assert.equal((await http(room.port, "/metrics", { headers: { ...BEARER, "x-openclaw-scopes": "operator.read" } })).status, 200);
  });
});

const ASK = { model: "openclaw", messages: [{ role: "user", content: "hi" }] };
const REFUSED_COMPLETIONS = [
  ["a foreign model", "/v1/chat/completions", { ...ASK, model: "gpt-4" }, 400],
  ["no model", "/v1/chat/completions", { messages: ASK.messages }, 400],
  ["an agent that is not there", "/v1/chat/completions", { ...ASK, model: "openclaw/missing" }, 404],
  ["no messages", "/v1/chat/completions", { model: "openclaw" }, 400],
  ["no user message", "/v1/chat/completions", { model: "openclaw", messages: [{ role: "system", content: "x" }] }, 400],
  [
    "an image from an address",
    "/v1/chat/completions",
    { model: "openclaw", messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "http://169.254.169.254/" } }] }] },
    400,
  ],
  ["no JSON", "/v1/chat/completions", "{", 400],
  ["a list", "/v1/responses", "[]", 400],
  ["a user that is not a text", "/v1/responses", { model: "openclaw", input: "x", user: {} }, 400],
] as const;

describe("answers of completions", () => {
  test("models are the agents", async () => {
    const list = JSON.parse((await http(room.port, "/v1/models", { headers: BEARER })).body) as { data: { id: string }[] };
    assert.deepEqual(
      list.data.map(({ id }) => id),
      ["openclaw", "openclaw/default", "openclaw/main", "openclaw/work"],
    );
    assert.equal((await http(room.port, "/v1/models/openclaw%2Fwork", { headers: BEARER })).status, 200);
    assert.equal((await http(room.port, "/v1/models/openclaw/missing", { headers: BEARER })).status, 404);
  });

  test("a whole answer has text, reason and usage", async () => {
    script = [{ type: "delta", text: "Hello " }, { type: "tool", name: "read" }, FINAL];
    const body = JSON.parse((await post("/v1/chat/completions", { ...ASK, user: "alice" })).body);
    assert.equal(body.object, "chat.completion");
    assert.deepEqual(body.choices, [{ index: 0, message: { role: "assistant", content: "Hello there." }, finish_reason: "stop" }]);
    assert.deepEqual(body.usage, { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 });
    const run = runs.at(-1)!;
    assert.equal(run.user, "alice");
    assert.equal(run.agentId, null);
    assert.deepEqual(run.messages, [{ role: "user", text: "hi" }]);
  });

  test("a stream is role, text, reason, usage and the end mark, and nothing is missing from its text", async () => {
    script = [{ type: "delta", text: "Hello" }, FINAL];
    const chunks = events(await post("/v1/chat/completions", { ...ASK, stream: true, stream_options: { include_usage: true } }));
    assert.equal(chunks.pop(), "[DONE]");
    const parsed = chunks.map((chunk) => JSON.parse(chunk));
    assert.deepEqual(parsed[0].choices[0].delta, { role: "assistant" });
    assert.equal(parsed.map((chunk) => chunk.choices[0]?.delta.content ?? "").join(""), "Hello there.");
    assert.equal(parsed.at(-2).choices[0].finish_reason, "stop");
    assert.deepEqual(parsed.at(-1).choices, []);
    assert.equal(parsed.at(-1).usage.total_tokens, 5);
  });

  test("a response stream has the events of the Responses API, in order and numbered", async () => {
    script = [{ type: "delta", text: "Hello " }, { type: "delta", text: "there." }, FINAL];
    const answer = await post("/v1/responses", { model: "openclaw/work", input: "hi", instructions: "be brief", stream: true });
    const parsed = events(answer).map((event) => JSON.parse(event));
    assert.deepEqual(
      parsed.map(({ type }) => type.replace("response.", "")),
      [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
      ],
    );
    assert.deepEqual(
      parsed.map((event) => event.sequence_number),
      parsed.map((_, i) => i),
    );
    assert.equal(parsed.at(-1).response.output[0].content[0].text, "Hello there.");
    assert.equal(runs.at(-1)!.agentId, "work");
    assert.deepEqual(runs.at(-1)!.messages[0], { role: "system", text: "be brief" });
    const whole = JSON.parse((await post("/v1/responses", { model: "openclaw", input: "hi" })).body);
    assert.equal(whole.output_text, "Hello there.");
    assert.equal(whole.status, "completed");
  });

  test("the agent header names the agent whatever the model says", async () => {
    script = [FINAL];
    assert.equal((await post("/v1/chat/completions", { ...ASK, model: "gpt-4" }, { "x-openclaw-agent-id": "work" })).status, 200);
    assert.equal(runs.at(-1)!.agentId, "work");
  });

  test("a header names the model of the run, and one without an effect here is refused", async () => {
    script = [FINAL];
    assert.equal((await post("/v1/chat/completions", ASK, { "x-openclaw-model": "openai/gpt-5" })).status, 200);
    assert.equal(runs.at(-1)!.model, "openai/gpt-5");
    assert.equal((await post("/v1/responses", { model: "openclaw", input: "hi" })).status, 200);
    assert.equal(runs.at(-1)!.model, null);
    for (const header of ["x-openclaw-message-channel", "x-openclaw-thread-id"]) {
      const { status, body } = await post("/v1/responses", { model: "openclaw", input: "hi" }, { [header]: "irc" });
      assert.deepEqual([status, body.includes(`${header} has no effect here`)], [400, true]);
    }
  });

  test("images come as data", async () => {
    script = [FINAL];
    const content = [
      { type: "text", text: "what is it" },
      { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } },
    ];
    assert.equal((await post("/v1/chat/completions", { model: "openclaw", messages: [{ role: "user", content }] })).status, 200);
    assert.deepEqual(runs.at(-1)!.images, [{ mimeType: "image/png", data: "AAAA" }]);
  });
});

describe("completions that fail or are refused", () => {
  test("failures come in OpenAI's shape, also in the middle of a stream", async () => {
    script = [
      { type: "delta", text: "He" },
      { type: "error", error: new GatewayError("UNAVAILABLE", "the model is away") },
    ];
    const whole = await post("/v1/chat/completions", ASK);
    assert.equal(whole.status, 503);
    assert.deepEqual(JSON.parse(whole.body).error, {
      message: "the model is away",
      type: "server_error",
      code: "unavailable",
      param: null,
    });
    const chunks = events(await post("/v1/chat/completions", { ...ASK, stream: true }));
    assert.equal(JSON.parse(chunks.at(-2)!).error.message, "the model is away");
    const failed = events(await post("/v1/responses", { model: "openclaw", input: "hi", stream: true }));
    assert.equal(JSON.parse(failed.at(-1)!).type, "response.failed");
    script = [];
    assert.equal((await post("/v1/chat/completions", ASK)).status, 503, "a run that ends without an answer is a failure");
  });

  for (const [title, path, body, status] of REFUSED_COMPLETIONS) {
    test(`${title} is refused with ${status}`, async () => {
      const answer = await post(path, body);
      assert.equal(answer.status, status);
      assert.equal(typeof JSON.parse(answer.body).error.message, "string");
    });
  }

  test("a client that goes away ends its run", async () => {
    script = [{ type: "tool", name: "wait" }];
    const before = runs.length;
    const controller = new AbortController();
    const asking = fetch(`http://127.0.0.1:${room.port}/v1/chat/completions`, {
      method: "POST",
      headers: BEARER,
      body: JSON.stringify({ ...ASK, stream: true }),
      signal: controller.signal,
    });
    await asking;
    assert.equal(runs.length, before + 1);
    const ended = new Promise<void>((resolve) => runs.at(-1)!.signal.addEventListener("abort", () => resolve()));
    controller.abort();
    await ended;
  });

  test("a body that is too large is refused before it is read", async () => {
    const answer = await http(room.port, "/v1/chat/completions", {
      method: "POST",
      headers: { ...BEARER, "content-length": "99000000" },
      body: "{",
    }).catch((err: Error) => err);
    assert.ok(answer instanceof Error || answer.status === 413);
  });
});
