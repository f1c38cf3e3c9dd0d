import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { channelAccounts, defaultAccountId } from "./channel-accounts.ts";
import { agentIds, defaultAgentId, hasAgent, modelAliases, resolveAgent, type ResolvedAgent } from "./agents.ts";
import { checkConfigValue } from "./load.ts";
import { createPaths, findOriginalFiles } from "./paths.ts";
import { parseBytes, parseDurationMs } from "./quantity.ts";

const config = (value: unknown) => checkConfigValue(value).config;
const agent = (agents: unknown, id: string, rest: object = {}): ResolvedAgent => resolveAgent(config({ agents, ...rest }), id, "/state");

test("the default agent is the marked one, else main, else the first", () => {
  assert.deepEqual([agentIds(config({})), defaultAgentId(config({}))], [["main"], "main"]);
  assert.equal(defaultAgentId(config({ agents: { entries: { a: {}, b: {} } } })), "a");
  assert.equal(defaultAgentId(config({ agents: { entries: { a: {}, main: {} } } })), "main");
  assert.equal(defaultAgentId(config({ agents: { entries: { a: {}, b: { default: true } } } })), "b");
  assert.deepEqual([hasAgent(config({}), "MAIN"), hasAgent(config({}), "x"), hasAgent(config({}), "constructor")], [true, false, false]);
});

test("models of an agent are its own, and fallbacks come only from where the first model comes from", () => {
  const defaults = { model: { primary: "a/1", fallbacks: ["b/2"] }, models: { "c/3": { alias: "three" } } };
  const cases: [unknown, string[]][] = [
    [{}, ["a/1", "b/2"]],
    [{ model: "x/y" }, ["x/y"]],
    [{ model: { primary: "x/y", fallbacks: ["x/z", "x/y"] } }, ["x/y", "x/z"]],
    [{ model: { fallbacks: [] } }, ["a/1"]],
    [{ model: "Three" }, ["c/3"]],
    [{ model: "mine", models: { "d/4": { alias: "mine" } } }, ["d/4"]],
  ];
  for (const [entry, models] of cases) assert.deepEqual(agent({ defaults, entries: { m: entry } }, "m").models, models);
  assert.deepEqual(agent({}, "main").models, []);
  assert.deepEqual([...modelAliases(config({ agents: { defaults } }), "main")], [["three", "c/3"]]);
});

test("workspaces do not meet", () => {
  const entries = { a: {}, b: {}, c: { workspace: "/own" } };
  assert.deepEqual(
    ["a", "b", "c", "gone"].map((id) => agent({ entries }, id).workspace),
    ["/state/workspace", "/state/workspace-b", "/own", "/state/workspace-gone"],
  );
  assert.deepEqual(
    ["a", "b"].map((id) => agent({ entries, defaults: { workspace: "/w/" } }, id).workspace),
    ["/w", "/w/b"],
  );
});

test("an agent inherits what it does not say", () => {
  const rest = { messages: { groupChat: { mentionPatterns: ["claw"], historyLimit: 5 } } };
  const one = agent(
    {
      defaults: { thinkingDefault: "low" },
      entries: { A: { name: "One", groupChat: { mentionPatterns: ["one"] } }, b: {} },
    },
    "a",
    rest,
  );
  assert.deepEqual([one.id, one.name, one.thinking, one.mentionPatterns, one.historyLimit], ["a", "One", "low", ["one"], 5]);
  const two = agent({ entries: { b: {} } }, "b", rest);
  assert.deepEqual([two.name, two.mentionPatterns, two.bootstrapMaxChars], ["b", ["claw"], 20_000]);
});

