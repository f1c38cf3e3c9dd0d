import assert from "node:assert/strict";
import { test } from "node:test";
import { GatewayError } from "../core/errors.ts";
import { asId, type AccountId, type ChannelId, type ChatId, type SenderId } from "../core/ids.ts";
import { defaultAgentId } from "../config/agents.ts";
import { checkConfigValue } from "../config/load.ts";
import { resolveRoute, BINDING_RULES } from "./bindings.ts";
import type { RoutingBinding, RoutedMessage, RoutingConfig } from "./types.ts";

function message(patch: Partial<RoutedMessage> = {}): RoutedMessage {
  return {
    chat: { kind: "channel", id: asId<ChatId>("c1") },
    parent: { kind: "channel", id: asId<ChatId>("p1") },
    guildId: "g1",
    teamId: "t1",
    sender: { id: asId<SenderId>("u1"), isBot: false, isSelf: false, roles: ["r1"] },
    text: "",
    mentionsSelf: false,
    sentAt: 0,
    origin: "live",
    ...patch,
  };
}
const ask = (bindings: readonly RoutingBinding[], config: RoutingConfig = {}, patch: Partial<RoutedMessage> = {}, account = "default") =>
  resolveRoute(
    { channel: asId<ChannelId>("discord"), account: asId<AccountId>(account), message: message(patch) },
    { ...config, bindings },
  );

/** One binding for each rule; the agent is named after the rule. */
const BY_RULE: Readonly<Record<(typeof BINDING_RULES)[number], RoutingBinding["match"] | null>> = {
  peer: { channel: "discord", peer: { kind: "channel", id: "c1" } },
  "parent-peer": { channel: "discord", peer: { kind: "channel", id: "p1" } },
  "peer-wildcard": { channel: "discord", peer: { kind: "channel", id: "*" } },
  "guild-roles": { channel: "discord", guildId: "g1", roles: ["r0", "r1"] },
  guild: { channel: "discord", guildId: "g1" },
  team: { channel: "discord", teamId: "t1" },
  account: { channel: "discord", accountId: "default" },
  channel: { channel: "discord", accountId: "*" },
  default: null,
};
const bindingFor = (rule: (typeof BINDING_RULES)[number]): RoutingBinding[] => {
  const match = BY_RULE[rule];
  return match ? [{ agentId: rule, match }] : [];
};

for (const [i, strong] of BINDING_RULES.entries()) {
  for (const weak of BINDING_RULES.slice(i + 1)) {
    test(`${strong} wins over ${weak} in either order`, () => {
      for (const bindings of [
        [...bindingFor(strong), ...bindingFor(weak)],
        [...bindingFor(weak), ...bindingFor(strong)],
      ]) {
        const result = ask(bindings);
        assert.equal(result.rule, strong);
        assert.equal(result.agentId, strong);
        assert.equal(result.trace.length, bindings.length);
        assert.equal(result.trace.filter((line) => line.verdict === "won").length, 1);
      }
    });
  }
  if (strong === "default") continue;
  test(`between two ${strong} bindings the first of the file wins, and the trace says so`, () => {
    const match = BY_RULE[strong]!;
    const result = ask([
      { agentId: "first", match },
      { agentId: "second", match },
    ]);
    assert.equal(result.agentId, "first");
    assert.match(result.trace[1]!.why, /binding 0 has the same rule and comes first/);
  });
}

