// Clients that others publish, unmodified, against the real process with a real agent: what they send is taken, what they read is there.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import {
  createSessionProjection,
  GatewayClient,
  reconcileSessionProjectionSnapshot,
  reduceSessionProjection,
} from "@openclaw/gateway-client";
import { OpenClawClient } from "openclaw-node";
import { SERVED_METHODS } from "../../src/protocol/served-methods.ts";
import type { ServedMethod } from "../../src/protocol/served-methods.ts";
import { checkParams } from "../../src/protocol/validate.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { assertMatchesSchema } from "../protocol-oracle.ts";
import { dropHome, modelConfig, newHome, startGateway, until, type GatewayUnderTest } from "./gateway-process.ts";
import { startRecordingProxy, type RecordingProxy, type RecordedFrame } from "./recording-proxy.ts";

type Wire = Record<string, unknown>;
type Event = { event: string; payload?: unknown; seq?: number };

const SCOPES = ["operator.admin", "operator.read", "operator.write", "operator.pairing"];

let model: ModelServer;
let gateway: GatewayUnderTest;
let tap: RecordingProxy;
const home = newHome();
const open = new Set<GatewayClient>();

before(async () => {
  model = await startModelServer();
  gateway = await startGateway({ home, config: modelConfig(model.url) });
  tap = await startRecordingProxy(gateway.url);
});

after(async () => {
  await tap.close();
  await gateway.kill();
  await model.close();
  dropHome(home);
});

afterEach(async () => {
  await Promise.all([...open].map((client) => client.stopAndWait()));
  open.clear();
});

/** The reference client, connected through the tap. */
async function official(
  options: { scopes?: string[]; caps?: string[] } = {},
): Promise<{ client: GatewayClient; hello: Wire; events: Event[] }> {
  const events: Event[] = [];
  const hello = Promise.withResolvers<Wire>();
  const client = new GatewayClient({
    url: tap.url,
    token: gateway.token(),
    scopes: options.scopes ?? SCOPES,
    caps: options.caps ?? ["tool-events"],
    onHelloOk: (answer) => hello.resolve(answer as unknown as Wire),
    onConnectError: (err) => hello.reject(err),
    onEvent: (event) => events.push(event as Event),
    onGap: ({ expected, received }) => hello.reject(new Error(`gap: ${received} instead of ${expected}`)),
  });
  open.add(client);
  client.start();
  return { client, hello: await hello.promise, events };
}

const call = async (client: GatewayClient, method: string, params: unknown = {}): Promise<Wire> =>
  (await client.request(method, params)) as Wire;
const ofRun = (events: readonly Event[], event: string, runId: string): Wire[] =>
  events.filter((each) => each.event === event && (each.payload as Wire)["runId"] === runId).map((each) => each.payload as Wire);
const ended = (events: readonly Event[], runId: string): Wire | undefined =>
  ofRun(events, "chat", runId).find((each) => ["final", "aborted", "error"].includes(String(each["state"])));
const textOf = (message: unknown): string =>
  typeof (message as Wire)["content"] === "string"
    ? String((message as Wire)["content"])
    : ((message as Wire)["content"] as Wire[]).map((part) => part["text"] ?? "").join("");

const shown = (messages: readonly unknown[]): string[] => messages.map((each) => `${(each as Wire)["role"]}: ${textOf(each)}`);

test("The reference client receives the served methods and the server's identity", async () => {
  const { hello } = await official();
  const features = hello["features"] as { methods: string[]; events: string[]; capabilities: string[] };
  assert.deepEqual([...features.methods].toSorted(), [...SERVED_METHODS].toSorted(), "the advertised list is the served list");
  assert.ok(features.capabilities.includes("published-model-catalog"));
  const snapshot = hello["snapshot"] as Wire;
  assert.deepEqual((snapshot["sessionDefaults"] as Wire)["mainSessionKey"], "agent:main:main");
  assert.equal(snapshot["stateDir"], join(home, ".openclaw"));
});

