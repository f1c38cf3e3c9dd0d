import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { Client, GatewayIntentBits, Partials, type Message, type TextChannel } from "discord.js";
import { BOT, DiscordServer, GUILD, ROOM } from "./discord-server.ts";

// The reference library talks to the server as it would talk to Discord: what it accepts, a client of ours may rely on.

let server: DiscordServer;
let client: Client;

async function login(options?: ConstructorParameters<typeof DiscordServer>[0]): Promise<void> {
  server = await DiscordServer.start(options);
  client = new Client({
    intents: [GatewayIntentBits.Guilds, GatewayIntentBits.GuildMessages, GatewayIntentBits.MessageContent],
    partials: [Partials.Channel],
    rest: { api: `${server.origin}/api`, version: "10" },
  });
  const ready = once(client, "clientReady");
  await client.login(server.config().token);
  await ready;
}

before(() => login({ limit: { messages: 3, windowMs: 700 } }));
after(async () => {
  await client.destroy();
  await server.close();
});

const room = (): TextChannel => client.guilds.cache.get(GUILD)!.channels.cache.get(ROOM) as TextChannel;
const next = async (): Promise<Message> => (await once(client, "messageCreate"))[0] as Message;

test("the library is in, reads a message, answers it and edits the answer", async () => {
  assert.equal(client.user!.id, BOT);
  const incoming = next();
  server.push("hello");
  const message = await incoming;
  assert.equal(message.content, "hello");
  const reply = await message.reply("hi");
  await reply.edit("hi there");
  await reply.react("👍");
  assert.equal(server.sent().at(-1)!.content, "hi there");
  assert.deepEqual(server.reactions, [{ message: reply.id, emoji: "👍", on: true }]);
});

test("the library resumes after a lost connection and gets the missed messages", async () => {
  const incoming = next();
  const resumed = once(client, "shardResume");
  server.drop("close");
  server.push("while it was away");
  assert.equal((await incoming).content, "while it was away");
  await resumed;
  assert.ok(server.logins.some(({ op }) => op === 6));
});

test("the library keeps to the rate limit, and all its messages arrive in order", async () => {
  const before = server.sent().length;
  await Promise.all(["1", "2", "3", "4", "5"].map((text) => room().send(text)));
  const texts = server.sent().slice(before);
  assert.deepEqual(
    texts.map(({ content }) => content),
    ["1", "2", "3", "4", "5"],
  );
});

test("the same nonce twice is the same message", async () => {
  const options = { content: "once", nonce: "n-1", enforceNonce: true };
  const first = await room().send(options);
  const second = await room().send(options);
  assert.equal(second.id, first.id);
  assert.equal(server.sent().filter(({ content }) => content === "once").length, 1);
});

test("the library reads the history behind a message", async () => {
  const first = server.push("a");
  server.push("b");
  server.push("c");
  const page = await room().messages.fetch({ after: first.id, limit: 100 });
  assert.deepEqual(page.map(({ content }) => content).toSorted(), ["b", "c"]);
});

test("a slash command is deferred and answered in its place; the commands themselves are registered", async () => {
  await client.application!.commands.set([{ name: "status", description: "Show it" }]);
  assert.deepEqual(
    server.commands.map(({ name }) => name),
    ["status"],
  );
  const incoming = once(client, "interactionCreate");
  server.pushCommand("status", "all");
  const [interaction] = (await incoming) as [import("discord.js").ChatInputCommandInteraction];
  assert.equal(interaction.options.getString("args"), "all");
  await interaction.deferReply();
  await interaction.editReply("fine");
  assert.equal(server.sent().at(-1)!.content, "fine");
});
