import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, test } from "node:test";
import { startStoreHolder } from "../../test/fakes/gateway-process.ts";
import { startServerBench, TOKEN, type ServerBench, type ServerBenchOptions } from "../../test/server-bench.ts";
import { GatewayError } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";
import type { GatewayOptions } from "../core/gateway-process.ts";
import { runCli } from "./run.ts";
import { checkEnvironment } from "../config/environment.ts";
import { toGatewayUrl, networkReachOf } from "./gateway-target.ts";
import { toMergePatch } from "./config-edit.ts";
import { parseValue, toDisplayValue } from "./config-value.ts";

const DAY = 86_400_000;
const METHODS: NonNullable<ServerBenchOptions["methods"]> = {
  "sessions.list": {
    scope: "operator.read",
    run: () => ({ sessions: [{ key: "agent:main:main", derivedTitle: "hi\u001b[2Jthere", status: "done", updatedAt: 1 }], totalCount: 1 }),
  },
  "sessions.delete": { scope: "operator.admin", run: () => ({ deleted: true }) },
  "config.get": { scope: "operator.read", run: () => ({ parsed: { gateway: { port: 5 } }, hash: "h" }) },
  "models.list": { scope: "operator.read", run: () => ({ models: [] }) },
  "tokens.list": {
    scope: "operator.admin",
    run: () => ({ tokens: [{ id: "t1", name: "ci", scopes: ["operator.read"], expiresAt: Date.now() + 3 * DAY }] }),
  },
  "tokens.revoke": { scope: "operator.admin", run: (params: { id: string }) => ({ ok: true, id: params.id }) },
  agent: {
    scope: "operator.write",
    run: async ({ message }: { message: string }, caller) => {
      caller.accept({ runId: "r", status: "accepted" });
      if (message === "fail") return { runId: "r", status: "error", summary: "the model refused" };
      return { runId: "r", status: "ok", result: { payloads: [{ text: `you said ${message}` }] } };
    },
  },
  "route.explain": {
    scope: "operator.read",
    run: () => {
      throw new GatewayError("NOT_FOUND", "there is no channel xyz", { fix: "openclaw channels list" });
    },
  },
  "channels.verify": {
    scope: "operator.admin",
    run: (params: { channel?: string }) => {
      if (params.channel === "nope") throw new GatewayError("NOT_FOUND", 'there is no channel "nope"', { fix: "There are: irc." });
      throw new GatewayError("INVALID_REQUEST", "Telegram rejected this account: Unauthorized", {
        details: { code: "CREDENTIAL_REFUSED" },
        fix: "Ask @BotFather.",
      });
    },
  },
};

const IDENTITY = new Secret("identity-key-of-the-room");
const room: ServerBench = await startServerBench({ methods: METHODS, deps: { identityKey: IDENTITY } });
const home = mkdtempSync(join(tmpdir(), "openclaw-cli-"));
after(async () => {
  await room.stop();
  rmSync(home, { recursive: true, force: true });
});

let count = 0;
/** A state directory; with `running`, its owner file points to the room. */
function makeState(options: { running?: boolean; token?: string; config?: unknown } = {}): string {
  const state = join(home, `state-${count++}`);
  mkdirSync(join(state, "gateway"), { recursive: true, mode: 0o700 });
  if (options.running) {
    writeFileSync(
      join(state, "gateway/owner.json"),
      JSON.stringify({
        pid: startStoreHolder(state),
        port: room.port,
        url: room.url,
        startedAt: Date.now(),
        identityKey: IDENTITY.reveal(),
      }),
    );
    writeFileSync(join(state, "gateway/token"), options.token ?? TOKEN, { mode: 0o600 });
  }
  if (options.config !== undefined)
    writeFileSync(join(state, "openclaw.json"), typeof options.config === "string" ? options.config : JSON.stringify(options.config), {
      mode: 0o600,
    });
  return state;
}

type Result = { code: number; out: string; err: string; started: GatewayOptions[] };

