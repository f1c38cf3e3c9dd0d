import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import { test } from "node:test";
import { asId } from "../../core/ids.ts";
import { LIMITS } from "../../core/limits.ts";
import { SLACK_LIMITS } from "./limits.ts";
import { Secret } from "../../core/secret.ts";
import type { ChannelEvent } from "../channel.ts";
import { splitText } from "../split-text.ts";
import { canonicalSlackId, slackIdentity } from "./config.ts";
import { checkAccount, parseChecked } from "../../../test/fakes/channel-account.ts";
import { advanceCursor, parseCursor } from "./cursor.ts";
import { toEmoji, toShortcode } from "./emoji.ts";
import { verifySignature, parsePayload } from "./http-events.ts";
import { decodeSlackEvent, decodeHistory, redecodeSlackEvent, type SlackDecodeContext } from "./inbound.ts";
import { DESCRIPTION } from "./description.ts";
import { createSlackChannel } from "./index.ts";
import { toBlocks, toMrkdwn, toPlainSlack } from "./outbound.ts";

const read = <T>(name: string): T => JSON.parse(readFileSync(new URL(`fixtures/${name}`, import.meta.url), "utf8")) as T;
const bot = { userId: "U000BOT1", botId: "B0000001", teamId: "T1", name: "robot" };
const facts: SlackDecodeContext = { account: asId("default"), bot, command: "openclaw", now: 9_000_000 };

/** An event as the tables write it: places and senders in one word. */
function flat(event: ChannelEvent): Record<string, unknown> {
  const place = "chat" in event ? { chat: `${event.chat.kind} ${event.chat.id}`, thread: event.thread?.id } : {};
  const sender = "sender" in event ? { sender: event.sender.id, isBot: event.sender.isBot, isSelf: event.sender.isSelf } : {};
  return { ...event, ...place, ...sender };
}

for (const { name, payload, want } of read<{ name: string; payload: unknown; want: Record<string, unknown>[] }[]>("01-inbound.json")) {
  test(`inbound: ${name}`, () => {
    const events = decodeSlackEvent(payload, facts).map(flat);
    const quiet = { media: [], thread: undefined, replyTo: undefined };
    const wanted = want.map((one) => (one["kind"] === "message" ? { ...quiet, ...one } : one));
    const got = events.map((event, index) => Object.fromEntries(Object.keys(wanted[index] ?? event).map((key) => [key, event[key]])));
    assert.deepEqual(got, wanted);
  });
}

for (const row of read<{ name: string; markdown: string; mrkdwn: string; plain?: string }[]>("02-outbound.json")) {
  test(`outbound: ${row.name}`, () => {
    assert.equal(toMrkdwn(row.markdown), row.mrkdwn);
    if (row.plain !== undefined) assert.equal(toPlainSlack(row.markdown), row.plain);
  });
}

