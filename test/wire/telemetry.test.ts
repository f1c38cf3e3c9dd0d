// The real process exports telemetry to a collector, with messages of a channel and of clients.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { WebhookPeer } from "../channel-kit/webhook-peer.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { openclaw, openclawJson } from "./cli.ts";
import { dropHome, modelConfig, newHome, startGateway, until, type GatewayUnderTest } from "./gateway-process.ts";
import { OtlpCollector } from "./otlp-collector.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const CLIENT_SPAN = "b7ad6b7169203331";
const CANARY = "canary-header-4711-secret";
/** Spans are sent soon, so that a test need not wait for them. */
const FAST = { OTEL_BSP_SCHEDULE_DELAY: "50" };

let peer: WebhookPeer;
let model: ModelServer;
let collector: OtlpCollector;
let gateway: GatewayUnderTest;
const home = newHome();

const otel = (more: Record<string, unknown> = {}): Record<string, unknown> => ({
  diagnostics: {
    otel: {
      enabled: true,
      endpoint: collector.url,
      protocol: "http/json",
      logs: true,
      flushIntervalMs: 1e3,
      headers: { "x-collector-key": CANARY },
      ...more,
    },
  },
});

before(async () => {
  peer = await new WebhookPeer().start();
  model = await startModelServer();
  collector = await new OtlpCollector().start();
  const webhook = { secret: peer.secret, outboundUrl: peer.url, dmPolicy: "allowlist", allowFrom: ["customer-17"] };
  gateway = await startGateway({ home, env: FAST, config: { ...modelConfig(model.url), ...otel(), channels: { webhook } } });
});
after(async () => {
  await gateway?.kill();
  await model.close();
  await peer.close();
  await collector.close();
  dropHome(home);
});

const ask = async (text: string, traceparent?: string): Promise<string> => {
  const client = await gateway.connect();
  const idempotencyKey = `run-${Math.random().toString(36).slice(2)}`;
  const params = { sessionKey: "agent:main:main", message: text, idempotencyKey };
  await client.request("chat.send", params, traceparent === undefined ? {} : { traceparent });
  await client.request("agent.wait", { runId: idempotencyKey, timeoutMs: 20_000 });
  await client.close();
  return idempotencyKey;
};

const attribute = (item: { attributes: { key: string; value: Record<string, unknown> }[] } | undefined, key: string): unknown => {
  const found = item?.attributes.find((each) => each.key === key)?.value;
  return found && Object.values(found)[0];
};

test("a message of a channel is one tree of spans that ends with the platform's acknowledgement", async () => {
  const person = { id: "customer-17", name: "Ann" };
  peer.door = `${gateway.http}/channels/webhook`;
  await peer.push({ type: "message", chat: { kind: "direct", id: person.id }, sender: person, text: "Where is my parcel?" });
  await until("the answer", () => peer.messages.some(({ text }) => text === "You said: Where is my parcel?"));
  const spans = await until("the whole trace", () => {
    const part = collector.spans().find(({ name }) => name === "openclaw.outbox");
    const all = part && collector.spans().filter(({ traceId }) => traceId === part.traceId);
    return all?.some(({ name }) => name === "openclaw.message.processed") && all;
  });
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const roots = spans.filter(({ parentSpanId }) => parentSpanId === undefined);
  assert.deepEqual(
    roots.map(({ name }) => name),
    ["openclaw.message.processed"],
  );
  for (const { name, parentSpanId } of spans) assert.ok(parentSpanId === undefined || ids.has(parentSpanId), name);
  const names = ["inbox", "lane.wait", "run", "model.call", "outbox", "message.delivery"];
  for (const name of names)
    assert.ok(
      spans.some((span) => span.name === `openclaw.${name}`),
      name,
    );
  const text = JSON.stringify(spans);
  assert.ok(!text.includes("customer-17") && !text.includes("parcel"), "neither people nor content");
});

test("a request to a provider names its span", async () => {
  await ask("tool:bash:echo hi");
  const request = model.requests().at(-1)!;
  const [, traceId, spanId] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-01$/.exec(String(request.headers["traceparent"]))!;
  const span = await until("the span of the request", () => collector.spans().find((each) => each.spanId === spanId));
  assert.deepEqual([span.name, span.traceId], ["openclaw.model.call", traceId]);
  const tool = await until("the call", () =>
    collector.spans().find((each) => each.name === "openclaw.tool.execution" && each.traceId === traceId),
  );
  assert.equal(tool.parentSpanId, span.parentSpanId);
});

test("the trace of a client goes on in the gateway, and a longer or malformed one does not harm", async () => {
  const runId = await ask("hello", `00-${TRACE}-${CLIENT_SPAN}-01`);
  const root = await until("the root", () =>
    collector.spans().find((span) => span.name === "openclaw.message.processed" && span.traceId === TRACE),
  );
  assert.equal(root.parentSpanId, CLIENT_SPAN);
  assert.equal(attribute(root, "openclaw.run.id"), runId);
  await until("the request's span", () => collector.spans().some(({ name }) => name === "openclaw.gateway.rpc.handler"));
  await ask("malformed", "00-nonsense");
  await assert.rejects(ask("too long", `00-${"a".repeat(200)}`), /traceparent: must be a string of at most 128 characters/);
});