const MATCHES: readonly (readonly [name: string, match: object, patch: Partial<RoutedMessage>, want: string | null])[] = [
  ["another channel", { channel: "slack", accountId: "*" }, {}, null],
  ["the channel in other letters", { channel: " Discord ", accountId: "*" }, {}, "channel"],
  ["no accountId is the default account", { channel: "discord" }, {}, "account"],
  ["another account", { channel: "discord", accountId: "work" }, {}, null],
  ["an account in other letters", { channel: "discord", accountId: "DEFAULT" }, {}, "account"],
  ["group and channel are one kind", { channel: "discord", peer: { kind: "group", id: "c1" } }, {}, "peer"],
  ["a direct peer is not a room", { channel: "discord", peer: { kind: "direct", id: "c1" } }, {}, null],
  [
    "a direct peer is the sender",
    { channel: "discord", peer: { kind: "direct", id: "u1" } },
    { chat: { kind: "direct", id: asId<ChatId>("d9") } },
    "peer",
  ],
  ["dm is direct", { channel: "discord", peer: { kind: "dm", id: "u1" } }, { chat: { kind: "direct", id: asId<ChatId>("d9") } }, "peer"],
  ["the sender is not a peer in a room", { channel: "discord", peer: { kind: "channel", id: "u1" } }, {}, null],
  ["a wildcard of another kind", { channel: "discord", peer: { kind: "direct", id: "*" } }, {}, null],
  [
    "a number as id",
    { channel: "discord", peer: { kind: "channel", id: 42 } },
    { chat: { kind: "channel", id: asId<ChatId>("42") } },
    "peer",
  ],
  ["a glob is not a wildcard", { channel: "discord", peer: { kind: "channel", id: "c*" } }, {}, null],
  ["a peer in another guild", { channel: "discord", guildId: "g2", peer: { kind: "channel", id: "c1" } }, {}, null],
  ["a peer with a role that the sender lacks", { channel: "discord", roles: ["r9"], peer: { kind: "channel", id: "c1" } }, {}, null],
  ["a guild with a role that the sender lacks", { channel: "discord", guildId: "g1", roles: ["r9"] }, {}, null],
  ["an empty list of roles is not a condition", { channel: "discord", guildId: "g1", roles: [] }, {}, "guild"],
  ["guild and team must both match", { channel: "discord", guildId: "g1", teamId: "t2" }, {}, null],
  ["an unusable peer never matches", { channel: "discord", peer: { kind: "room", id: "c1" } }, {}, null],
  ["an empty peer id never matches", { channel: "discord", peer: { kind: "channel", id: " " } }, {}, null],
  ["a guild binding without a guild", { channel: "discord", guildId: "g1" }, { guildId: undefined as never }, null],
];
for (const [name, match, patch, want] of MATCHES) {
  test(`a binding: ${name} (${want ?? "no match"})`, () => {
    const result = ask([{ agentId: "x", match: match as RoutingBinding["match"] }], {}, patch);
    assert.equal(result.rule, want ?? "default");
    assert.equal(result.trace[0]!.verdict, want ? "won" : "no-match");
    assert.notEqual(result.trace[0]!.why, "");
  });
}

test("bindings of other types do not route", () => {
  assert.equal(ask([{ type: "acp", agentId: "x", match: { channel: "discord", accountId: "*" } }]).rule, "default");
});

test("defaultAccount moves what a missing accountId means", () => {
  const config = { channels: { discord: { defaultAccount: "work" } } };
  assert.equal(ask([{ agentId: "x", match: { channel: "discord" } }], config, {}, "work").rule, "account");
  assert.equal(ask([{ agentId: "x", match: { channel: "discord" } }], config).rule, "default");
});

const DEFAULTS: readonly (readonly [config: object, want: string])[] = [
  [{}, "main"],
  [{ agents: { entries: { Solo: {} } } }, "solo"],
  [{ agents: { entries: { a: {}, b: { default: true } } } }, "b"],
  [{ agents: { entries: { a: {}, main: {} } } }, "main"],
  [{ agents: { entries: { a: {}, b: {} } } }, "a"],
  [{ agents: { list: [{ id: "x" }, { id: "y", default: true }] } }, "y"],
];
for (const [config, want] of DEFAULTS)
  test(`the default agent of ${JSON.stringify(config)} is ${want}, with and without routing`, () => {
    const checked = checkConfigValue(config).config;
    assert.equal(defaultAgentId(checked), want);
    assert.deepEqual([ask([], checked).agentId, ask([], checked).rule], [want, "default"]);
  });

test("explicit ownership has no effect: the default agent answers what no binding matches, and the file is commented on", () => {
  const { config, issues } = checkConfigValue({ agents: { ownership: "explicit", entries: { a: {}, b: {} } } });
  assert.equal(ask([], config).agentId, "a");
  assert.match(issues.map(({ message }) => message).join("\n"), /agents\.ownership .* has no effect here/);
});

test("a winning binding to an unknown agent is an error, not a fallback", () => {
  const config: RoutingConfig = { agents: { entries: { a: {} } } };
  const ghost = [{ agentId: "ghost", match: { channel: "discord", accountId: "*" } }];
  assert.throws(
    () => ask(ghost, config),
    (err) =>
      err instanceof GatewayError &&
      err.details?.["code"] === "AGENT_SELECTION_REQUIRED" &&
      err.fix !== undefined &&
      /bindings\[0\].*ghost/.test(err.message),
  );
  assert.equal(ask([{ agentId: "A", match: { channel: "discord", accountId: "*" } }], config).agentId, "a");
});
