import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, afterEach, before, test, type TestContext } from "node:test";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { startModelServer, type ModelServer } from "../../test/model-server.ts";
import { checkConfigValue } from "../config/load.ts";
import type { ModelCall } from "../agents/runtime.ts";
import type { Config } from "../config/schema.ts";
import { asId, type AgentId } from "../core/ids.ts";
import { silentLog } from "../core/log.ts";
import { TOOL_LIMITS } from "../tools/limits.ts";
import { embeddingSettings } from "../tools/memory/embedding-settings.ts";
import { createMemory } from "./agent-memory.ts";
import type { Spending } from "./spending.ts";

const openConfig = (value: object): Config => checkConfigValue(value).config;

let server: ModelServer;
before(async () => {
  server = await startModelServer({ key: "embed-key" });
});
afterEach(() => {
  server.clear();
  server.failEmbeddings(null);
});
after(() => server.close());

const FILES = {
  "memory/a.md": "The automobile is at the garage until Friday.\n",
  "memory/b.md": "Ann sees the physician on Monday.\n",
  "MEMORY.md": "The wifi password is swordfish.\n",
};

const remote = (more: object = {}): object => ({
  provider: "openai-compatible",
  model: "embed-small",
  query: { minScore: 0.25 },
  remote: { baseUrl: `${server.url}/v1`, apiKey: "embed-key" },
  ...more,
});

/** The notes of an agent over the real index and the scripted server. `refusal`: what a budget says. */
function scene(t: TestContext, search: object, files: Readonly<Record<string, string>> = FILES) {
  const workspace = mkdtempSync(join(tmpdir(), "embeddings-"));
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(workspace, path)), { recursive: true });
    writeFileSync(join(workspace, path), text);
  };
  for (const [path, text] of Object.entries(files)) write(path, text);
  const state = { search, refusal: null as string | null };
  const calls: ModelCall[] = [];
  const clock = new FakeClock(Date.now());
  let config: { search: object; made: Config } | null = null;
  const spending = {
    forEmbedding: () => ({
      reserve: () => Promise.resolve(state.refusal === null ? null : { kind: "budget" as const, message: state.refusal }),
      add: (call: ModelCall) => Promise.resolve(void calls.push(call)),
      release: () => {},
    }),
  } as unknown as Pick<Spending, "forEmbedding">;
  const memory = createMemory(
    { paths: { gateway: join(workspace, ".state") }, log: silentLog, clock },
    {
      config: () =>
        (config?.search === state.search
          ? config
          : (config = { search: state.search, made: openConfig({ memory: { search: state.search } }) })
        ).made,
      spending,
    },
  );
  t.after(async () => {
    await memory.stop();
    rmSync(workspace, { recursive: true });
  });
  const owner = { agentId: asId<AgentId>("main"), workspace };
  const find = async (query: string) => {
    const { found, notes, isAll } = await memory.search(query, null, owner, new AbortController().signal);
    return { paths: found.map(({ path }) => path), notes, isAll };
  };
  return { memory, owner, find, write, calls, clock, state };
}

test("a note is found by what it means, with its words before it, and each request is counted", async (t) => {
  const { find, calls, memory, owner } = scene(t, remote());
  assert.deepEqual(await find("vehicle garage"), { paths: ["memory/a.md"], notes: [], isAll: true });
  assert.deepEqual((await find("doctor appointment monday")).paths[0], "memory/b.md");
  assert.deepEqual((await find("swordfish")).paths[0], "MEMORY.md");
  assert.equal(server.embeddings()[0]?.headers["authorization"], "Bearer embed-key");
  assert.deepEqual(
    calls.map(({ model, status, usage }) => [model.provider, model.id, status, usage.input > 0]),
    calls.map(() => ["openai-compatible", "embed-small", "ok", true]),
  );
  assert.deepEqual([calls.length, server.embeddings().length], [4, 4]);
  const { embeddings } = await memory.status(owner);
  assert.deepEqual(embeddings, { provider: "openai-compatible", model: "embed-small", chunks: 3, waiting: 0, problem: null });
});

test("without a provider no text leaves the machine, and words find notes", async (t) => {
  const { find, memory, owner, calls } = scene(t, {});
  assert.deepEqual(await find("garage"), { paths: ["memory/a.md"], notes: [], isAll: true });
  assert.deepEqual((await find("vehicle")).paths, []);
  assert.equal((await memory.status(owner)).embeddings, null);
  assert.deepEqual([server.embeddings(), calls], [[], []]);
});