test("A message sent with chat.send is answered with ordered deltas and one final, and is in the history", async () => {
  const { client, events } = await official();
  await call(client, "sessions.subscribe");
  const runId = randomUUID();
  const answer = await call(client, "chat.send", { sessionKey: "main", message: "slow:15 one two three four", idempotencyKey: runId });
  assert.deepEqual(answer, { runId, status: "started" });
  const final = await until("the end of the run", () => ended(events, runId));
  assert.equal(final["state"], "final");
  assert.equal(textOf(final["message"]), "You said: slow:15 one two three four");

  const chat = ofRun(events, "chat", runId);
  const states = chat.map((each) => each["state"]);
  assert.deepEqual([...new Set(states)], ["status", "delta", "final"]);
  const deltas = chat.filter((each) => each["state"] === "delta");
  assert.ok(deltas.length > 1, "the reply streams");
  assert.equal(deltas.map((each) => each["deltaText"]).join(""), textOf(deltas.at(-1)!["message"]), "the suffixes add up to the text");
  const seqs = chat.map((each) => each["seq"] as number);
  assert.deepEqual(
    seqs,
    seqs.toSorted((a, b) => a - b),
  );
  const numbered = events.flatMap((each) => (each.seq === undefined ? [] : [each.seq]));
  assert.deepEqual(
    numbered,
    numbered.map((_, index) => numbered[0]! + index),
    "the connection's numbers have no gap",
  );

  const agent = ofRun(events, "agent", runId);
  assert.deepEqual(
    agent.filter((each) => each["stream"] === "lifecycle").map((each) => (each["data"] as Wire)["phase"]),
    ["start", "model", "end"],
  );
  assert.equal(
    agent
      .filter((each) => each["stream"] === "assistant")
      .map((each) => (each["data"] as Wire)["delta"])
      .join(""),
    textOf(final["message"]),
  );

  const again = await call(client, "chat.send", { sessionKey: "main", message: "slow:15 one two three four", idempotencyKey: runId });
  assert.deepEqual(again, { runId, status: "ok" }, "the same key is the same run");
  const history = await call(client, "chat.history", { sessionKey: "main", limit: 10, maxBytes: 262_144 });
  assert.deepEqual(
    (history["messages"] as Wire[]).map((each) => each["role"]),
    ["user", "assistant"],
  );
  assert.equal((history["messages"] as Wire[])[0]!["idempotencyKey"], `${runId}:user`);
  const startup = await call(client, "chat.startup", { sessionKey: "agent:main:main", limit: 80, maxBytes: 262_144 });
  assert.deepEqual(startup["messages"], history["messages"]);
  const cursor = await call(client, "chat.history", { sessionKey: "main", cursor: history["deltaCursor"] });
  assertMatchesSchema("ChatHistoryCursorResult", cursor);
  assert.deepEqual(cursor["messages"], []);
});

test("The reference client's own projection of a session shows each message once, live and after a reload", async () => {
  const { client, events } = await official();
  const key = "agent:main:projected";
  await call(client, "sessions.messages.subscribe", { key });
  let view = createSessionProjection({ sessionKey: key });
  for (const text of ["first", "tool:bash:echo from-the-tool", "third"]) {
    const runId = randomUUID();
    await call(client, "chat.send", { sessionKey: key, message: text, idempotencyKey: runId });
    await until(`the end of ${text}`, () => ended(events, runId));
  }
  for (const { event, payload } of events) {
    if (event === "session.message") {
      const { message, messageId, messageSeq } = payload as Wire;
      view = reduceSessionProjection(view, { type: "messagePersisted", message, envelope: { messageId, messageSeq } } as never);
    }
  }
  const live = shown(view.messages);
  const history = await call(client, "chat.history", { sessionKey: key });
  const loaded = reconcileSessionProjectionSnapshot(
    createSessionProjection({ sessionKey: key }),
    history["messages"] as unknown[],
    {
      sessionKey: key,
    } as never,
  );
  assert.deepEqual(live, shown(history["messages"] as unknown[]));
  assert.deepEqual(shown(loaded.messages), live);
  assert.equal(live.filter((each) => each.startsWith("user:")).length, 3);
  assert.ok(
    live.some((each) => each.startsWith("toolResult: from-the-tool")),
    live.join("\n"),
  );
});