test("no Markdown can mention a user or pass Slack markup through", () => {
  let seed = 7;
  const random = (n: number): number => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) % n;
  const parts = [
    "**",
    "*",
    "_",
    "`",
    "```",
    "\n",
    "\n\n",
    "> ",
    "- ",
    "[a](https://x.example)",
    "[",
    "](",
    ")",
    "<!channel>",
    "<@U1>",
    "&",
    "🦞",
    "a",
    "|",
    " ",
  ];
  for (let i = 0; i < 2_000; i++) {
    const markdown = Array.from({ length: random(14) }, () => parts[random(parts.length)]).join("");
    assert.doesNotMatch(toMrkdwn(markdown), /<[!@#]/, JSON.stringify(markdown));
    assert.doesNotMatch(toPlainSlack(markdown), /<[!@#]/, JSON.stringify(markdown));
  }
});

test("parts are cut by their rendered length, also through escapes, surrogates and fences", () => {
  const markdown = `${"**bold** & [link](https://long.example/path) 🦞 ".repeat(400)}\n\n\`\`\`ts\n${"const a = `<&>`;\n".repeat(800)}\`\`\`\n\n${"&".repeat(9_000)}`;
  const parts = splitText(markdown, DESCRIPTION.capabilities.maxText, { render: toMrkdwn });
  assert.ok(parts.length > 5);
  for (const { text } of parts) {
    assert.ok(toMrkdwn(text).length <= SLACK_LIMITS.textChars);
    assert.ok(text.isWellFormed());
    const blocks = toBlocks(text, [[{ text: "a".repeat(100), token: "t" }]]) as {
      text?: { text: string };
      elements?: { text: { text: string } }[];
    }[];
    assert.ok(blocks.length < 50 && blocks.every((block) => (block.text?.text.length ?? 0) <= SLACK_LIMITS.blockChars));
    assert.ok(blocks.at(-1)!.elements![0]!.text.text.length <= 75);
  }
});

test("the history gives the same event as the socket did", () => {
  const message = { type: "message", user: "U0000007", ts: "1700000000.000100", text: "hi" };
  const [live] = decodeSlackEvent(
    { type: "event_callback", event_id: "Ev9", event: { ...message, channel: "D0000001", channel_type: "im" } },
    facts,
  );
  const [later] = decodeHistory(message, "D0000001", "direct", facts);
  assert.deepEqual(later, { ...live, origin: "backfill" });
});

test("what could not be read can be read later", () => {
  const event = { type: "message", channel: "d1", channel_type: "im", user: "U0000007", ts: "1.1", text: "x" };
  const [kept] = decodeSlackEvent({ type: "event_callback", event_id: "Ev1", event }, facts);
  assert.ok(kept?.kind === "unreadable");
  assert.equal(redecodeSlackEvent(kept.raw, 0), null);
  assert.equal(redecodeSlackEvent(kept.raw.replace('"d1"', '"D1"'), 0)?.kind, "message");
});

/** A message in a channel. */
const said = (channel: string, ts: string, thread?: string) =>
  decodeSlackEvent(
    {
      type: "event_callback",
      event: { type: "message", channel, channel_type: "channel", user: "U1", ts, thread_ts: thread, text: "x" },
    },
    facts,
  );

test("the cursor keeps the newest message of each conversation, and not too many", () => {
  let cursor = advanceCursor(null, "T1", said("C1", "10.000001"));
  cursor = advanceCursor(cursor, "T1", said("C1", "9.000001"));
  cursor = advanceCursor(cursor, "T1", said("C1", "11.000001", "10.000001"));
  assert.deepEqual(parseCursor(cursor, "T1"), [
    { channel: "C1", thread: null, kind: "channel", ts: "10.000001" },
    { channel: "C1", thread: "10.000001", kind: "channel", ts: "11.000001" },
  ]);
  assert.deepEqual(parseCursor(cursor, "T2"), [], "another workspace");
  for (const broken of ["", "{", "null", "[]", '{"team":"T1","at":[[1],"x",["C1",null,"moon","1.1"]]}'])
    assert.deepEqual(parseCursor(broken, "T1"), []);
  for (let i = 0; i < SLACK_LIMITS.lanes + 50; i++) cursor = advanceCursor(cursor, "T1", said(`C${i + 2}`, `${i + 20}.000001`));
  assert.equal(parseCursor(cursor, "T1").length, SLACK_LIMITS.lanes);
  assert.equal(parseCursor(cursor, "T1").at(-1)!.channel, `C${SLACK_LIMITS.lanes + 51}`);
});

test("a signature is over the bytes, the time and the secret", () => {
  const secret = new Secret("signing-secret");
  const body = Buffer.from('{"a":"ü"}');
  const sign = (at: string, text = body): string =>
    `v0=${createHmac("sha256", "signing-secret").update(`v0:${at}:`).update(text).digest("hex")}`;
  const request = (at: string, signature: string) => ({
    method: "POST",
    path: "/",
    query: "",
    headers: { "x-slack-request-timestamp": at, "x-slack-signature": signature },
    body,
  });
  assert.ok(verifySignature(request("1000", sign("1000")), secret, 1_000_000));
  for (const [at, signature] of [
    ["1000", sign("1001")],
    ["1000", sign("1000", Buffer.from("{}"))],
    ["1000", ""],
    ["1000", sign("1000").slice(0, -1)],
    ["600", sign("600")],
    ["1400", sign("1400")],
    ["1e3", sign("1e3")],
    ["", sign("")],
  ] as const)
    assert.ok(!verifySignature(request(at, signature), secret, 1_000_000), `${at} ${signature}`);
  assert.ok(!verifySignature({ ...request("1000", sign("1000")), headers: {} }, secret, 1_000_000));
  assert.deepEqual(parsePayload({ ...request("", ""), body: Buffer.from("payload=%7B%22type%22%3A%22x%22%7D") }), { type: "x" });
});

/** Where a configuration is wrong. */
const issues = (raw: object): string => {
  const result = parseChecked(createSlackChannel(), raw);
  return "issues" in result ? result.issues.map(({ path }) => path).join() : "";
};

test("configuration: what is missing or wrong is named with its fix, secrets are never shown", () => {
  const good = { botToken: "xoxb-1-abc", appToken: "xapp-1-A1-abc" };
  const result = parseChecked(createSlackChannel(), good);
  assert.ok("account" in result);
  assert.deepEqual([result.account.command, result.account.mediaBytes], ["openclaw", LIMITS.mediaBytes]);
  assert.doesNotMatch(inspect(result, { depth: 9 }) + JSON.stringify(result) + slackIdentity(result.account), /abc/);
  assert.equal(result.account.apiRoot, "https://slack.com/api");
  assert.equal(issues({}), "botToken,appToken");
  assert.equal(issues({ mode: "http", botToken: "xoxb-1-a" }), "signingSecret");
  assert.equal(issues({ ...good, botToken: "xapp-1" }), "botToken");
  for (const key of ["botToken", "appToken", "signingSecret"]) {
    const [issue] = checkAccount("slack", { ...good, [key]: 5 }).issues;
    assert.equal(issue?.path, key);
    assert.ok(issue.fix?.includes(`channels.slack.${key}`), issue.fix);
  }
  assert.equal(issues({ ...good, mode: "relay" }), "mode");
  for (const apiRoot of ["http://slack.example/api", "ftp://x", "https://u:p@slack.com/api", "x", 5])
    assert.equal(issues({ ...good, apiRoot }), "apiRoot");
  assert.equal(issues({ ...good, apiRoot: "http://127.0.0.1:1/api" }), "");
  assert.equal(issues({ ...good, mediaMaxMb: 0 }), "mediaMaxMb");
  assert.equal(issues({ ...good, slashCommand: { name: "a b" } }), "slashCommand.name");
});

test("ids, as people write them", () => {
  for (const [given, wanted] of [
    ["slack:u0123ab", "U0123AB"],
    ["user:U0123AB", "U0123AB"],
    ["channel:c0123ab", "C0123AB"],
    ["<@U0123AB>", "U0123AB"],
    ["<#C0123AB|room>", "C0123AB"],
    ["*", "*"],
    ["ada lovelace", "ada lovelace"],
  ] as const)
    assert.equal(canonicalSlackId(given), wanted);
  const slack = createSlackChannel();
  assert.deepEqual(slack.parseChat("C0123AB"), { kind: "channel", id: "C0123AB" });
  assert.deepEqual(slack.parseChat("user:U0123AB"), { kind: "direct", id: "U0123AB" });
  assert.equal(slack.parseChat("#general"), null);
});

test("reactions have names", () => {
  assert.deepEqual(["👍", "👍🏽", "❤️", ":blob:", "🪿"].map(toShortcode), ["+1", "+1", "heart", "blob", null]);
  assert.deepEqual(["thumbsup", "eyes", "constructor"].map(toEmoji), ["👍", "👀", ":constructor:"]);
});
