// Group: wire
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createPaths } from "../config/paths.ts";
import { createMessages, textOf } from "../store/messages.ts";
import { createSessions } from "../store/sessions.ts";
import { openStore } from "../store/open.ts";
import { silentLog } from "../core/log.ts";
import { fingerprint, talk, writeOriginal } from "../../test/fakes/original-home.ts";
import { adopt, type AdoptOptions } from "./adopt.ts";
import type { Setting } from "./config.ts";

const root = realpathSync(mkdtempSync(join(tmpdir(), "adopt-")));
after(() => rmSync(root, { recursive: true, force: true }));
let made = 0;

const CONFIG = { agents: { list: [{ id: "main" }, { id: "work" }] }, channels: { irc: { host: "h", nick: "n" } } };
const KEY = "agent:main:main";

function open(state?: string) {
  const home = join(root, String(made++));
  const from = join(home, ".openclaw");
  mkdirSync(home);
  writeOriginal(from, CONFIG);
  const env = { HOME: home, OPENCLAW_STATE_DIR: state === undefined ? from : join(home, state) };
  const paths = createPaths(env, home);
  const settings: Setting[] = [];
  const run = (more: Partial<AdoptOptions> = {}) =>
    adopt({
      from,
      paths,
      configText: existsSync(paths.config) ? readFileSync(paths.config, "utf8") : null,
      env,
      home,
      now: 1_000,
      zone: "UTC",
      write: true,
      shadow: false,
      lockDirs: [],
      edit: async (all) => void settings.push(...all),
      ...more,
    });
  /** What a session holds; `write` adds to it, as a turn here does. */
  const texts = async (text?: string): Promise<string[]> => {
    const store = openStore({ dir: paths.gateway, log: silentLog });
    const [sessions, messages] = [createSessions(store), createMessages(store)];
    const session = sessions.get(KEY)!;
    if (text !== undefined)
      await store.write(() => {
        const body = { role: "assistant" as const, content: [{ type: "text" as const, text }] };
        messages.add({
          id: text,
          sessionKey: session.key,
          sessionId: session.session_id,
          runId: null,
          idempotencyKey: null,
          at: 2_000,
          body,
        });
      });
    const found = messages.tail(KEY, session.session_id, { limit: 50 }).map(({ body }) => textOf(body));
    store.close();
    return found;
  };
  /** The conversation goes on in the original. */
  const goOn = (...more: readonly string[]): void => {
    const path = join(from, "agents", "main", "sessions", "50305013-1d2b-4995-85a6-eff2bf2a54d2.jsonl");
    const lines = talk("50305013-1d2b-4995-85a6-eff2bf2a54d2", ["Where do we go?", "To the sea.", "And then?", "Home.", ...more]);
    writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  };
  return { from, paths, run, settings, texts, goOn };
}

test("where both use one directory, only the gateway's own folder is written", async () => {
  const { from, run, settings, texts } = open();
  const parts = ["openclaw.json", "agents", "credentials", "cron", "workspace"].map((name) => join(from, name));
  const before = parts.map(fingerprint);
  const report = await run();
  assert.deepEqual([report.isShared, report.messages, settings], [true, 8, []]);
  assert.match(report.items.find(({ name }) => name.startsWith("anthropic"))!.detail, /models key anthropic/);
  assert.deepEqual(await texts(), ["Where do we go?", "To the sea.", "And then?", "Home."]);
  assert.deepEqual(parts.map(fingerprint), before);
  assert.deepEqual(readdirSync(from).toSorted(), ["agents", "credentials", "cron", "gateway", "openclaw.json", "workspace"]);
  await assert.rejects(run({ shadow: true }), /state directory of its own/);
});

test("messages that the original got since the last time are added, and nothing twice", async () => {
  const { run, texts, goOn } = open("ours");
  await run();
  goOn("Really?");
  const again = await run();
  assert.equal(again.messages, 1);
  assert.deepEqual(await texts(), ["Where do we go?", "To the sea.", "And then?", "Home.", "Really?"]);
  assert.equal((await run()).messages, 0);
});

test("a conversation that went on here is not mixed with what the original got since", async () => {
  const { run, texts, goOn } = open("ours");
  await run();
  await texts("said here");
  goOn("said there");
  const again = await run();
  assert.match(again.items.find(({ name }) => name === KEY)!.detail, /went on here/);
  assert.equal((await texts()).at(-1), "said here");
});

test("when shadow mode ends, the conversation is the one that people saw; what was answered here stays an earlier one", async () => {
  const { paths, run, texts, goOn } = open("ours");
  await run({ shadow: true });
  await texts("held answer");
  goOn("What people read.");
  mkdirSync(paths.state, { recursive: true });
  writeFileSync(paths.config, "{ gateway: { shadow: true } }");
  const end = await run();
  assert.equal(end.shadow, "ends");
  assert.deepEqual(await texts(), ["Where do we go?", "To the sea.", "And then?", "Home.", "What people read."]);
  writeFileSync(paths.config, "{}");
  assert.equal((await run()).messages, 0);
});
