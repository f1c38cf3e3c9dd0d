// Messages between agents with the real process: the policy, the answer, and what a hostile answer achieves.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { ProtocolClient } from "../../src/client/client.ts";
import { MORE_TOOLS } from "../../src/tools/tool.ts";
import { replyTo, startModelServer, systemOf, textOf, type ModelReply, type ModelServer, type RecordedRequest } from "../model-server.ts";
import { dropHome, modelConfig, newHome, startGateway, until, type GatewayUnderTest } from "./gateway-process.ts";

type Wire = Record<string, unknown>;

const MAIN = "agent:main:page";
const OPS = "agent:ops:main";

let model: ModelServer;
let gateway: GatewayUnderTest;
let client: ProtocolClient;
const home = newHome();

async function start(): Promise<void> {
  const base = modelConfig(model.url) as { agents: Wire };
  const config = {
    ...base,
    agents: { ...base.agents, entries: { main: {}, ops: {}, closed: {} } },
    tools: { sessions: { visibility: "all" }, agentToAgent: { enabled: true, allow: ["main", "ops"] } },
  };
  gateway = await startGateway({ home, config });
  client = await gateway.connect();
}

/** An agent that does what another one writes, although that is quoted. */
function obeyAgents(request: RecordedRequest): ModelReply | undefined {
  const last = request.messages.at(-1);
  if (last?.role !== "user" || !textOf(last).includes("[Message of the agent ")) return undefined;
  return replyTo(textOf(last).replaceAll(/^> /gm, ""));
}

before(async () => {
  model = await startModelServer({ behaviour: obeyAgents });
  await start();
});

after(async () => {
  await client.close();
  await gateway.kill("SIGKILL");
  await model.close();
  dropHome(home);
});

const call = (name: string, args: Wire): string => `tool:${MORE_TOOLS}:${JSON.stringify({ name, arguments: args })}`;
const send = (args: Wire): string => call("sessions_send", args);

async function ask(message: string, sessionKey: string): Promise<string> {
  const { runId } = await client.request<{ runId: string }>("chat.send", { sessionKey, message, idempotencyKey: crypto.randomUUID() });
  await client.request("agent.wait", { runId, timeoutMs: 60_000 });
  return (await textsOf(sessionKey, "assistant")).at(-1) ?? "";
}

async function textsOf(sessionKey: string, wanted: "user" | "assistant"): Promise<string[]> {
  const { messages } = await client.request<{ messages: Wire[] }>("chat.history", { sessionKey });
  return messages
    .filter(({ role }) => role === wanted)
    .map(({ content }) => (typeof content === "string" ? content : JSON.stringify(content)));
}

const answersIn = async (sessionKey: string): Promise<string[]> =>
  (await textsOf(sessionKey, "user")).filter((text) => text.includes("An agent has ended"));

test("an agent gets the answer of another one as a quoted result of its call, and no one else does", async () => {
  const answer = await ask(send({ agentId: "ops", message: "how is the disk" }), MAIN);
  assert.match(answer, /Result of the session agent:ops:main/);
  assert.match(answer, /> .*how is the disk/);
  assert.match((await textsOf(OPS, "user")).at(-1)!, /Message of the agent main from the session agent:main:page/);
  assert.deepEqual(await answersIn(MAIN), []);
  assert.ok(model.requests().some((request) => systemOf(request).includes("from the agent main, not from a person")));
  const usage = await client.request<Wire>("usage.cost", {});
  assert.ok(usage);
});

test("a message to an agent that is not listed, to oneself, or with a field that has no effect is refused with the reason", async () => {
  assert.match(await ask(send({ agentId: "closed", message: "x" }), MAIN), /tools\.agentToAgent\.allow does not list both main and closed/);
  assert.match(await ask(send({ agentId: "main", message: "x" }), "agent:closed:main"), /does not list both closed and main/);
  assert.match(await ask(send({ agentId: "none", message: "x" }), MAIN), /was not found/);
  assert.match(await ask(send({ sessionKey: MAIN, message: "x" }), MAIN), /the conversation that the message is from/);
  assert.match(await ask(send({ agentId: "ops", message: "x", mode: "steer" }), MAIN), /mode is not served/);
  assert.match(await ask(send({ message: "x" }), MAIN), /one of sessionKey, label, agentId is needed/);
  const agents = await ask(call("agents_list", {}), MAIN);
  assert.match(agents, /ops/);
  assert.doesNotMatch(agents, /closed/);
  assert.match(await ask(call("sessions_list", {}), MAIN), /agent:ops:main/);
  assert.doesNotMatch(await ask(call("sessions_list", {}), MAIN), /> agent:closed:main/);
  assert.match(await ask(call("sessions_history", { sessionKey: "agent:closed:main" }), MAIN), /does not exist or may not be shown/);
});

test("an answer that comes late comes once, as a message, also when the gateway is killed meanwhile", async () => {
  assert.match(await ask(send({ agentId: "ops", message: "slow:60 one two", timeoutSeconds: 1 }), MAIN), /timeout/);
  await gateway.kill("SIGKILL");
  await start();
  await until("the answer", async () => (await answersIn(MAIN)).length > 0);
  // A result counts as handed back when the message with it was answered.
  await until("it is handed back", async () => {
    const { tasks } = await client.request<{ tasks: Wire[] }>("tasks.list", { sessionKey: MAIN });
    return tasks.length > 0 && tasks.every(({ deliveryStatus }) => deliveryStatus === "delivered");
  });
  const [text, ...more] = await answersIn(MAIN);
  assert.equal(more.length, 0);
  assert.match(text!, /Agent ops in the session agent:ops:main, message/);
});

test("a message that wants no answer gets none", async () => {
  const before = (await answersIn(MAIN)).length;
  assert.match(await ask(send({ agentId: "ops", message: "note this", timeoutSeconds: 0 }), MAIN), /No answer comes back/);
  await until("it is answered", async () => (await textsOf(OPS, "user")).some((text) => text.includes("> note this")));
  await until("it has ended", async () => {
    const { tasks } = await client.request<{ tasks: Wire[] }>("tasks.list", { status: ["queued", "running"] });
    return tasks.length === 0;
  });
  assert.equal((await answersIn(MAIN)).length, before);
});

test("an agent that is asked cannot ask back the one that waits for it", async () => {
  const order = send({ sessionKey: MAIN, message: "and you?" });
  await ask(send({ agentId: "ops", message: order, timeoutSeconds: 30 }), MAIN);
  const refused = model
    .requests()
    .some(({ messages }) => messages.some((each) => textOf(each).includes("waits for this work: agent:main:page > agent:ops:main")));
  assert.ok(refused, "the second message was refused with the path");
});
