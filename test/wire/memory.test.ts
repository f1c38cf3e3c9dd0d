// What an agent has noted, for its owner alone: in the page and a direct chat, not in a room and not for others.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ProtocolClient, ServerEvent } from "../../src/client/client.ts";
import { MORE_TOOLS } from "../../src/tools/tool.ts";
import { PERSON, TelegramServer, TOKEN } from "../channel-kit/telegram-server.ts";
import { startModelServer, systemOf, textOf, type ModelServer } from "../model-server.ts";
import { openclaw, openclawJson } from "./cli.ts";
import { dropHome, modelConfig, newHome, startGateway, until, type GatewayUnderTest } from "./gateway-process.ts";

type Wire = Record<string, unknown>;

const GUEST = { ...PERSON, id: 8, first_name: "Gus", username: "gus" };
const ROOM = { id: -1_001_234, type: "supergroup", title: "Room" };
const home = newHome();
const workspace = join(home, "workspace");
let telegram: TelegramServer;
let model: ModelServer;
let gateway: GatewayUnderTest;
let operator: ProtocolClient;
const ends = new Map<string, Wire>();

before(async () => {
  telegram = await TelegramServer.start();
  model = await startModelServer();
  mkdirSync(join(workspace, "memory"), { recursive: true });
  writeFileSync(join(workspace, "memory", "2026-11-20.md"), "# Home\n\nThe wifi password is swordfish.\n");
  writeFileSync(join(workspace, "MEMORY.md"), "The alarm code is pelican.\n");
  const { models } = modelConfig(model.url);
  gateway = await startGateway({
    home,
    config: {
      models,
      agents: {
        defaults: { model: { primary: "test/echo" }, workspace, skipBootstrap: true },
        entries: { main: { tools: { allow: ["write", "memory_search", "memory_get"] } } },
      },
      session: { dmScope: "main" },
      commands: { ownerAllowFrom: [`telegram:${PERSON.id}`] },
      channels: {
        telegram: {
          apiRoot: telegram.url,
          dmPolicy: "allowlist",
          allowFrom: [`tg:${PERSON.id}`, `tg:${GUEST.id}`],
          groups: { [ROOM.id]: { requireMention: false } },
        },
      },
    },
    env: { TELEGRAM_BOT_TOKEN: TOKEN },
  });
  operator = await gateway.connect({});
  operator.on(({ event, payload }: ServerEvent) => {
    const { runId, state } = payload as Wire;
    if (event === "chat" && ["final", "aborted", "error"].includes(String(state))) ends.set(String(runId), payload as Wire);
  });
  await operator.request("sessions.subscribe");
});

after(async () => {
  await operator?.close();
  await gateway?.kill("SIGKILL");
  await model.close();
  await telegram.close();
  dropHome(home);
});

async function ask(message: string): Promise<string> {
  const runId = randomUUID();
  await operator.request("chat.send", { sessionKey: "agent:main:page", message, idempotencyKey: runId });
  const end = await until(`the end of ${runId}`, () => ends.get(runId));
  const content = (end["message"] as { content: { text: string }[] } | undefined)?.content ?? [];
  return content.map((part) => part.text).join("");
}

const searchCall = (query: string) => ({ name: "memory_search", arguments: { query, corpus: "memory" } });
const search = (words: string): string => `tool:${MORE_TOOLS}:${JSON.stringify(searchCall(words))}`;
const show = `tool:${MORE_TOOLS}:${JSON.stringify({ name: "memory_get", arguments: { path: "memory/2026-11-20.md" } })}`;

/** The system prompt of the newest request. */
const promptOf = (): string => systemOf(model.requests().at(-1)!);

/** The answer in a chat of Telegram to what a person writes there. */
async function write(
  text: string,
  from: typeof PERSON,
  chat: object = { id: from.id, type: "private", first_name: from.first_name },
): Promise<string> {
  const count = telegram.shown().length;
  telegram.push({ message: telegram.message({ from, chat, text }) });
  return (await until("the answer", () => telegram.shown()[count])).text;
}

