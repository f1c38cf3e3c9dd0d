import { isSafeUrl } from "../url.ts";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { asId } from "../../core/ids.ts";
import { LIMITS } from "../../core/limits.ts";
import { DISCORD_LIMITS } from "./limits.ts";
import { TerminalError, type OutboundPart } from "../channel.ts";
import { splitText } from "../split-text.ts";
import { toSlashCommands } from "./slash-commands.ts";
import { canonicalDiscordId, discordIdentity, intentBits, type parseDiscordAccount, type DiscordAccount } from "./config.ts";
import { checkAccount, parseChecked } from "../../../test/fakes/channel-account.ts";
import { closeError, SessionLostError } from "./gateway-connection.ts";
import { decodeDiscordEvent, decodeInteractionRef, redecodeDiscordEvent, type GatewayFrame, type DiscordDecodeContext } from "./inbound.ts";
import { DESCRIPTION } from "./description.ts";
import { createDiscordChannel } from "./index.ts";
import { nonceOf, toMessageBody, toDiscord } from "./outbound.ts";
import { DiscordChannelCache } from "./channel-cache.ts";
import { rateLimitRoute } from "./rest-client.ts";
import { EMPTY_STATE, decodeDiscordCursor, encodeDiscordCursor, withoutChat, withSeen, type ChannelInfo } from "./state.ts";

const read = <T>(name: string): T => JSON.parse(readFileSync(new URL(`fixtures/${name}`, import.meta.url), "utf8")) as T;
const SELF = "9000000000000000001";
const facts = (place?: ChannelInfo): DiscordDecodeContext => ({
  account: asId("default"),
  self: SELF,
  place,
  session: "s",
  now: 10_000,
  origin: "live",
});

type Case = {
  name: string;
  type: string;
  data: GatewayFrame["data"];
  place: ChannelInfo | null;
  ownRole?: string;
  want: Record<string, unknown>[];
};
for (const { name, type, data, place, ownRole, want } of read<Case[]>("01-inbound.json")) {
  test(`inbound: ${name}`, () => {
    const events = decodeDiscordEvent(
      { seq: 7, type, data },
      { ...facts(place ?? undefined), ...(ownRole && { ownRole }) },
    ) as unknown as Record<string, unknown>[];
    assert.equal(events.length, want.length, JSON.stringify(events));
    for (const [index, wanted] of want.entries()) {
      const got = Object.fromEntries(Object.keys(wanted).map((key) => [key, events[index]![key] ?? null]));
      assert.deepEqual(got, wanted);
    }
  });
}

for (const { name, markdown, want } of read<{ name: string; markdown: string; want: string }[]>("02-outbound.json")) {
  test(`outbound: ${name}`, () => assert.equal(toDiscord(markdown), want));
}

test("no nonsense makes the decoder throw, and what cannot be read can be read again once it can be", () => {
  let seed = 5;
  const random = (n: number): number => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) % n;
  const values = [null, 1, "x", "1", [], {}, [null], { id: "1" }, [{ id: "1" }], true, "2024-01-01", "\ud800"];
  const keys = [
    "id",
    "channel_id",
    "guild_id",
    "author",
    "content",
    "type",
    "member",
    "attachments",
    "user_id",
    "emoji",
    "data",
    "message",
    "ids",
  ];
  const types = ["MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE", "MESSAGE_DELETE_BULK", "MESSAGE_REACTION_ADD", "INTERACTION_CREATE"];
  for (let round = 0; round < 5_000; round++) {
    const data = Object.fromEntries(keys.filter(() => random(2)).map((key) => [key, values[random(values.length)]]));
    decodeDiscordEvent({ seq: round, type: types[random(types.length)]!, data }, facts());
  }
  const [bad] = decodeDiscordEvent({ seq: 1, type: "MESSAGE_CREATE", data: { id: "1", channel_id: "2" } }, facts());
  assert.ok(bad?.kind === "unreadable" && redecodeDiscordEvent(bad.raw) === null);
  const [secret] = decodeDiscordEvent({ seq: 1, type: "INTERACTION_CREATE", data: { id: "x", type: 2, token: "tok-secret" } }, facts());
  assert.ok(secret?.kind === "unreadable" && !secret.raw.includes("tok-secret"));
  const good = { seq: 1, type: "MESSAGE_CREATE", data: { id: "1", channel_id: "2", guild_id: "3", content: "x", author: { id: "4" } } };
  assert.equal(redecodeDiscordEvent(JSON.stringify({ frame: good, facts: facts() }))?.kind, "message");
});

