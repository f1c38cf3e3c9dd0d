import assert from "node:assert/strict";
import { test } from "node:test";
import { asId, type AgentId, type ChatId, type SenderId } from "../core/ids.ts";
import { canonicalSessionKey, classifySessionKey, linkedIdentity, parseSessionKey, sessionKeyFor } from "./session-key.ts";
import { toAgentId } from "../core/agent-id.ts";
import type { DmScope, SessionScopes } from "./types.ts";

const main = asId<AgentId>("main");

type Where = {
  channel?: string;
  account?: string;
  kind?: "direct" | "group" | "channel";
  chat?: string;
  sender?: string;
  thread?: string;
  session?: SessionScopes;
  override?: { dmScope?: string; groupScope?: string };
};

function keyOf(where: Where): string {
  const { channel = "irc", account = "default", kind = "direct", chat = "c1", sender = "Alice!a@h", thread, session, override } = where;
  const message = {
    chat: { kind, id: asId<ChatId>(chat) },
    sender: { id: asId<SenderId>(sender), isBot: false, isSelf: false },
    ...(thread !== undefined && { thread: { id: thread } }),
  };
  return sessionKeyFor({ agentId: main, channel, account, message, session, override });
}

const KEYS: readonly (readonly [want: string, where: Where])[] = [
  ["agent:main:irc:direct:alice!a@h", {}],
  ["agent:main:main", { session: { dmScope: "main" } }],
  ["agent:main:main", { session: { scope: "global" } }],
  ["agent:main:main", { kind: "group", session: { scope: "global", groupScope: "per-group" }, override: { groupScope: "per-group" } }],
  ["agent:main:irc:direct:alice!a@h", { session: { scope: "per-sender" } }],
  ["agent:main:direct:alice!a@h", { session: { dmScope: "per-peer" } }],
  ["agent:main:irc:direct:alice!a@h", { session: { dmScope: "per-channel-peer" } }],
  ["agent:main:irc:default:direct:alice!a@h", { session: { dmScope: "per-account-channel-peer" } }],
  ["agent:main:irc:libera:direct:alice!a@h", { account: "Libera", session: { dmScope: "per-account-channel-peer" } }],
  ["agent:main:irc:default:direct:alice!a@h", { session: { dmScope: "per-peeer" as DmScope } }],
  ["agent:main:main", { session: { dmScope: "per-peer" }, override: { dmScope: "main" } }],
  ["agent:main:direct:alice!a@h", { session: { dmScope: "main" }, override: { dmScope: "per-peer" } }],
  ["agent:main:irc:group:#room", { kind: "group", chat: "#Room" }],
  ["agent:main:discord:channel:123", { channel: "discord", kind: "channel", chat: "123" }],
  ["agent:main:main", { kind: "group", session: { groupScope: "main" } }],
  ["agent:main:irc:group:c1", { kind: "group", session: { groupScope: "main" }, override: { groupScope: "per-group" } }],
  ["agent:main:main", { kind: "channel", override: { groupScope: "main" } }],
  ["agent:main:discord:channel:123456:thread:987654", { channel: "discord", kind: "channel", chat: "123456", thread: "987654" }],
  ["agent:main:telegram:group:-1001234567890:topic:42", { channel: "telegram", kind: "group", chat: "-1001234567890", thread: "42" }],
  ["agent:main:slack:direct:u1:thread:17.5", { channel: "slack", sender: "U1", thread: "17.5" }],
  ["agent:main:matrix:group:!Room:Example.org", { channel: "matrix", kind: "group", chat: "!Room:Example.org" }],
  ["agent:main:matrix:direct:@Bob:example.org", { channel: "matrix", sender: "@Bob:example.org" }],
  ["agent:main:signal:group:AbC=", { channel: "signal", kind: "group", chat: "AbC=" }],
  ["agent:main:signal:direct:+1555", { channel: "signal", sender: "+1555" }],
  ["agent:main:googlechat:group:spaces/AAA", { channel: "googlechat", kind: "group", chat: "spaces/AAA" }],
  ["agent:main:irc:direct:unknown", { sender: " " }],
  ["agent:main:irc:group:#a%3athread%3ab", { kind: "group", chat: "#a:thread:b" }],
  ["agent:main:irc:group:#a:b", { kind: "group", chat: "#a:b" }],
  ["agent:main:irc:group:direct%3ax", { kind: "group", chat: "direct:x" }],
  ["agent:main:irc:group:__proto__", { kind: "group", chat: "__proto__" }],
  ["agent:main:irc:group:a%0ab", { kind: "group", chat: "a\nb" }],
  ["agent:main:irc:direct:carol", { session: { identityLinks: { Carol: ["irc:alice!a@h", "telegram:7"] } } }],
  [
    "agent:main:telegram:direct:carol",
    { channel: "telegram", sender: "7", session: { identityLinks: { Carol: ["irc:alice!a@h", "telegram:7"] } } },
  ],
  [
    "agent:main:direct:carol",
    { channel: "telegram", sender: "7", session: { dmScope: "per-peer", identityLinks: { Carol: ["telegram:7"] } } },
  ],
  ["agent:main:discord:direct:7", { channel: "discord", sender: "7", session: { identityLinks: { Carol: ["telegram:7"] } } }],
  ["agent:main:main", { session: { dmScope: "main", identityLinks: { Carol: ["alice!a@h"] } } }],
];
for (const [want, where] of KEYS) test(`${JSON.stringify(where)} is ${want}`, () => assert.equal(keyOf(where), want));

