// Sub-agents with the real process: a task runs beside the conversation that gave it, and its result comes back once.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ProtocolClient } from "../../src/client/client.ts";
import { MORE_TOOLS } from "../../src/tools/tool.ts";
import { isRunning } from "../fakes/command-tools.ts";
import { startModelServer, systemOf, textOf, type ChatMessage, type ModelServer } from "../model-server.ts";
import { assertMatchesSchema } from "../protocol-oracle.ts";
import { openclaw, openclawJson } from "./cli.ts";
import { dropHome, modelConfig, newHome, startGateway, until, type GatewayUnderTest } from "./gateway-process.ts";

type Wire = Record<string, unknown>;
type Task = Wire & { id: string; status: string; childSessionKey: string; deliveryStatus: string };

const PARENT = "agent:main:page";

let model: ModelServer;
const homes: string[] = [];
const started: GatewayUnderTest[] = [];

before(async () => {
  model = await startModelServer();
});

after(async () => {
  for (const gateway of started) await gateway.kill("SIGKILL");
  await model.close();
  for (const home of homes) dropHome(home);
});

async function start(home: string, subagents: Wire = {}, more: Wire = {}): Promise<GatewayUnderTest> {
  if (!homes.includes(home)) homes.push(home);
  const base = modelConfig(model.url) as { agents: { defaults: Wire } };
  const config = { ...base, agents: { ...base.agents, defaults: { ...base.agents.defaults, subagents } }, ...more };
  const gateway = await startGateway({ home, config });
  started.push(gateway);
  return gateway;
}

const call = (name: string, args: Wire): string => `tool:${MORE_TOOLS}:${JSON.stringify({ name, arguments: args })}`;
const spawn = (task: string, more: Wire = {}): string => call("sessions_spawn", { task, ...more });

/** Sends a message and resolves to the answer, once its turn has ended. */
async function ask(client: ProtocolClient, message: string, sessionKey = PARENT): Promise<string> {
  const { runId } = await client.request<{ runId: string }>("chat.send", { sessionKey, message, idempotencyKey: crypto.randomUUID() });
  await client.request("agent.wait", { runId, timeoutMs: 60_000 });
  return (await textsOf(client, sessionKey, "assistant")).at(-1) ?? "";
}

async function textsOf(client: ProtocolClient, sessionKey: string, wanted: "user" | "assistant"): Promise<string[]> {
  const { messages } = await client.request<{ messages: Wire[] }>("chat.history", { sessionKey });
  return messages
    .filter(({ role }) => role === wanted)
    .map(({ content }) => (typeof content === "string" ? content : JSON.stringify(content)));
}

const resultsOf = async (client: ProtocolClient): Promise<string[]> =>
  (await textsOf(client, PARENT, "user")).filter((text) => text.includes("ended. The quoted lines"));

const tasksOf = async (client: ProtocolClient, params: Wire = {}): Promise<Task[]> =>
  (await client.request<{ tasks: Task[] }>("tasks.list", params)).tasks;

const untilTasks = (client: ProtocolClient, what: string, is: (task: Task) => boolean, count: number): Promise<Task[] | false> =>
  until(what, async () => {
    const tasks = await tasksOf(client);
    return tasks.filter(is).length === count && tasks;
  });

test("a task runs in a session of its own, and its result comes back as quoted text in one message", async () => {
  const gateway = await start(newHome());
  const client = await gateway.connect();
  const events: Wire[] = [];
  client.on(({ event, payload }) => {
    if (event === "task") events.push(payload as Wire);
  });
  const accepted = await ask(client, spawn("look at the moon", { label: "moon" }));
  assert.match(accepted, /accepted/);
  await untilTasks(client, "the result", ({ deliveryStatus }) => deliveryStatus === "delivered", 1);
  const [task] = await tasksOf(client);
  assertMatchesSchema("TaskSummary", task);
  assert.deepEqual([task!["status"], task!["title"], task!["ownerKey"]], ["completed", "moon", PARENT]);
  assert.equal(task!.childSessionKey, `agent:main:subagent:${task!.id}`);
  const [result, ...more] = await resultsOf(client);
  assert.equal(more.length, 0);
  assert.match(result!, /Sub-agent \\?"moon\\?".*done/);
  assert.match(result!, /> You said: look at the moon/);
  const { sessions } = await client.request<{ sessions: Wire[] }>("sessions.list", {});
  const child = sessions.find(({ key }) => key === task!.childSessionKey);
  assert.equal(child?.["parentSessionKey"], PARENT);
  assert.equal(child?.["label"], "moon");
  assert.ok(events.some(({ action, task: seen }) => action === "upserted" && (seen as Task).status === "completed"));
  const { task: whole } = await client.request<{ task: Wire }>("tasks.get", { taskId: task!.id });
  assertMatchesSchema("TaskSummary", whole);
  assert.deepEqual([whole["prompt"], whole["result"]], ["look at the moon", "You said: look at the moon"]);
  const request = model.requests().find((each) => systemOf(each).includes("You are a sub-agent"));
  assert.ok(request, "the sub-agent reads that it is one");
  await client.close();
});

