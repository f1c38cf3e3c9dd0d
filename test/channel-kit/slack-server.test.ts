import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { App, type BlockButtonAction } from "@slack/bolt";
import { LogLevel, SocketModeClient } from "@slack/socket-mode";
import { WebClient } from "@slack/web-api";
import { until } from "../until.ts";
import { openTestHost } from "./test-host.ts";
import { ADA, APP_TOKEN, BOT_TOKEN, DM, ROOM, SlackServer, TEAM } from "./slack-server.ts";
import type { Channel } from "../../src/channels/channel.ts";
import { SLACK_TIMINGS } from "../../src/channels/slack/socket-mode.ts";
import { createSlackChannel } from "../../src/channels/slack/index.ts";

/** Slack's own libraries drive the scripted server: what they accept here, they would accept from Slack. */
let server: SlackServer;
let web: WebClient;
let post: WebClient["chat"]["postMessage"];

before(async () => {
  server = await SlackServer.start();
  web = new WebClient(BOT_TOKEN, {
    slackApiUrl: `${server.url}/api/`,
    logLevel: LogLevel.ERROR,
    retryConfig: { retries: 0 },
    rejectRateLimitedCalls: true,
  });
  post = web.chat.postMessage;
});
after(() => server.close());

type Heard = { ack: () => Promise<void>; body: { event_id: string }; event: { text: string }; retry_num?: number };
const quietLog = { debug() {}, info() {}, warn() {}, error() {}, setLevel() {}, getLevel: () => LogLevel.ERROR, setName() {} };
const client = (at: SlackServer): SocketModeClient =>
  new SocketModeClient({ appToken: APP_TOKEN, logger: quietLog, clientOptions: { slackApiUrl: `${at.url}/api/` } });

test("the Web client learns who the bot is; a wrong and a revoked token are refused in Slack's words", async () => {
  const me = await web.auth.test();
  assert.deepEqual([me.user, me.team_id], ["robot", TEAM]);
  const wrong = new WebClient("xoxb-9", { slackApiUrl: `${server.url}/api/`, logger: quietLog });
  await assert.rejects(wrong.auth.test(), /invalid_auth/);
});

test("the Socket Mode client connects, gets envelopes, and acknowledges; what it does not acknowledge comes again", async () => {
  const socket = client(server);
  const heard: Heard[] = [];
  socket.on("message", (event: Heard) => void heard.push(event));
  await socket.start();
  const id = server.say("one");
  await until("the event", () => heard.length === 1);
  assert.equal(heard[0]!.event.text, "one");
  assert.equal(server.waiting(), 1);
  server.redeliver();
  await until("the redelivery", () => heard.length === 2);
  assert.equal(heard[1]!.body.event_id, heard[0]!.body.event_id);
  await heard[1]!.ack();
  await until("the acknowledgement", () => server.waiting() === 0);
  assert.deepEqual(server.acked(), [id]);
  await socket.disconnect();
});

test("texts, threads, metadata, edits, reactions, deletions and their errors", async () => {
  const sent = await post({
    channel: ROOM,
    text: "hi",
    metadata: { event_type: "e", event_payload: { intent: "k1" } },
    blocks: [{ type: "section", text: { type: "mrkdwn", text: "hi" } }],
  });
  await post({ channel: ROOM, thread_ts: sent.ts!, text: "in thread" });
  const history = await web.conversations.history({ channel: ROOM, include_all_metadata: true });
  assert.deepEqual(
    history.messages!.map(({ text }) => text),
    ["hi"],
  );
  assert.deepEqual(history.messages![0]!.metadata?.event_payload, { intent: "k1" });
  assert.equal((await web.conversations.history({ channel: ROOM })).messages![0]!.metadata, undefined);
  const replies = await web.conversations.replies({ channel: ROOM, ts: sent.ts! });
  assert.equal(replies.messages!.length, 2);
  await web.chat.update({ channel: ROOM, ts: sent.ts!, text: "new" });
  assert.equal(server.sent()[0], "new");
  await web.reactions.add({ channel: ROOM, timestamp: sent.ts!, name: "eyes" });
  await assert.rejects(web.reactions.add({ channel: ROOM, timestamp: sent.ts!, name: "eyes" }), /already_reacted/);
  await web.chat.delete({ channel: ROOM, ts: sent.ts! });
  await assert.rejects(web.chat.update({ channel: ROOM, ts: sent.ts!, text: "x" }), /message_not_found/);
  await assert.rejects(post({ channel: "#x", text: "x" }), /channel_not_found/);
  await assert.rejects(post({ channel: DM, text: "a".repeat(40_001) }), /msg_too_long/);
  const long = { type: "section" as const, text: { type: "mrkdwn" as const, text: "a".repeat(3_001) } };
  await assert.rejects(post({ channel: DM, text: "a", blocks: [long] }), /invalid_blocks/);
  server.fail("chat.postMessage", { status: 429, retryAfter: 3 });
  await assert.rejects(post({ channel: DM, text: "x" }), (err) => (err as { retryAfter?: number }).retryAfter === 3);
});

