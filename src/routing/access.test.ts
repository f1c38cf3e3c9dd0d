import assert from "node:assert/strict";
import { test } from "node:test";
import { asId, type ChannelId, type ChatId, type SenderId } from "../core/ids.ts";
import { resolveAccountPolicy } from "./account-policy.ts";
import { decideAccess, type AccessContext } from "./access.ts";
import { mentionPatterns } from "./mention.ts";
import type { RoutedMessage, RoutingConfig } from "./types.ts";

const irc = asId<ChannelId>("irc");
const ALICE = asId<SenderId>("alice!al@home.example");
const EVE = asId<SenderId>("eve!e@bad.example");

type Patch = Partial<Omit<RoutedMessage, "sender">> & { sender?: Partial<RoutedMessage["sender"]> };

function message(patch: Patch = {}): RoutedMessage {
  const base = {
    chat: { kind: "direct" as const, id: asId<ChatId>("alice") },
    text: "hello",
    mentionsSelf: false,
    sentAt: 1_000,
    origin: "live" as const,
  };
  return { ...base, ...patch, sender: { id: ALICE, isBot: false, isSelf: false, ...patch.sender } };
}
const inRoom = (patch: Patch = {}): RoutedMessage => message({ chat: { kind: "group", id: asId<ChatId>("#room") }, ...patch });

type Case = {
  account?: unknown;
  config?: RoutingConfig;
  message?: RoutedMessage;
  paired?: boolean;
  bot?: Partial<AccessContext>;
  want: string;
};

function decision(c: Case): string {
  const config: RoutingConfig = c.config ?? (c.account === undefined ? {} : { channels: { irc: c.account } });
  const bot: AccessContext = { channel: irc, patterns: mentionPatterns(config, "main").patterns, now: 1_000, ...c.bot };
  const result = decideAccess(
    c.message ?? message(),
    resolveAccountPolicy(config, "irc", "default"),
    () => c.paired ?? false,
    bot,
    config.accessGroups,
  );
  return `${result.action} ${result.reason}`;
}

// Every DM policy x every kind of allowFrom x paired or not: 4 x 8 x 2.
const LISTS: readonly (readonly [name: string, list: readonly unknown[] | undefined, listed: boolean])[] = [
  ["no list", undefined, false],
  ["an empty list", [], false],
  ["the sender", [ALICE], true],
  ["the sender with the channel's prefix", [`irc:${ALICE}`], true],
  ["someone else", [EVE], false],
  ["the wildcard", ["*"], true],
  ["a glob, which is not a wildcard", ["alice!*@*"], false],
  ["only the name", ["alice"], false],
];
for (const [name, list, listed] of LISTS) {
  for (const paired of [false, true]) {
    const wants = {
      pairing: listed ? "answer dm-listed" : paired ? "answer dm-paired" : "offer-pairing dm-unknown-sender",
      allowlist: listed ? "answer dm-listed" : "ignore dm-not-listed",
      open: listed ? "answer dm-open" : "ignore dm-not-listed",
      disabled: "ignore dm-disabled",
    };
    for (const [dmPolicy, want] of Object.entries(wants)) {
      test(`dmPolicy ${dmPolicy}, allowFrom has ${name}, ${paired ? "paired" : "not paired"}: ${want}`, () => {
        assert.equal(decision({ account: { dmPolicy, ...(list && { allowFrom: list }) }, paired, want }), want);
      });
    }
  }
}