test("a task with a copy of the conversation knows it, and has the files that came with it", async () => {
  const gateway = await start(newHome());
  const client = await gateway.connect();
  await ask(client, "the color of the door is teal");
  model.clear();
  const attachments = [
    { name: "list.txt", content: "apples and pears" },
    { name: "b.txt", content: "cGx1bXM=", encoding: "base64" },
  ];
  assert.match(await ask(client, spawn("what color?", { context: "fork", attachments })), /fork/);
  const [task] = (await untilTasks(client, "the result", ({ deliveryStatus }) => deliveryStatus === "delivered", 1)) as Task[];
  const request = model.requests().find((each) => systemOf(each).includes("You are a sub-agent"))!;
  const read = request.messages.map(textOf).join("\n");
  for (const wanted of ["the color of the door is teal", "what color?", "apples and pears", "plums", "list.txt"])
    assert.ok(read.includes(wanted), wanted);
  assert.match(
    await ask(client, spawn("x", { attachments: [{ name: "c.bin", content: "%%", encoding: "base64" }] })),
    /attachment 1 is not base64/,
  );
  assert.match(await ask(client, spawn("what else?")), /isolated/);
  await untilTasks(client, "both results", ({ deliveryStatus }) => deliveryStatus === "delivered", 2);
  const plain = model.requests().findLast((each) => systemOf(each).includes("You are a sub-agent"))!;
  assert.ok(!plain.messages.map(textOf).join("\n").includes("teal"), "a task without a copy knows nothing of it");
  // The tree, with the state and the cost of each session.
  const { sessions } = await client.request<{ sessions: Wire[] }>("sessions.list", {});
  const rowOf = (key: string): Wire => sessions.find((each) => each["key"] === key)!;
  assert.equal((rowOf(PARENT)["childSessions"] as string[]).length, 2);
  const child = rowOf(task!.childSessionKey);
  assert.deepEqual([child["parentSessionKey"], child["forkedFromParent"], child["status"]], [PARENT, true, "done"]);
  assert.equal(typeof child["estimatedCostUsd"], "number");
  await client.close();
});

test("results of tasks that end close to each other come in one message", async () => {
  const gateway = await start(newHome());
  const client = await gateway.connect();
  for (const ms of [1, 60, 120]) await ask(client, spawn(`slow:${ms} one two three four five`));
  await untilTasks(client, "all results", ({ deliveryStatus }) => deliveryStatus === "delivered", 3);
  const results = await resultsOf(client);
  assert.ok(results.length <= 2, `${results.length} messages`);
  assert.equal(results.join("\n").match(/You said: slow:\d+ one two/g)?.length, 3);
  await client.close();
});

test("ten sub-agents work at the same time while the conversation goes on, and each result comes once", async () => {
  const over = Promise.withResolvers<void>();
  const gateway = await start(newHome(), { maxConcurrent: 10, maxChildrenPerAgent: 10 });
  const client = await gateway.connect();
  model.setBehaviour((request) =>
    textOf(request.messages.at(-1)) === "wait here" ? { steps: [{ until: over.promise }, { text: "done" }] } : undefined,
  );
  for (let count = 0; count < 10; count++) await ask(client, spawn("wait here", { label: `t${count}` }));
  await untilTasks(client, "ten at once", ({ status }) => status === "running", 10);
  assert.match(await ask(client, "still there"), /You said: still there/);
  over.resolve();
  await untilTasks(client, "all results", ({ deliveryStatus }) => deliveryStatus === "delivered", 10);
  model.setBehaviour(undefined);
  const results = (await resultsOf(client)).join("\n");
  for (let count = 0; count < 10; count++)
    assert.equal(results.split(`"t${count}\\"`).length + results.split(`"t${count}"`).length - 2, 1, `t${count}`);
  await client.close();
});

