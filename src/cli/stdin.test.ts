import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { after, test } from "node:test";
import { callCli, type CliCall } from "../../test/cli-call.ts";

const home = mkdtempSync(join(tmpdir(), "openclaw-input-"));
after(() => rmSync(home, { recursive: true, force: true }));

type Keyboard = PassThrough & { isTTY: true; raw: boolean[]; setRawMode(mode: boolean): void };

/** A terminal at which `keys` are typed, each piece as one read. */
function terminal(...keys: string[]): Keyboard {
  const raw: boolean[] = [];
  const stream = Object.assign(new PassThrough(), { isTTY: true as const, raw, setRawMode: (mode: boolean) => void raw.push(mode) });
  for (const key of keys) setImmediate(() => stream.write(key));
  return stream;
}

const state = (): string => mkdtempSync(join(home, "state-"));
const KEY = "models.providers.anthropic.apiKey";

async function setKey(dir: string, ...keys: string[]): Promise<{ call: CliCall; keyboard: Keyboard; saved: unknown }> {
  const keyboard = terminal(...keys);
  const call = await callCli(dir, ["config", "set", KEY, "--stdin"], { host: { stdin: keyboard } });
  let saved: unknown = null;
  if (call.code === 0) {
    const file = JSON.parse(readFileSync(join(dir, "openclaw.json"), "utf8")) as {
      models: { providers: { anthropic: { apiKey: unknown } } };
    };
    saved = file.models.providers.anthropic.apiKey;
  }
  return { call, keyboard, saved };
}

const TYPED: readonly [name: string, keys: readonly string[], saved: string][] = [
  ["a paste and Enter", ["sk-ant-1", "\r"], "sk-ant-1"],
  ["a paste with its line break", ["sk-ant-2\r"], "sk-ant-2"],
  ["a paste and Ctrl-D", ["sk-ant-3", "\u0004"], "sk-ant-3"],
  ["a paste and Ctrl-D before the question", ["sk-ant-5\u0000"], "sk-ant-5"],
  ["keys and a backspace", ["s", "k", "x", "\u007f", "-4", "\r"], "sk-4"],
  ["a paste of several lines", ["-----BEGIN\rabc\r-----END\r"], "-----BEGIN\nabc\n-----END"],
];
for (const [name, keys, saved] of TYPED) {
  test(`config set --stdin at a terminal takes ${name} and shows nothing of it`, async () => {
    const typed = await setKey(state(), ...keys);
    assert.equal(typed.call.code, 0, typed.call.err);
    assert.equal(typed.saved, saved);
    assert.match(typed.call.err, /^models\.providers\.anthropic\.apiKey \(hidden\): \n/);
    assert.ok(!`${typed.call.out}${typed.call.err}`.includes("sk-"), "the secret is not shown");
    assert.deepEqual(typed.keyboard.raw, [true, false], "the terminal is as before");
  });
}

test("Ctrl-C at the question changes nothing and leaves the terminal as it was", async () => {
  const { call, keyboard } = await setKey(state(), "sk-an", "\u0003");
  assert.equal(call.code, 130);
  assert.match(call.err, /Cancelled\. Nothing changed\.\n$/);
  assert.doesNotMatch(call.err, /✗/);
  assert.deepEqual(keyboard.raw, [true, false]);
});

test("an empty answer is not saved", async () => {
  assert.equal((await setKey(state(), "\r")).call.code, 2);
  assert.equal((await callCli(state(), ["config", "set", KEY, "--stdin"], { input: "\n" })).code, 2);
});

test("channels add --token-stdin and --secret-stdin ask in the same way", async () => {
  const dir = state();
  const token = await callCli(dir, ["channels", "add", "telegram", "--token-stdin", "--no-verify"], {
    host: { stdin: terminal("123:abc\r") },
  });
  assert.equal(token.code, 0, token.err);
  const secret = await callCli(dir, ["channels", "add", "irc", "--secret-stdin", "password", "--no-verify"], {
    host: { stdin: terminal("hunter2\r") },
  });
  assert.equal(secret.code, 0, secret.err);
  const file = readFileSync(join(dir, "openclaw.json"), "utf8");
  assert.match(file, /123:abc/);
  assert.match(file, /hunter2/);
  assert.doesNotMatch(token.out + token.err + secret.out + secret.err, /123:abc|hunter2/);
});

test("a text from the terminal may have several lines, up to Ctrl-D", async () => {
  const keyboard = terminal();
  const call = callCli(state(), ["agent", "--message", "-", "--url", "ws://127.0.0.1:1"], { host: { stdin: keyboard } });
  keyboard.write("one\n");
  keyboard.end("two\n");
  const { code, err } = await call;
  assert.match(err, /^Type the message; end with Ctrl-D on a line of its own:\n/);
  assert.equal(code, 69, "the message was read, and then no gateway answered");
});