// Every group policy x room listed how x sender listed how x addressed or not.
const ROOMS: readonly (readonly [name: string, groups: unknown, listed: boolean])[] = [
  ["no groups", undefined, false],
  ["another room", { "#other": {} }, false],
  ["the room", { "#room": {} }, true],
  ["the wildcard", { "*": {} }, true],
  ["a prototype key", JSON.parse('{"__proto__": {"enabled": true}}'), false],
];
const SENDERS: readonly (readonly [name: string, keys: Record<string, unknown>, allowed: boolean, group: boolean])[] = [
  ["no senders", {}, false, false],
  ["allowFrom with the sender", { allowFrom: [ALICE] }, true, false],
  ["groupAllowFrom with the sender", { groupAllowFrom: [ALICE] }, true, true],
  ["groupAllowFrom empty, allowFrom with the sender", { groupAllowFrom: [], allowFrom: [ALICE] }, false, false],
  ["groupAllowFrom with someone else", { groupAllowFrom: [EVE] }, false, true],
  ["groupAllowFrom with the wildcard", { groupAllowFrom: ["*"] }, true, true],
];
for (const [roomName, groups, listed] of ROOMS) {
  for (const [senderName, keys, allowed, bySender] of SENDERS) {
    for (const mentionsSelf of [false, true]) {
      const addressed = mentionsSelf ? "answer group-mention" : "record group-not-addressed";
      const reachable = listed || (groups === undefined && bySender);
      const wants: Record<string, string> = {
        allowlist: !reachable ? "ignore group-not-listed" : allowed ? addressed : "ignore group-sender-not-listed",
        open: addressed,
        disabled: "ignore group-disabled",
        "a spelling mistake": "ignore group-disabled",
      };
      for (const [groupPolicy, want] of Object.entries(wants)) {
        test(`groupPolicy ${groupPolicy}, ${roomName}, ${senderName}, ${mentionsSelf ? "mentioned" : "not mentioned"}: ${want}`, () => {
          const account = { groupPolicy, ...(groups !== undefined && { groups }), ...keys };
          assert.equal(decision({ account, message: inRoom({ mentionsSelf }), want }), want);
        });
      }
    }
  }
}