test("a limit is refused with the key that sets it", async () => {
  const gateway = await start(newHome(), { maxSpawnDepth: 1, maxChildrenPerAgent: 1 });
  const client = await gateway.connect();
  assert.match(await ask(client, spawn("hang")), /accepted/);
  assert.match(await ask(client, spawn("two")), /agents\.defaults\.subagents\.maxChildrenPerAgent/);
  assert.match(await ask(client, spawn("x", { worktree: true })), /worktree is not served/);
  const [task] = await tasksOf(client);
  const answer = await client.request<Wire>("tasks.cancel", { taskId: task!.id });
  assert.deepEqual([answer["found"], answer["cancelled"]], [true, true]);
  await untilTasks(client, "the end", ({ status }) => status === "cancelled", 1);
  assert.match(await ask(client, spawn(spawn("deeper"))), /accepted/);
  const [nested] = (await untilTasks(client, "the second result", ({ deliveryStatus }) => deliveryStatus === "delivered", 2)) as Task[];
  const [inner] = await textsOf(client, nested!.childSessionKey, "assistant");
  assert.match(
    JSON.stringify(await textsOf(client, nested!.childSessionKey, "assistant")),
    /not available|not granted|unknown|no tool/i,
    inner,
  );
  assert.equal((await tasksOf(client)).length, 2, "the sub-agent gave no task");
  await client.close();
});

test("a task that its budget does not allow fails with the name of the budget, and says where it is set", async () => {
  const budgets = [{ name: "tasks", cause: "subagent", tokens: 1 }];
  const gateway = await start(newHome(), {}, { budgets });
  const client = await gateway.connect();
  await ask(client, spawn("one"));
  await untilTasks(client, "the first one, which used it up", ({ status }) => status === "completed", 1);
  await ask(client, spawn("two"));
  const tasks = (await untilTasks(client, "the end", ({ status }) => status === "failed", 1)) as Task[];
  assert.match(String(tasks.find(({ status }) => status === "failed")!["error"]), /the budget "tasks" .*\(budgets\)/);
  await client.close();
});

test("a result that a tool call has awaited does not come as a message as well", async () => {
  const gateway = await start(newHome());
  const client = await gateway.connect();
  await ask(client, spawn("slow:200 one two three four five"));
  assert.match(await ask(client, call("subagents", { action: "wait", timeoutSeconds: 30 })), /You said: slow:200 one two three four five/);
  await untilTasks(client, "the delivery", ({ deliveryStatus }) => deliveryStatus === "delivered", 1);
  assert.deepEqual(await resultsOf(client), []);
  await client.close();
});

test("what a person stops takes its tasks with it, to any depth", async () => {
  const gateway = await start(newHome());
  const client = await gateway.connect();
  await ask(client, spawn(`${spawn("hang")}\nthen wait`));
  await until("two tasks", async () => (await tasksOf(client)).length === 2);
  await until("the inner one works", async () => (await tasksOf(client, { status: "running" })).some(({ title }) => title === "hang"));
  await client.request("chat.send", { sessionKey: PARENT, message: "/stop", idempotencyKey: "stop" });
  await until("nothing works", async () => (await tasksOf(client, { status: ["queued", "running"] })).length === 0);
  await client.close();
});

test("the programs of all tasks below a conversation end when a person stops it", async (context) => {
  const home = newHome();
  const gateway = await start(home, {}, { tools: { exec: { host: "gateway", mode: "full" } } });
  const client = await gateway.connect();
  const pids = join(home, "pids");
  const command = `tool:bash:echo $$ >> ${pids}; sleep 1000`;
  await ask(client, spawn(command));
  await ask(client, spawn(spawn(command)));
  const running = (): number[] => (existsSync(pids) ? readFileSync(pids, "utf8").split("\n").filter(Boolean).map(Number) : []);
  await until("both programs", () => running().length === 2);
  assert.ok(running().every(isRunning));
  const stoppedAt = Date.now();
  await client.request("chat.send", { sessionKey: PARENT, message: "/stop", idempotencyKey: "stop" });
  await until("their end", () => !running().some(isRunning));
  context.diagnostic(`ended after ${Date.now() - stoppedAt} ms`);
  const { sessions } = await client.request<{ sessions: Wire[] }>("sessions.list", {});
  const children = sessions.filter(({ key }) => String(key).includes(":subagent:"));
  assert.equal(children.length, 3);
  for (const child of children) {
    assert.ok(child["spawnedBy"] === PARENT || children.some(({ key }) => key === child["spawnedBy"]), "each is below another one");
    assert.deepEqual([typeof child["status"], typeof child["estimatedCostUsd"]], ["string", "number"]);
  }
  await client.close();
});

