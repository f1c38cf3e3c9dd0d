import assert from "node:assert/strict";
import { test } from "node:test";
import { adoptConfig, describeShared, type ConfigTarget } from "./config.ts";

const target = (text = "", shadowPort?: number): ConfigTarget => ({
  text,
  path: "/new/openclaw.json",
  env: {},
  home: "/home/ann",
  ...(shadowPort !== undefined && { shadowPort }),
});
const take = (config: Record<string, unknown>, text = "", shadowPort?: number) => {
  const { items, settings, pausedChannels } = adoptConfig({ dir: "/home/ann/.openclaw", config }, target(text, shadowPort));
  return {
    items: new Map(items.map((item) => [item.name, item])),
    values: new Map(settings.map(({ path, value }) => [path.join("."), value])),
    pausedChannels,
  };
};

test("channels, agents and providers are taken one by one, and what is not served is named", () => {
  const { items, values } = take({
    meta: { lastTouchedVersion: "1" },
    agents: { defaults: { model: { primary: "test/m" } }, list: [{ id: "Main" }, { id: "work", model: "test/other" }] },
    channels: { telegram: { botToken: "1:a", whatever: true }, whatsapp: { enabled: true }, irc: { host: "irc.example.org", nick: "bot" } },
    session: { store: "~/x.json", dmScope: "main" },
    nonsense: 3,
  });
  assert.deepEqual(values.get("channels.irc"), { host: "irc.example.org", nick: "bot" });
  assert.deepEqual(values.get("channels.telegram"), { botToken: "1:a" });
  assert.match(items.get("channels.telegram")!.detail, /without whatever/);
  assert.deepEqual(values.get("agents.entries.work"), { model: "test/other" });
  assert.deepEqual(values.get("agents.entries.main"), {});
  assert.equal(values.get("session.dmScope"), "main");
  const refused = [...items.values()].filter((item) => !item.taken).map(({ name, detail }) => `${name}: ${detail}`);
  assert.deepEqual(refused.toSorted(), [
    "channels.whatsapp: this gateway has no channel whatsapp",
    "meta: the original notes it about itself",
    "nonsense: this gateway does not serve it",
    "session.store: the sessions are in the store of this gateway",
  ]);
});

test("a value that is wrong here costs only itself", () => {
  const { items, values } = take({ gateway: { port: "many", mode: "local" }, channels: { irc: { host: "h", nick: "n", port: -4 } } });
  assert.equal(values.has("gateway.port"), false);
  assert.match(items.get("gateway.port")!.detail, /gateway\.port/);
  assert.equal(values.get("gateway.mode"), "local");
  assert.deepEqual(values.get("channels.irc"), { host: "h", nick: "n" });
});

test("what this gateway has already is kept", () => {
  const text = '{ gateway: { port: 1234 }, channels: { irc: { host: "mine", nick: "me" } } }';
  const { items, values } = take({ gateway: { port: 18_789 }, channels: { irc: { host: "other", nick: "bot" } } }, text);
  assert.equal(values.size, 0);
  assert.match(items.get("gateway.port")!.detail, /setting of its own/);
  const again = take({ gateway: { port: 1234 } }, text);
  assert.equal(again.items.get("gateway.port")!.present, true);
});

test("workspaces in the state directory of the original are not shared, and others are", () => {
  const { values, items } = take({
    agents: {
      defaults: { workspace: "~/.openclaw/workspace" },
      entries: { a: { workspace: "/home/ann/.openclaw/workspace-a" }, b: { workspace: "/srv/b" } },
    },
  });
  assert.deepEqual(values.get("agents.entries.a"), {});
  assert.deepEqual(values.get("agents.entries.b"), { workspace: "/srv/b" });
  assert.equal(items.get("agents.defaults.workspace")!.taken, false);
});

test("in shadow mode a channel that would take messages away from the original stays off, and the port is another one", () => {
  const { values, items, pausedChannels } = take(
    { gateway: { port: 18_789 }, channels: { telegram: { botToken: "1:a" }, irc: { host: "h", nick: "n" }, slack: { enabled: false } } },
    "",
    19_789,
  );
  assert.deepEqual(values.get("channels.telegram"), { botToken: "1:a", enabled: false });
  assert.deepEqual(values.get("channels.irc"), { host: "h", nick: "n" });
  assert.deepEqual(pausedChannels, ["telegram"]);
  assert.match(items.get("gateway.port")!.detail, /19789/);
});

test("a shared file is described, and nothing is changed in it", () => {
  const items = describeShared(
    { dir: "/home/ann/.openclaw", config: { channels: { irc: { host: "h", nick: "n" } }, talk: { x: 1 } } },
    target(),
  );
  assert.deepEqual(
    items.map(({ name, taken }) => [name, taken]),
    [
      ["channels.irc", true],
      ["talk.x", false],
    ],
  );
});