const open = { groupPolicy: "open" };
const listedRoom = (rule: object, more: object = {}): object => ({ groups: { "#room": { allowFrom: ["*"], ...rule } }, ...more });
const CASES: Readonly<Record<string, Case>> = {
  "an own message is ignored": {
    account: { dmPolicy: "open", allowFrom: ["*"] },
    message: message({ sender: { isSelf: true } }),
    want: "ignore self",
  },
  "a bot is ignored": {
    account: { dmPolicy: "open", allowFrom: ["*"] },
    message: message({ sender: { isBot: true } }),
    want: "ignore bot",
  },
  "a missing channel block closes groups": { config: {}, message: inRoom({ mentionsSelf: true }), want: "ignore group-not-listed" },
  "a missing channel block closes groups even when the defaults are open": {
    config: { channels: { defaults: { groupPolicy: "open" } } },
    message: inRoom({ mentionsSelf: true }),
    want: "ignore group-not-listed",
  },
  "defaults hold for a configured channel": {
    config: { channels: { defaults: { groupPolicy: "open" }, irc: {} } },
    message: inRoom({ mentionsSelf: true }),
    want: "answer group-mention",
  },
  "a missing channel block still offers pairing": { config: {}, want: "offer-pairing dm-unknown-sender" },
  "an unreadable dmPolicy closes direct messages": { account: { dmPolicy: "opne", allowFrom: ["*"] }, want: "ignore dm-disabled" },
  "an account's key overrides the channel's": {
    account: { dmPolicy: "open", allowFrom: ["*"], accounts: { default: { dmPolicy: "disabled" } } },
    want: "ignore dm-disabled",
  },
  "another account's key does not count": {
    account: { dmPolicy: "disabled", accounts: { other: { dmPolicy: "open", allowFrom: ["*"] } } },
    want: "ignore dm-disabled",
  },
  "an account's groups replace the channel's": {
    account: { ...listedRoom({}), accounts: { default: { groups: { "#other": {} } } } },
    message: inRoom({ mentionsSelf: true }),
    want: "ignore group-not-listed",
  },
  "pairing never opens a group": {
    account: { groups: { "#room": {} } },
    paired: true,
    message: inRoom({ mentionsSelf: true }),
    want: "ignore group-sender-not-listed",
  },
  "an alias of the sender is listed": {
    account: { allowFrom: ["account:alice"] },
    message: message({ sender: { aliases: [asId<SenderId>("account:alice")] } }),
    want: "answer dm-listed",
  },
  "a display name is not an id": {
    account: { allowFrom: ["Alice"] },
    message: message({ sender: { name: "Alice" } }),
    want: "offer-pairing dm-unknown-sender",
  },
  "a display name counts where it is dangerously allowed": {
    account: { allowFrom: ["Alice"], dangerouslyAllowNameMatching: true },
    message: message({ sender: { name: "Alice" } }),
    want: "answer dm-listed",
  },
  "a display name of * is not the wildcard": {
    account: { allowFrom: ["accessGroup:x"], dangerouslyAllowNameMatching: true },
    message: message({ sender: { name: "*" } }),
    want: "offer-pairing dm-unknown-sender",
  },
  "a sender id of * matches only the wildcard entry": {
    account: { allowFrom: [EVE] },
    message: message({ sender: { id: asId<SenderId>("*") } }),
    want: "offer-pairing dm-unknown-sender",
  },
  "numbers in lists are ids": {
    account: { allowFrom: [12345] },
    message: message({ sender: { id: asId<SenderId>("12345") } }),
    want: "answer dm-listed",
  },
  "ids are compared in canonical form": {
    account: { allowFrom: ["ALICE!al@home.example"] },
    bot: { canonicalId: (id) => id.toLowerCase() },
    want: "answer dm-listed",
  },
  "without a canonical form case counts": { account: { allowFrom: ["ALICE!al@home.example"] }, want: "offer-pairing dm-unknown-sender" },
  "an access group admits its member": {
    config: {
      channels: { irc: { allowFrom: ["accessGroup:ops"] } },
      accessGroups: { ops: { type: "message.senders", members: { irc: [ALICE] } } },
    },
    want: "answer dm-listed",
  },
  "an access group's shared members count on every channel": {
    config: { channels: { irc: { allowFrom: ["accessGroup:ops"] } }, accessGroups: { ops: { members: { "*": [ALICE] } } } },
    want: "answer dm-listed",
  },
  "an access group's members of another channel do not count": {
    config: { channels: { irc: { allowFrom: ["accessGroup:ops"] } }, accessGroups: { ops: { members: { telegram: [ALICE] } } } },
    want: "offer-pairing dm-unknown-sender",
  },
  "a missing access group admits no one": {
    account: { dmPolicy: "allowlist", allowFrom: ["accessGroup:ops"] },
    want: "ignore dm-not-listed",
  },
  "an access group named like a prototype key admits no one": {
    account: { dmPolicy: "allowlist", allowFrom: ["accessGroup:__proto__"] },
    want: "ignore dm-not-listed",
  },
  "an access group of an unknown type admits no one": {
    config: {
      channels: { irc: { dmPolicy: "allowlist", allowFrom: ["accessGroup:ops"] } },
      accessGroups: { ops: { type: "discord.channelAudience", members: { "*": ["*"] } } },
    },
    want: "ignore dm-not-listed",
  },
  "access groups do not nest": {
    config: {
      channels: { irc: { dmPolicy: "allowlist", allowFrom: ["accessGroup:a"] } },
      accessGroups: { a: { members: { "*": ["accessGroup:b"] } }, b: { members: { "*": ["*"] } } },
    },
    want: "ignore dm-not-listed",
  },
  "a room that is switched off is ignored": {
    account: listedRoom({ enabled: false }),
    message: inRoom({ mentionsSelf: true }),
    want: "ignore group-switched-off",
  },
  "a switched-off wildcard does not switch off a named room": {
    account: { groups: { "*": { enabled: false }, "#room": { allowFrom: ["*"] } } },
    message: inRoom({ mentionsSelf: true }),
    want: "answer group-mention",
  },
  "a room's own senders override groupAllowFrom": {
    account: listedRoom({ allowFrom: [EVE] }, { groupAllowFrom: [ALICE] }),
    message: inRoom({ mentionsSelf: true }),
    want: "ignore group-sender-not-listed",
  },
  "a room's own senders hold in an open policy too": {
    account: { ...open, groups: { "#room": { allowFrom: [EVE] } } },
    message: inRoom({ mentionsSelf: true }),
    want: "ignore group-sender-not-listed",
  },
  "a room without requireMention answers everything": {
    account: listedRoom({ requireMention: false }),
    message: inRoom(),
    want: "answer group-always",
  },
  "requireMention of the wildcard is the default of named rooms": {
    account: { groups: { "*": { requireMention: false }, "#room": { allowFrom: ["*"] } } },
    message: inRoom(),
    want: "answer group-always",
  },
  "a named room's requireMention overrides the wildcard's": {
    account: { groups: { "*": { requireMention: false }, "#room": { allowFrom: ["*"], requireMention: true } } },
    message: inRoom(),
    want: "record group-not-addressed",
  },
  "an unlisted room of an open policy takes the wildcard's rule": {
    account: { ...open, groups: { "*": { requireMention: false } } },
    message: inRoom(),
    want: "answer group-always",
  },
  "/activation always overrides requireMention": {
    account: listedRoom({ requireMention: true }),
    message: inRoom(),
    bot: { activation: "always" },
    want: "answer group-always",
  },
  "/activation mention overrides requireMention": {
    account: listedRoom({ requireMention: false }),
    message: inRoom(),
    bot: { activation: "mention" },
    want: "record group-not-addressed",
  },
  "a reply to the bot addresses it": {
    account: listedRoom({}),
    message: inRoom({ replyTo: { isSelf: true } }),
    want: "answer group-reply",
  },
  "a reply to someone else does not": {
    account: listedRoom({}),
    message: inRoom({ replyTo: { isSelf: false } }),
    want: "record group-not-addressed",
  },
  "replies can be taken out": {
    account: listedRoom({}, { implicitMentions: { replyToBot: false } }),
    message: inRoom({ replyTo: { isSelf: true } }),
    want: "record group-not-addressed",
  },
  "a command addresses the bot": {
    account: listedRoom({}),
    message: inRoom({ text: "/status" }),
    bot: { isCommand: (text) => text === "/status" },
    want: "answer group-command",
  },
  "a command of an unknown sender does not": {
    account: listedRoom({ allowFrom: [EVE] }),
    message: inRoom({ text: "/status" }),
    bot: { isCommand: () => true },
    want: "ignore group-sender-not-listed",
  },
  "a topic's rule overrides its group's": {
    account: { groups: { "#room": { allowFrom: ["*"], topics: { "7": { requireMention: false } } } } },
    message: inRoom({ thread: { id: "7" } }),
    want: "answer group-always",
  },
  "a thread is found under its parent": {
    account: listedRoom({ requireMention: false }),
    message: message({ chat: { kind: "channel", id: asId<ChatId>("t1") }, parent: { kind: "group", id: asId<ChatId>("#room") } }),
    want: "answer group-always",
  },
  "a parent's own rule overrides the wildcard": {
    account: { groups: { "*": { allowFrom: ["*"] }, "#room": { allowFrom: [EVE] } } },
    message: message({
      chat: { kind: "channel", id: asId<ChatId>("t1") },
      parent: { kind: "group", id: asId<ChatId>("#room") },
      mentionsSelf: true,
    }),
    want: "ignore group-sender-not-listed",
  },
  "a room of a listed guild is admitted": {
    account: { guilds: { g1: {} } },
    message: inRoom({ guildId: "g1", mentionsSelf: true }),
    bot: { roomAdmitsMembers: true },
    want: "answer group-mention",
  },
  "a room of another guild is not": {
    account: { guilds: { g1: {} } },
    message: inRoom({ guildId: "g2", mentionsSelf: true }),
    bot: { roomAdmitsMembers: true },
    want: "ignore group-not-listed",
  },
  "a room without a guild is not admitted by guilds": {
    account: { guilds: { g1: {} } },
    message: inRoom({ mentionsSelf: true }),
    bot: { roomAdmitsMembers: true },
    want: "ignore group-not-listed",
  },
  "a guild's channel list is closed": {
    account: { guilds: { g1: { channels: { "#other": {} } } } },
    message: inRoom({ guildId: "g1", mentionsSelf: true }),
    bot: { roomAdmitsMembers: true },
    want: "ignore group-not-listed",
  },
  "a guild that is switched off keeps its channels off": {
    account: { guilds: { g1: { enabled: false, channels: { "#room": { enabled: true } } } } },
    message: inRoom({ guildId: "g1", mentionsSelf: true }),
    want: "ignore group-switched-off",
  },
  "a role admits": {
    account: { guilds: { g1: { roles: ["r1"] } } },
    message: inRoom({ guildId: "g1", mentionsSelf: true, sender: { roles: ["r1"] } }),
    want: "answer group-mention",
  },
  "a missing role does not, even where rooms admit members": {
    account: { guilds: { g1: { roles: ["r1"] } } },
    message: inRoom({ guildId: "g1", mentionsSelf: true }),
    bot: { roomAdmitsMembers: true },
    want: "ignore group-sender-not-listed",
  },
  "Slack's map of channels lists rooms": {
    account: { channels: { "#room": {} } },
    message: inRoom({ mentionsSelf: true }),
    bot: { roomAdmitsMembers: true },
    want: "answer group-mention",
  },
  "IRC's list of channels to join admits no one": {
    account: { channels: ["#room"] },
    message: inRoom({ mentionsSelf: true }),
    want: "ignore group-not-listed",
  },
  "an old message from history is recorded": {
    account: { dmPolicy: "open", allowFrom: ["*"] },
    message: message({ origin: "backfill", sentAt: 0 }),
    bot: { now: 25 * 3_600_000 },
    want: "record too-old",
  },
  "a fresh message from history is answered": {
    account: { dmPolicy: "open", allowFrom: ["*"] },
    message: message({ origin: "backfill", sentAt: 0 }),
    bot: { now: 3_600_000 },
    want: "answer dm-open",
  },
  "an old message of an unknown sender is not recorded": {
    account: { dmPolicy: "allowlist" },
    message: message({ origin: "backfill", sentAt: 0 }),
    bot: { now: 25 * 3_600_000 },
    want: "ignore dm-not-listed",
  },
  "a live message is never too old": {
    account: { dmPolicy: "open", allowFrom: ["*"] },
    message: message({ sentAt: 0 }),
    bot: { now: 99 * 3_600_000 },
    want: "answer dm-open",
  },
};
for (const [name, c] of Object.entries(CASES)) test(name, () => assert.equal(decision(c), c.want));

