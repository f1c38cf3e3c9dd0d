// Our server with the client of the official SDK, and our client with its server.
import { Message, TaskState, type AgentCard, type Part, type StreamResponse, type Task } from "@a2a-js/sdk";
import { ClientFactory, ClientFactoryOptions, DefaultAgentCardResolver, JsonRpcTransportFactory, type Client } from "@a2a-js/sdk/client";
import {
  DefaultRequestHandler,
  InMemoryTaskStore,
  JsonRpcTransportHandler,
  ServerCallContext,
  type AgentExecutor,
  type ExecutionEventBus,
  type RequestContext,
} from "@a2a-js/sdk/server";
import assert from "node:assert/strict";
import { createServer, type IncomingMessage as NodeRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { FakeClock } from "../../../test/fakes/fake-clock.ts";
import { LINK, testGateway, type Side } from "../../../test/peer-bench.ts";
import { until } from "../../../test/until.ts";
import { createDevice } from "../../client/device.ts";
import type { RunId } from "../../core/ids.ts";
import { silentLog } from "../../core/log.ts";
import { silentMetrics } from "../../core/metrics.ts";
import { Secret } from "../../core/secret.ts";
import type { PeerSettings } from "../context.ts";
import { requestIdOf } from "../remote-turn.ts";
import { sendToAgent } from "./http.ts";
import { A2aServer, type A2aAnswer, type A2aRequest, type TaskProgress } from "./server.ts";
import { HOPS_KEY, PATH_KEY } from "./wire.ts";

const TOKEN = "token-of-hermes";
const ORIGIN = "http://gateway.test";
const never = new AbortController().signal;

/** A gateway that serves A2A to the links `hermes` and `other`. */
async function serving(t: TestContext, link: Partial<PeerSettings> = {}, settings: { rateLimitPerMinute?: number } = {}) {
  const clock = new FakeClock();
  const a2a = { transport: "a2a" as const, token: new Secret(TOKEN), ...link };
  const other = { transport: "a2a" as const, token: new Secret("token-of-other") };
  const side = testGateway(t, clock, createDevice(), { hermes: a2a, other });
  const followers = new Map<RunId, (progress: TaskProgress) => void>();
  const ended = (runId: RunId): boolean => side.runs.get(runId)?.outcome !== null;
  const desk = await side.service.taskDesk({
    waitFor: async (runId, timeoutMs, signal) => {
      let isLate = false;
      const cancel = clock.after(timeoutMs, () => (isLate = true));
      await until("the end of the run", () => ended(runId) || isLate || signal.aborted);
      cancel();
    },
    abort: async (runId) => {
      const run = side.runs.get(runId)!;
      const outcome = { status: "aborted" as const, text: "", stopReason: "aborted" as const, endedAt: clock.now() };
      side.runs.set(runId, { ...run, state: "aborted", outcome });
    },
    follow: (runId, onText) => {
      followers.set(runId, onText);
      return () => void followers.delete(runId);
    },
  });
  let ids = 0;
  const server = new A2aServer({
    desk,
    clock,
    log: silentLog,
    metrics: silentMetrics,
    newId: () => `context-${++ids}`,
    version: "1",
    links: () => [...side.links].map(([name, { token }]) => ({ name, ...(token && { token }) })),
    settings: () => ({ replyTimeoutMs: 120_000, rateLimitPerMinute: 1_000, ...settings }),
    publicOrigin: () => ORIGIN,
  });
  return { clock, side, server, followers };
}

type Serving = Awaited<ReturnType<typeof serving>>;

const request = (token: string | null = TOKEN, more: Partial<A2aRequest> = {}): A2aRequest => ({
  peer: "192.0.2.1",
  authorization: token === null ? undefined : `Bearer ${token}`,
  versionHeader: undefined,
  origin: ORIGIN,
  ...more,
});

const toResponse = ({ status, body }: A2aAnswer): Response =>
  new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });

/** `fetch` that ends at the server. */
const fetchOf =
  ({ server }: Serving, token: string | null): typeof fetch =>
  async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const versionHeader = new Headers(init?.headers).get("a2a-version") ?? undefined;
    const asked = request(token, { versionHeader });
    if (url.pathname !== "/a2a/v1") return toResponse(server.card(asked));
    const refused = server.screen(asked);
    if (refused !== null) return toResponse(refused);
    const answer = await server.call(asked, JSON.parse(String(init?.body)), init?.signal ?? never);
    if (!("stream" in answer)) return toResponse(answer);
    const pieces = async function* (): AsyncGenerator<Uint8Array> {
      for await (const each of answer.stream) yield Buffer.from(`data: ${JSON.stringify(each)}\n\n`);
    };
    return new Response(ReadableStream.from(pieces()), { status: 200, headers: { "content-type": "text/event-stream" } });
  };

function clientOf(served: Serving, { token = TOKEN as string | null, legacy = false } = {}): Promise<Client> {
  const fetchImpl = fetchOf(served, token);
  const transport = new JsonRpcTransportFactory({ fetchImpl, legacyCompat: { enabled: true } });
  const options = ClientFactoryOptions.createFrom(ClientFactoryOptions.default, {
    transports: [transport],
    cardResolver: new DefaultAgentCardResolver({ fetchImpl }),
  });
  const factory = new ClientFactory(options);
  if (!legacy) return factory.createFromUrl(ORIGIN);
  const found = served.server.card(request()).body as unknown as AgentCard;
  return factory.createFromAgentCard({ ...found, supportedInterfaces: found.supportedInterfaces.slice(-1) });
}

const say = (text: string, more: object = {}): Message =>
  Message.fromJSON({ messageId: `m-${text.replaceAll(/\W/g, "-")}`, role: "ROLE_USER", parts: [{ text }], ...more });
const sending = (message: Message, more: object = {}) => ({ tenant: "", message, configuration: undefined, metadata: undefined, ...more });
const now = {
  configuration: { returnImmediately: true, acceptedOutputModes: [], taskPushNotificationConfig: undefined, historyLength: undefined },
};
const asTask = (answer: unknown): Task => answer as Task;
const runsOf = ({ side }: Serving): RunId[] => [...side.runs.keys()];
const textOf = (parts: readonly Part[] | undefined): string =>
  (parts ?? []).map(({ content }) => (content?.$case === "text" ? content.value : "")).join("");
const reasonOf = (task: Task): string => textOf(task.status?.message?.parts);

for (const legacy of [false, true])
  test(`the official client sends a task and reads how it ended, ${legacy ? "in the shapes of 0.3" : "in those of 1.0"}`, async (t) => {
    const served = await serving(t);
    const client = await clientOf(served, { legacy });
    const answer = client.sendMessage(sending(say("good morning", { contextId: "Day:1" })));
    await until("a run", () => served.side.runs.size === 1);
    const [runId] = runsOf(served);
    const { submission } = served.side.runs.get(runId!)!;
    assert.equal(submission.provenance.senderIsOwner, false, "it is someone from outside");
    assert.deepEqual([submission.text, submission.command, submission.agentId], ["good morning", null, "main"]);
    assert.match(submission.sessionKey, /^agent:main:peer:hermes:direct:[0-9a-f]{32}$/);
    served.side.answer(runId!, "and to you");
    const task = asTask(await answer);
    assert.equal(task.status?.state, TaskState.TASK_STATE_COMPLETED);
    assert.equal(task.contextId, "Day:1");
    assert.equal(textOf(task.artifacts[0]?.parts), "and to you");
    const again = await client.getTask({ tenant: "", id: task.id, historyLength: undefined });
    assert.equal(textOf(again.artifacts[0]?.parts), "and to you");
  });