async function cli(
  state: string,
  words: readonly string[],
  options: { env?: Record<string, string>; input?: string } = {},
): Promise<Result> {
  const result: Result = { code: -1, out: "", err: "", started: [] };
  result.code = await runCli(words, {
    streams: { stdout: { write: (text: string) => (result.out += text) }, stderr: { write: (text: string) => (result.err += text) } },
    stdin: Readable.from(options.input === undefined ? [] : [options.input]) as unknown as NodeJS.ReadableStream,
    env: { HOME: home, OPENCLAW_STATE_DIR: state, ...options.env },
    cwd: home,
    now: Date.now,
    signal: new AbortController().signal,
    useProfile: () => {},
    startGateway: async (gateway) => {
      result.started.push(gateway);
      return { url: "ws://127.0.0.1:1", port: 1, banner: ["listens"], ended: Promise.resolve(0), stop: async () => {} };
    },
    verifyChannel: async ({ change }) => {
      if (change["botToken"] === "bad-token")
        throw new GatewayError("INVALID_REQUEST", "Telegram rejected this account: Unauthorized", { fix: "Ask @BotFather." });
      return { name: "mybot" };
    },
  });
  return result;
}

const lines = (text: string): string[] => text.trimEnd().split("\n");

test("a command asks the running gateway, with the token of its state directory", async () => {
  const { code, out, err } = await cli(makeState({ running: true }), ["sessions"]);
  assert.equal(code, 0, err);
  assert.match(lines(out)[1]!, /^agent:main:main {2}hi\[2Jthere {2}done/);
});

test("--json prints one value and nothing else", async () => {
  const { out, err } = await cli(makeState({ running: true }), ["sessions", "--json"]);
  assert.equal((JSON.parse(out) as { totalCount: number }).totalCount, 1);
  assert.equal(err, "");
});

test("without a gateway a list comes from the files, and says so", async () => {
  const state = makeState({ config: { gateway: { port: 1 }, agents: { entries: { work: { default: true } } } } });
  const { code, out, err } = await cli(state, ["agents", "list"]);
  assert.equal(code, 0, err);
  assert.match(out, /work \*/);
  assert.match(err, /Gateway not running; showing saved data from/);
});

/** `agents` of the configuration after its agent "helper" was removed while no gateway ran. */
async function withoutHelper(agents: unknown): Promise<unknown> {
  const state = makeState({ config: { gateway: { port: 1 }, agents } });
  const { code, err } = await cli(state, ["agents", "delete", "helper", "--yes"]);
  assert.equal(code, 0, err);
  return (JSON.parse(readFileSync(join(state, "openclaw.json"), "utf8")) as { agents: unknown }).agents;
}

test("without a gateway an agent is removed where the file has it: an entry, whatever its case, or an item of the older list", async () => {
  assert.deepEqual(await withoutHelper({ list: [{ id: "work" }, { id: "Helper" }] }), { list: [{ id: "work" }] });
  assert.deepEqual(await withoutHelper({ entries: { work: {}, Helper: {} } }), { entries: { work: {} } });
});

test("an empty variable is as one that is not set", async () => {
  const state = makeState({ running: true });
  const env = { OPENCLAW_GATEWAY_URL: "", OPENCLAW_GATEWAY_TOKEN: "", OPENCLAW_GATEWAY_PORT: "" };
  const { code, err } = await cli(state, ["sessions"], { env });
  assert.equal(code, 0, err);
  assert.deepEqual(checkEnvironment(env), []);
});

test("without a gateway, what only it can do fails with 69 and says how to start it", async () => {
  const { code, err } = await cli(makeState({ config: { gateway: { port: 1 } } }), ["health"]);
  assert.equal(code, 69);
  assert.match(
    err,
    /^✗ No gateway is running at ws:\/\/127\.0\.0\.1:1\n {2}Why: nothing listens there \(address from gateway\.port in .*\)\.\n {2}Fix: start one with: openclaw gateway\n$/,
  );
});

for (const command of ["status", "doctor", "health"]) {
  test(`${command} fails when no gateway runs`, async () => {
    const { code } = await cli(makeState({ config: { gateway: { port: 1 } } }), [command]);
    assert.notEqual(code, 0);
  });
}

test("a refused token says which one was sent and from where, with 77, and never shows it", async () => {
  const state = makeState({ running: true });
  const { code, err } = await cli(state, ["sessions"], { env: { OPENCLAW_GATEWAY_TOKEN: "wrong-token-value" } });
  assert.equal(code, 77);
  assert.match(err, /the token from OPENCLAW_GATEWAY_TOKEN was sent/);
  assert.match(err, /Fix: unset the variable/);
  assert.ok(!err.includes("wrong-token-value"));
});

test("a token of this machine is not sent to another address", async () => {
  const other = await startServerBench({ methods: METHODS });
  const { code, err } = await cli(makeState({ running: true }), ["sessions", "--url", other.url]);
  assert.equal(code, 77);
  assert.match(err, /none was sent/);
  await other.stop();
});

test("the token of this machine goes to its own gateway, also when that is named", async () => {
  const { code } = await cli(makeState({ running: true }), ["sessions", "--url", `localhost:${room.port}`]);
  assert.equal(code, 0);
});

test("a token from a file or the environment goes to the named address", async () => {
  const state = makeState();
  const file = join(state, "remote-token");
  writeFileSync(file, `${TOKEN}\n`);
  assert.equal((await cli(state, ["sessions", "--url", room.url, "--token-file", file])).code, 0);
  assert.equal((await cli(state, ["sessions", "--url", room.url], { env: { OPENCLAW_GATEWAY_TOKEN: TOKEN } })).code, 0);
});

test("gateway.remote is asked when the mode is remote", async () => {
  const state = makeState({ config: { gateway: { mode: "remote", remote: { url: room.url, token: TOKEN } } } });
  assert.equal((await cli(state, ["sessions"])).code, 0);
});

test("an answer of the gateway becomes what, why and fix", async () => {
  const { code, err } = await cli(makeState({ running: true }), ["route", "explain", "irc", "default", "bob"]);
  assert.equal(code, 1);
  assert.match(err, /^✗ there is no channel xyz\n {2}Why: the gateway answered NOT_FOUND\.\n {2}Fix: .+\n$/);
});

test("a method that is not served says so", async () => {
  const { code, err } = await cli(makeState({ running: true }), ["gateway", "call", "no.such.method"]);
  assert.equal(code, 1);
  assert.match(err, /does not have that method/);
});

test("errors with --json are JSON with the exit code", async () => {
  const { code, out } = await cli(makeState({ config: { gateway: { port: 1 } } }), ["health", "--json"]);
  assert.equal(code, 69);
  const { ok, error } = JSON.parse(out) as { ok: boolean; error: { exit: number; fix: string } };
  assert.deepEqual([ok, error.exit, error.fix], [false, 69, "start one with: openclaw gateway"]);
});

test("agent prints the reply, and fails when the turn did", async () => {
  const state = makeState({ running: true });
  assert.deepEqual(lines((await cli(state, ["agent", "-m", "hello"])).out), ["you said hello"]);
  assert.deepEqual(lines((await cli(state, ["agent", "-m", "-"], { input: "from stdin\n" })).out), ["you said from stdin"]);
  const failed = await cli(state, ["agent", "-m", "fail"]);
  assert.equal(failed.code, 1);
  assert.match(failed.err, /the model refused/);
  assert.equal((await cli(state, ["agent"])).code, 2);
});

test("what cannot be undone asks first, or needs --yes", async () => {
  const state = makeState({ running: true });
  const asked = await cli(state, ["sessions", "delete", "agent:main:x"]);
  assert.equal(asked.code, 2);
  assert.match(asked.err, /--yes/);
  assert.equal((await cli(state, ["sessions", "delete", "agent:main:x", "--yes"])).code, 0);
});

test("tokens revoke takes the name", async () => {
  const { code, out } = await cli(makeState({ running: true }), ["tokens", "revoke", "ci", "--json"]);
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(out), { ok: true, id: "t1" });
});

