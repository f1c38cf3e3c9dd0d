// openclaw.json as people leave it: damaged in every way, and edited while the gateway runs.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ProtocolClient } from "../../src/client/client.ts";
import { IrcClient } from "../channel-kit/irc-client.ts";
import { noNgircd, startNgircd } from "../channel-kit/ngircd.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { dropHome, modelConfig, newHome, startGateway, stateDir, until, type GatewayUnderTest } from "./gateway-process.ts";

type Wire = Record<string, unknown>;

const file = (home: string): string => join(stateDir(home), "openclaw.json");
const GOOD = JSON.stringify({ agents: { defaults: { model: { primary: "test/echo" } } } });

/** Name, content, and whether the gateway must say that something is wrong. */
const DAMAGED: readonly (readonly [string, string | Buffer, boolean])[] = [
  ["an empty file", "", true],
  ["only blanks", " \n\t ", true],
  ["truncated in the middle", GOOD.slice(0, 30), true],
  ["an unfinished text", '{ "gateway": { "bind": "loopb', true],
  ["binary rubbish", Buffer.from(Array.from({ length: 4_096 }, (_, index) => (index * 7919) % 256)), true],
  ["zero bytes", Buffer.alloc(2_000), true],
  ["UTF-16", Buffer.from(`\ufeff${GOOD}`, "utf16le"), true],
  ["a list", "[1, 2, 3]", true],
  ["null", "null", true],
  ["a text", '"hello"', true],
  ["wrong types all over", '{ "gateway": 7, "agents": "main", "models": [], "channels": true, "session": null, "bindings": {} }', true],
  ["unknown keys", '{ "gatway": {}, "agents": { "defaults": { "modle": "x" } }, "x": { "y": [1] } }', true],
  ["duplicate keys", '{ "gateway": { "port": 1 }, "gateway": { "port": 2 } }', true],
  ["a port that is none", '{ "gateway": { "port": 99999 } }', true],
  ["a port that is a text", '{ "gateway": { "port": "many" } }', true],
  ["an unknown way of binding", '{ "gateway": { "bind": "everywhere" } }', true],
  ["a password mode without a password", '{ "gateway": { "auth": { "mode": "password" } } }', true],
  ["a proxy mode without a header", '{ "gateway": { "auth": { "mode": "trusted-proxy" } } }', true],
  ["an unknown auth mode", '{ "gateway": { "auth": { "mode": "magic" } } }', true],
  ["a secret that is not there", '{ "gateway": { "auth": { "mode": "token", "token": "${NO_SUCH_VARIABLE}" } } }', true],
  ["a binding to an unknown agent", '{ "bindings": [{ "agentId": "ghost", "match": { "channel": "irc" } }] }', true],
  ["a channel that does not exist", '{ "channels": { "pigeon": { "enabled": true, "loft": 3 } } }', true],
  ["a channel that lacks everything (its own status says so)", '{ "channels": { "irc": { "enabled": true } } }', false],
  ["nested a thousand times", `${'{"a":'.repeat(1_000)}1${"}".repeat(1_000)}`, true],
  ["comments and trailing commas", "{ // fine\n  gateway: { bind: 'loopback', }, /* also */ }", false],
];

async function startOn(content: string | Buffer | null): Promise<{ home: string; gateway: GatewayUnderTest }> {
  const home = newHome();
  mkdirSync(stateDir(home), { recursive: true });
  if (content !== null) writeFileSync(file(home), content);
  return { home, gateway: await startGateway({ home }) };
}

/** Connects with the generated token and asks for health and the configuration. */
async function inspect(gateway: GatewayUnderTest): Promise<{ health: Wire; config: Wire }> {
  const client = await gateway.connect();
  try {
    return { health: await client.request<Wire>("health"), config: await client.request<Wire>("config.get") };
  } finally {
    await client.close();
  }
}

async function checkDamaged([name, content, complains]: (typeof DAMAGED)[number]): Promise<void> {
  const { home, gateway } = await startOn(content).catch((err: unknown) => assert.fail(`${name}: ${String(err)}`));
  try {
    const { health, config } = await inspect(gateway);
    assert.ok(Array.isArray(health["agents"]), name);
    const issues = [...(config["issues"] as Wire[]), ...(config["warnings"] as Wire[])];
    assert.equal(issues.length > 0, complains, `${name}: ${JSON.stringify(issues)}`);
    for (const issue of issues) assert.ok(String(issue["message"]).length > 5, `${name}: says what is wrong`);
    assert.ok(readFileSync(file(home)).equals(Buffer.from(content)), `${name}: the file was changed`);
  } finally {
    await gateway.kill("SIGKILL");
    dropHome(home);
  }
}