test("a note that has changed gets new vectors and no other does; another model makes all of them again", async (t) => {
  const { find, write, state, memory, owner } = scene(t, remote());
  await find("vehicle");
  server.clear();
  write("memory/b.md", "Ann sells the boat to Bob.\n");
  assert.equal((await find("boat")).paths[0], "memory/b.md");
  assert.deepEqual(
    server.embeddings().map(({ texts }) => texts),
    [["memory/b.md\nAnn sells the boat to Bob.\n"], ["boat"]],
  );
  server.clear();
  state.search = remote({ model: "embed-large", outputDimensionality: 32 });
  assert.equal((await find("vehicle")).paths[0], "memory/a.md");
  assert.deepEqual(
    server.embeddings().map(({ model, texts }) => [model, texts.length]),
    [
      ["embed-large", 3],
      ["embed-large", 1],
    ],
  );
  assert.equal((await memory.status(owner)).embeddings?.chunks, 3);
});

test("while the server is down words find notes, the answer says so, and the server is left alone for a while", async (t) => {
  const { find, clock, calls, memory, owner } = scene(t, remote());
  server.failEmbeddings(503);
  const down = await find("swordfish");
  assert.deepEqual(down.paths, ["MEMORY.md"]);
  assert.match(down.notes.join(), /^Notes were searched by words only: openai-compatible: it answered 503.*scripted error 503/);
  await find("garage");
  assert.equal(server.embeddings().length, 1);
  assert.match((await memory.status(owner)).embeddings?.problem ?? "", /503/);
  clock.advance(TOOL_LIMITS.embeddingRetryMs);
  await find("garage");
  clock.advance(TOOL_LIMITS.embeddingRetryMs);
  await find("garage");
  assert.equal(server.embeddings().length, 2);
  server.failEmbeddings(null);
  clock.advance(TOOL_LIMITS.embeddingRetryMs);
  assert.deepEqual(await find("vehicle"), { paths: ["memory/a.md"], notes: [], isAll: true });
  assert.deepEqual(
    calls.map(({ status }) => status),
    ["error", "error", "ok", "ok"],
  );
});

test("what a budget refuses is not sent", async (t) => {
  const { find, state, calls } = scene(t, remote());
  state.refusal = "the budget daily is used up";
  assert.match((await find("garage")).notes.join(), /words only: openai-compatible: the budget daily is used up\./);
  assert.deepEqual([server.embeddings(), calls], [[], []]);
});

test("many notes are sent in batches, and a key that a server repeats is not shown", async (t) => {
  const files = Object.fromEntries(Array.from({ length: 150 }, (_, index) => [`memory/n${index}.md`, `note number ${index}\n`]));
  const { memory, owner } = scene(t, remote(), files);
  assert.deepEqual((await memory.index(owner, { again: false })).embeddings?.chunks, 150);
  assert.deepEqual(
    server.embeddings().map(({ texts }) => texts.length),
    [64, 64, 22],
  );
  const wrong = scene(t, remote({ remote: { baseUrl: `${server.url}/v1`, apiKey: "wrong-key" } }));
  const { embeddings } = await wrong.memory.index(wrong.owner, { again: true });
  assert.match(embeddings?.problem ?? "", /answered 401/);
  assert.doesNotMatch(embeddings?.problem ?? "", /wrong-key/);
});

test("Ollama is asked in its own way, and tells whether it answers", async (t) => {
  const ollama = await startModelServer({ product: "ollama" });
  t.after(() => ollama.close());
  const { find, memory, owner } = scene(t, { provider: "ollama", remote: { baseUrl: ollama.url }, query: { minScore: 0.25 } });
  assert.equal((await find("vehicle")).paths[0], "memory/a.md");
  assert.deepEqual(new Set(ollama.paths()), new Set(["POST /api/embed"]));
  assert.equal(ollama.embeddings()[0]?.model, "nomic-embed-text");
  const { signal } = new AbortController();
  assert.deepEqual(await memory.probe(owner, signal), { ok: true });
  ollama.failEmbeddings(500);
  assert.match((await memory.probe(owner, signal))?.error ?? "", /answered 500/);
});

const read = (search: object, variables: Record<string, string> = {}) =>
  embeddingSettings(openConfig({ memory: { search } }).memory.search, (name) => variables[name]);

const problemOf = (search: object): string => (read(search) as { problem: string }).problem;

test("settings that cannot work say what to set, and a key of the environment goes to OpenAI only", () => {
  assert.match(problemOf({ provider: "openai" }), /set memory\.search\.remote\.apiKey or the environment variable OPENAI_API_KEY$/);
  assert.match(problemOf({ provider: "openai-compatible", model: "m" }), /set memory\.search\.remote\.baseUrl$/);
  assert.match(problemOf({ provider: "openai-compatible", remote: { baseUrl: "http://h/v1" } }), /set memory\.search\.model$/);
  const env = { OPENAI_API_KEY: "sk-env" };
  const keyOf = (search: object): string => (read(search, env) as { apiKey: { reveal(): string } }).apiKey.reveal();
  assert.equal(keyOf({ provider: "openai" }), "sk-env");
  assert.equal(keyOf({ provider: "openai", remote: { baseUrl: "http://other.example/v1" } }), "");
  assert.equal(keyOf({ provider: "ollama" }), "");
});
