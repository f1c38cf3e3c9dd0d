// Branches of a conversation with the real process and a real agent host: what the model reads in each of them, and after a restart and a kill.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { ProtocolClient } from "../../src/client/client.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { openclawJson } from "./cli.ts";
import { dropHome, modelConfig, newHome, startGateway, type GatewayUnderTest } from "./gateway-process.ts";

type Row = { role: string; content: unknown; __openclaw: { id: string } };
type Branch = { leafEntryId: string; headline: string; messageCount: number; active: boolean };

const KEY = "agent:main:main";
let model: ModelServer;
const home = newHome();
let gateway: GatewayUnderTest;
let client: ProtocolClient;

before(async () => {
  model = await startModelServer();
  await start();
});
after(async () => {
  await gateway.kill("SIGKILL");
  await model.close();
  dropHome(home);
});

async function start(): Promise<void> {
  gateway = await startGateway({ home, config: modelConfig(model.url) });
  client = await gateway.connect();
}

let sent = 0;
async function say(text: string): Promise<void> {
  const runId = `run-${++sent}`;
  await client.request("agent", { message: text, sessionKey: KEY, idempotencyKey: runId });
  const { status } = await client.request<{ status: string }>("agent.wait", { runId, timeoutMs: 60_000 });
  assert.equal(status, "ok", text);
}

const wordsOf = (content: unknown): string =>
  typeof content === "string" ? content : (content as { text?: string }[]).map(({ text }) => text ?? "").join("");
const rows = async (): Promise<Row[]> => (await client.request<{ messages: Row[] }>("chat.history", { sessionKey: KEY })).messages;
const words = async (): Promise<string[]> =>
  (await rows()).filter(({ role }) => role !== "toolResult").map(({ content }) => wordsOf(content));
const idOf = async (text: string): Promise<string> => (await rows()).find(({ content }) => wordsOf(content) === text)!.__openclaw.id;
const branches = async (): Promise<Branch[]> =>
  (await client.request<{ branches: Branch[] }>("sessions.branches.list", { sessionKey: KEY })).branches;
const rewindTo = async (text: string): Promise<unknown> =>
  await client.request("sessions.rewind", { sessionKey: KEY, entryId: await idOf(text) });
const switchTo = async (headline: string): Promise<void> => {
  const { leafEntryId } = (await branches()).find((branch) => branch.headline.includes(headline))!;
  await client.request("sessions.branches.switch", { sessionKey: KEY, leafEntryId });
};
/** What the model was given with the last request, without the system prompt. */
const given = (): string =>
  model
    .requests()
    .at(-1)!
    .messages.filter(({ role }) => role !== "system" && role !== "developer")
    .map(({ role, content }) => `${role}: ${wordsOf(content ?? "")}`)
    .join("\n");

test("the model reads the active branch and nothing of the others", async () => {
  await say("the first word is apple");
  await say("the second word is birch");
  assert.deepEqual(await rewindTo("the second word is birch"), { editorText: "the second word is birch" });
  await say("the second word is cedar");
  assert.match(given(), /apple[\s\S]*cedar/);
  assert.doesNotMatch(given(), /birch/);
  await switchTo("birch");
  assert.equal(
    (await words()).some((each) => each.includes("cedar")),
    false,
  );
  await say("what now");
  assert.match(given(), /apple[\s\S]*birch[\s\S]*what now/);
  assert.doesNotMatch(given(), /cedar/);
});

test("a branch that is active again has the results of its tools", async () => {
  await say("tool:read:AGENTS.md");
  const calls = given();
  assert.match(calls, /tool: /);
  await rewindTo("tool:read:AGENTS.md");
  await say("no tool here");
  assert.doesNotMatch(given(), /tool: /);
  await switchTo("Tool said");
  await say("and after the tool");
  assert.match(given(), /tool: [\s\S]*and after the tool/);
});

test("after a restart and after a kill every branch is as it was", async () => {
  const before = await branches();
  const shown = await words();
  await gateway.kill();
  await start();
  assert.deepEqual([await branches(), await words()], [before, shown]);
  await switchTo("cedar");
  const leaf = (await branches()).find(({ active }) => active)!;
  await gateway.kill("SIGKILL");
  await start();
  assert.deepEqual(
    (await branches()).find(({ active }) => active),
    leaf,
  );
  await say("still here");
  assert.match(given(), /apple[\s\S]*cedar[\s\S]*still here/);
  assert.doesNotMatch(given(), /birch|no tool here/);
});

test("a kill at any moment of a switch leaves one whole branch", async () => {
  for (let round = 0; round < 4; round++) {
    const wanted = round % 2 === 0 ? "after the tool" : "still here";
    const target = (await branches()).find(({ headline }) => headline.includes(wanted))!;
    const answer = client.request("sessions.branches.switch", { sessionKey: KEY, leafEntryId: target.leafEntryId }).catch(() => null);
    await gateway.kill("SIGKILL");
    await answer;
    await start();
    const list = await branches();
    const active = list.find((branch) => branch.active)!;
    assert.equal((await rows()).length, active.messageCount);
    assert.equal((await rows()).at(-1)!.__openclaw.id, active.leafEntryId);
    assert.equal(list.length, 3);
  }
});

test("the command line lists branches and switches, and a fork leaves its source alone", async () => {
  const list = await openclawJson<{ branches: Branch[] }>(home, "sessions", "branches", KEY);
  assert.deepEqual(list.branches, await branches());
  const other = list.branches.find(({ active }) => !active)!;
  const switched = await openclawJson<{ branches: Branch[] }>(home, "sessions", "branches", KEY, "--switch", other.leafEntryId);
  assert.equal(switched.branches.find(({ active }) => active)!.leafEntryId, other.leafEntryId);
  const before = await words();
  const first = (await rows())[1]!.__openclaw.id;
  const { sessionKey } = await client.request<{ sessionKey: string }>("sessions.fork", { sessionKey: KEY, entryId: first });
  const copy = await client.request<{ messages: Row[] }>("chat.history", { sessionKey });
  assert.deepEqual(
    copy.messages.map(({ content }) => wordsOf(content)),
    before.slice(0, 2),
  );
  assert.deepEqual(await words(), before);
});
