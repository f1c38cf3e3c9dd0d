import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { channelIds } from "../channels/registry.ts";
import { channelAccounts } from "./channel-accounts.ts";
import { checkConfigValue } from "./load.ts";
import { suggest } from "./suggest.ts";
import type { Config } from "./schema.ts";

type Case = { name: string; value: unknown; read: (config: Config) => unknown; expected: unknown; issue?: RegExp };

const CASES: readonly Case[] = [
  {
    name: "a model as a text is the primary one",
    value: { agents: { defaults: { model: "a/b" } } },
    read: (c) => c.agents.defaults.model,
    expected: { primary: "a/b" },
  },
  {
    name: "the older list of agents becomes entries",
    value: { agents: { list: [{ id: "Home", name: "H" }] } },
    read: (c) => c.agents.entries["home"]?.name,
    expected: "H",
  },
  {
    name: "entries win over the list",
    value: { agents: { entries: { a: { name: "1" } }, list: [{ id: "a", name: "2" }] } },
    read: (c) => c.agents.entries["a"]?.name,
    expected: "1",
    issue: /there twice/,
  },
  {
    name: "an agent without an id is left out",
    value: { agents: { list: [{ name: "x" }] } },
    read: (c) => Object.keys(c.agents.entries),
    expected: [],
    issue: /agents\.list\[0\]\.id is missing/,
  },
  {
    name: "an impossible agent id is left out",
    value: { agents: { entries: { "../x": {} } } },
    read: (c) => Object.keys(c.agents.entries),
    expected: [],
    issue: /name must be letters/,
  },
  { name: "names of object members are no agents", value: {}, read: (c) => c.agents.entries["constructor"], expected: undefined },
  {
    name: "sizes become bytes",
    value: { logging: { maxFileBytes: "500mb" } },
    read: (c) => c.logging.maxFileBytes,
    expected: 524_288_000,
  },
  {
    name: "a size that cannot be read falls back to the default",
    value: { logging: { maxFileBytes: "much" } },
    read: (c) => c.logging.maxFileBytes,
    expected: 16_777_216,
    issue: /must be a size such as/,
  },
  {
    name: "a time zone that does not exist is refused",
    value: { agents: { defaults: { userTimezone: "Europe/Nowhere" } } },
    read: (c) => c.agents.defaults.userTimezone,
    expected: undefined,
    issue: /must be a time zone/,
  },
  {
    name: "a key of OpenClaw without an effect is reported",
    value: { messages: { queue: { cap: 5 } }, session: { maintenance: { pruneAfter: "1d" } } },
    read: (c) => Object.keys(c.messages.queue).includes("cap"),
    expected: false,
    issue: /messages\.queue\.cap belongs to OpenClaw and has no effect here/,
  },
  {
    name: "ids may be numbers",
    value: { commands: { ownerAllowFrom: [123456789] } },
    read: (c) => c.commands.ownerAllowFrom,
    expected: ["123456789"],
  },
  {
    name: "ids that lose digits are refused",
    value: { commands: { ownerAllowFrom: [2 ** 60] } },
    read: (c) => c.commands.ownerAllowFrom,
    expected: [],
    issue: /cannot be kept exactly/,
  },
  {
    name: "one text stands for a list of one",
    value: { channels: { irc: { channels: "#a" } } },
    read: (c) => c.channels.irc?.channels,
    expected: ["#a"],
    issue: /must be a list/,
  },
  {
    name: "origins are normalized",
    value: { gateway: { controlUi: { allowedOrigins: ["https://A.example/"] } } },
    read: (c) => c.gateway.controlUi.allowedOrigins,
    expected: ["https://a.example"],
  },
  {
    name: "an origin with a path is refused",
    value: { gateway: { controlUi: { allowedOrigins: ["https://a.example/x"] } } },
    read: (c) => c.gateway.controlUi.allowedOrigins,
    expected: [],
    issue: /must be an origin/,
  },
  {
    name: "a home path is expanded",
    value: { agents: { defaults: { workspace: "~/w" } } },
    read: (c) => c.agents.defaults.workspace,
    expected: "/w",
  },
  {
    name: "a flag in quotes is refused",
    value: { gateway: { controlUi: { enabled: "false" } } },
    read: (c) => c.gateway.controlUi.enabled,
    expected: true,
    issue: /must be true or false/,
  },
  {
    name: "an unknown choice names the near one",
    value: { gateway: { bind: "lann" } },
    read: (c) => c.gateway.bind,
    expected: "loopback",
    issue: /did you mean "lan"/,
  },
  {
    name: "a number in quotes is refused with the fix",
    value: { gateway: { port: "18790" } },
    read: (c) => c.gateway.port,
    expected: 18_789,
    issue: /must be a whole number/,
  },
  {
    name: "keys without effect are reported",
    value: { gateway: { auth: { rateLimit: { exemptLoopback: true } } } },
    read: (c) => c.gateway.auth.rateLimit.maxAttempts,
    expected: 10,
    issue: /failed attempts from loopback are counted/,
  },
  {
    name: "a wrong value for TLS does not switch it off",
    value: { gateway: { tls: { enabled: "yes" } } },
    read: (c) => c.gateway.tls.enabled,
    expected: true,
    issue: /must be true or false/,
  },
  {
    name: "other channels are kept as they are",
    value: { channels: { tlon: { groups: { "1": { x: [1, "a"] } } } } },
    read: (c) => c.channels["tlon"],
    expected: { groups: { 1: { x: [1, "a"] } } },
    issue: /tlon is not served by this release/,
  },
  {
    name: "a misspelt channel is noticed",
    value: { channels: { ircc: {} } },
    read: (c) => c.channels.irc,
    expected: undefined,
    issue: /did you mean "irc"/,
  },
  {
    name: "tools of one room that cannot be read are none",
    value: { channels: { irc: { host: "h", nick: "n", groups: { "#a": { tools: { deny: [5] } } } } } },
    read: (c) => c.channels.irc?.groups?.["#a"]?.tools?.deny,
    expected: ["*"],
    issue: /must be a text/,
  },
  // What cannot be read must not open anything.
  {
    name: "a deny list that cannot be read denies all",
    value: { tools: { deny: [5] } },
    read: (c) => c.tools?.deny,
    expected: ["*"],
    issue: /tools\.deny\[0\] must be a text/,
  },
  {
    name: "an allow list that cannot be read allows nothing",
    value: { tools: { allow: { a: 1 } } },
    read: (c) => c.tools?.allow,
    expected: [],
    issue: /tools\.allow must be a list/,
  },
  {
    name: "a DM policy that cannot be read is closed",
    value: { channels: { irc: { dmPolicy: "opne" } } },
    read: (c) => c.channels.irc?.dmPolicy,
    expected: "disabled",
    issue: /did you mean "open"/,
  },
  {
    name: "a group policy that cannot be read is closed",
    value: { channels: { irc: { groupPolicy: 1 } } },
    read: (c) => c.channels.irc?.groupPolicy,
    expected: "disabled",
    issue: /groupPolicy/,
  },
  {
    name: "a group rule that cannot be read closes the group",
    value: { channels: { irc: { groups: { "#a": true } } } },
    read: (c) => c.channels.irc?.groups?.["#a"],
    expected: { enabled: false, requireMention: true },
    issue: /must be an object/,
  },
  {
    name: "group rules that cannot be read close every group",
    value: { channels: { irc: { groups: [] } } },
    read: (c) => c.channels.irc?.groups?.["*"],
    expected: { enabled: false, requireMention: true },
    issue: /must be an object/,
  },
  {
    name: "a people list that cannot be read is empty",
    value: { channels: { irc: { allowFrom: false } } },
    read: (c) => c.channels.irc?.allowFrom,
    expected: [],
    issue: /allowFrom must be a list/,
  },
  {
    name: "a proxy with an invalid user list is ignored",
    value: { gateway: { auth: { trustedProxy: { userHeader: "x-user", allowUsers: [1] } } } },
    read: (c) => c.gateway.auth.trustedProxy,
    expected: undefined,
    issue: /allowUsers\[0\] must be a text/,
  },
  {
    name: "a binding that cannot be read as a whole is left out",
    value: {
      bindings: [
        { agentId: "a", match: { channel: "irc", peer: { kind: "direct" } } },
        { agentId: "b", match: { channel: "irc" } },
      ],
    },
    read: (c) => c.bindings.map((b) => b.agentId),
    expected: ["b"],
    issue: /peer\.id is missing/,
  },
  {
    name: "an access group that cannot be read is left out",
    value: { accessGroups: { g: { members: { irc: ["a"] } } } },
    read: (c) => Object.keys(c.accessGroups),
    expected: [],
    issue: /type is missing/,
  },
  {
    name: "a regular expression that cannot be matched in linear time is left out",
    value: { messages: { groupChat: { mentionPatterns: ["(a)\\1", "ok"] } } },
    read: (c) => c.messages.groupChat.mentionPatterns,
    expected: ["ok"],
    issue: /back-references are not supported/,
  },
  {
    name: "null is a wrong type",
    value: { gateway: { bind: null } },
    read: (c) => c.gateway.bind,
    expected: "loopback",
    issue: /but is null/,
  },
];

