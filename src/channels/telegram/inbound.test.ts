import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import { test } from "node:test";
import { readHtml } from "../../../test/channel-kit/telegram-html.ts";
import { asId } from "../../core/ids.ts";
import { Secret } from "../../core/secret.ts";
import type { ChannelEvent } from "../channel.ts";
import { splitText } from "../split-text.ts";
import { joinMediaGroups } from "./media-group.ts";
import { canonicalTelegramId, type parseTelegramAccount, telegramIdentity } from "./config.ts";
import { checkAccount, parseChecked } from "../../../test/fakes/channel-account.ts";
import { decodeTelegramCursor, isSameWebhookSecret, encodeTelegramCursor } from "./updates.ts";
import { decodeTelegramUpdate, callbackQueryId, redecodeTelegramUpdate, updateId, type TelegramDecodeContext } from "./inbound.ts";
import { DESCRIPTION } from "./description.ts";
import { createTelegramChannel } from "./index.ts";
import { toTelegramHtml, toPlainTelegram, toVisibleTelegram } from "./outbound.ts";

const read = <T>(name: string): T => JSON.parse(readFileSync(new URL(`fixtures/${name}`, import.meta.url), "utf8")) as T;
const bot = { id: "1001", username: "Test_Bot" };
const token = "1001:AAabc-d_e";
const facts: TelegramDecodeContext = { account: asId("default"), bot, now: 9_000_000 };

/** An event as the tables write it: places and senders in one word. */
function flat(event: ChannelEvent): Record<string, unknown> {
  const { kind, eventId, sentAt, ...rest } = event as Record<string, unknown> & ChannelEvent;
  const place = "chat" in event ? { chat: `${event.chat.kind} ${event.chat.id}`, thread: event.thread?.id } : {};
  const sender = "sender" in event ? { sender: event.sender.id, isBot: event.sender.isBot, isSelf: event.sender.isSelf } : {};
  return { ...rest, kind, eventId, sentAt, ...place, ...sender };
}

for (const { name, update, want } of read<{ name: string; update: unknown; want: Record<string, unknown>[] }[]>("01-inbound.json")) {
  test(`inbound: ${name}`, () => {
    const events = decodeTelegramUpdate(update, facts).map(flat);
    const quiet = { media: [], thread: undefined, replyTo: undefined };
    const wanted = want.map((one) => (one["kind"] === "message" ? { ...quiet, ...one } : one));
    const got = events.map((event, index) => Object.fromEntries(Object.keys(wanted[index] ?? event).map((key) => [key, event[key]])));
    assert.deepEqual(got, wanted);
  });
}

for (const row of read<{ name: string; markdown: string; html: string; visible?: string; plain?: string }[]>("02-outbound.json")) {
  test(`outbound: ${row.name}`, () => {
    const html = toTelegramHtml(row.markdown);
    assert.equal(html, row.html);
    if (row.visible !== undefined) assert.equal(toVisibleTelegram(row.markdown), row.visible);
    if (row.plain !== undefined) assert.equal(toPlainTelegram(row.markdown, 4_096), row.plain);
    assert.deepEqual(readHtml(html), { text: toVisibleTelegram(row.markdown) }, "Telegram shows what is counted");
  });
}

test("any Markdown becomes well-formed HTML whose visible length is the counted one", () => {
  let seed = 11;
  const random = (n: number): number => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) % n;
  const parts = [
    "**",
    "*",
    "_",
    "~~",
    "`",
    "```",
    "```ts\n",
    "\n",
    "\n\n",
    "# ",
    "> ",
    "- ",
    "1. ",
    "[a](https://x.example)",
    "[",
    "](",
    ")",
    "<b>",
    "&amp;",
    "<",
    ">",
    '"',
    "🦞",
    "a",
    " ",
    "|",
    "|-|\n",
    "\\",
  ];
  for (let i = 0; i < 3_000; i++) {
    const markdown = Array.from({ length: random(14) }, () => parts[random(parts.length)]).join("");
    const html = toTelegramHtml(markdown);
    const shown = readHtml(html);
    assert.ok("text" in shown, `${JSON.stringify(markdown)} -> ${html}: ${inspect(shown)}`);
    assert.equal(shown.text, toVisibleTelegram(markdown), JSON.stringify(markdown));
  }
});

