import assert from "node:assert/strict";
import { test } from "node:test";
import { Secret } from "../core/secret.ts";
import { channelAccounts } from "./channel-accounts.ts";
import { diffAccounts, diffConfig, isSameValue, strongestEffect, type ConfigChange } from "./diff.ts";
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
    changes: [{ path: "channels.irc.accounts.a.nick", effect: "restart-channel" }],
  },
  {
    name: "an account that is added",
    old: irc({ accounts: { a: { nick: "a" } } }),
    next: irc({}),
    changes: [{ path: "channels.irc.accounts.b", effect: "restart-channel" }],
  },
  {
    name: "a key of the whole channel",
    old: irc({}),
    next: irc({ host: "x" }),
    changes: [{ path: "channels.irc.host", effect: "restart-channel" }],
  },
  {
    name: "a channel that appears",
    old: {},
    next: { channels: { irc: {} } },
    changes: [{ path: "channels.irc", effect: "restart-channel" }],
  },
  {
    name: "the defaults of all channels",
    old: {},
    next: { channels: { defaults: { groupPolicy: "open" } } },
    changes: [{ path: "channels.defaults.groupPolicy", effect: "applied" }],
  },
  {
    name: "a channel that is not served",
    old: {},
    next: { channels: { tlon: { x: 1 } } },
    changes: [{ path: "channels.tlon", effect: "restart-channel" }],
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

test("configurations are compared by meaning, secrets by their text", () => {
  assert.ok(isSameValue({ a: [1, { b: new Secret("x") }] }, { a: [1, { b: new Secret("x") }] }));
  for (const [a, b] of [
    [{ s: new Secret("x") }, { s: new Secret("y") }],
    [{ s: new Secret("x") }, { s: "x" }],
    [[], {}],
    [{ a: 1 }, { a: 1, b: undefined }],
    [null, {}],
    [JSON.parse('{"__proto__":1}'), {}],
  ]) {
    assert.equal(isSameValue(a, b), false);
  }
});

type Account = { channel: string; account: string; enabled: boolean; config: unknown };

const accountsOf = (value: unknown): Account[] => {
  const { config } = checkConfigValue(value);
  return ["irc", "tlon"].flatMap((channel) =>
    channelAccounts(config, channel).map(({ id, enabled, raw }) => ({ channel, account: id, enabled, config: raw })),
  );
};

const ACCOUNT_CASES: { name: string; old: unknown; next: unknown; changes: Record<string, string[]> }[] = [
  { name: "nothing", old: irc({}), next: irc({}), changes: {} },
  {
    name: "one account",
    old: irc({}),
    next: irc({ accounts: { a: { nick: "z" }, b: { nick: "b" } } }),
    changes: { restarted: ["irc/a"] },
  },
  { name: "an account that is added", old: irc({ accounts: { a: { nick: "a" } } }), next: irc({}), changes: { added: ["irc/b"] } },
  { name: "an account that is removed", old: irc({}), next: irc({ accounts: { b: { nick: "b" } } }), changes: { removed: ["irc/a"] } },
  { name: "a key of the whole channel", old: irc({}), next: irc({ host: "x" }), changes: { restarted: ["irc/default", "irc/a", "irc/b"] } },
  {
    name: "a key of the channel that one account replaces",
    old: irc({ accounts: { a: { nick: "a" }, b: { nick: "b", host: "own" } } }),
    next: irc({ host: "x", accounts: { a: { nick: "a" }, b: { nick: "b", host: "own" } } }),
    changes: { restarted: ["irc/default", "irc/a"] },
  },
  {
    name: "an account that is disabled",
    old: irc({}),
    next: irc({ accounts: { a: { nick: "a", enabled: false }, b: { nick: "b" } } }),
    changes: { restarted: ["irc/a"] },
  },
  { name: "a channel that appears", old: {}, next: { channels: { irc: {} } }, changes: { added: ["irc/default"] } },
  {
    name: "a channel that is not built in",
    old: { channels: { tlon: { x: 1 } } },
    next: { channels: { tlon: { x: 2 } } },
    changes: { restarted: ["tlon/default"] },
  },
  {
    name: "the defaults of all channels",
    old: irc({}),
    next: { channels: { ...(irc({}) as { channels: object }).channels, defaults: { groupPolicy: "open" } } },
    changes: {},
  },
  {
    name: "a server password from the environment",
    old: { env: { vars: { P: "one" } }, ...(irc({ password: "${P}" }) as object) },
    next: { env: { vars: { P: "two" } }, ...(irc({ password: "${P}" }) as object) },
    changes: { restarted: ["irc/default", "irc/a", "irc/b"] },
  },
];

for (const { name, old, next, changes } of ACCOUNT_CASES) {
  test(`the change of ${name} touches only the accounts that it concerns`, () => {
    const found = Object.entries(diffAccounts(accountsOf(old), accountsOf(next)))
      .map(([what, accounts]) => [what, accounts.map(({ channel, account }) => `${channel}/${account}`)] as const)
      .filter(([, accounts]) => accounts.length > 0);
    assert.deepEqual(Object.fromEntries(found), changes);
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