for (const { name, value, read, expected, issue } of CASES) {
  test(name, () => {
    const { config, issues } = checkConfigValue(value);
    assert.deepEqual(read(config), expected);
    const messages = issues.map((one) => one.message).join("\n");
    if (issue) assert.match(messages, issue);
    else assert.equal(messages, "");
  });
}

const CONSISTENCY: readonly [unknown, RegExp][] = [
  [{ session: { reset: { mode: "idle" } } }, /idleMinutes is not set: sessions are not reset/],
  [{ gateway: { bind: "custom" } }, /customBindHost is not set/],
  [{ gateway: { auth: { mode: "password" } } }, /gateway\.auth\.password is not set/],
  [{ gateway: { bind: "lan", auth: { mode: "none" } } }, /possible only with gateway\.bind "loopback"/],
  [{ gateway: { auth: { mode: "trusted-proxy" } } }, /trustedProxy is not set\n.*trustedProxies is empty/],
  [{ agents: { entries: { a: { default: true }, b: { default: true } } } }, /"a" is the default agent already/],
  [{ tools: { exec: { applyPatch: { workspaceOnly: false } } } }, /applyPatch\.workspaceOnly is false, which has no effect/],
  [
    { agents: { entries: { a: { tools: { exec: { applyPatch: { workspaceOnly: false } } } } } } },
    /agents\.entries\.a\.tools\.exec\.applyPatch\.workspaceOnly is false, which has no effect/,
  ],
  [
    { agents: { entries: { home: {} } }, bindings: [{ agentId: "hime", match: { channel: "irc" } }] },
    /agent "hime", which does not exist; did you mean "home"/,
  ],
  [
    {
      bindings: [
        { type: "acp", agentId: "main", match: { channel: "x" } },
        { agentId: "gone", match: { channel: "x" } },
      ],
    },
    /^bindings\[1\]\.agentId names the agent "gone"/,
  ],
  ...channelIds.flatMap((id): [unknown, RegExp][] => [
    [{ channels: { [id]: { dmPolicy: "allowlist" } } }, /no one is answered/],
    [{ channels: { [id]: { accounts: { a: { dmPolicy: "open" } } } } }, /accounts\.a\.dmPolicy is "open", but allowFrom does not have/],
    [{ channels: { [id]: { accounts: { a: {} }, defaultAccount: "b" } } }, /account "b", which does not exist/],
  ]),
];