test("the operator's agent finds a note, also one that it has written just now, and shows it", async () => {
  assert.match(await ask(search("wifi passwords")), /memory\/2026-11-20\.md, lines 1 to 4:[^]*swordfish/);
  await ask(`tool:write:${JSON.stringify({ path: "memory/2026-11-21.md", content: "The dentist is on Monday.\n" })}`);
  assert.match(await ask(search("dentist")), /memory\/2026-11-21\.md[^]*Monday/);
  assert.match(await ask(show), /Tool said: # Home/);
  assert.match(promptOf(), /alarm code is pelican/);
});

test("an owner gets notes in a direct chat, and neither an owner nor others do in a room", async () => {
  assert.match(await write(search("wifi"), PERSON), /swordfish/);
  assert.match(promptOf(), /alarm code is pelican/);
  // In a room the name of who writes precedes the text.
  model.setBehaviour(({ messages }) => {
    const asked = messages.at(-1);
    const steps = [{ tool: MORE_TOOLS, args: searchCall("wifi") }];
    return asked?.role === "user" && textOf(asked).includes("look it up") ? { steps, finish: "tool_calls" } : undefined;
  });
  for (const from of [PERSON, GUEST]) {
    const text = await write("look it up", from, ROOM);
    assert.doesNotMatch(text, /swordfish/);
    assert.doesNotMatch(promptOf(), /pelican/);
    assert.match(text, /(?:No notes were searched: they|notes) are shown only in conversations that only the owner reads/);
  }
});

test("others get none, and an owner gets none in a direct conversation in which others write as well", async () => {
  assert.doesNotMatch(await write(search("wifi"), GUEST), /swordfish/);
  assert.doesNotMatch(promptOf(), /pelican/);
  assert.doesNotMatch(await write(show, GUEST), /swordfish/);
  assert.doesNotMatch(await write(search("wifi"), PERSON), /swordfish/);
});

/** What a turn for notes begins with. */
const FLUSH = "This conversation is about to be shortened";
const NOTE_PATH = /memory\/\d{4}-\d{2}-\d{2}\.md/;

/** The next requests fill the context of the model; a turn for notes writes one. */
function fillContext(): { flushes: () => number } {
  let flushes = 0;
  model.setBehaviour(({ messages }) => {
    const usage = { prompt_tokens: 110_000, completion_tokens: 5, total_tokens: 110_005 };
    const asked = messages.findLast(({ role }) => role === "user");
    const text = asked === undefined ? "" : textOf(asked);
    if (!text.includes(FLUSH)) return { steps: [{ text: "noted" }], usage };
    if (messages.at(-1)?.role === "tool") return { steps: [{ text: "NO_REPLY" }], usage };
    flushes += 1;
    const args = { path: NOTE_PATH.exec(text)?.[0], content: "The boat is called Nautilus.\n" };
    return { steps: [{ tool: "write", args }], finish: "tool_calls", usage };
  });
  return { flushes: () => flushes };
}

const flushed = async () => {
  const { rows } = (await operator.request("usage.report", { by: ["cause"], days: 1 })) as { rows: { cause: string; calls: number }[] };
  return rows.find(({ cause }) => cause === "flush")?.calls === 2;
};

test("an owner's conversation that is nearly full is noted before it is shortened, unseen on the channel; a room is not", async () => {
  const { flushes } = fillContext();
  assert.equal(await write("our boat is the Nautilus", PERSON, ROOM), "noted");
  assert.equal(await ask("our boat is the Nautilus"), "noted");
  await until("the requests of the turn for notes", flushed);
  const shown = telegram.shown().length;
  assert.equal(await ask("and how is it called?"), "noted");
  model.setBehaviour(undefined);
  assert.deepEqual([flushes(), telegram.shown().length], [1, shown]);
  assert.match(await ask(search("Nautilus")), /memory\/[-0-9]+\.md[^]*called Nautilus/);
});

test("the command line searches the notes, shows what is indexed, and makes the index again", async () => {
  const run = (...words: string[]) => openclaw(home, "memory", ...words);
  const found = await run("search", "wifi", "password");
  assert.match(found.stdout, /^memory\/2026-11-20\.md, lines 1 to 4\n {2}# Home The wifi password is swordfish\./);
  assert.match((await run("search", "unicorn")).stdout, /^No note of the agent main has these words\./);
  const status = await openclawJson<Wire>(home, "memory", "status");
  assert.deepEqual([status["notes"], status["waiting"]], [4, 0]);
  assert.match((await run("index", "--force")).stdout, /Notes in the index: 4, parts of them: 4, changed since: 0/);
});

const isOn = async () => ((await operator.request("memory.status")) as { embeddings: unknown }).embeddings !== null;

test("with an embedding model the command line finds a note by what it means, and says when the model does not answer", async () => {
  writeFileSync(join(workspace, "memory", "garage.md"), "The automobile is at the garage.\n");
  const search = { provider: "openai-compatible", model: "embed", remote: { baseUrl: `${model.url}/v1`, apiKey: "canary-embedding-key" } };
  await openclaw(home, "config", "set", "memory.search", JSON.stringify(search));
  await until("the embedding model is in use", isOn);
  const found = await openclawJson<{ results: { path: string }[] }>(home, "memory", "search", "vehicle", "garage");
  assert.equal(found.results[0]?.path, "memory/garage.md");
  assert.match((await openclaw(home, "memory", "status")).stdout, /Embeddings: openai-compatible, model embed, vectors: 5, to be made: 0/);
  const { rows } = await openclawJson<{ rows: { cause: string; calls: number }[] }>(home, "usage", "--by", "cause");
  assert.equal(rows.find(({ cause }) => cause === "embedding")?.calls, 2);
  model.failEmbeddings(500);
  const down = await openclaw(home, "memory", "search", "garage");
  assert.match(down.stdout, /^memory\/garage\.md/);
  assert.match(down.stderr + down.stdout, /Notes were searched by words only: openai-compatible: it answered 500/);
});

test("T12.2: every request that reached a model is a row of usage with its cause, and the causes add up to the total", async () => {
  type Report = {
    rows: { cause: string; calls: number; totalCost: number; totalTokens: number }[];
    calls: number;
    totals: { totalTokens: number };
  };
  const report = (await operator.request("usage.report", { by: ["cause"], days: 1 })) as Report;
  const sum = (read: (row: Report["rows"][number]) => number): number => report.rows.reduce((total, row) => total + read(row), 0);
  assert.equal(
    sum(({ calls }) => calls),
    model.requests().length + model.embeddings().length,
  );
  assert.equal(
    sum(({ calls }) => calls),
    report.calls,
  );
  assert.equal(
    sum(({ totalTokens }) => totalTokens),
    report.totals.totalTokens,
  );
  assert.deepEqual(report.rows.map(({ cause }) => cause).toSorted(), ["embedding", "flush", "message"]);
});