test("accounts take the keys of their channel, and replace them as a whole", () => {
  const one = config({ channels: { irc: { host: "h", nick: "n" } } });
  assert.deepEqual(
    channelAccounts(one, "irc").map(({ id, enabled, raw }) => [id, enabled, raw["nick"]]),
    [["default", true, "n"]],
  );
  const many = config({
    channels: {
      irc: {
        host: "h",
        groups: { "#a": {} },
        accounts: { x: { nick: "x", groups: { "#b": {} } }, y: { enabled: false } },
        defaultAccount: "y",
      },
    },
  });
  const accounts = channelAccounts(many, "irc");
  assert.deepEqual(
    accounts.map(({ id, enabled }) => [id, enabled]),
    [
      ["x", true],
      ["y", false],
    ],
  );
  assert.deepEqual(Object.keys(accounts[0]!.raw["groups"] as object), ["#b"]);
  assert.equal("accounts" in accounts[0]!.raw, false);
  assert.equal(defaultAccountId(many, "irc"), "y");
  const both = config({ channels: { irc: { host: "h", nick: "n", accounts: { x: { nick: "x" } } } } });
  assert.deepEqual(
    channelAccounts(both, "irc").map(({ id }) => id),
    ["default", "x"],
  );
  const second = { botToken: "1:a", accounts: { second: { botToken: "2:b" } } };
  assert.deepEqual(
    channelAccounts(config({ channels: { telegram: second } }), "telegram").map(({ id, raw }) => [id, raw["botToken"] === undefined]),
    [
      ["default", false],
      ["second", false],
    ],
    "a second account does not take the first away",
  );
  const shared = { botToken: "1:a", accounts: { only: { dmPolicy: "open" } } };
  assert.deepEqual(
    channelAccounts(config({ channels: { telegram: shared } }), "telegram").map(({ id }) => id),
    ["only"],
    "an account with the channel's own token is that connection",
  );
  const signal = {
    account: "+15550000001",
    transport: { kind: "container", url: "http://a" },
    accounts: { b: { account: "+15550000002" } },
  };
  assert.deepEqual(
    channelAccounts(config({ channels: { signal } }), "signal").map(({ id, raw }) => [id, raw["transport"] !== undefined]),
    [
      ["default", true],
      ["b", false],
    ],
    "how Signal is reached is not inherited",
  );
  assert.deepEqual(
    [
      channelAccounts(config({}), "irc"),
      channelAccounts(one, "defaults"),
      channelAccounts(one, "toString"),
      defaultAccountId(one, "slack"),
    ],
    [[], [], [], null],
  );
  assert.deepEqual(
    channelAccounts(config({ channels: { telegram: { enabled: false, accounts: { a: {} } } } }), "telegram").map(({ enabled }) => enabled),
    [false],
  );
});

test("paths follow the environment", () => {
  const home = createPaths({ HOME: "/h" }, "/cwd");
  assert.deepEqual([home.state, home.config, home.gateway], ["/h/.openclaw", "/h/.openclaw/openclaw.json", "/h/.openclaw/gateway"]);
  const moved = createPaths({ HOME: "/h", OPENCLAW_STATE_DIR: "~/s", OPENCLAW_CONFIG_PATH: "c.json" }, "/cwd");
  assert.deepEqual([moved.state, moved.config, moved.lastGood], ["/h/s", "/cwd/c.json", "/h/s/gateway/openclaw.last-good.json"]);
});

test("an installation of the original is noticed and nothing else is", () => {
  const state = mkdtempSync(join(tmpdir(), "config-paths-"));
  mkdirSync(join(state, "gateway"));
  assert.deepEqual(findOriginalFiles(state), []);
  mkdirSync(join(state, "agents"));
  assert.deepEqual(findOriginalFiles(state), ["agents"]);
  rmSync(state, { recursive: true });
});

test("durations and sizes are read", () => {
  const durations: [string, number | null][] = [
    ["30m", 1_800_000],
    ["1h30m", 5_400_000],
    ["2", 2_000],
    ["1.5h", 5_400_000],
    ["7D", 604_800_000],
    ["", null],
    ["-1s", null],
    ["1x", null],
    ["m", null],
    ["9".repeat(15), null],
  ];
  for (const [text, ms] of durations) assert.equal(parseDurationMs(text, "s"), ms, text);
  const sizes: [string, number | null][] = [
    ["10", 10],
    ["1kb", 1024],
    ["500 MB", 524_288_000],
    ["1.5gb", 1_610_612_736],
    ["x", null],
    ["1pb", null],
  ];
  for (const [text, bytes] of sizes) assert.equal(parseBytes(text), bytes, text);
});