test("every key that the page about IRC lists is read", () => {
  const page = readFileSync(new URL("../../docs/channels/irc.md", import.meta.url), "utf8");
  const table = page.slice(page.indexOf("## Configuration"), page.indexOf("## Identifiers"));
  // The first column: names, with a key inside a group as `group.key` or, after the first one, as `.key`.
  const names = [...table.matchAll(/^\| (`[^|]+) \|/gm)].flatMap((row) => [...row[1]!.matchAll(/`([a-zA-Z]+)/g)].map((name) => name[1]!));
  assert.ok(names.includes("flood") && names.includes("tlsFingerprint"), names.join());
  const { issues } = checkConfigValue({ channels: { irc: Object.fromEntries(names.map((name) => [name, null])) } });
  assert.deepEqual(
    issues.filter((issue) => /not a known key/.test(issue.message)),
    [],
  );
  const flood = { burst: 9, intervalMs: 0 };
  assert.deepEqual(checkConfigValue({ channels: { irc: { flood } } }).config.channels.irc?.flood, flood);
});

test("keys that do not fit together are warnings with a line", () => {
  for (const [value, message] of CONSISTENCY) {
    const { issues } = checkConfigValue(value);
    assert.match(issues.map((issue) => issue.message).join("\n"), message);
    assert.ok(
      issues.every((issue) => issue.severity === "warning" && issue.line === 1),
      JSON.stringify(issues),
    );
  }
});