test("The control plane answers whatever openclaw.json contains, and the file stays as it is", async () => {
  const waiting = [...DAMAGED];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) await checkDamaged(next);
  };
  await Promise.all([worker(), worker(), worker()]);
});

test("A file that cannot be opened, a directory in its place or a dangling link are no reason not to start", async () => {
  const kinds: [string, (path: string) => void][] = [
    ["a directory", (path) => mkdirSync(path)],
    ["a dangling link", (path) => symlinkSync("/nonexistent/openclaw.json", path)],
    ["no permission", (path) => (writeFileSync(path, GOOD), chmodSync(path, 0o000))],
  ];
  for (const [name, damage] of kinds) {
    const home = newHome();
    mkdirSync(stateDir(home), { recursive: true });
    damage(file(home));
    const gateway = await startGateway({ home });
    const { health } = await inspect(gateway);
    assert.ok(Array.isArray(health["agents"]), name);
    await gateway.kill("SIGKILL");
    dropHome(home);
  }
});

test("A file that broke while the gateway was down is replaced by the last good one, and is left alone", async () => {
  const home = newHome();
  const first = await startGateway({ home, config: { agents: { entries: { rosa: { name: "Rosa" } } } } });
  await until(
    "the last good copy",
    async () =>
      ((await inspect(first)).config["source"] as string) === "file" &&
      readdirSync(join(stateDir(home), "gateway")).some((name) => /last-good/.test(name)),
  );
  await first.kill();
  writeFileSync(file(home), '{ "agents": { "entries": { "rosa": ');
  const second = await startGateway({ home });
  const { health, config } = await inspect(second);
  assert.equal(health["defaultAgentId"], "rosa");
  assert.deepEqual([config["source"], config["valid"]], ["last-good", false]);
  assert.match(JSON.stringify(config["issues"]), /"line":1/);
  assert.equal(readFileSync(file(home), "utf8"), '{ "agents": { "entries": { "rosa": ');
  await second.kill();
  dropHome(home);
});

let model: ModelServer;
let gateway: GatewayUnderTest;
let operator: ProtocolClient;
const home = newHome();
const base = (): Wire & { agents: { defaults: Wire }; models: { providers: { test: { models: Wire[] } } } } => {
  const config = modelConfig(model.url) as ReturnType<typeof base>;
  config.models.providers.test.models.push({ id: "other", name: "Other" });
  return config;
};
const call = (method: string, params: unknown = {}): Promise<Wire> => operator.request<Wire>(method, params);
/** As editors do it: a new file takes the place of the old one. */
function edit(content: unknown): void {
  writeFileSync(`${file(home)}.new`, typeof content === "string" ? content : JSON.stringify(content, null, 2));
  renameSync(`${file(home)}.new`, file(home));
}
const applied = (): Promise<unknown> =>
  until("the edit to be applied", async () => {
    const config = await call("config.get");
    return config["hash"] === config["appliedConfigHash"];
  });
async function modelOf(text: string): Promise<string> {
  model.clear();
  await operator.request("agent", { message: text, idempotencyKey: randomUUID() }, { onAccepted: () => {} });
  return model.requests()[0]!.model;
}

before(async () => {
  model = await startModelServer();
  gateway = await startGateway({ home, config: base() });
  operator = await gateway.connect();
});

after(async () => {
  await operator.close();
  await gateway.kill();
  await model.close();
  dropHome(home);
});

test("A changed model answers the next message, without a restart", async () => {
  assert.equal(await modelOf("one"), "echo");
  const config = base();
  config.agents.defaults["model"] = { primary: "test/other" };
  edit(config);
  await applied();
  assert.equal(await modelOf("two"), "other");
  assert.equal((await call("health"))["ok"], true);
});

test("A broken edit does not change the running configuration, is reported, and is cleared by a correct one", async () => {
  edit('{ "agents": { "defaults": { "model": ');
  await until("word about it", async () => JSON.stringify((await call("health"))["configReload"]).includes("degraded"));
  const config = await call("config.get");
  assert.equal(config["valid"], false);
  assert.equal(await modelOf("three"), "other", "the running configuration stays");
  edit(base());
  await applied();
  assert.equal(await modelOf("four"), "echo");
  await until("health to forget it", async () => JSON.stringify((await call("health"))["configReload"]).includes("active"));
});

test("An edit that would lock everybody out, or cannot work, leaves the doors as they are", async () => {
  edit({ ...base(), gateway: { auth: { mode: "password" } } });
  await applied();
  const again = await gateway.connect();
  assert.equal((await again.request<Wire>("health"))["ok"], true);
  await again.close();
  edit(base());
  await applied();
});

test("A removed file is the defaults; a link in its place is followed", async () => {
  rmSync(file(home));
  await until("the defaults", async () => (await call("config.get"))["source"] === "missing");
  edit(base());
  await applied();
  const real = join(home, "elsewhere.json");
  writeFileSync(real, readFileSync(file(home)));
  rmSync(file(home));
  symlinkSync(real, file(home));
  await applied();
  assert.equal(await modelOf("linked"), "echo");
  rmSync(file(home));
  edit(base());
  await applied();
});