test("the official client gets an answer in pieces, and the same conversation has the same session", async (t) => {
  const served = await serving(t);
  const client = await clientOf(served);
  const events: StreamResponse[] = [];
  const reading = (async () => {
    for await (const event of client.sendMessageStream(sending(say("count", { contextId: "c1" })))) events.push(event);
  })();
  await until("a follower", () => served.followers.size === 1);
  const [runId] = runsOf(served);
  served.followers.get(runId!)!({ text: "one ", isWhole: false });
  served.followers.get(runId!)!({ text: "two", isWhole: false });
  await until("two pieces", () => events.length >= 3);
  served.side.answer(runId!, "one two");
  await reading;
  const kinds = events.map(({ payload }) => payload?.$case);
  assert.deepEqual(kinds, ["task", "artifactUpdate", "artifactUpdate", "statusUpdate"]);
  const pieces = events.flatMap(({ payload }) => (payload?.$case === "artifactUpdate" ? [textOf(payload.value.artifact?.parts)] : []));
  assert.equal(pieces.join(""), "one two");
  const last = events.at(-1)?.payload;
  assert.equal(last?.$case === "statusUpdate" && last.value.status?.state, TaskState.TASK_STATE_COMPLETED);

  await client.sendMessage(sending(say("again", { contextId: "c1" }), now));
  const keys = new Set([...served.side.runs.values()].map(({ submission }) => submission.sessionKey));
  assert.equal(keys.size, 1);
});

test("a task is stored once for each message, survives a restart, and is not another link's", async (t) => {
  const served = await serving(t);
  const client = await clientOf(served);
  const first = asTask(await client.sendMessage(sending(say("once"), now)));
  const second = asTask(await client.sendMessage(sending(say("once"), now)));
  assert.equal(first.status?.state, TaskState.TASK_STATE_WORKING);
  assert.deepEqual([second.id, second.contextId], [first.id, first.contextId]);
  assert.equal(served.side.runs.size, 1);
  await served.side.restart();
  served.side.answer(runsOf(served)[0]!, "done");
  const read = await client.getTask({ tenant: "", id: first.id, historyLength: undefined });
  assert.equal(read.status?.state, TaskState.TASK_STATE_COMPLETED);
  const stranger = await clientOf(served, { token: "token-of-other" });
  await assert.rejects(stranger.getTask({ tenant: "", id: first.id, historyLength: undefined }), /no task/);
});

test("a task is canceled while it runs, and not after it", async (t) => {
  const served = await serving(t);
  const client = await clientOf(served);
  const { id } = asTask(await client.sendMessage(sending(say("long work"), now)));
  const canceled = await client.cancelTask({ tenant: "", id, metadata: undefined });
  assert.equal(canceled.status?.state, TaskState.TASK_STATE_CANCELED);
  assert.equal(served.side.runs.get(runsOf(served)[0]!)!.outcome?.status, "aborted");
  await assert.rejects(client.cancelTask({ tenant: "", id, metadata: undefined }), /has ended/);
});

const way = (path: readonly string[], maxHops = 3): object => ({ metadata: { [PATH_KEY]: path, [HOPS_KEY]: maxHops } });

test("the list, the hop limit and the rules of words hold for A2A as for every link", async (t) => {
  const served = await serving(t);
  const client = await clientOf(served);
  const refusal = async (message: Message, more: object = {}): Promise<string> => {
    const task = asTask(await client.sendMessage(sending(message, { ...now, ...more })));
    assert.equal(task.status?.state, TaskState.TASK_STATE_REJECTED);
    return reasonOf(task);
  };
  assert.match(await refusal(say("to work"), { tenant: "work" }), /agent work is not allowed/);
  assert.match(await refusal(say("/stop")), /commands are for people/);
  assert.match(await refusal(say("round", way([served.side.identity.id]))), /goes in a circle/);
  assert.match(await refusal(say("far", way(["a", "b", "c"]))), /over 4 links/);
  assert.match(await refusal(say("its own limit", way(["a"], 1))), /over 2 links/);
  assert.equal(served.side.runs.size, 0);

  served.side.links.set("hermes", {
    ...LINK,
    transport: "a2a",
    token: new Secret(TOKEN),
    accept: { ...LINK.accept, channels: ["telegram"] },
  });
  assert.match(await refusal(say("channel")), /messages from a2a are not allowed/);
  served.side.links.delete("hermes");
  await assert.rejects(client.sendMessage(sending(say("gone"), now)), /401|unauthorized|Unauthorized|HTTP error/i);
});

