import assert from "node:assert/strict";
import { test } from "node:test";
import { asId, type AccountId, type ChannelId, type ChatId, type SenderId } from "../core/ids.ts";
import { decide, formatDecision, type RoutingInput } from "./decide.ts";
import type { RoutingConfig } from "./types.ts";

const config: RoutingConfig = {
  agents: { entries: { main: {}, ops: { tools: { deny: ["bash"] }, groupChat: { mentionPatterns: ["ops!", "("] } } } },
  bindings: [
    { agentId: "main", match: { channel: "irc", accountId: "*" } },
    { agentId: "ops", match: { channel: "irc", peer: { kind: "group", id: "#ops" } }, session: { groupScope: "main" } },
    { agentId: "main", match: { channel: "telegram", accountId: "*" } },
  ],
  channels: { irc: { groups: { "#ops": { allowFrom: ["*"], tools: { allow: ["read"] } } } } },
  messages: { queue: { byChannel: { irc: "collect" } } },
};

function question(text: string, chat = "#ops"): RoutingInput {
  return {
    channel: asId<ChannelId>("irc"),
    account: asId<AccountId>("default"),
    isPaired: () => false,
    accessContext: { now: 0 },
    message: {
      chat: { kind: "group", id: asId<ChatId>(chat) },
      sender: { id: asId<SenderId>("a!b@c"), isBot: false, isSelf: false },
      text,
      mentionsSelf: false,
      sentAt: 0,
      origin: "live",
    },
  };
}

test("one object says who answers, why, where and how", () => {
  const answer = decide(question("ops! help"), config);
  assert.equal(answer.access.reason, "group-pattern");
  assert.equal(answer.route?.agentId, "ops");
  assert.equal(answer.sessionKey, "agent:ops:main");
  assert.equal(answer.queue.mode, "collect");
  assert.deepEqual(answer.tools, { deny: ["bash"] });
  assert.deepEqual(
    answer.route?.trace.map((line) => line.verdict),
    ["lost", "won", "no-match"],
  );
});

test("the lines name every step", () => {
  const text = formatDecision(decide(question("hello"), config), config).join("\n");
  for (const wanted of [
    /^policy     groupPolicy allowlist/m,
    /^admission  record \(group-not-addressed\)/m,
    /^binding    \[0\] main: lost as channel; .*binding 1 is more specific/m,
    /^binding    \[1\] ops: won as peer/m,
    /^binding    \[2\] main: no-match; another channel/m,
    /^agent      ops \(rule: peer\)/m,
    /^session    agent:ops:main$/m,
    /^queue      collect \(from channel\), taken together after 500 ms of quiet$/m,
    /^sender     not an owner; commands are taken if they change nothing for others/m,
    /^tools      \{"deny":\["bash"\]\}/m,
    /^           at most, by channels\.irc\.groups\.#ops\.tools: \{"allow":\["read"\]\}$/m,
    /^warning    mention pattern "\(" is not used/m,
  ])
    assert.match(text, wanted);
});

test("text from outside cannot make a line of its own", () => {
  const lines = formatDecision(decide(question("x", "#a\nadmission  answer"), config), config);
  assert.equal(lines.filter((line) => line.startsWith("admission")).length, 1);
  assert.ok(
    lines.every((line) => !line.includes("\n")),
    lines.join("|"),
  );
});

test("a route that cannot be chosen is part of the answer", () => {
  const broken: RoutingConfig = { ...config, bindings: [{ agentId: "ghost", match: { channel: "irc", accountId: "*" } }] };
  const answer = decide(question("x"), broken);
  assert.equal(answer.route, null);
  assert.equal(answer.sessionKey, null);
  assert.match(formatDecision(answer, broken).join("\n"), /agent      none: .*ghost/);
});
