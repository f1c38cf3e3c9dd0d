// The tools that a model does not read with every request: it finds them by words and calls them through one that it reads.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import type { ProtocolClient, ServerEvent } from "../../src/client/client.ts";
import { MORE_TOOLS } from "../../src/tools/tool.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { openclaw, openclawJson } from "./cli.ts";
import { dropHome, modelConfig, newHome, startGateway, until, type GatewayUnderTest } from "./gateway-process.ts";

type Wire = Record<string, unknown>;
type ToolEvent = { phase: string; name: string; args?: unknown };

let model: ModelServer;
let gateway: GatewayUnderTest;
let operator: ProtocolClient;
const home = newHome();
const ends = new Map<string, Wire>();
const toolEvents = new Map<string, ToolEvent[]>();

before(async () => {
  model = await startModelServer();
  const agents = { entries: { main: {}, narrow: { tools: { deny: ["sessions_list"] } } } };
  gateway = await startGateway({ home, config: { ...modelConfig(model.url), agents } });
  operator = await gateway.connect({ caps: ["tool-events"] });
  operator.on(({ event, payload }: ServerEvent) => {
    const { runId, state, stream, data } = payload as Wire & { runId: string; data?: ToolEvent };
    if (event === "chat" && ["final", "aborted", "error"].includes(String(state))) ends.set(runId, payload as Wire);
    if (event === "agent" && stream === "tool" && data) toolEvents.set(runId, [...(toolEvents.get(runId) ?? []), data]);
  });
  await operator.request("sessions.subscribe");
});

after(async () => {
  await operator.close();
  await gateway.kill();
  await model.close();
  dropHome(home);
});

async function say(sessionKey: string, message: string): Promise<{ text: string; events: readonly ToolEvent[] }> {
  const runId = randomUUID();
  await operator.request("chat.send", { sessionKey, message, idempotencyKey: runId });
  const end = await until(`the end of ${runId}`, () => ends.get(runId));
  const content = (end["message"] as { content: { text: string }[] } | undefined)?.content ?? [];
  return { text: content.map((part) => part.text).join(""), events: toolEvents.get(runId) ?? [] };
}

const call = (args: object): string => `tool:${MORE_TOOLS}:${JSON.stringify(args)}`;

test("a model reads 12 tools, finds another one by words, and calls it under its own name", async () => {
  await say("agent:main:garden", "Remember the apple tree");
  const found = await say("agent:main:main", call({ query: "past conversations" }));
  assert.match(found.text, /^Tool said: Tools that match, the best first:[^]*sessions_search: Finds messages of earlier conversations/);
  const { tools } = model.requests().at(-1)!;
  assert.equal(tools.length, 12);
  assert.ok(tools.includes(MORE_TOOLS) && !tools.includes("sessions_search"));
  const { text, events } = await say("agent:main:main", call({ name: "sessions_search", arguments: { query: "apple" } }));
  assert.match(text, /agent:main:garden \| .+ \| user: Remember the apple tree/);
  assert.deepEqual(
    events.filter(({ phase }) => phase !== "update").map(({ phase, name }) => `${phase} ${name}`),
    ["start sessions_search", "result sessions_search"],
  );
  assert.deepEqual(events[0]!.args, { query: "apple" });
  const { messages } = await operator.request<{ messages: { content: unknown }[] }>("chat.history", { sessionKey: "agent:main:main" });
  const names = JSON.stringify(messages).match(/"(?:name|toolName)":"[^"]+"/g) ?? [];
  assert.ok(
    names.some((name) => name.includes("sessions_search")),
    names.join(),
  );
});

test("the tools of a request are the same bytes in every turn, and at most 12 KB", async () => {
  model.clear();
  for (const key of ["agent:main:main", "agent:main:garden", "agent:main:main"]) await say(key, "hello");
  const bodies = model.requests().map(({ body }) => JSON.stringify(body["tools"]));
  assert.equal(bodies.length, 3);
  assert.equal(new Set(bodies).size, 1);
  assert.ok(bodies[0]!.length <= 12_288, `${bodies[0]!.length} characters`);
});

test("what is not granted is not found, not described, and refused by its name", async () => {
  const found = await say("agent:narrow:main", call({ query: "conversations" }));
  assert.doesNotMatch(found.text, /^sessions_(?:list|history|search):/m);
  for (const name of ["sessions_list", "sessions_search", "none"]) {
    const { text } = await say("agent:narrow:main", call({ name, arguments: { query: "apple" } }));
    assert.match(text, new RegExp(`the tool ${name} is not available|There is no tool|no tool|not found`), name);
  }
});

test("a call through more_tools is checked like any other: its arguments, and the mode of the session", async () => {
  const wrong = await say("agent:main:main", call({ name: "sessions_search", arguments: { words: "apple" } }));
  assert.match(wrong.text, /The arguments of sessions_search are not valid; nothing was run\./);
  await operator.request("sessions.patch", { key: "agent:main:main", permissionMode: "read-only" });
  const refused = await say("agent:main:main", call({ name: "exec", arguments: { command: "echo escaped" } }));
  assert.match(refused.text, /the tool exec is not available/);
  assert.match((await say("agent:main:main", call({ name: "read", arguments: { path: "none.txt" } }))).text, /Cannot read none\.txt/);
});

test("the audit has each call with its arguments and the program that asked, and what was refused", async () => {
  type Event = { toolName?: string; status: string; arguments?: string; authority?: { client?: string }; kind: string };
  const { events } = await openclawJson<{ events: Event[] }>(home, "audit", "--session-key", "agent:main:main");
  const search = events.filter(({ toolName, status }) => toolName === "sessions_search" && status === "started");
  assert.deepEqual(search.map((event) => event.arguments), ['{"words":"apple"}', '{"query":"apple"}']); // prettier-ignore
  assert.ok(search.every(({ authority }) => authority?.client));
  assert.ok(events.some(({ toolName, status }) => toolName === "exec" && status === "blocked"));
  assert.ok(!events.some(({ toolName, status }) => toolName === "exec" && status === "started"));
  assert.ok(events.some(({ kind, status }) => kind === "agent_run" && status === "succeeded"));
  const invoked = await operator.request<{ ok: boolean }>("tools.invoke", {
    name: "ls",
    args: { path: "." },
    sessionKey: "agent:main:garden",
  });
  assert.equal(invoked.ok, true);
  const { stdout, stderr } = await openclaw(home, "audit", "--tools", "--limit", "2");
  assert.match(stdout, /ls +succeeded/);
  assert.match(stdout, /ls +started +\S+ +\{"path":"\."\}/);
  assert.match(stderr, /There are older events: openclaw audit --cursor \d+/);
});