test("Tool events go to a client that asked for them, and to no other", async () => {
  const [asked, other] = [await official(), await official({ caps: [] })];
  const key = "agent:main:tools";
  for (const { client } of [asked, other]) await call(client, "sessions.messages.subscribe", { key });
  const runId = randomUUID();
  await call(asked.client, "chat.send", { sessionKey: key, message: "tool:bash:echo hello", idempotencyKey: runId });
  await until("both ends", () => ended(asked.events, runId) && ended(other.events, runId));
  const tools = (events: Event[]): Wire[] =>
    ofRun(events, "agent", runId)
      .filter((each) => each["stream"] === "tool")
      .map((each) => each["data"] as Wire);
  const phases = tools(asked.events).map((each) => each["phase"]);
  assert.equal(phases[0], "start");
  assert.equal(phases.at(-1), "result");
  assert.deepEqual(tools(asked.events)[0]!["args"], { command: "echo hello" });
  assert.deepEqual(tools(other.events), []);
});

const made = (name: string): string => join(home, name);

test("A read-only session runs no command, whatever the model asks for", async () => {
  const { client, events } = await official();
  const key = "agent:main:careful";
  const run = async (name: string): Promise<void> => {
    const runId = randomUUID();
    await call(client, "chat.send", { sessionKey: key, message: `tool:bash:touch ${made(name)}`, idempotencyKey: runId });
    await until("the end", () => ended(events, runId));
  };
  await run("allowed");
  await call(client, "sessions.patch", { key, permissionMode: "read-only" });
  await run("denied");
  await call(client, "sessions.patch", { key, permissionMode: null });
  await run("allowed-again");
  assert.deepEqual(
    ["allowed", "denied", "allowed-again"].map((name) => existsSync(made(name))),
    [true, false, true],
  );
});

test("A stream reaches the clients that watch the session, and no others", async () => {
  const [sender, bystander] = [await official(), await official()];
  await call(bystander.client, "sessions.messages.subscribe", { key: "agent:main:elsewhere" });
  const runId = randomUUID();
  await call(sender.client, "chat.send", { sessionKey: "agent:main:private", message: "hello", idempotencyKey: runId });
  await until("the end", () => ended(sender.events, runId));
  await call(bystander.client, "health");
  assert.deepEqual(ofRun(bystander.events, "chat", runId), []);
  assert.deepEqual(ofRun(bystander.events, "agent", runId), []);
});

test("chat.abort ends a run with the text so far, and aborting again changes nothing", async () => {
  const { client, events } = await official();
  const runId = randomUUID();
  await call(client, "chat.send", { sessionKey: "agent:main:abort", message: "hang", idempotencyKey: runId });
  await until("the first words", () => ofRun(events, "chat", runId).find((each) => each["state"] === "delta"));
  const answer = await call(client, "chat.abort", { sessionKey: "agent:main:abort", runId });
  assert.deepEqual(answer, { ok: true, aborted: true, runIds: [runId] });
  const final = await until("the end", () => ended(events, runId));
  assert.equal(final["state"], "aborted");
  assert.equal(textOf(final["message"]).trim(), "partial");
  assert.deepEqual(await call(client, "chat.abort", { sessionKey: "agent:main:abort", runId }), { ok: true, aborted: false, runIds: [] });
  const waited = await call(client, "agent.wait", { runId, timeoutMs: 1_000 });
  assert.equal(waited["status"], "error");
  assert.ok(typeof waited["endedAt"] === "number");
});

test("A model that fails ends the run with an error that names its kind", async () => {
  const { client, events } = await official();
  const runId = randomUUID();
  await call(client, "chat.send", { sessionKey: "agent:main:error", message: "error:401", idempotencyKey: runId });
  const final = await until("the end", () => ended(events, runId));
  assert.equal(final["state"], "error");
  assert.match(final["errorMessage"] as string, /^\S+ refused the key of this gateway\./);
  const detail = final["errorDetail"] as Wire;
  assert.equal(detail["httpStatus"], 401);
  assert.match(detail["providerErrorMessagePreview"] as string, /scripted error 401/);
  const { session } = (await call(client, "sessions.describe", { key: "agent:main:error" })) as { session: Wire };
  assert.equal(session["status"], "failed");
});

