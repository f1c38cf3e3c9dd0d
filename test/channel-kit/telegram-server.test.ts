import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Bot, GrammyError, InlineKeyboard, InputFile } from "grammy";
import { PERSON, TelegramServer, TOKEN } from "./telegram-server.ts";

/** The reference library drives the scripted server: what it accepts here, it would accept from Telegram. */
let server: TelegramServer;
let bot: Bot;

before(async () => {
  server = await TelegramServer.start();
  bot = new Bot(TOKEN, { client: { apiRoot: server.url } });
  await bot.init();
});
after(() => server.close());

test("grammY learns who the bot is, and a wrong token is refused as Telegram does it", async () => {
  assert.equal(bot.botInfo.username, "Test_Bot");
  const wrong = new Bot("9:wrong", { client: { apiRoot: server.url } });
  await assert.rejects(wrong.api.getMe(), (err) => err instanceof GrammyError && err.error_code === 401);
});

test("an offset confirms what is below it, and nothing else", async () => {
  const ids = ["a", "b", "c"].map((text) => server.say(text)!);
  const first = await bot.api.getUpdates();
  assert.deepEqual(
    first.map((update) => [update.update_id, update.message?.text]),
    ids.map((id, index) => [id, ["a", "b", "c"][index]]),
  );
  assert.deepEqual(server.acked(), [], "reading confirms nothing");
  assert.equal((await bot.api.getUpdates()).length, 3, "they come again");
  const rest = await bot.api.getUpdates({ offset: ids[1]! });
  assert.deepEqual(
    rest.map((update) => update.update_id),
    ids.slice(1),
  );
  assert.deepEqual(server.acked(), [ids[0]]);
  assert.equal((await bot.api.getUpdates({ offset: ids[1]!, limit: 1 })).length, 1);
  assert.deepEqual(
    (await bot.api.getUpdates({ offset: -1 })).map((update) => update.update_id),
    [ids[2]],
    "a negative offset forgets all but the last ones",
  );
  assert.equal((await bot.api.getUpdates({ offset: ids[2]! + 1 })).length, 0);
  assert.deepEqual(server.acked(), ids);
});

test("grammY's own polling receives, answers, and confirms", async () => {
  const heard: string[] = [];
  const done = Promise.withResolvers<void>();
  bot.on("message:text", async (context) => {
    heard.push(context.message.text);
    await context.reply(`you said ${context.message.text}`, { reply_parameters: { message_id: context.message.message_id } });
    if (heard.length === 2) done.resolve();
  });
  const running = bot.start({ timeout: 1 });
  const ids = [server.say("one")!, server.say("two")!];
  await done.promise;
  await bot.stop();
  await running;
  assert.deepEqual(heard, ["one", "two"]);
  assert.deepEqual(server.sent().slice(-2), ["you said one", "you said two"]);
  assert.ok(server.acked().includes(ids[1]!));
});

test("a second poll ends the first with 409, and a webhook forbids polling", async () => {
  const first = bot.api.getUpdates({ timeout: 30 });
  while (!server.polled()) await new Promise((resolve) => setImmediate(resolve));
  const second = bot.api.getUpdates({ timeout: 1 });
  await assert.rejects(first, (err) => err instanceof GrammyError && err.error_code === 409);
  assert.deepEqual(await second, []);
  await bot.api.setWebhook("https://h.example/x", { secret_token: "s" });
  assert.equal((await bot.api.getWebhookInfo()).url, "https://h.example/x");
  await assert.rejects(bot.api.getUpdates(), (err) => err instanceof GrammyError && /webhook is active/.test(err.description));
  await bot.api.deleteWebhook();
  assert.deepEqual(await bot.api.getUpdates(), []);
});

test("reactions come only when they are asked for", async () => {
  const reaction = {
    message_reaction: { chat: { id: 7, type: "private" }, message_id: 1, date: 1, user: PERSON, old_reaction: [], new_reaction: [] },
  };
  await bot.api.getUpdates({ allowed_updates: [] });
  await bot.api.getUpdates({ allowed_updates: ["message", "message_reaction"] });
  const id = server.push(reaction);
  assert.ok(id);
  assert.equal((await bot.api.getUpdates())[0]?.message_reaction?.message_id, 1);
  await bot.api.getUpdates({ offset: id + 1, allowed_updates: ["message"] });
  assert.equal(server.push(reaction), null);
});

test("texts, markup, edits, files, buttons and their errors", async () => {
  const sent = await bot.api.sendMessage(7, '<b>hi</b> &amp; <a href="https://x.example">you</a>', {
    parse_mode: "HTML",
    reply_markup: new InlineKeyboard().text("ok", "token"),
  });
  assert.equal(server.sent().at(-1), "hi & you");
  await assert.rejects(bot.api.sendMessage(7, "<b>hi", { parse_mode: "HTML" }), /can't parse entities/);
  await assert.rejects(bot.api.sendMessage(7, "a".repeat(4_097)), /too long/);
  await assert.rejects(bot.api.sendMessage(7, " "), /empty/);
  await bot.api.editMessageText(7, sent.message_id, "new");
  assert.equal(server.sent().at(-1), "new");
  await assert.rejects(bot.api.editMessageText(7, sent.message_id, "new"), /message is not modified/);
  await assert.rejects(bot.api.editMessageText(7, 1, "new"), /message to edit not found/);
  await bot.api.sendDocument(7, new InputFile(Buffer.from("bytes"), "a.txt"), { caption: "a file" });
  assert.deepEqual([server.of("sendDocument").at(-1)?.file?.bytes.toString(), server.shown().at(-1)?.text], ["bytes", "a file"]);
  await bot.api.deleteMessage(7, sent.message_id);
  assert.ok(!server.sent().includes("new"));
  server.fail("sendMessage", { status: 429, description: "Too Many Requests: retry after 3", parameters: { retry_after: 3 } });
  await assert.rejects(bot.api.sendMessage(7, "x"), (err) => err instanceof GrammyError && err.parameters.retry_after === 3);
});

test("a file is fetched below the token", async () => {
  const file = await bot.api.getFile(server.addFile(Buffer.from("picture")));
  const response = await fetch(`${server.url}/file/bot${TOKEN}/${file.file_path}`);
  assert.equal(await response.text(), "picture");
  assert.equal((await fetch(`${server.url}/file/bot9:wrong/${file.file_path}`)).status, 404);
});