test("what a person stops takes along what a task has started that has ended itself", async () => {
  const gateway = await start(newHome());
  const client = await gateway.connect();
  await ask(client, spawn(spawn("hang")));
  await until("the outer one has ended", async () => (await tasksOf(client, { status: "completed" })).length === 1);
  await until("the inner one works", async () => (await tasksOf(client, { status: "running" })).some(({ title }) => title === "hang"));
  await client.request("chat.send", { sessionKey: PARENT, message: "/stop", idempotencyKey: "stop" });
  await until("nothing works", async () => (await tasksOf(client, { status: ["queued", "running"] })).length === 0);
  await client.close();
});

test("a process that is killed hands the result back once", async () => {
  const home = newHome();
  let gateway = await start(home);
  let client = await gateway.connect();
  await ask(client, spawn("slow:300 one two three four five six"));
  await until("the task works", async () => (await tasksOf(client, { status: "running" })).length === 1);
  await gateway.kill("SIGKILL");
  gateway = await start(home);
  client = await gateway.connect();
  await untilTasks(client, "the result", ({ deliveryStatus }) => deliveryStatus === "delivered", 1);
  const [result, ...more] = await resultsOf(client);
  assert.ok(result);
  assert.equal(more.length, 0);
  await client.close();
});

test("the result of a task whose conversation was reset is kept, and is handed back when a person asks for it", async () => {
  const home = newHome();
  const gateway = await start(home);
  const client = await gateway.connect();
  await ask(client, spawn("hang", { label: "late" }));
  await client.request("sessions.reset", { key: PARENT });
  const [task] = (await untilTasks(client, "the end", ({ deliveryStatus }) => deliveryStatus === "parent_missing", 1)) as Task[];
  const listed = await openclawJson<{ tasks: Task[] }>(home, "tasks", "list");
  assert.deepEqual(
    listed.tasks.map(({ id, deliveryStatus }) => [id, deliveryStatus]),
    [[task!.id, "parent_missing"]],
  );
  const shown = await openclaw(home, "tasks", "list");
  assert.match(shown.stdout, /late +cancelled +not handed back/);
  const retried = await openclaw(home, "tasks", "retry", task!.id.slice(0, 8));
  assert.equal(retried.code, 0, retried.stderr);
  await untilTasks(client, "the delivery", ({ deliveryStatus }) => deliveryStatus === "delivered", 1);
  assert.equal((await resultsOf(client)).length, 1);
  await client.close();
});

const isResult = ({ messages }: { messages: ChatMessage[] }): boolean => textOf(messages.at(-1)).includes("The quoted lines");

test("a result whose message was stopped before it was answered is not handed back, and a person hands it back once", async () => {
  const home = newHome();
  const gateway = await start(home);
  const client = await gateway.connect();
  model.clear();
  model.setBehaviour((request) => (isResult(request) ? { steps: [{ do: "hang" }] } : undefined));
  await ask(client, spawn("slow:1 one", { label: "quick" }));
  await until("the turn with the result", () => model.requests().some(isResult));
  await client.request("sessions.reset", { key: PARENT });
  const [task] = (await untilTasks(client, "its end", ({ deliveryStatus }) => deliveryStatus === "failed", 1)) as Task[];
  model.setBehaviour(undefined);
  const shown = await openclaw(home, "tasks", "list");
  assert.match(shown.stdout + shown.stderr, /quick +completed +not handed back[^]*was not answered/);
  await client.request("tasks.retry", { taskIds: [task!.id] });
  await untilTasks(client, "the delivery", ({ deliveryStatus }) => deliveryStatus === "delivered", 1);
  assert.equal((await resultsOf(client)).length, 1);
  const { results } = await client.request<{ results: Wire[] }>("tasks.retry", { taskIds: [task!.id] });
  assert.match(JSON.stringify(results), /was handed back/);
  await client.close();
});
