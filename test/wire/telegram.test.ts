// The real process with a Telegram bot: a message is answered once, whatever happens to the process or to the connection.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { PERSON, TelegramServer, TOKEN } from "../channel-kit/telegram-server.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { dropHome, modelConfig, newHome, startGateway, until, type GatewayUnderTest } from "./gateway-process.ts";

let telegram: TelegramServer;
let model: ModelServer;
let gateway: GatewayUnderTest;
const home = newHome();
const ROOM = { id: -1_001_234, type: "supergroup", title: "Room", is_forum: true };
const start = async (more: object = {}, port?: number): Promise<void> => {
  gateway = await startGateway({
    home,
    ...(port !== undefined && { port }),
    config: {
      ...modelConfig(model.url),
      channels: {
        telegram: {
          apiRoot: telegram.url,
          dmPolicy: "allowlist",
          allowFrom: [`tg:${PERSON.id}`],
          replyToMode: "first",
          ...more,
          groups: { [ROOM.id]: { topics: { "42": { requireMention: false } } } },
        },
      },
    },
    env: { TELEGRAM_BOT_TOKEN: TOKEN },
  });
};

before(async () => {
  telegram = await TelegramServer.start();
  model = await startModelServer();
  await start();
});
after(async () => {
  await gateway?.kill();
  await model.close();
  await telegram.close();
  dropHome(home);
});

const answered = (text: string): Promise<boolean> => until(`the answer ${JSON.stringify(text)}`, () => telegram.sent().includes(text));

test("a message of someone who is listed is answered, with the token of the environment", async () => {
  telegram.say("hello");
  await answered("You said: hello");
  assert.ok(!gateway.output().includes(TOKEN.split(":")[1]!), "the token is never printed");
});

test("an unknown sender is not answered", async () => {
  telegram.push({ message: telegram.message({ text: "let me in", from: { ...PERSON, id: 8 }, chat: { id: 8, type: "private" } }) });
  telegram.say("and me?");
  await answered("You said: and me?");
  assert.ok(!telegram.sent().some((text) => text.includes("let me in")));
});

test("a topic is answered in the topic, and quotes the question", async () => {
  const asked = telegram.message({ text: "in here", chat: ROOM, is_topic_message: true, message_thread_id: 42 });
  telegram.push({ message: asked });
  await until("the answer", () => telegram.shown().some(({ chat, text }) => chat === String(ROOM.id) && text.includes("in here")));
  const answer = telegram.shown().find(({ chat }) => chat === String(ROOM.id))!;
  assert.deepEqual([answer.thread, answer.reply], [42, asked["message_id"]]);
});

test("a picture is fetched, and reaches the agent", async () => {
  const png = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
  const file_id = telegram.addFile(png, "dot.png");
  telegram.say("look", { text: undefined, caption: "look", photo: [{ file_id, width: 1, height: 1, file_size: png.length }] });
  await until("the answer", () => telegram.sent().some((text) => text.includes("look")));
  assert.match(telegram.sent().at(-1)!, /photo-\d+\.jpg" \(image\/png, 70 bytes\)/);
});

test("killed while it answers, it answers once after the restart", async () => {
  telegram.say("slow:150 one two three four five six seven eight");
  await until("the turn to begin", () => model.requests().some(({ messages }) => JSON.stringify(messages).includes("slow:150")));
  await gateway.kill("SIGKILL");
  telegram.say("while away");
  await start();
  await answered("You said: while away");
  assert.equal(telegram.sent().filter((text) => text === "You said: while away").length, 1);
  await until("the confirmation", () => telegram.waiting() === 0);
  assert.equal(telegram.sent().filter((text) => text.endsWith("seven eight")).length, 1);
});

test("a lost connection is nothing that a person notices", async () => {
  telegram.drop("close");
  telegram.say("into the gap");
  telegram.heal();
  await answered("You said: into the gap");
  assert.equal(telegram.sent().filter((text) => text === "You said: into the gap").length, 1);
});

test("buttons: /model offers models, and a press chooses one", async () => {
  type Markup = { inline_keyboard: { text: string; callback_data: string }[][] };
  telegram.say("/model", { entities: [{ type: "bot_command", offset: 0, length: 6 }] });
  const offer = await until("the offer", () => telegram.shown().find(({ markup }) => markup !== undefined));
  const [[button] = []] = (offer.markup as Markup).inline_keyboard;
  assert.ok(button);
  const message = { message_id: offer.id, date: 1, chat: { id: PERSON.id, type: "private" } };
  telegram.push({ callback_query: { id: "q1", from: PERSON, data: button.callback_data, message } });
  await until("the confirmation", () => telegram.of("answerCallbackQuery").length === 1);
  await until("what was chosen", () => telegram.sent().some((text) => text.startsWith("This session uses ")));
});

test("pushed instead of polled: the same gateway with a webhook takes what waits, also what came while it was away", async () => {
  const port = gateway.port;
  await gateway.kill();
  const webhook = { webhookUrl: `http://127.0.0.1:${port}/channels/telegram`, webhookSecret: "0123456789abcdef-secret" };
  telegram.say("before the webhook");
  await start(webhook, port);
  await answered("You said: before the webhook");
  telegram.say("pushed");
  await answered("You said: pushed");
  await gateway.kill("SIGKILL");
  telegram.say("pushed while stopped");
  await start(webhook, port);
  await answered("You said: pushed while stopped");
  for (const text of ["before the webhook", "pushed", "pushed while stopped"])
    assert.equal(telegram.sent().filter((each) => each === `You said: ${text}`).length, 1);
  const forged = JSON.stringify({ update_id: 1, message: telegram.message({ text: "forged" }) });
  const answer = await fetch(webhook.webhookUrl, { method: "POST", headers: { "x-telegram-bot-api-secret-token": "guess" }, body: forged });
  assert.equal(answer.status, 401);
});