test("history in pages, and files in three steps", async () => {
  for (let i = 0; i < 5; i++) server.message({ text: `p${i}`, user: ADA });
  const texts: (string | undefined)[] = [];
  for await (const page of web.paginate("conversations.history", { channel: DM, limit: 2 }))
    texts.push(...(page as unknown as { messages: { text?: string }[] }).messages.map(({ text }) => text));
  assert.deepEqual(texts.slice(0, 5), ["p4", "p3", "p2", "p1", "p0"]);
  await web.filesUploadV2({ channel_id: ROOM, file: Buffer.from("content"), filename: "a.txt", initial_comment: "a file" });
  const shown = server.shown().at(-1)!;
  assert.deepEqual([shown.file, shown.text], ["a.txt", "a file"]);
});

/** Plays some refreshes, with so much time for each. Resolves to how long there was no socket, each time. */
async function refreshed(at: SlackServer, times: number, graceMs: number): Promise<readonly number[]> {
  for (let round = 1; round <= times; round++) {
    at.refresh(graceMs);
    await until("the other socket", () => at.welcomed > round && at.sockets() === 1);
  }
  return at.gaps;
}

test("at a refresh our client has no moment without a socket; the official one is measured beside it", async (context) => {
  const [one, two] = [await SlackServer.start(), await SlackServer.start()];
  const testHost = await openTestHost(createSlackChannel({ timings: { ...SLACK_TIMINGS, lingerMs: 100 } }) as Channel, one.config());
  await testHost.state("ready");
  const official = client(two);
  let connects = 0;
  official.on("connected", () => connects++);
  await official.start();
  const [ours, theirs] = await Promise.all([refreshed(one, 3, 5_000), refreshed(two, 1, 200)]);
  // The duration for the official client is printed, not asserted.
  context.diagnostic(
    `without a socket at refreshes, in ms: ours ${JSON.stringify(ours)}, official ${JSON.stringify(theirs.map(Math.round))}`,
  );
  assert.deepEqual(ours, []);
  // Left while it is still connecting, it would reject a promise of its own half a minute later.
  await until("the official client to know that it is connected again", () => connects === 2);
  await official.disconnect();
  await testHost.close();
  await Promise.all([one.close(), two.close()]);
});

test("an app made with Bolt hears messages, commands and buttons, and answers", async (t) => {
  const own = await SlackServer.start();
  const app = new App({
    token: BOT_TOKEN,
    appToken: APP_TOKEN,
    socketMode: true,
    logger: quietLog,
    clientOptions: { slackApiUrl: `${own.url}/api/` },
  });
  t.after(async () => {
    await app.stop();
    await own.close();
  });
  const heard: unknown[] = [];
  app.message(async ({ message, say }) => {
    if ("text" in message) heard.push(message.text);
    await say("got it");
  });
  app.command("/status", async ({ ack, command }) => {
    heard.push(command.text);
    await ack();
  });
  app.action<BlockButtonAction>("token", async ({ ack, action }) => {
    heard.push(action.value);
    await ack();
  });
  await app.start();
  own.say("a message");
  const place = { user_id: ADA, channel_id: DM, team_id: TEAM, trigger_id: "1.2.3", response_url: `${own.url}/respond` };
  own.envelope("slash_commands", { ...place, command: "/status", text: "a command" });
  const action = { type: "button", action_id: "token", block_id: "b", value: "a button" };
  own.envelope("interactive", { type: "block_actions", user: { id: ADA }, team: { id: TEAM }, channel: { id: DM }, actions: [action] });
  await until("all three to be acknowledged, and the answer", () => heard.length === 3 && own.waiting() === 0 && own.sent().length === 1);
  assert.deepEqual(heard.toSorted(), ["a button", "a command", "a message"]);
  assert.deepEqual(own.sent(), ["got it"]);
});