test("bindings of a kind that is not served are left out", () => {
  const match = { channel: "irc" };
  const { config } = checkConfigValue({
    bindings: [
      { type: "acp", agentId: "main", match, acp: {} },
      { agentId: "main", match },
    ],
  });
  assert.deepEqual(
    config.bindings.map((binding) => binding.type),
    ["route"],
  );
});

test("a wrong key costs only itself", () => {
  const { config, issues } = checkConfigValue({
    gateway: { port: 0, bind: "lan", auth: { mode: "token", token: "t" } },
    session: { dmScope: "per-peer" },
  });
  assert.deepEqual(
    [config.gateway.port, config.gateway.bind, config.gateway.auth.token?.reveal(), config.session.dmScope],
    [18_789, "lan", "t", "per-peer"],
  );
  assert.deepEqual(
    issues.map((one) => one.path),
    ["gateway.port"],
  );
});

test("every part of the configuration is frozen", () => {
  const { config } = checkConfigValue({
    channels: { tlon: { a: { b: [1] } } },
    agents: { entries: { a: { identity: { name: "x" } } } },
    bindings: [],
  });
  const walk = (value: unknown, at: string): void => {
    if (typeof value !== "object" || value === null) return;
    assert.ok(Object.isFrozen(value), at);
    for (const [key, item] of Object.entries(value)) if (item?.constructor?.name !== "Secret") walk(item, `${at}.${key}`);
  };
  walk(config, "config");
});

test("near names are found, far ones are not", () => {
  const known = ["bind", "port", "controlUi", "trustedProxies", "auth", "allowFrom"];
  const cases: [string, string | undefined][] = [
    ["bnd", "bind"],
    ["prot", "port"],
    ["controlui", "controlUi"],
    ["control_ui", "controlUi"],
    ["trustedProxys", "trustedProxies"],
    ["allowfrom", "allowFrom"],
    ["zzz", undefined],
    ["x", undefined],
    ["a".repeat(500), undefined],
  ];
  for (const [word, expected] of cases) assert.equal(suggest(word, known), expected, word);
});

for (const id of channelIds)
  test(`an absent key of an account of ${id} leaves the key of the channel in effect`, () => {
    const { config } = checkConfigValue({ channels: { [id]: { accounts: { one: {} } } } });
    const account = (config.channels as Record<string, { accounts?: Record<string, unknown> }>)[id]?.accounts?.["one"];
    assert.deepEqual({ ...(account as object) }, {});
  });

test("the streaming mode of a channel applies to its named accounts", () => {
  const { config } = checkConfigValue({ channels: { telegram: { streaming: { mode: "off" }, accounts: { one: { botToken: "1:x" } } } } });
  assert.deepEqual(channelAccounts(config, "telegram")[0]?.raw["streaming"], { mode: "off" });
});