test("Sessions are created, described, changed, listed, reset and deleted, and subscribers receive the changes", async () => {
  const { client, events } = await official();
  await call(client, "sessions.subscribe");
  const created = await call(client, "sessions.create", { key: "agent:main:garden", label: "Garden" });
  assert.equal(created["key"], "agent:main:garden");
  const runId = randomUUID();
  await call(client, "sessions.send", { key: "agent:main:garden", message: "which tree?", idempotencyKey: runId });
  await until("the end", () => ended(events, runId));
  const { session } = (await call(client, "sessions.describe", { key: "agent:main:garden", agentId: "main" })) as { session: Wire };
  for (const field of [
    "key",
    "sessionId",
    "agentId",
    "kind",
    "classification",
    "updatedAt",
    "model",
    "modelProvider",
    "contextTokens",
    "totalTokens",
    "status",
    "hasActiveRun",
    "thinkingLevels",
    "effectiveQueueMode",
    "sharingRole",
  ])
    assert.ok(field in session, `a row has ${field}`);
  assert.equal(session["label"], "Garden");
  assert.equal(session["status"], "done");
  assert.equal(session["hasActiveRun"], false);

  await call(client, "sessions.patch", { key: "agent:main:garden", label: "Orchard", expectedSessionId: session["sessionId"] });
  const list = (await call(client, "sessions.list", { limit: 20, search: "garden" })) as { sessions: Wire[]; count: number };
  assert.deepEqual(
    list.sessions.map((row) => row["label"]),
    ["Orchard"],
  );
  const children = await call(client, "sessions.list", { spawnedBy: "agent:main:garden", limit: 10_000 });
  assert.equal(children["totalCount"], 0, "it has no children");
  const preview = (await call(client, "sessions.preview", { keys: ["agent:main:garden", "agent:main:nowhere"] })) as { previews: Wire[] };
  assert.deepEqual(
    preview.previews.map((each) => each["status"]),
    ["ok", "missing"],
  );
  assert.equal((await call(client, "sessions.resolve", { label: "Orchard" }))["key"], "agent:main:garden");

  const reset = await call(client, "sessions.reset", { key: "agent:main:garden" });
  assert.notEqual((reset["entry"] as Wire)["sessionId"], session["sessionId"]);
  assert.deepEqual((await call(client, "chat.history", { sessionKey: "agent:main:garden" }))["messages"], []);
  assert.equal((await call(client, "sessions.delete", { key: "agent:main:garden" }))["deleted"], true);
  assert.equal((await call(client, "sessions.describe", { key: "agent:main:garden" }))["session"], null);

  const changes = events.filter((each) => each.event === "sessions.changed").map((each) => each.payload as Wire);
  const reasons = changes.filter((each) => each["sessionKey"] === "agent:main:garden").map((each) => each["reason"] ?? each["phase"]);
  for (const reason of ["create", "start", "end", "patch", "reset", "delete"])
    assert.ok(reasons.includes(reason), `${reason} in ${reasons}`);
  const patch = changes.find((each) => each["reason"] === "patch")!;
  assert.equal(patch["label"], "Orchard");
  assert.equal("model" in patch, false, "what did not change is not repeated");
});

test("Agents, models, commands and configuration answer as the schema says", async () => {
  const { client } = await official();
  const agents = (await call(client, "agents.list")) as { defaultId: string; agents: Wire[] };
  assert.equal(agents.defaultId, "main");
  const workspace = join(home, "second");
  await call(client, "agents.create", { name: "Second", workspace });
  assert.deepEqual(
    ((await call(client, "agents.list")) as { agents: Wire[] }).agents.map((each) => each["id"]),
    ["main", "second"],
  );
  assert.equal((await call(client, "agent.identity.get", { agentId: "second" }))["agentId"], "second");
  await call(client, "agents.update", { agentId: "second", name: "Number Two" });
  await call(client, "agents.delete", { agentId: "second", deleteFiles: false });
  assert.deepEqual(
    ((await call(client, "agents.list")) as { agents: Wire[] }).agents.map((each) => each["id"]),
    ["main"],
  );

  const models = (await call(client, "models.list", { view: "default", includeDetails: true })) as { models: Wire[] };
  assert.deepEqual(
    models.models.map((each) => `${each["provider"]}/${each["id"]}`),
    ["test/echo"],
  );
  const metadata = (await call(client, "chat.metadata", { agentId: "main", sessionKey: "agent:main:main" })) as {
    models: Wire[];
    commands: Wire[];
  };
  assert.deepEqual(metadata.models, models.models);
  assert.ok(metadata.commands.some((each) => each["name"] === "new"));
  const commands = (await call(client, "commands.list", { agentId: "main", scope: "text", includeArgs: false })) as { commands: Wire[] };
  assert.deepEqual(
    commands.commands.map((each) => each["name"]),
    metadata.commands.map((each) => each["name"]),
  );

  const config = await call(client, "config.get");
  assert.equal(config["valid"], true);
  assert.equal(JSON.stringify(config).includes("test-key"), false, "the provider's key stays here");
  const patched = await call(client, "config.patch", {
    raw: JSON.stringify({ session: { dmScope: "per-channel-peer" } }),
    baseHash: config["hash"],
  });
  assert.equal(patched["ok"], true);
  await assert.rejects(call(client, "config.patch", { raw: "{}", baseHash: config["hash"] }), /re-run config.get and retry/);
  const written = readFileSync(join(home, ".openclaw", "openclaw.json"), "utf8");
  assert.match(written, /per-channel-peer/);
  assert.match(written, /test-key/, "the key that was hidden on the way is still in the file");
  const after = await call(client, "config.get");
  await call(client, "config.set", { raw: after["raw"], baseHash: after["hash"] });
  assert.equal(readFileSync(join(home, ".openclaw", "openclaw.json"), "utf8"), written);
  assert.equal(((await call(client, "config.schema"))["schema"] as Wire)["type"], "object");
  assert.equal((await call(client, "config.schema.lookup", { path: "gateway.port" }))["path"], "gateway.port");
});