test("config set keeps comments, and a second look finds the value", async () => {
  const state = makeState({ config: "{\n  // why it is 5\n  gateway: { port: 5 },\n}\n" });
  assert.equal((await cli(state, ["config", "set", "gateway.port", "18800"])).code, 0);
  assert.match(readFileSync(join(state, "openclaw.json"), "utf8"), /\/\/ why it is 5\n\s+gateway: \{ port: 18800 \}/);
  assert.deepEqual(lines((await cli(state, ["config", "get", "gateway.port"])).out), ["18800"]);
});

test("config set says of a key of OpenClaw that it has no effect here", async () => {
  const state = makeState();
  const set = await cli(state, ["config", "set", "agents.defaults.memorySearch.provider", "openai", "--json"]);
  assert.equal((JSON.parse(set.out) as { effect: string }).effect, "none");
  const served = await cli(state, ["config", "set", "memory.search.provider", "none", "--json"]);
  assert.equal((JSON.parse(served.out) as { effect: string }).effect, "applied");
});

test("a secret from standard input is stored, and not shown", async () => {
  const state = makeState();
  const set = await cli(state, ["config", "set", "gateway.auth.token", "--stdin"], { input: "s3cret-value\n" });
  assert.equal(set.code, 0, set.err);
  assert.match(readFileSync(join(state, "openclaw.json"), "utf8"), /s3cret-value/);
  const shown = await cli(state, ["config", "get"]);
  assert.ok(!`${set.out}${set.err}${shown.out}${shown.err}`.includes("s3cret-value"));
  assert.deepEqual(lines((await cli(state, ["token"])).out), ["s3cret-value"]);
});