test("metrics and log records arrive under OpenClaw's names, without texts", async () => {
  const names = await until("metrics", () => {
    const found = new Set(collector.metrics().map(({ name }) => name));
    return found.has("openclaw.run.duration_ms") && found.has("openclaw.message.delivery.duration_ms") && found;
  });
  for (const name of [
    "openclaw.tokens",
    "openclaw.model_call.duration_ms",
    "gen_ai.client.token.usage",
    "gen_ai.client.operation.duration",
  ])
    assert.ok(names.has(name), name);
  const log = await until("a log record", () => collector.logs()[0]);
  assert.equal(log.body, undefined);
  for (const { headers } of collector.received) assert.equal(headers["x-collector-key"], CANARY);
  assert.ok(!collector.text().includes(CANARY), "a header's value is never part of what is sent");
});

test("status and doctor say that telemetry arrives, without addresses", async () => {
  const { stdout } = await openclaw(home, "status", "--all");
  assert.match(stdout, /telemetry\s+traces ok for .*http\/json, endpoint from the configuration/);
  assert.ok(!stdout.includes(collector.url) && !stdout.includes(CANARY));
  const { findings } = await openclawJson<{ findings: { check: string; severity: string }[] }>(home, "doctor");
  assert.deepEqual(
    findings.filter(({ check }) => check.startsWith("telemetry")).map(({ check, severity }) => [check, severity]),
    ["traces", "metrics", "logs"].map((signal) => [`telemetry:${signal}`, "ok"]),
  );
});

test("lines of the log about a run are found by its id and by its trace", async () => {
  const runId = await ask("error:400");
  const byRun = await until("a line", async () => {
    const { stdout } = await openclaw(home, "logs", "--run", runId, "--json");
    return stdout.trim() !== "" && stdout;
  });
  const line = JSON.parse(byRun.split("\n")[0]!) as { runId: string; traceId: string; message: string };
  assert.equal(line.runId, runId);
  const byTrace = await openclaw(home, "logs", "--run", line.traceId, "--since", "10m", "--json");
  assert.equal(byTrace.stdout, byRun);
  const none = await openclaw(home, "logs", "--run", runId, "--since", "2099-01-01T00:00Z");
  assert.match(none.stdout + none.stderr, /No lines in .* match/);
});

/** The time of a request in milliseconds, of the slowest but one of some. */
async function slowTurn(turns: number): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < turns; n++) {
    const began = performance.now();
    await ask(`turn ${n}`);
    times.push(performance.now() - began);
  }
  return times.toSorted((a, b) => a - b).at(-2)!;
}

test("a collector that is dead, silent or failing delays no turn, is reported once, and gets what comes when it is back", async () => {
  const seen = gateway.output();
  assert.ok(!seen.includes("telemetry is not delivered"));
  for (const answer of ["silent", 500, "dead"] as const) {
    if (answer === "dead") await collector.close();
    else collector.answer = answer;
    assert.ok((await slowTurn(5)) < 5_000, `a turn does not wait for a collector that is ${answer}`);
  }
  const status = await until(
    "the failure in the status",
    async () => {
      const { stdout } = await openclaw(home, "status", "--all");
      return /traces failing/.test(stdout) && stdout;
    },
    40_000,
  );
  assert.match(status, /the collector (cannot be reached|answered 500)/);
  assert.ok(!status.includes(new URL(collector.url).host), "a failure does not show the address");
  collector.answer = 200;
  await collector.start();
  const before = collector.spans().length;
  await until("spans after the collector is back", () => collector.spans().length > before, 90_000);
  const told = readFileSync(join(home, ".openclaw/gateway/logs/gateway.log"), "utf8")
    .split("\n")
    .filter((line) => line.includes("telemetry is not delivered"));
  assert.ok(told.length <= 3, "one line for each signal");
});

test("without telemetry nothing of it is loaded", async () => {
  const dir = mkdtempSync(join(tmpdir(), "modules-"));
  const plainHome = newHome();
  const file = join(dir, "modules");
  const hook = join(import.meta.dirname, "../fakes/record-modules.mjs");
  const env = { NODE_OPTIONS: `--import ${hook}`, RECORD_MODULES: file };
  const plain = await startGateway({ home: plainHome, env, config: modelConfig(model.url) });
  try {
    const client = await plain.connect();
    await client.request("chat.send", { sessionKey: "agent:main:main", message: "hello", idempotencyKey: "plain-1" });
    await client.request("agent.wait", { runId: "plain-1", timeoutMs: 20_000 });
    await client.close();
    assert.equal(model.requests().at(-1)!.headers["traceparent"], undefined);
    const loaded = readFileSync(file, "utf8").split("\n");
    assert.ok(loaded.length > 3, "the modules are recorded");
    const text = loaded
      .filter((url) => url.includes("/dist/"))
      .map((url) => readFileSync(new URL(url), "utf8"))
      .join("");
    assert.deepEqual(
      loaded.filter((url) => url.includes("/observe/otel/")),
      [],
    );
    assert.ok(!text.includes("resourceSpans"), "no loaded file has the encoder");
  } finally {
    await plain.kill();
    dropHome(plainHome);
    rmSync(dir, { recursive: true, force: true });
  }
});
