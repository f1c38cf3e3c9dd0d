// The tool with which an agent writes to people: in its own conversation, and elsewhere where it may.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ProtocolClient, ServerEvent } from "../../src/client/client.ts";
import { MORE_TOOLS } from "../../src/tools/tool.ts";
import { IrcClient } from "../channel-kit/irc-client.ts";
import { noNgircd, startNgircd, type Ngircd } from "../channel-kit/ngircd.ts";
import { PERSON, TelegramServer, TOKEN } from "../channel-kit/telegram-server.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { dropHome, modelConfig, newHome, startGateway, until, type GatewayUnderTest } from "./gateway-process.ts";

type Wire = Record<string, unknown>;

const GUEST = { ...PERSON, id: 8, first_name: "Gus", username: "gus" };
const home = newHome();
const workspace = join(home, "workspace");
const ends = new Map<string, Wire>();
let telegram: TelegramServer;
let model: ModelServer;
let gateway: GatewayUnderTest;
let operator: ProtocolClient;
let irc: Ngircd | null = null;
let ann: IrcClient | null = null;

before(async () => {
  telegram = await TelegramServer.start();
  model = await startModelServer();
  if (!noNgircd) irc = await startNgircd();
  mkdirSync(workspace, { recursive: true });
  writeFileSync(join(workspace, "report.txt"), "All plants are watered.\n");
  const { models } = modelConfig(model.url);
  const ircConfig = irc && {
    irc: { host: "127.0.0.1", port: irc.port, tls: false, nick: "claw", channels: ["#team"], groups: { "#team": { allowFrom: ["*"] } } },
  };
  gateway = await startGateway({
    home,
    config: {
      models,
      agents: {
        defaults: { model: { primary: "test/echo" }, workspace, skipBootstrap: true },
        entries: { main: { tools: { allow: ["message", "read"] } } },
      },
      commands: { ownerAllowFrom: [`telegram:${PERSON.id}`] },
      channels: {
        telegram: { apiRoot: telegram.url, dmPolicy: "allowlist", allowFrom: [`tg:${PERSON.id}`, `tg:${GUEST.id}`] },
        ...ircConfig,
      },
    },
    env: { TELEGRAM_BOT_TOKEN: TOKEN },
  });
  operator = await gateway.connect({ scopes: ["operator.read", "operator.write", "operator.admin", "operator.approvals"] });
  operator.on(({ event, payload }: ServerEvent) => {
    const { runId, state } = payload as Wire;
    if (event === "chat" && ["final", "aborted", "error"].includes(String(state))) ends.set(String(runId), payload as Wire);
    if (event === "exec.approval.requested") answerApproval(payload as { id: string; request: { command: string } });
  });
  await operator.request("sessions.subscribe");
  if (irc) ann = await IrcClient.join(irc.port, "ann", ["#team"]);
});

after(async () => {
  ann?.close();
  await operator?.close();
  await gateway?.kill("SIGKILL");
  await model.close();
  await telegram.close();
  await irc?.close();
  dropHome(home);
});

/** What people were asked about; they agree unless `agrees` is false. */
const questions: string[] = [];
let agrees = true;
function answerApproval({ id, request }: { id: string; request: { command: string } }): void {
  questions.push(request.command);
  operator.request("exec.approval.resolve", { id, decision: agrees ? "allow-once" : "deny" }).catch(() => {});
}

const order = (args: Wire): string => `tool:${MORE_TOOLS}:${JSON.stringify({ name: "message", arguments: args })}`;

/** What the agent reads after a call that a person on Telegram makes it do; `asked`: the id of that person's message. */
async function write(args: Wire, from = PERSON): Promise<{ text: string; asked: unknown }> {
  const before = Math.max(0, ...telegram.shown().map(({ id }) => id));
  const message = telegram.message({ from, chat: { id: from.id, type: "private", first_name: from.first_name }, text: order(args) });
  telegram.push({ message });
  const answer = await until("the answer", () => telegram.shown().find(({ id, text }) => id > before && text.startsWith("Tool said: ")));
  return { text: answer.text.slice("Tool said: ".length), asked: message["message_id"] };
}

/** The same for an operator in the page. */
async function ask(args: Wire, sessionKey = "agent:main:page"): Promise<string> {
  const runId = randomUUID();
  await operator.request("chat.send", { sessionKey, message: order(args), idempotencyKey: runId });
  const end = await until(`the end of ${runId}`, () => ends.get(runId));
  const content = (end["message"] as { content: { text: string }[] } | undefined)?.content ?? [];
  return content
    .map((part) => part.text)
    .join("")
    .replace("Tool said: ", "");
}

const texts = (text: string) => telegram.shown().filter((each) => each.text === text);