const HOSTILE = [
  "a",
  "A:b",
  ":thread:x",
  "thread:x",
  "x:thread:",
  "a:topic:1",
  "direct:x",
  "dm:direct:x",
  "%3a",
  "%253A",
  "%",
  "100%",
  "__proto__",
  "constructor",
  "a b",
  "\u0000",
  "\u009f",
  "é",
  "🦞",
  "\ud800",
  "#x:thread:y:thread:z",
  "topic:topic:",
  ":",
  "::",
  ":thread",
  "default:direct:z",
  "group:g",
  "account:bob",
];
HOSTILE.push("x".repeat(300), `${"x".repeat(299)}y`, "agent:main:main");

test("different ids never give the same key, whatever is in them", () => {
  const seen = new Map<string, string>();
  for (const kind of ["direct", "group", "channel"] as const) {
    for (const id of HOSTILE) {
      for (const thread of [undefined, ...HOSTILE]) {
        const key = keyOf({ channel: "matrix", kind, chat: id, sender: id, ...(thread !== undefined && { thread }) });
        const what = JSON.stringify([kind, id, thread]);
        assert.equal(seen.get(key), undefined, `${what} and ${seen.get(key)} are both ${key}`);
        seen.set(key, what);
        assert.ok(key.length < 1_024);
        assert.doesNotMatch(key, /\p{Cc}/u);
      }
    }
  }
});

test("what was put into a key can be read from it", () => {
  for (const kind of ["direct", "group", "channel"] as const) {
    for (const id of HOSTILE.filter((text) => text.length <= 256 && text.isWellFormed() && text.trim() === text)) {
      for (const thread of [undefined, ...HOSTILE.filter((text) => text.length <= 256 && text.isWellFormed() && text.trim() === text)]) {
        const key = keyOf({ channel: "matrix", kind, chat: id, sender: id, ...(thread !== undefined && { thread }) });
        const route = parseSessionKey(key)?.route;
        assert.deepEqual(route, { channel: "matrix", account: null, kind, id, ...(thread !== undefined && { thread }) }, key);
        assert.equal(canonicalSessionKey(key, main), key, "a stored key is already canonical");
      }
    }
  }
});