test("The rest of what the official clients read answers as the schema says", async () => {
  const { client } = await official();
  for (const [method, params] of [
    ["health", { probe: true }],
    ["status", {}],
    ["system-presence", {}],
    ["last-heartbeat", {}],
    ["channels.status", { probe: false }],
    ["channels.pairing.list", {}],
    ["device.pair.list", {}],
    ["logs.tail", { limit: 5 }],
    ["sessions.messages.unsubscribe", { key: "main" }],
    ["sessions.compact", { key: "agent:main:main" }],
    ["set-heartbeats", { enabled: false }],
    ["system-event", { text: "Node: hello" }],
    ["wake", { mode: "next-heartbeat", text: "wake up" }],
  ] as const) {
    await call(client, method, params).catch((err: unknown) => assert.fail(`${method}: ${String(err)}`));
  }
  const presence = (await client.request("system-presence", {})) as Wire[];
  assert.ok(presence.some((each) => each["reason"] === "self"));
  await assert.rejects(call(client, "no.such.method"), /unknown method: no.such.method/);
  await assert.rejects(
    call(client, "sessions.patch", { key: "main", foo: 1 }),
    /invalid sessions.patch params: at root: unexpected property 'foo'/,
  );
});

test("The npm package openclaw-node gets the reply to a chat, word by word", async () => {
  const client = new OpenClawClient({
    url: tap.url,
    token: gateway.token(),
    deviceIdentityPath: join(home, "openclaw-node.json"),
    autoReconnect: false,
  });
  await client.connect();
  const chunks: { type: string; text?: string }[] = [];
  for await (const chunk of client.chat("slow:15 good morning to you", { sessionKey: "agent:main:node" })) chunks.push(chunk);
  const text = chunks.filter((each) => each.type === "text").map((each) => each.text);
  assert.equal(text.join(""), "You said: slow:15 good morning to you");
  assert.ok(text.length > 1, "it streams");
  assert.equal(
    chunks.some((each) => each.type === "error"),
    false,
  );
  assert.deepEqual([chunks[0]?.type, chunks.at(-1)?.type], ["agent_start", "done"]);
  assert.equal(await client.chatSync("and whole", { sessionKey: "agent:main:node" }), "You said: and whole");
  const gone = once(client, "disconnected");
  await client.disconnect();
  await gone;
});

test("Every request that official clients were seen to send is accepted", () => {
  const recorded = JSON.parse(readFileSync(new URL("fixtures/requests.json", import.meta.url), "utf8")) as {
    client: string;
    method: string;
    params?: unknown;
  }[];
  assert.ok(recorded.length > 60);
  for (const { client, method, params } of recorded) {
    assert.doesNotThrow(() => checkParams(method as ServedMethod, params), `${client} ${method} ${JSON.stringify(params)}`);
  }
});

test("Every frame that the gateway sent to these clients is as the published schema says", () => {
  assert.deepEqual(tap.faults, []);
  const unsolicited = tap.received.filter((frame: RecordedFrame) => frame.type === "event" && frame.event === "sessions.changed");
  assert.ok(unsolicited.length > 5 && tap.received.length > 200, "there was something to check");
});
