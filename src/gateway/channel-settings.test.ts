import assert from "node:assert/strict";
import { test } from "node:test";
import { checkConfigValue } from "../config/load.ts";
import { asId, type AccountId, type ChannelId, type ChatId } from "../core/ids.ts";
import { Secret } from "../core/secret.ts";
import { chunkLimit, historyLimit, replyPrefix, roomPrompt, withEnvironment } from "./channel-settings.ts";

const { config, issues } = checkConfigValue({
  agents: { entries: { main: {}, ops: { name: "Ops", groupChat: { historyLimit: 7 } } } },
  messages: { responsePrefix: "auto", groupChat: { historyLimit: 9 } },
  channels: {
    irc: {
      host: "h",
      nick: "n",
      textChunkLimit: 300,
      groups: { "#ops": { systemPrompt: "Be formal." }, "*": { systemPrompt: "Be brief." } },
      accounts: { a: {}, b: { responsePrefix: "b:", historyLimit: 0, textChunkLimit: 50, groups: {} } },
    },
  },
});
const place = (account: string) => ({ channel: asId<never>("irc"), account: asId<never>(account) });
const lower = (id: string): string => id.toLowerCase();
const room = (id: string, account = "a") => ({ ...place(account), chat: { kind: "group" as const, id: asId<never>(id) } });

test("the example has no errors", () => assert.deepEqual(issues, []));

test("the account's reply prefix overrides the general one; auto is the agent's name", () => {
  assert.equal(replyPrefix(config, place("a"), "agent:ops:main", "/s"), "[Ops]");
  assert.equal(replyPrefix(config, place("b"), "agent:ops:main", "/s"), "b:");
  assert.equal(replyPrefix(checkConfigValue({}).config, place("a"), "agent:ops:main", "/s"), "");
});

test("the number of kept lines of a chat room: account, then agent, then the general setting", () => {
  assert.equal(historyLimit(config, place("b"), "ops"), 0);
  assert.equal(historyLimit(config, place("a"), "ops"), 7);
  assert.equal(historyLimit(config, place("a"), "main"), 9);
  assert.equal(historyLimit(config, place("a"), null), 9);
});

test("the length of a part is the account's or the channel's", () => {
  assert.deepEqual([chunkLimit(config, place("a")), chunkLimit(config, place("b"))], [300, 50]);
  assert.equal(chunkLimit(checkConfigValue({}).config, place("a")), null);
});

test("a chat room adds its system prompt to the instructions, or that of all rooms", () => {
  assert.equal(roomPrompt(config, room("#OPS"), lower), "Be formal.");
  assert.equal(roomPrompt(config, room("#other"), lower), "Be brief.");
  assert.equal(roomPrompt(config, room("#ops", "b"), lower), "");
  assert.equal(roomPrompt(config, { ...place("a"), chat: { kind: "direct", id: asId("#ops") } }, lower), "");
});

test("a credential of the environment replaces a missing one and never overrides a configured one", () => {
  const filled = withEnvironment({ a: 1 }, { token: "TOKEN" }, { TOKEN: " t " });
  assert.ok(filled["token"] instanceof Secret && filled["token"].reveal() === "t");
  assert.equal(filled["a"], 1);
  for (const raw of [{ token: "own" }, { token: new Secret("own") }])
    assert.equal(withEnvironment(raw, { token: "TOKEN" }, { TOKEN: "t" }), raw);
  assert.deepEqual(withEnvironment({}, { token: "TOKEN" }, { TOKEN: " " }), {});
});

const onDiscord = (id: string) => ({
  channel: asId<ChannelId>("discord"),
  account: asId<AccountId>("default"),
  chat: { kind: "channel" as const, id: asId<ChatId>(id) },
});

test("a chat room of a server and a thread below it have the system prompt of that server's room", () => {
  const rooms = { g1: { channels: { c1: { systemPrompt: "Be kind." } } } };
  const { config: discord } = checkConfigValue({ channels: { discord: { token: "t", guilds: rooms } } });
  assert.equal(roomPrompt(discord, { ...onDiscord("c1"), guildId: "g1" }, undefined), "Be kind.");
  assert.equal(roomPrompt(discord, { ...onDiscord("t9"), guildId: "g1", parent: asId<ChatId>("c1") }, undefined), "Be kind.");
  assert.equal(roomPrompt(discord, { ...onDiscord("c1"), guildId: "g2" }, undefined), "");
});