// Text patterns: which list counts, and where.
const room = listedRoom({});
const pattern = (messages: RoutingConfig["messages"], irc: object, agents?: RoutingConfig["agents"]): RoutingConfig => ({
  channels: { irc },
  messages,
  ...(agents && { agents }),
});
const bot = { groupChat: { mentionPatterns: ["\\bbot\\b"] } };
const PATTERNS: readonly (readonly [name: string, config: RoutingConfig, text: string, want: string])[] = [
  ["a pattern of the gateway", pattern(bot, room), "hey BOT!", "answer group-pattern"],
  ["a pattern that does not match", pattern(bot, room), "hey robot", "record group-not-addressed"],
  [
    "an agent's own list overrides the gateway's",
    pattern(bot, room, { entries: { main: { groupChat: { mentionPatterns: ["claw"] } } } }),
    "hey bot",
    "record group-not-addressed",
  ],
  [
    "an agent's own list",
    pattern(bot, room, { entries: { main: { groupChat: { mentionPatterns: ["claw"] } } } }),
    "claw?",
    "answer group-pattern",
  ],
  [
    "the identity's name, when nothing is configured",
    pattern({}, room, { entries: { main: { identity: { name: "Molty" } } } }),
    "molty, help",
    "answer group-pattern",
  ],
  [
    "the identity's name only as a word",
    pattern({}, room, { entries: { main: { identity: { name: "Molty" } } } }),
    "moltys",
    "record group-not-addressed",
  ],
  [
    "a name with special characters",
    pattern({}, room, { entries: { main: { identity: { name: "C++ (bot)" } } } }),
    "ask c++ (bot) now",
    "answer group-pattern",
  ],
  ["the identity's emoji", pattern({}, room, { entries: { main: { identity: { emoji: "🦞" } } } }), "🦞 hi", "answer group-pattern"],
  [
    "an empty list means none",
    pattern({ groupChat: { mentionPatterns: [] } }, room, { entries: { main: { identity: { name: "Molty" } } } }),
    "molty",
    "record group-not-addressed",
  ],
  [
    "a bad pattern does not silence the others",
    pattern({ groupChat: { mentionPatterns: ["(", "bot"] } }, room),
    "bot",
    "answer group-pattern",
  ],
  ["mode deny", pattern(bot, { ...room, mentionPatterns: { mode: "deny" } }), "bot", "record group-not-addressed"],
  [
    "mode deny with the room allowed",
    pattern(bot, { ...room, mentionPatterns: { mode: "deny", allowIn: ["#room"] } }),
    "bot",
    "answer group-pattern",
  ],
  ["a denied room", pattern(bot, { ...room, mentionPatterns: { denyIn: ["#room"] } }), "bot", "record group-not-addressed"],
  [
    "denyIn wins over allowIn",
    pattern(bot, { ...room, mentionPatterns: { mode: "deny", allowIn: ["#room"], denyIn: ["#room"] } }),
    "bot",
    "record group-not-addressed",
  ],
];
for (const [name, config, text, want] of PATTERNS) {
  test(`mention patterns: ${name}`, () => assert.equal(decision({ config, message: inRoom({ text }), want }), want));
}

test("problems of patterns are reported, and no more than 32 are used", () => {
  const { patterns, problems } = mentionPatterns(
    { messages: { groupChat: { mentionPatterns: ["(", ...Array.from({ length: 40 }, (_, i) => `b${i}`)] } } },
    "main",
  );
  assert.equal(patterns.length, 31);
  assert.equal(problems.length, 10);
  assert.equal(problems[0]!.source, "(");
});
