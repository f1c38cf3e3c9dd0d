import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { callCli } from "../../test/cli-call.ts";
import { fingerprint, writeOriginal } from "../../test/fakes/original-home.ts";

const root = mkdtempSync(join(tmpdir(), "setup-"));
after(() => rmSync(root, { recursive: true, force: true }));
let made = 0;
const KEYS = { ANTHROPIC_API_KEY: "sk-ant-canary-1", OPENAI_API_KEY: "sk-canary-2" };

type Answer = {
  choices: { id: string }[];
  chosen: string | null;
  wrote: string[];
  next: string[];
  found: { model: string | null; originals: string[] };
};

function open() {
  const state = join(root, String(made++));
  mkdirSync(state);
  const config = join(state, "openclaw.json");
  const run = async (words: readonly string[], env: Record<string, string> = {}) => {
    const call = await callCli(state, ["setup", ...words], { env: { OPENCLAW_DISCOVER_LOCAL_MODELS: "0", ...env } });
    for (const key of Object.values(KEYS)) assert.ok(!`${call.out}${call.err}`.includes(key), "a key is printed");
    return call;
  };
  const json = async (words: readonly string[], env: Record<string, string> = {}): Promise<Answer> =>
    JSON.parse((await run([...words, "--json"], env)).out) as Answer;
  return { state, config, run, json };
}

test("without a terminal it asks nothing, lists the choices, and writes nothing", async () => {
  const { config, run, json } = open();
  const { choices, chosen, wrote, next } = await json([], KEYS);
  assert.deepEqual(
    choices.map(({ id }) => id.split("/")[0]),
    ["anthropic", "openai"],
  );
  assert.deepEqual([chosen, wrote], [null, []]);
  assert.ok(next.includes("openclaw gateway"));
  const { code, out } = await run([], KEYS);
  assert.equal(code, 0);
  assert.match(out, /anthropic \(ANTHROPIC_API_KEY\)[\s\S]*Choose with --use:[\s\S]*Nothing was written\./);
  assert.equal(existsSync(config), false);
});

test("one key needs no choice: the gateway uses it by itself", async () => {
  const { json } = open();
  const { choices, wrote, next } = await json(["--yes"], { OPENAI_API_KEY: KEYS.OPENAI_API_KEY });
  assert.deepEqual([choices.length, wrote], [1, []]);
  assert.ok(!next.some((step) => step.includes("models key")));
});

for (const words of [
  ["--use", "openai"],
  ["--use", "OPENAI_API_KEY"],
])
  test(`setup ${words.join(" ")} writes the model, and nothing else`, async () => {
    const { config, json } = open();
    const { chosen, wrote } = await json(words, KEYS);
    assert.match(chosen!, /^openai\//);
    assert.deepEqual(wrote, ["agents.defaults.model.primary"]);
    assert.deepEqual(JSON.parse(readFileSync(config, "utf8")), { agents: { defaults: { model: { primary: chosen } } } });
    const again = await json([], KEYS);
    assert.deepEqual([again.found.model, again.choices], [chosen, []]);
  });

test("--yes takes the first choice", async () => {
  const { json } = open();
  assert.match((await json(["--yes"], KEYS)).chosen!, /^anthropic\//);
});

test("a choice that was not found is refused with those that were", async () => {
  const { config, run } = open();
  const { code, err } = await run(["--use", "groq"], KEYS);
  assert.equal(code, 2);
  assert.match(err, /not one of the choices[\s\S]*anthropic\//);
  assert.equal(existsSync(config), false);
});

test("with nothing on the machine it says how to connect a model", async () => {
  const { json } = open();
  const { choices, next } = await json([]);
  assert.deepEqual(choices, []);
  assert.ok(next.includes("openclaw models key anthropic"));
});

test("an installation of OpenClaw is the first choice; it is taken over on request only", async () => {
  const { state, json } = open();
  const home = join(state, "other");
  const from = join(home, ".openclaw");
  writeOriginal(from, { channels: { irc: { host: "h", nick: "n" } } });
  const before = fingerprint(from);
  const { choices, found, next } = await json([], { ...KEYS, OPENCLAW_HOME: home });
  assert.deepEqual([choices[0]!.id, found.originals, next[0]], ["original", [from], "openclaw adopt --dry-run"]);
  assert.equal(existsSync(join(state, "gateway")), false);
  const taken = (await json(["--use", "original"], { OPENCLAW_HOME: home })) as unknown as { taken: number; messages: number };
  assert.ok(taken.taken > 5);
  assert.equal(taken.messages, 8);
  assert.equal(fingerprint(from), before);
});