test("parts are cut by what is shown, and fences are closed and opened again", () => {
  const markdown = `${"**bold** and [link](https://very-long.example/with/a/long/path) ".repeat(400)}\n\n\`\`\`ts\n${"const a = `<&>`;\n".repeat(400)}\`\`\`\n\nend`;
  const parts = splitText(markdown, DESCRIPTION.capabilities.maxText, { render: toVisibleTelegram });
  for (const part of parts) {
    const shown = readHtml(toTelegramHtml(part.text));
    assert.ok("text" in shown);
    assert.ok(shown.text.length <= 4_096);
  }
  assert.ok(parts.length < 6, "markup does not count");
  assert.ok(parts.filter((part) => toTelegramHtml(part.text).includes('<pre><code class="language-ts">')).length > 1);
});

test("plain text leaves addresses out when there is no room for them", () => {
  assert.equal(toPlainTelegram("[ab](https://x.example)", 10), "ab");
});

test("what could not be read can be read later, with the bot of that time", () => {
  const [event] = decodeTelegramUpdate(
    { update_id: 5, message: { message_id: 1, date: 1, chat: { id: 1, type: "galaxy" }, text: "x" } },
    facts,
  );
  assert.ok(event?.kind === "unreadable");
  assert.equal(redecodeTelegramUpdate(event.raw, 0), null);
  const mended = redecodeTelegramUpdate(event.raw.replace("galaxy", "private"), 0);
  assert.deepEqual([mended?.kind, mended?.eventId], ["message", "1001:5"]);
});

test("whatever an update looks like, decoding gives events with ids and never throws", () => {
  let seed = 5;
  const random = (n: number): number => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) % n;
  const junk: readonly unknown[] = [null, 0, -1, 1.5, "", "x", true, [], {}, [null], { id: {} }, "constructor", Number.MAX_VALUE];
  const updates = read<{ update: unknown }[]>("01-inbound.json").map(({ update }) => update);
  const spoil = (value: unknown): unknown => {
    if (random(12) === 0) return junk[random(junk.length)];
    if (Array.isArray(value)) return value.map(spoil);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, spoil(inner)]));
  };
  for (let i = 0; i < 5_000; i++) {
    const update = spoil(updates[random(updates.length)]);
    const events = joinMediaGroups([{ update, events: decodeTelegramUpdate(update, facts) }]);
    assert.ok(
      events.every((event) => event.eventId.startsWith("1001:") && Number.isFinite(event.sentAt)),
      JSON.stringify(update),
    );
    callbackQueryId(update);
  }
});

const parseKeys = (keys: object): ReturnType<typeof parseTelegramAccount> => parseChecked(createTelegramChannel(), keys);
const along = (groups: unknown): boolean => {
  const parsed = createTelegramChannel().parse(checkAccount("telegram", { botToken: token, groups }).raw);
  assert.ok("account" in parsed);
  return parsed.account.canReadAllGroupMessages;
};

test("rooms that are read along", () => {
  assert.equal(along({ "-1": { requireMention: false } }), true);
  assert.equal(along({ "-1": { topics: { "1": { requireMention: false } } } }), true);
  for (const groups of [undefined, {}, { "-1": {} }, { "-1": { requireMention: true, topics: {} } }, "x", { "-1": null }])
    assert.equal(along(groups), false);
});

test("numbers of updates and of queries", () => {
  assert.equal(updateId({ update_id: 0 }), 0);
  for (const raw of [null, 5, {}, { update_id: "5" }, { update_id: -1 }, { update_id: 1.5 }]) assert.equal(updateId(raw), null);
  assert.equal(callbackQueryId({ callback_query: { id: "q" } }), "q");
  for (const raw of [null, {}, { callback_query: 1 }, { callback_query: { id: 1 } }]) assert.equal(callbackQueryId(raw), null);
});

test("a cursor counts for its own bot, and for less than a week", () => {
  const cursor = encodeTelegramCursor(bot, 6, 1_000);
  assert.equal(decodeTelegramCursor(cursor, bot, 2_000), 6);
  assert.equal(decodeTelegramCursor(cursor, { ...bot, id: "1002" }, 2_000), undefined);
  assert.equal(decodeTelegramCursor(cursor, bot, 1_000 + 6 * 86_400_000), undefined);
  for (const broken of [null, "", "6", "1001:x:1000", "1001:6", "1001:6:x"])
    assert.equal(decodeTelegramCursor(broken, bot, 2_000), undefined);
});