test("a link that only takes tasks is up when its token can be read and the gateway serves A2A", async (t) => {
  const { side } = await serving(t);
  side.links.set("mute", { ...LINK, transport: "a2a" });
  const states = Object.fromEntries(side.service.reports().map(({ name, state, cause }) => [name, cause ?? state]));
  assert.deepEqual(states, { hermes: "up", other: "up", mute: "it has neither a url nor a token that can be read" });
});

test("without a token nothing is read and no agent is named, and wrong tokens cannot be tried fast", async (t) => {
  const { server } = await serving(t);
  const skills = (token: string | null): string[] =>
    ((server.card(request(token)).body as { skills?: { id: string }[] }).skills ?? []).map(({ id }) => id);
  assert.deepEqual(skills(null), ["agent"]);
  assert.deepEqual(skills(TOKEN), ["main", "main@third"]);
  assert.equal(server.card(request("wrong")).status, 401);
  assert.equal(server.screen(request(null))?.status, 401);
  assert.equal(server.screen(request())?.status, undefined);
  for (let each = 0; each < 40; each++) server.screen(request(`guess-${each}`));
  assert.equal(server.screen(request("guess"))?.status, 429);
  assert.equal(server.screen(request(TOKEN, { peer: "192.0.2.2" })), null, "others are not affected");
  const called = await server.call(request("guess"), { jsonrpc: "2.0", id: 1, method: "GetTask", params: { id: "x" } }, never);
  assert.equal("status" in called && called.status, 401);
});

const rpc = (method: string, params: object = {}): object => ({ jsonrpc: "2.0", id: 1, method, params });

test("a link has so many requests in a minute, and odd requests get the error of JSON-RPC that names them", async (t) => {
  const { server } = await serving(t, {}, { rateLimitPerMinute: 9 });
  const code = async (body: unknown): Promise<unknown> => {
    const answer = (await server.call(request(), body, never)) as { body: { error?: { code: number } } };
    return answer.body.error?.code;
  };
  assert.equal(await code({}), -32_600);
  assert.equal(await code(rpc("ListTasks")), -32_601);
  assert.equal(await code(rpc("SendMessage")), -32_602);
  assert.equal(await code(rpc("SendMessage", { message: { messageId: "m", parts: [] } })), -32_602);
  assert.equal(await code(rpc("SendMessage", { message: { messageId: "no good", parts: [{ text: "x" }] } })), -32_602);
  assert.equal(await code(rpc("GetTask", { id: "unknown" })), -32_001);
  const push = { message: { messageId: "m", parts: [{ text: "x" }] }, configuration: { taskPushNotificationConfig: {} } };
  assert.equal(await code(rpc("SendMessage", push)), -32_004);
  const batch = (await server.call(request(), [rpc("GetTask", { id: "x" }), rpc("message/stream")], never)) as unknown as {
    body: { error: { code: number } }[];
  };
  assert.deepEqual(
    batch.body.map(({ error }) => error.code),
    [-32_001, -32_004],
  );
  assert.equal(await code(Array.from({ length: 31 }, () => rpc("GetTask"))), -32_600);
  assert.equal(await code(rpc("GetTask", { id: "x" })), -32_000, "one more than the limit");
});

// Our client