test("a value that cannot be is refused with 78 and the file stays", async () => {
  const state = makeState({ config: { gateway: { port: 5 } } });
  const { code, err } = await cli(state, ["config", "set", "gateway.port", "70000"]);
  assert.equal(code, 78);
  assert.match(err, /Fix: openclaw config schema gateway\.port/);
  assert.equal(readFileSync(join(state, "openclaw.json"), "utf8"), '{"gateway":{"port":5}}');
});

test("config validate fails with 78 on an error and names line and key", async () => {
  const { code, out } = await cli(makeState({ config: '{\n  gateway: { port: "x" } }' }), ["config", "validate"]);
  assert.equal(code, 78);
  assert.match(out, /openclaw\.json:2:\d+ {2}gateway\.port/);
});

test("agents bind and unbind change the rules and nothing else", async () => {
  const state = makeState({ config: { agents: { entries: { main: {}, work: {} } }, gateway: { port: 1 } } });
  const read = () => (JSON.parse(readFileSync(join(state, "openclaw.json"), "utf8")) as { bindings: unknown }).bindings;
  assert.equal((await cli(state, ["agents", "bind", "work", "--channel", "irc", "--peer", "channel:#team"])).code, 0);
  assert.deepEqual(read(), [{ agentId: "work", match: { channel: "irc", peer: { kind: "channel", id: "#team" } } }]);
  assert.equal(
    (await cli(state, ["agents", "bind", "main", "--channel", "irc", "--peer", "channel:#team"])).code,
    1,
    "two rules with one match",
  );
  assert.equal((await cli(state, ["agents", "bind", "absent", "--channel", "irc"])).code, 2);
  assert.equal((await cli(state, ["agents", "unbind", "work"])).code, 2, "it is not clear which");
  assert.equal((await cli(state, ["agents", "unbind", "work", "--channel", "irc"])).code, 0);
  assert.deepEqual(read(), []);
});

test("doctor counts by severity, worst first, and repairs what its plan says", async () => {
  const state = makeState({ config: '{ gateway: { port: 1, bnd: "lan" } }' });
  const file = join(state, "openclaw.json");
  chmodSync(file, 0o644);
  // Tests may keep their files in memory.
  const found = await cli(state, ["doctor", "--skip", "state-persistent"]);
  assert.equal(found.code, 1);
  const order = lines(found.out)
    .filter((line) => /^[✗!]/.test(line))
    .map((line) => line[0]);
  assert.deepEqual(
    order,
    order.toSorted((a, b) => (a === b ? 0 : a === "✗" ? -1 : 1)),
  );
  assert.match(lines(found.out).at(-1)!, /^1 problem, 2 warnings, \d+ ok$/);
  assert.equal((await cli(state, ["doctor", "--fix"])).code, 2, "a plan needs a yes");
  assert.equal(statSync(file).mode & 0o777, 0o644);
  const fixed = await cli(state, ["doctor", "--fix", "--yes", "--skip", "state-persistent"]);
  assert.match(fixed.err, /The plan:\n {2}- set the mode of .*openclaw\.json to 600/);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.match(fixed.err, /bnd/);
  assert.deepEqual(JSON.parse(readFileSync(file, "utf8").replaceAll(/(\w+):/g, '"$1":')), { gateway: { port: 1, bind: "lan" } });
  assert.match(lines(fixed.out).at(-1)!, /^1 problem, 0 warnings, \d+ ok$/);
});