test("a message is sent once in the conversation, and can be changed and taken back", async () => {
  const { text } = await write({ action: "send", message: "The kettle is on." });
  const [sent, ...others] = texts("The kettle is on.");
  assert.deepEqual([sent?.chat, sent?.reply, others.length], [String(PERSON.id), undefined, 0]);
  assert.equal(text, `Sent: message ${sent!.id}.`);
  const edited = await write({ action: "edit", messageId: String(sent!.id), message: "The kettle has boiled." });
  assert.equal(edited.text, `Done: message ${sent!.id}.`);
  assert.equal(texts("The kettle has boiled.")[0]?.id, sent!.id);
  assert.equal((await write({ action: "unsend", messageId: String(sent!.id) })).text, "Done.");
  assert.equal(texts("The kettle has boiled.").length, 0);
});

test("a reply and a reaction are for the message that is answered unless another is named", async () => {
  const replied = await write({ action: "reply", message: "On my way." });
  assert.equal(texts("On my way.")[0]?.reply, replied.asked);
  const { asked, text } = await write({ action: "react", emoji: "👍" });
  assert.equal(text, "Done.");
  const reaction = telegram.of("setMessageReaction").findLast(({ params }) => JSON.stringify(params).includes("👍"))!;
  assert.equal(Number(reaction.params["message_id"]), asked);
});

test("a poll is asked, and a file of the workspace is sent; addresses and other files are not", async () => {
  await write({ action: "poll", pollQuestion: "Tea or coffee?", pollOption: ["Tea", "Coffee"] });
  assert.equal(texts("Tea or coffee?").length, 1);
  await write({ action: "send", message: "The report.", media: "report.txt" });
  assert.ok(telegram.shown().some(({ file }) => file === "report.txt"));
  assert.match(
    (await write({ action: "send", media: "https://example.org/x.png" })).text,
    /is an address, and only files of the workspace/,
  );
  assert.match((await write({ action: "send", media: "/etc/hostname" })).text, /^Not done: the file "hostname" cannot be sent/);
  assert.match((await write({ action: "send", message: " " })).text, /^Not done: the message is empty/);
});

test("a person on a channel makes the agent write in that conversation only, and takes back only its messages", async () => {
  for (const from of [PERSON, GUEST]) {
    const { text } = await write({ action: "send", target: String(from === GUEST ? PERSON.id : GUEST.id), message: "psst" }, from);
    assert.match(text, /another conversation is not reached from here: for people on channels only agents\.entries\.main\.tools\.message/);
  }
  assert.equal(texts("psst").length, 0);
  const own = await write({ action: "send", target: String(GUEST.id), message: "to myself" }, GUEST);
  assert.match(own.text, /^Sent: message \d+\.$/);
  const { asked } = await write({ action: "react", emoji: "👍" }, GUEST);
  assert.match((await write({ action: "delete", messageId: String(asked) }, GUEST)).text, /is not known as one that was sent from here/);
});

test("an operator's agent writes elsewhere, as far as that channel can", { skip: noNgircd }, async () => {
  assert.match(await ask({ action: "send", message: "nowhere" }), /this conversation is not on a channel\. Name a channel and a target\./);
  assert.match(await ask({ action: "send", channel: "telegram", target: String(GUEST.id), message: "Dinner is ready." }), /^Sent: message/);
  assert.equal(texts("Dinner is ready.")[0]?.chat, String(GUEST.id));
  assert.deepEqual(questions, [
    `openclaw message send --channel "telegram" --account "default" --to "${GUEST.id}" --message "Dinner is ready."`,
  ]);
  agrees = false;
  assert.match(await ask({ action: "send", channel: "irc", target: "#team", message: "Never." }), /^Not done: .+ denied it at/);
  agrees = true;
  assert.match(await ask({ action: "send", channel: "irc", target: "#team", message: "Hello team." }), /^Sent/);
  await ann!.until(() => ann!.said().some(({ text }) => text === "Hello team."), "the message on IRC");
  const refused = await ask({ action: "react", channel: "irc", target: "#team", messageId: "1", emoji: "👍" });
  assert.match(refused, /^Not done: the action "react" is not available on irc\. Available: send, reply\./);
  assert.match(await ask({ action: "send", channel: "none", target: "x", message: "x" }), /the channel "none" is not configured/);
});

test("a conversation that may not send sends nothing", async () => {
  const { sessions } = await operator.request<{ sessions: { key: string }[] }>("sessions.list", {});
  const { key } = sessions.find((each) => each.key.includes(`telegram:direct:${PERSON.id}`))!;
  await operator.request("sessions.patch", { key, sendPolicy: "deny" });
  const count = model.requests().length;
  telegram.say(order({ action: "send", message: "denied" }));
  await until("the call and its result", () => model.requests().length >= count + 2);
  assert.match(JSON.stringify(model.requests().at(-1)!.messages), /sends nothing to channels/);
  assert.equal(texts("denied").length, 0);
  await operator.request("sessions.patch", { key, sendPolicy: null });
});
