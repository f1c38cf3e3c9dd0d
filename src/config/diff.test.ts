import assert from "node:assert/strict";
import { test } from "node:test";
import { diffConfig, strongestEffect, type ConfigChange } from "./diff.ts";
import { checkConfigValue } from "./load.ts";

const irc = (extra: object): unknown => ({
  channels: { irc: { host: "h", nick: "n", accounts: { a: { nick: "a" }, b: { nick: "b" } }, ...extra } },
});

const CASES: { name: string; old: unknown; next: unknown; changes: ConfigChange[] }[] = [
  { name: "nothing", old: irc({}), next: irc({}), changes: [] },
  { name: "the port", old: {}, next: { gateway: { port: 1 } }, changes: [{ path: "gateway.port", effect: "restart-gateway" }] },
  {
    name: "a token",
    old: { gateway: { auth: { token: "a" } } },
    next: { gateway: { auth: { token: "b" } } },
    changes: [{ path: "gateway.auth.token", effect: "applied" }],
  },
  {
    name: "the same token from another place",
    old: { env: { vars: { A: "t" } }, gateway: { auth: { token: "t" } } },
    next: { env: { vars: { A: "t" } }, gateway: { auth: { token: "${A}" } } },
    changes: [],
  },
  {
    name: "a model",
    old: { agents: { defaults: { model: "a/b" } } },
    next: { agents: { defaults: { model: { primary: "a/c" } } } },
    changes: [{ path: "agents.defaults.model.primary", effect: "applied" }],
  },
  { name: "a default that is written down", old: {}, next: { gateway: { port: 18789 } }, changes: [] },
  {
    name: "one account",
    old: irc({}),
    next: irc({ accounts: { a: { nick: "z" }, b: { nick: "b" } } }),
    changes: [{ path: "channels.irc.accounts.a.nick", effect: "restart-channel", channel: "irc", account: "a" }],
  },
  {
    name: "an account that is added",
    old: irc({ accounts: { a: { nick: "a" } } }),
    next: irc({}),
    changes: [{ path: "channels.irc.accounts.b", effect: "restart-channel", channel: "irc", account: "b" }],
  },
  {
    name: "a key of the whole channel",
    old: irc({}),
    next: irc({ host: "x" }),
    changes: [{ path: "channels.irc.host", effect: "restart-channel", channel: "irc", account: null }],
  },
  {
    name: "a channel that appears",
    old: {},
    next: { channels: { irc: {} } },
    changes: [{ path: "channels.irc", effect: "restart-channel", channel: "irc", account: null }],
  },
  {
    name: "the defaults of all channels",
    old: {},
    next: { channels: { defaults: { groupPolicy: "open" } } },
    changes: [{ path: "channels.defaults.groupPolicy", effect: "restart-channel", channel: null, account: null }],
  },
  {
    name: "a channel that is not served",
    old: {},
    next: { channels: { tlon: { x: 1 } } },
    changes: [{ path: "channels.tlon", effect: "restart-channel", channel: "tlon", account: null }],
  },
  {
    name: "bindings",
    old: {},
    next: { bindings: [{ agentId: "a", match: { channel: "irc" } }] },
    changes: [{ path: "bindings", effect: "applied" }],
  },
  {
    name: "an exception inside of a part",
    old: {},
    next: { gateway: { publicOrigin: "https://x.example" } },
    changes: [{ path: "gateway.publicOrigin", effect: "applied" }],
  },
];

for (const { name, old, next, changes } of CASES) {
  test(`the change of ${name} has its effect`, () => {
    assert.deepEqual(diffConfig(checkConfigValue(old).config, checkConfigValue(next).config), changes);
  });
}

test("the strongest effect decides", () => {
  const changes: ConfigChange[] = [
    { path: "a", effect: "applied" },
    { path: "b", effect: "restart-channel" },
  ];
  assert.equal(strongestEffect([]), null);
  assert.equal(strongestEffect(changes), "restart-channel");
  assert.equal(strongestEffect([...changes, { path: "c", effect: "restart-gateway" }]), "restart-gateway");
});