test("secrets are compared as a whole", () => {
  assert.equal(isSameWebhookSecret("right", new Secret("right")), true);
  for (const given of [undefined, "", "righ", "rightx"]) assert.equal(isSameWebhookSecret(given, new Secret("right")), false);
  assert.equal(isSameWebhookSecret(undefined, new Secret("")), false);
});

test("an account is completed with what Telegram usually is", () => {
  const parsed = parseKeys({ botToken: token });
  assert.ok("account" in parsed);
  const { account } = parsed;
  assert.equal(account.token.reveal(), token);
  assert.deepEqual(
    { ...account, token: null },
    {
      token: null,
      botId: "1001",
      apiRoot: "https://api.telegram.org",
      webhook: null,
      linkPreview: true,
      canReadAllGroupMessages: false,
      timeoutMs: 30_000,
      proxy: null,
    },
  );
  assert.ok(!inspect(account, { depth: 9 }).includes("AAabc") && !JSON.stringify(account).includes("AAabc"));
});

test("tokenFile takes precedence over botToken, as in OpenClaw", () => {
  const parsed = parseKeys({ botToken: "1:x", token: `${token}\n` });
  assert.ok("account" in parsed && parsed.account.token.reveal() === token);
});

for (const [what, raw, path] of [
  ["no token", {}, "botToken"],
  ["an empty token", { botToken: " " }, "botToken"],
  ["a token of something else", { botToken: "xoxb-1" }, "botToken"],
  ["a token that would leave its path", { botToken: "1001:a/../b" }, "botToken"],
  ["a token that is a number", { botToken: 5 }, "botToken"],
  ["plain http to another machine", { botToken: token, apiRoot: "http://api.example" }, "apiRoot"],
  ["a name that only looks like this machine", { botToken: token, apiRoot: "http://127.0.0.1.example" }, "apiRoot"],
  ["an address with a password", { botToken: token, apiRoot: "https://a:b@api.example" }, "apiRoot"],
  ["no address", { botToken: token, apiRoot: "api" }, "apiRoot"],
  ["a webhook without a secret", { botToken: token, webhookUrl: "https://h.example" }, "webhookSecret"],
  ["a short secret", { botToken: token, webhookUrl: "https://h.example", webhookSecret: "short" }, "webhookSecret"],
  ["a webhook in plain http", { botToken: token, webhookUrl: "http://h.example", webhookSecret: "0123456789abcdef" }, "webhookUrl"],
  ["a time that is not a number", { botToken: token, timeoutSeconds: "5" }, "timeoutSeconds"],
  ["a webhook secret that is a number", { botToken: token, webhookSecret: 5 }, "webhookSecret"],
  ["no time at all", { botToken: token, timeoutSeconds: 0 }, "timeoutSeconds"],
] as const) {
  test(`configuration: ${what}`, () => {
    const parsed = parseKeys(raw);
    assert.ok("issues" in parsed);
    assert.deepEqual([...new Set(parsed.issues.map((issue) => issue.path))], [path]);
    assert.ok(!JSON.stringify(parsed.issues).includes("AAabc"));
  });
}

const identity = (botToken: string): string => {
  const parsed = parseKeys({ botToken });
  assert.ok("account" in parsed);
  return telegramIdentity(parsed.account);
};

test("a new token of the same bot is the same connection; another bot is another", () => {
  assert.equal(identity("1001:AAa"), identity("1001:BBb"));
  assert.notEqual(identity("1001:AAa"), identity("1002:AAa"));
});

test("ids, and conversations that an operator names", () => {
  assert.deepEqual([" 7", "telegram:7", "TG:-1001"].map(canonicalTelegramId), ["7", "7", "-1001"]);
  const channel = createTelegramChannel();
  assert.deepEqual(channel.parseChat("tg:7"), { kind: "direct", id: "7" });
  assert.deepEqual(channel.parseChat("-1001"), { kind: "group", id: "-1001" });
  for (const to of ["", "@ada", "0", "7/8", "--7", "../7"]) assert.equal(channel.parseChat(to), null);
});