test("every part of a long text fits, keeps its characters whole, and closes its code block", () => {
  const code = `\`\`\`js\n${"let a = 1; // 🦞\n".repeat(400)}\`\`\``;
  const table = `| name | text |\n|---|---|\n${Array.from({ length: 90 }, (_, i) => `| ${i} | ${"x".repeat(i)} |`).join("\n")}`;
  for (const text of [code, table, "🦞".repeat(3_000), "word ".repeat(2_000), `${"#### h\n".repeat(600)}`]) {
    const pieces = splitText(text, DESCRIPTION.capabilities.maxText, { render: toDiscord });
    for (const piece of pieces) {
      const shown = toDiscord(piece.text);
      assert.ok(shown.length <= 2_000 && shown.isWellFormed() && shown !== "");
      assert.equal((shown.match(/^```/gm)?.length ?? 0) % 2, 0);
    }
  }
});

const part = (more: Partial<OutboundPart>): OutboundPart => ({
  key: "k",
  target: { channel: asId("discord"), account: asId("default"), chat: { kind: "channel", id: asId("1") } },
  text: "x",
  ...more,
});

test("bodies: five buttons in a row, five rows, short labels; the nonce has at most 25 characters", () => {
  const buttons = [Array.from({ length: 7 }, (_, i) => ({ text: "long ".repeat(40), token: `t${i}` })), [{ text: "b", token: "b" }]];
  const { components } = toMessageBody(part({ buttons })) as unknown as { components: { components: { label: string }[] }[] };
  assert.deepEqual(
    components.map((row) => row.components.length),
    [5, 2, 1],
  );
  assert.ok(components[0]!.components[0]!.label.length <= 80);
  assert.equal("components" in toMessageBody(part({})), false);
  assert.ok(nonceOf("a very long key".repeat(20)).length <= 25);
  assert.notEqual(nonceOf("a"), nonceOf("b"));
});

test("the cursor keeps session, ourselves and the known conversations, and belongs to one bot", () => {
  const place = { type: 11, guild: "1", parent: "2", name: "t" };
  const state = {
    ...withSeen(EMPTY_STATE, "5", "100", place),
    session: { id: "s", seq: 4, url: "wss://x" },
    self: { id: "1", name: "b", app: "2" },
    roles: new Map([["1", "9"]]),
  };
  assert.deepEqual(decodeDiscordCursor(encodeDiscordCursor(state, "me"), "me"), state);
  for (const bad of [null, "", "{", "[]", "1", encodeDiscordCursor(state, "you")])
    assert.deepEqual(decodeDiscordCursor(bad, "me"), EMPTY_STATE);
  assert.deepEqual(decodeDiscordCursor('{"owner":"me","known":[["x","1"],["1"],3],"session":{"id":1}}', "me"), EMPTY_STATE);
  assert.equal(withSeen(state, "5", "9", place).known.get("5")!.last, "100", "an older message does not move it back");
  assert.equal(withoutChat(state, "5").known.size, 0);
  let many = EMPTY_STATE;
  for (let i = 1; i <= DISCORD_LIMITS.knownChats + 3; i++) many = withSeen(many, String(i), "1", place);
  assert.deepEqual([many.known.size, many.known.has("3"), many.known.has("4")], [DISCORD_LIMITS.knownChats, false, true]);
});

test("places are learnt from what the gateway tells, bounded, and forgotten with their channel", () => {
  const places = new DiscordChannelCache();
  places.applyEvent("GUILD_CREATE", {
    id: "1",
    channels: [{ id: "2", type: 0, name: "a", parent_id: "99" }],
    threads: [{ id: "3", type: 11, parent_id: "2" }],
  });
  assert.deepEqual(places.get("2"), { type: 0, guild: "1", name: "a" });
  assert.deepEqual(places.get("3"), { type: 11, guild: "1", parent: "2" });
  assert.deepEqual(places.applyEvent("THREAD_DELETE", { id: "3" }), { gone: "3" });
  assert.equal(places.get("3"), undefined);
  for (let i = 10; i < DISCORD_LIMITS.places + 20; i++) places.set(String(i), { type: 1, peer: `p${i}` });
  assert.deepEqual([places.get("2"), places.get("10"), places.findDirectChannel("p100")], [undefined, undefined, "100"]);
});

test("routes share a limit without their ids, except the first", () => {
  assert.deepEqual(rateLimitRoute("GET", "/channels/1/messages?after=2"), { route: "GET /channels/:id/messages", major: "channels:1:" });
  assert.deepEqual(
    rateLimitRoute("PUT", "/channels/1/messages/2/reactions/%F0/@me").route,
    "PUT /channels/:id/messages/:id/reactions/:emoji/@me",
  );
  const token = "a".repeat(30);
  assert.deepEqual(rateLimitRoute("PATCH", `/webhooks/1/${token}/messages/@original`), {
    route: "PATCH /webhooks/:id/:token/messages/@original",
    major: `webhooks:1:${token}`,
  });
  assert.equal(rateLimitRoute("GET", "/users/@me").route, "GET /users/@me");
});

test("close codes are terminal, end the session, or allow a resume", () => {
  for (const code of [4004, 4010, 4011, 4012, 4013, 4014]) assert.ok(closeError(code, "") instanceof TerminalError, String(code));
  for (const code of [4003, 4007, 4009]) assert.ok(closeError(code, "") instanceof SessionLostError, String(code));
  for (const code of [1000, 1001, 1006, 4000, 4001, 4002, 4008]) {
    const err = closeError(code, "why");
    assert.ok(!(err instanceof TerminalError) && !(err instanceof SessionLostError) && err.message.includes("why"));
  }
});

test("slash commands have names and lengths that Discord takes", () => {
  const commands = toSlashCommands([
    { name: "status", description: "x".repeat(200) },
    { name: "Bad Name", description: "y" },
  ]);
  assert.deepEqual(
    commands.map(({ name, description }) => [name, description.length]),
    [["status", 100]],
  );
});

const parseKeys = (keys: object): ReturnType<typeof parseDiscordAccount> => parseChecked(createDiscordChannel(), keys);

function account(config: object): DiscordAccount {
  const result = parseKeys({ token: "MQ.b.c", ...config });
  assert.ok("account" in result, JSON.stringify(result));
  return result.account;
}

test("a complete account gets its defaults", () => {
  const plain = account({ token: " Bot MQ.b.c " });
  assert.deepEqual(
    [plain.token.reveal(), plain.apiRoot, plain.applicationId, plain.nativeCommands, plain.mediaBytes],
    ["MQ.b.c", "https://discord.com/api/v10", null, true, LIMITS.mediaBytes],
  );
  assert.equal(JSON.stringify(plain).includes("MQ.b.c"), false);
  assert.equal(intentBits(plain) & (1 << 15), 1 << 15);
  assert.equal(intentBits(account({ intents: { messageContent: false } })) & (1 << 15), 0);
  assert.deepEqual([account({ mediaMaxMb: 1 }).mediaBytes, account({ commands: { native: false } }).nativeCommands], [1_048_576, false]);
});

const BAD: readonly (readonly [config: object, path: string])[] = [
  [{}, "token"],
  [{ token: 7 }, "token"],
  [{ token: "a b" }, "token"],
  [{ token: "a\r\nx" }, "token"],
  [{ token: "t", applicationId: "abc" }, "applicationId"],
  [{ token: "t", apiRoot: "http://discord.example/api" }, "apiRoot"],
  [{ token: "t", apiRoot: "https://user@discord.example" }, "apiRoot"],
  [{ token: "t", apiRoot: "x" }, "apiRoot"],
  [{ token: "t", intents: { messageContent: "no" } }, "intents.messageContent"],
  [{ token: "t", commands: { native: "no" } }, "commands.native"],
  [{ token: "t", mediaMaxMb: 0 }, "mediaMaxMb"],
  [{ token: "t", mediaMaxMb: "8" }, "mediaMaxMb"],
];
for (const [config, path] of BAD) {
  test(`${JSON.stringify(config)} is refused at ${path}`, () => {
    const result = parseKeys(config);
    assert.ok("issues" in result);
    assert.deepEqual(
      result.issues.map((issue) => issue.path),
      [path],
    );
  });
}

test("a wrong type is reported with what to do about it", () => {
  assert.match(checkAccount("discord", { token: 7 }).issues[0]!.fix!, /developer portal/);
  assert.match(checkAccount("discord", { token: "t", apiRoot: "x" }).issues[0]!.fix!, /Leave it out/);
});

test("a renewed token is the same bot, another bot is not", () => {
  assert.equal(discordIdentity(account({ token: "MQ.b.c" })), discordIdentity(account({ token: "MQ.d.e" })));
  assert.notEqual(discordIdentity(account({ token: "MQ.b.c" })), discordIdentity(account({ token: "Mg.b.c" })));
});

test("credentials go only to encrypted addresses, or to this machine", () => {
  for (const [url, good] of [
    ["wss://gateway.discord.gg", true],
    ["ws://127.0.0.1:1", true],
    ["ws://gateway.example", false],
    ["wss://a:b@x", false],
    ["http://127.0.0.1", false],
    ["", false],
  ] as const)
    assert.equal(isSafeUrl(url, "wss:", "ws:"), good, url);
});

test("ids as people write them", () => {
  for (const id of ["1", " user:1", "discord:user:1", "discord:1", "channel:1", "role:1", "<@1>", "<@!1>", "<@&1>", "<#1>"])
    assert.equal(canonicalDiscordId(id), "1", id);
  assert.equal(canonicalDiscordId("Alice"), "alice");
  const { parseChat: toChat, isAddressed } = createDiscordChannel();
  assert.deepEqual(toChat("user:1"), { kind: "direct", id: "1" });
  assert.deepEqual(toChat("<@1>"), { kind: "direct", id: "1" });
  for (const to of ["channel:1", "<#1>", "1"]) assert.deepEqual(toChat(to), { kind: "channel", id: "1" });
  for (const to of ["", "alice", "#general", "1/2"]) assert.equal(toChat(to), null);
  const bot = account({ token: `${Buffer.from(SELF).toString("base64")}.b.c` });
  assert.deepEqual([isAddressed!(bot, `hi <@${SELF}>`), isAddressed!(bot, "hi <@1>")], [true, false]);
});

test("only a token of an interaction is one", () => {
  assert.deepEqual(decodeInteractionRef("1:abc-_="), { id: "1", token: "abc-_=" });
  for (const via of [undefined, "", "1", "1:", "x:y", "1:a/b", "1:../x", "1:.."]) assert.equal(decodeInteractionRef(via), null);
});