test("doctor --lint looks at the file only", async () => {
  assert.equal((await cli(makeState({ config: { gateway: { port: 5 } } }), ["doctor", "--lint"])).code, 0);
  assert.equal((await cli(makeState({ config: "{" }), ["doctor", "--lint"])).code, 1);
});

test("the flags of openclaw gateway reach the gateway, and bad ones never start it", async () => {
  const { code, out, started } = await cli(makeState(), [
    "gateway",
    "--port",
    "0",
    "--verbose",
    "--force",
    "--bind",
    "lan",
    "--token-file",
    "t",
  ]);
  assert.equal(code, 0);
  assert.deepEqual(started, [{ verbose: true, force: true, port: 0, bind: "lan", tokenFile: join(home, "t") }]);
  assert.deepEqual(lines(out), ["listens"]);
  const bad = await cli(makeState(), ["gateway", "--port", "abc"]);
  assert.deepEqual([bad.code, bad.started.length], [2, 0]);
});

test("looking at a state directory creates nothing in it", async () => {
  const state = join(home, "untouched");
  const config = join(makeState({ config: { gateway: { port: 1 } } }), "openclaw.json");
  for (const words of [
    ["status"],
    ["sessions"],
    ["agents"],
    ["models"],
    ["channels"],
    ["pairing"],
    ["logs"],
    ["doctor"],
    ["config", "validate"],
  ]) {
    await cli(state, words, { env: { OPENCLAW_CONFIG_PATH: config } });
    assert.ok(!existsSync(state), words.join(" "));
  }
});

const URLS: readonly [text: string, url: string][] = [
  ["127.0.0.1:18789", "ws://127.0.0.1:18789"],
  ["ws://localhost:1/", "ws://127.0.0.1:1"],
  ["https://host.example.org", "wss://host.example.org"],
  ["http://[::1]:5", "ws://[::1]:5"],
  ["wss://h/base", "wss://h/base"],
];
for (const [text, url] of URLS) test(`${text} means ${url}`, () => assert.equal(toGatewayUrl(text, "--url"), url));
for (const text of ["ws://u:p@h", "http://h?token=x", "http://h/#token=x", "ftp://h", "ws://", ""]) {
  test(`"${text}" is refused as an address`, () => assert.throws(() => toGatewayUrl(text, "--url"), { name: "CliError", exit: 2 }));
}

const REACH: readonly [url: string, reach: string][] = [
  ["ws://127.0.0.1:1", "loopback"],
  ["ws://[::1]:1", "loopback"],
  ["ws://192.168.1.2:1", "private"],
  ["ws://100.100.1.1:1", "private"],
  ["ws://box.tail1.ts.net", "private"],
  ["ws://93.184.216.34", "public"],
  ["ws://example.org", "public"],
  ["ws://127.example.org", "public"],
  ["ws://10.example.org", "public"],
];
for (const [url, reach] of REACH) test(`${url} is ${reach}`, () => assert.equal(networkReachOf(url), reach));