const CANONICAL: readonly (readonly [input: string, want: string | null])[] = [
  ["main", "agent:main:main"],
  ["MAIN", "agent:main:main"],
  ["", "agent:main:main"],
  ["  ", "agent:main:main"],
  ["other", "agent:main:other"],
  ["Agent:Main:Main", "agent:main:main"],
  ["agent:work:main", "agent:work:main"],
  ["agent:work:TUI-Abc", "agent:work:tui-abc"],
  ["agent:main:irc:group:#Room", "agent:main:irc:group:#room"],
  ["agent:main:matrix:group:!Room:Ex.org:THREAD:$Ev", "agent:main:matrix:group:!Room:Ex.org:thread:$Ev"],
  ["agent:main:SIGNAL:Group:AbC=", "agent:main:signal:group:AbC="],
  ["irc:direct:Bob", "agent:main:irc:direct:bob"],
  ["cron:job1:run:7", "agent:main:cron:job1:run:7"],
  ["agent:", null],
  ["agent:main", null],
  ["agent:main:", null],
  ["agent::x", null],
  ["agent:../etc:x", null],
  ["agent:main:a\nb", null],
  ["x".repeat(1_025), null],
];
for (const [input, want] of CANONICAL)
  test(`${JSON.stringify(input.slice(0, 60))} is canonically ${want}`, () => assert.equal(canonicalSessionKey(input, main), want));

test("a configured main name takes the place of main", () => {
  assert.equal(canonicalSessionKey("main", main, "home"), "agent:main:home");
  assert.equal(canonicalSessionKey("agent:work:main", main, "home"), "agent:work:home");
  assert.deepEqual(classifySessionKey("agent:work:home", "home"), { kind: "direct", classification: "main" });
});

const CLASSES: readonly (readonly [key: string, kind: string, classification: string])[] = [
  ["agent:main:main", "direct", "main"],
  ["agent:main:irc:direct:bob", "direct", "direct"],
  ["agent:main:direct:bob", "direct", "direct"],
  ["agent:main:irc:libera:direct:bob", "direct", "direct"],
  ["agent:main:irc:group:#a", "group", "group"],
  ["agent:main:discord:channel:1:thread:2", "group", "group"],
  ["agent:main:tui-0a", "direct", "tui"],
  ["agent:main:cron:j:run:1", "direct", "cron"],
  ["agent:main:explicit:r1", "direct", "explicit"],
  ["agent:main:hook:1", "direct", "hook"],
  ["agent:main:subagent:1", "direct", "subagent"],
  ["agent:main:acp-bridge:1", "direct", "acp"],
  ["agent:main:openai:1", "direct", "openai"],
  ["agent:main:openresponses:1", "direct", "openai"],
  ["agent:main:whatever", "direct", "custom"],
  ["global", "global", "custom"],
  ["unknown", "unknown", "custom"],
  ["agent:bad id:x", "unknown", "custom"],
];
for (const [key, kind, classification] of CLASSES)
  test(`${key} is ${kind}, ${classification}`, () => assert.deepEqual(classifySessionKey(key), { kind, classification }));

test("agent ids are made safe", () => {
  const cases = {
    Main: "main",
    "My Agent!": "my-agent",
    "../../etc": "etc",
    "": "main",
    "---": "main",
    Ünïcode: "n-code",
    a_b: "a_b",
    ["x".repeat(99)]: "x".repeat(64),
  };
  for (const [text, want] of Object.entries(cases)) assert.equal(toAgentId(text), want);
});

test("identity links respect case where ids are case-sensitive", () => {
  assert.equal(linkedIdentity({ bob: ["matrix:@Bob:x"] }, "matrix", ["@bob:x"]), null);
  assert.equal(linkedIdentity({ bob: ["matrix:@Bob:x"] }, "matrix", ["@Bob:x"]), "bob");
  assert.equal(linkedIdentity({ bob: ["irc:BOB!b@h"] }, "irc", ["bob!b@h"]), "bob");
  assert.equal(linkedIdentity(JSON.parse('{"__proto__": ["x"]}'), "irc", ["x"]), "__proto__");
});