const withAccounts = (accounts: Wire): Wire => ({ ...base(), channels: { irc: { accounts } } });

/** Rows of the IRC accounts by id. */
const rows = async (): Promise<Record<string, Wire>> => {
  const status = (await call("channels.status")) as { channelAccounts: Record<string, Wire[]> };
  return Object.fromEntries((status.channelAccounts["irc"] ?? []).map((row) => [row["accountId"], row]));
};
const connected = (id: string): Promise<unknown> => until(`${id} connected`, async () => (await rows())[id]?.["connected"] === true);

test("An IRC account that is added, changed or removed starts, restarts or ends only itself", { skip: noNgircd }, async () => {
  const irc = await startNgircd();
  const account = (nick: string, more: Wire = {}): Wire => ({ nick, host: "127.0.0.1", port: irc.port, tls: false, ...more });
  const watcher = await IrcClient.join(irc.port, "watcher");
  const ison = async (nick: string, there: boolean): Promise<unknown> =>
    until(`${nick} ${there ? "there" : "gone"}`, async () => {
      const before = watcher.lines.length;
      watcher.raw(`ISON ${nick}`);
      await watcher.until(() => watcher.lines.slice(before).some((line) => line.includes(" 303 ")), "an answer");
      return watcher.lines.slice(before).some((line) => / 303 watcher :\S/.test(line)) === there;
    });
  try {
    edit(withAccounts({ one: account("clawone") }));
    await connected("one");
    const since = (await rows())["one"]!["lastConnectedAt"] ?? (await rows())["one"]!["lastStartAt"];
    edit(withAccounts({ one: account("clawone"), two: account("clawtwo") }));
    await connected("two");
    edit(withAccounts({ one: account("clawone"), two: account("clawnew") }));
    await ison("clawnew", true);
    await ison("clawtwo", false);
    edit(withAccounts({ one: account("clawone") }));
    await ison("clawnew", false);
    assert.deepEqual(Object.keys(await rows()), ["one"]);
    const row = (await rows())["one"]!;
    assert.equal(row["connected"], true);
    assert.equal(row["lastConnectedAt"] ?? row["lastStartAt"], since, "the unchanged account was not restarted");
    assert.equal(await modelOf("beside"), "echo", "nothing else restarted");
    edit(base());
    await ison("clawone", false);
  } finally {
    watcher.close();
    await irc.close();
  }
});

test("A change that cannot be applied is discarded, reported, and applied once its cause is removed", async () => {
  const own = newHome();
  const tokenFile = join(stateDir(own), "gateway", "token");
  mkdirSync(join(stateDir(own), "gateway"), { recursive: true, mode: 0o700 });
  writeFileSync(tokenFile, "the-token-of-a-file", { mode: 0o600 });
  const one = await startGateway({
    home: own,
    config: { agents: { entries: { rosa: { name: "Rosa" } } } },
    args: ["--token-file", tokenFile],
  });
  const client = await one.connect();
  try {
    const health = (): Promise<Wire> => client.request<Wire>("health");
    const { hash } = await client.request<Wire>("config.get");
    rmSync(tokenFile);
    const patch = { raw: '{ "agents": { "entries": { "rosa": { "name": "Rose" } } } }', baseHash: hash };
    await assert.rejects(client.request("config.patch", patch), (err: Error & { code?: string }) => {
      assert.match(err.message, /the changed configuration cannot be applied: .*token cannot be read/);
      return err.code === "UNAVAILABLE";
    });
    const broken = await health();
    assert.equal((broken["agents"] as Wire[])[0]!["name"], "Rosa", "the running configuration stays");
    assert.deepEqual([broken["ok"], broken["degraded"]], [true, ["config"]]);
    assert.match(JSON.stringify(broken["configReload"]), /degraded.*cannot be applied/);
    assert.match(one.output() + readLog(own), /the running configuration stays/);
    writeFileSync(tokenFile, "the-token-of-a-file", { mode: 0o600 });
    const path = file(own);
    writeFileSync(path, `${readFileSync(path, "utf8")}\n`);
    await until("the change to be applied", async () => ((await health())["agents"] as Wire[])[0]!["name"] === "Rose");
    assert.deepEqual((await health())["degraded"], []);
  } finally {
    await client.close();
    await one.kill();
    dropHome(own);
  }
});

/** All lines of the log files. */
function readLog(home: string): string {
  const dir = join(stateDir(home), "gateway", "logs");
  return readdirSync(dir)
    .map((name) => readFileSync(join(dir, name), "utf8"))
    .join("");
}