const PATCHES: readonly [from: unknown, to: unknown, patch: unknown][] = [
  [{ a: 1 }, { a: 1 }, undefined],
  [{ a: 1 }, { a: 2 }, { a: 2 }],
  [{ a: 1, b: 2 }, { b: 2 }, { a: null }],
  [{ a: { b: 1, secret: "__OPENCLAW_REDACTED__" } }, { a: { b: 2, secret: "__OPENCLAW_REDACTED__" } }, { a: { b: 2 } }],
  [{ a: [1] }, { a: [1, 2] }, { a: [1, 2] }],
];
for (const [from, to, patch] of PATCHES)
  test(`from ${JSON.stringify(from)} to ${JSON.stringify(to)} leads ${JSON.stringify(patch)}`, () =>
    assert.deepEqual(toMergePatch(from, to), patch));

const VALUES: readonly [text: string, value: unknown][] = [
  ["5", 5],
  ["-1.5", -1.5],
  ["+15551234567", "+15551234567"],
  ["true", true],
  ["lan", "lan"],
  ["trueish", "trueish"],
  ["127.0.0.1", "127.0.0.1"],
  ["#team", "#team"],
  ["['a', 'b']", ["a", "b"]],
  ["{ a: 1 }", { a: 1 }],
  ["'5'", "5"],
  ["{ broken", "{ broken"],
];
for (const [text, value] of VALUES)
  test(`the value ${text} is read as ${JSON.stringify(value)}`, () => assert.deepEqual(parseValue(text), value));
test("the value of a secret key is not shown", () => {
  assert.equal(toDisplayValue("gateway.auth.token", "abc"), "(hidden)");
  const models = { providers: { a: { baseUrl: "http://a", apiKey: "sk-1" } }, maxTokens: 5 };
  assert.equal(toDisplayValue("models", models), '{"providers":{"a":{"baseUrl":"http://a","apiKey":"(hidden)"}},"maxTokens":5}');
  assert.equal(toDisplayValue("gateway.port", 5), "5");
});

test("channels add asks the platform first, saves what it accepts, and never shows the secret", async () => {
  const state = makeState({ config: { gateway: { port: 1 } } });
  const added = await cli(
    state,
    ["channels", "add", "irc", "--set", "host=irc.example.org", "--set", "nick=mybot", "--secret-stdin", "password"],
    {
      input: "hunter2-hunter2\n",
    },
  );
  assert.equal(added.code, 0, added.err);
  assert.match(
    added.out,
    /Verified with IRC: mybot\nAdded irc to .*\n {2}host = irc\.example\.org\n {2}nick = mybot\n {2}password = \(hidden\)/,
  );
  assert.match(added.err, /Next: send a message to mybot, then: openclaw pairing list/);
  assert.doesNotMatch(added.out + added.err, /hunter2/);
  assert.match(readFileSync(join(state, "openclaw.json"), "utf8"), /hunter2-hunter2/);
});

test("channels add says the same when the gateway asked the platform", async () => {
  const refused = await cli(makeState({ running: true, config: {} }), ["channels", "add", "telegram", "--set", "botToken=bad-token"]);
  assert.equal(refused.code, 1);
  assert.equal(refused.err, "✗ Telegram rejected this account: Unauthorized\n  Why: nothing was saved.\n  Fix: Ask @BotFather.\n");
});

test("channels add names the channels that there are", async () => {
  const refused = await cli(makeState({ running: true, config: {} }), ["channels", "add", "nope", "--set", "a=b"]);
  assert.equal(refused.code, 2);
  assert.match(refused.err, /^✗ Unknown channel "nope"\.\n {2}Why: There are: .*irc.*\.\n {2}Fix: openclaw channels list\n$/);
});

test("channels add saves nothing that the platform refuses, unless --no-verify is given", async () => {
  const state = makeState({ config: { gateway: { port: 1 } } });
  const words = ["channels", "add", "telegram", "--set", "botToken=bad-token"];
  const refused = await cli(state, words);
  assert.equal(refused.code, 1);
  assert.equal(refused.err, "✗ Telegram rejected this account: Unauthorized\n  Why: nothing was saved.\n  Fix: Ask @BotFather.\n");
  assert.doesNotMatch(readFileSync(join(state, "openclaw.json"), "utf8"), /telegram/);
  const forced = await cli(state, [...words, "--no-verify"]);
  assert.equal(forced.code, 0, forced.err);
  assert.match(readFileSync(join(state, "openclaw.json"), "utf8"), /bad-token/);
});
