// A question about a command in a chat, where its owner answers it with a button or with a message.
import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { PERSON, TelegramServer, TOKEN } from "../channel-kit/telegram-server.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { dropHome, modelConfig, newHome, startGateway, until, type GatewayUnderTest } from "./gateway-process.ts";

type Markup = { inline_keyboard: { text: string; callback_data: string }[][] };
const GUEST = { ...PERSON, id: 8, first_name: "Gus", username: "gus" };
const home = newHome();
const workspace = join(home, "workspace");
let telegram: TelegramServer;
let model: ModelServer;
let gateway: GatewayUnderTest;

before(async () => {
  telegram = await TelegramServer.start();
  model = await startModelServer();
  mkdirSync(workspace, { recursive: true });
  const { models } = modelConfig(model.url);
  gateway = await startGateway({
    home,
    config: {
      models,
      agents: {
        defaults: { model: { primary: "test/echo" }, workspace, skipBootstrap: true },
        entries: { main: { tools: { allow: ["exec", "write"], exec: { mode: "ask", host: "gateway" } } } },
      },
      commands: { ownerAllowFrom: [`telegram:${PERSON.id}`] },
      channels: { telegram: { apiRoot: telegram.url, dmPolicy: "allowlist", allowFrom: [`tg:${PERSON.id}`, `tg:${GUEST.id}`] } },
    },
    env: { TELEGRAM_BOT_TOKEN: TOKEN },
  });
});
after(async () => {
  await gateway?.kill("SIGKILL");
  await model.close();
  await telegram.close();
  dropHome(home);
});

const say = (text: string, from = PERSON): void =>
  void telegram.push({ message: telegram.message({ from, chat: { id: from.id, type: "private", first_name: from.first_name }, text }) });
/** The newest message of the bot in this chat whose text matches. */
const heard = (pattern: RegExp, chat = PERSON.id) =>
  telegram.shown().findLast((each) => String(each.chat) === String(chat) && pattern.test(each.text));
const order = (command: string): string => `tool:exec:${JSON.stringify({ command })}`;

test("an owner answers with a button, and the command runs", async () => {
  say(order("touch ./by-button"));
  const question = await until("the question", () => heard(/May I run this[^]*by-button/));
  assert.match(question.text, /\/approve [0-9a-f]{4} and allow-once, 1h, session, allow-always or deny\./);
  const buttons = (question.markup as Markup).inline_keyboard.flat();
  assert.deepEqual(
    buttons.map(({ text }) => text),
    ["Allow once", "Deny", "For 1 hour", "This conversation", "Always"],
  );
  assert.ok(!existsSync(join(workspace, "by-button")));
  const message = telegram.message({ message_id: question.id, chat: { id: PERSON.id, type: "private" } });
  telegram.push({ callback_query: { id: "q1", from: PERSON, data: buttons[0]!.callback_data, message } });
  await until("the command", () => existsSync(join(workspace, "by-button")));
  await until("the answer to the button", () => heard(/Allowed once: touch/));
  await until("the end of the turn", () => heard(/^Tool said/));
});

test("an owner allows a command for an hour with a button, and the next turn asks nothing", async () => {
  say(order("mkdir -p ./for-an-hour/a"));
  const question = await until("the question", () => heard(/May I run this[^]*for-an-hour\/a/));
  const button = (question.markup as Markup).inline_keyboard.flat().find(({ text }) => text === "For 1 hour")!;
  const message = telegram.message({ message_id: question.id, chat: { id: PERSON.id, type: "private" } });
  telegram.push({ callback_query: { id: "q2", from: PERSON, data: button.callback_data, message } });
  await until("the answer to the button", () => heard(/Allowed without another question in this session until .* UTC: mkdir/));
  await until("the command", () => existsSync(join(workspace, "for-an-hour/a")));
  say(order("mkdir -p ./for-an-hour/b"));
  await until("the command of the next turn", () => existsSync(join(workspace, "for-an-hour/b")));
  assert.equal(heard(/May I run this[^]*for-an-hour\/b/), undefined);
});

test("an owner answers with a message, and the command does not run", async () => {
  say(order("touch ./by-message"));
  const question = await until("the question", () => heard(/May I run this[^]*by-message/));
  say(`/approve ${/\(([0-9a-f]{4})\)/.exec(question.text)![1]} deny`);
  await until("the end of the turn", () => heard(/Not run: telegram:7 denied it/));
  assert.ok(!existsSync(join(workspace, "by-message")));
});

test("a person who is not an owner is not asked and cannot answer; an owner elsewhere decides", async () => {
  const client = await gateway.connect({ scopes: ["operator.read", "operator.approvals"] });
  say(order("touch ./by-guest"), GUEST);
  const [question] = await until("the question", async () => {
    const list = await client.request<{ id: string }[]>("exec.approval.list", {});
    return list.length > 0 && list;
  });
  say(`/approve ${question!.id.slice(0, 4)} allow-once`, GUEST);
  await until("the refusal", () => heard(/Only an owner may answer/, GUEST.id));
  assert.ok(!existsSync(join(workspace, "by-guest")));
  assert.equal(heard(/May I run this/, GUEST.id), undefined);
  await client.request("exec.approval.resolve", { id: question!.id, decision: "deny" });
  await until("the end of the turn", () => heard(/denied it/, GUEST.id));
  await client.close();
});