/** An agent behind the server of the official SDK. What it does with a message is `act`. */
async function officialAgent(t: TestContext, act: (context: RequestContext, bus: ExecutionEventBus) => Promise<void>, token = "there") {
  const executor: AgentExecutor = {
    execute: act,
    cancelTask: (taskId, bus) => {
      bus.publish(statusOf({ taskId, contextId: "" }, TaskState.TASK_STATE_CANCELED));
      bus.finished();
      return Promise.resolve();
    },
  };
  const card = { name: "hermes", skills: [{ id: "poems" }], supportedInterfaces: [], capabilities: {} } as unknown as AgentCard;
  const handler = new JsonRpcTransportHandler(new DefaultRequestHandler(card, new InMemoryTaskStore(), executor));
  const seen: string[] = [];
  const state = { isDown: false, seen, token };
  const server = createServer((incoming, response) => {
    const json = (status: number, body: unknown): void => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    };
    if (state.isDown) return void incoming.socket.destroy();
    if (incoming.headers.authorization !== `Bearer ${state.token}`) return json(401, {});
    if (incoming.method === "GET") return json(200, card);
    readAll(incoming)
      .then(async (text) => {
        seen.push((JSON.parse(text) as { method: string }).method);
        json(200, await handler.handle(JSON.parse(text) as Record<string, unknown>, new ServerCallContext()));
      })
      .catch((err: unknown) => json(500, { error: String(err) }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => void server.close());
  return { ...state, state, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/a2a/v1` };
}

async function readAll(incoming: NodeRequest): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const statusOf = ({ taskId, contextId }: { taskId: string; contextId: string }, state: TaskState, text?: string): never =>
  ({
    kind: "statusUpdate",
    data: {
      taskId,
      contextId,
      status: { state, timestamp: undefined, message: text === undefined ? undefined : say(text) },
      metadata: undefined,
    },
  }) as never;

/** Steps of fake time until the condition holds: requests over sockets take real time, pauses between them fake time. */
const eventually = (clock: FakeClock, what: string, isTrue: () => boolean): Promise<unknown> =>
  until(what, async () => {
    if (isTrue()) return true;
    await clock.advanceSettled(500);
    return isTrue();
  });

async function asking(t: TestContext, url: string, token = "there") {
  const clock = new FakeClock();
  const link = { transport: "a2a" as const, url, outboundToken: new Secret(token) };
  const home = testGateway(t, clock, createDevice(), { hermes: link });
  await home.service.start();
  return { clock, home };
}

const outcomeOf = (home: Side, runId: string) => home.rows.outgoing(requestIdOf(runId))?.outcome ?? null;
const isUp = (home: Side): boolean => home.states.get("hermes") === true;

/** A task whose end comes later. */
const accept = ({ taskId, contextId, userMessage }: RequestContext, bus: ExecutionEventBus): void =>
  bus.publish({
    kind: "task",
    data: {
      id: taskId,
      contextId,
      status: { state: TaskState.TASK_STATE_WORKING, message: undefined, timestamp: undefined },
      artifacts: [],
      history: [userMessage],
      metadata: undefined,
    },
  } as never);

const finish = ({ taskId, contextId }: RequestContext, bus: ExecutionEventBus, text: string): void => {
  const artifact = {
    artifactId: "a",
    name: "",
    description: "",
    parts: [{ content: { $case: "text", value: text }, metadata: undefined, filename: "", mediaType: "" }],
    metadata: undefined,
    extensions: [],
  };
  bus.publish({
    kind: "artifactUpdate",
    data: { taskId, contextId, artifact, append: false, lastChunk: true, metadata: undefined },
  } as never);
  bus.publish(statusOf({ taskId, contextId }, TaskState.TASK_STATE_COMPLETED));
  bus.finished();
};

test("a message goes to an agent behind the official server, and its answer is asked for until it is there", async (t) => {
  const release = Promise.withResolvers<void>();
  let context = "";
  const agent = await officialAgent(t, async (asked, bus) => {
    accept(asked, bus);
    context = asked.contextId;
    await release.promise;
    finish(asked, bus, `re: ${textOf(asked.userMessage.parts)}`);
  });
  const { clock, home } = await asking(t, agent.url);
  await eventually(clock, "the link", () => isUp(home));
  assert.deepEqual((await home.service.test("hermes")).agents, ["poems"]);
  await home.ask("hermes", "a poem", "run-1", "default");
  await eventually(clock, "the first look", () => agent.seen.includes("GetTask"));
  assert.equal(outcomeOf(home, "run-1"), null);
  assert.notEqual(context, "");
  // The process ends and starts again while the task runs.
  await home.restart();
  release.resolve();
  await eventually(clock, "the answer", () => outcomeOf(home, "run-1") !== null);
  assert.deepEqual(outcomeOf(home, "run-1"), { status: "ok", text: "re: a poem", reason: null });
  assert.equal(agent.seen.filter((method) => method === "SendMessage").length, 1);
});

test("an agent that is away, refuses the token or rejects the task is reported, and what waits is kept or comes back", async (t) => {
  const agent = await officialAgent(t, async (asked, bus) => {
    accept(asked, bus);
    bus.publish(statusOf(asked, TaskState.TASK_STATE_REJECTED, "not in this tone"));
    bus.finished();
    await Promise.resolve();
  });
  agent.state.isDown = true;
  const { clock, home } = await asking(t, agent.url);
  const [report] = home.service.reports();
  assert.deepEqual([report?.state, report?.transport, report?.fingerprint], ["down", "a2a", null]);
  await home.ask("hermes", "a poem", "run-1", "default");
  await eventually(clock, "a fault", () => home.service.reports()[0]!.cause !== "it was not connected yet");
  assert.equal(outcomeOf(home, "run-1"), null, "it waits");
  agent.state.isDown = false;
  agent.state.token = "another";
  await eventually(clock, "the refused token", () => /did not accept the token \(HTTP 401\)/.test(home.service.reports()[0]!.cause ?? ""));
  agent.state.token = "there";
  await eventually(clock, "the end", () => outcomeOf(home, "run-1") !== null);
  assert.deepEqual(outcomeOf(home, "run-1"), { status: "bounced", text: "", reason: "not in this tone" });
});

test("a turn that is stopped cancels the task there, and one link gets no message that its list does not allow", async (t) => {
  const agent = await officialAgent(t, async (asked, bus) => {
    accept(asked, bus);
    await Promise.resolve();
  });
  const { clock, home } = await asking(t, agent.url);
  await eventually(clock, "the link", () => isUp(home));
  await home.ask("hermes", "long", "run-1", "default");
  await eventually(clock, "the task", () => typeof home.rows.outgoing(requestIdOf("run-1"))?.remoteTask === "string");
  await home.service.cancel(requestIdOf("run-1"), { status: "aborted", text: "", reason: "the turn was stopped" });
  await eventually(clock, "the cancellation", () => agent.seen.includes("CancelTask"));
  home.links.set("hermes", { ...home.links.get("hermes")!, send: { ...LINK.send, agents: [] } });
  await assert.rejects(home.ask("hermes", "no", "run-2", "default"), /agent default is not allowed/);
  assert.throws(() => home.service.makeCode("hermes"), /tokens instead of keys/);
});

test("a pinned certificate is never given up for an address without one, and the token stays here", async (t) => {
  let requests = 0;
  const server = createServer((_request, response) => {
    requests++;
    response.end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/a2a`;
  const target = { url, token: new Secret(TOKEN), tlsFingerprint: "ab".repeat(32) };
  await assert.rejects(sendToAgent(target, { method: "GET", url, signal: never }), /only an https:\/\/ address/);
  assert.equal(requests, 0);
});

test("a stream whose task is lost ends with an error, and is not open indefinitely", async () => {
  const task = { id: "t", contextId: "c", outcome: null, at: 1 };
  const server = new A2aServer({
    desk: {
      take: async () => ({ task }),
      find: () => task,
      waitFor: () => Promise.reject(new Error("the task is not in the store any more")),
      cancel: async () => false,
      follow: () => () => {},
      offered: () => [],
    },
    clock: new FakeClock(),
    log: silentLog,
    metrics: silentMetrics,
    newId: () => "id",
    version: "1",
    links: () => [{ name: "hermes", token: new Secret(TOKEN) }],
    settings: () => ({ replyTimeoutMs: 1_000, rateLimitPerMinute: 0 }),
    publicOrigin: () => ORIGIN,
  });
  const answer = await server.call(request(), { jsonrpc: "2.0", id: 1, method: "SubscribeToTask", params: { id: "t" } }, never);
  const pieces: unknown[] = [];
  const read = async (): Promise<void> => {
    for await (const each of (answer as { stream: AsyncIterable<unknown> }).stream) pieces.push(each);
  };
  await assert.rejects(read(), /not in the store/);
  assert.equal(pieces.length, 1);
});
