import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import { test } from "node:test";
import { parseStyles } from "../../../test/channel-kit/signal-styles.ts";
import { checkAccount, parseChecked } from "../../../test/fakes/channel-account.ts";
import { asId } from "../../core/ids.ts";
import type { ChannelEvent } from "../channel.ts";
import { canonicalSignalId, signalIdentity, type SignalAccount } from "./config.ts";
import { fromMessageId, toMessageId, toSignalChat } from "./ids.ts";
import { decodeSignalEvent, redecodeSignalEvent, type SignalDecodeContext } from "./inbound.ts";
import { createSignalChannel } from "./index.ts";
import { toMarkedSignal, toTextStyles, toVisibleSignal } from "./outbound.ts";
import { SseParser } from "./sse-parser.ts";

const read = <T>(name: string): T => JSON.parse(readFileSync(new URL(`fixtures/${name}`, import.meta.url), "utf8")) as T;
const facts: SignalDecodeContext = {
  self: { number: "+15550000001", uuid: "00000000-0000-4000-8000-000000000001", ignoreAttachments: false },
  account: asId("default"),
  now: 9_000_000,
};

/** An event as the tables write it: places and senders in one word. */
function flat(event: ChannelEvent): Record<string, unknown> {
  const place = "chat" in event ? { chat: `${event.chat.kind} ${event.chat.id}`, title: event.chat.title } : {};
  const sender = "sender" in event ? { sender: event.sender.id, isSelf: event.sender.isSelf, aliases: event.sender.aliases } : {};
  return { ...event, ...place, ...sender };
}

for (const { name, notification, want } of read<{ name: string; notification: unknown; want: Record<string, unknown>[] }[]>(
  "01-inbound.json",
)) {
  test(`inbound: ${name}`, () => {
    const events = decodeSignalEvent(notification, facts).map(flat);
    assert.equal(events.length, want.length, inspect(events));
    for (const [index, wanted] of want.entries()) {
      const got = Object.fromEntries(Object.keys(wanted).map((key) => [key, events[index]![key] ?? null]));
      assert.deepEqual(got, wanted);
    }
  });
}

test("what was kept as unreadable is read again with the same eyes", () => {
  const raw = JSON.stringify({ notification: read<{ notification: unknown }[]>("01-inbound.json")[0]!.notification, self: facts.self });
  const event = redecodeSignalEvent(raw, facts.now);
  assert.ok(event?.kind === "message" && event.text === "hello");
  for (const nonsense of ["", "null", "{}", "[]", JSON.stringify({ notification: 1, self: facts.self })])
    assert.equal(redecodeSignalEvent(nonsense, facts.now), null);
});

test("files are left out where they are not wanted, and named", () => {
  const notification = {
    account: facts.self.number,
    envelope: {
      sourceUuid: "a",
      timestamp: 1,
      dataMessage: { timestamp: 1, attachments: [{ contentType: "image/png", id: "x", size: 1 }] },
    },
  };
  const [event] = decodeSignalEvent(notification, { ...facts, self: { ...facts.self, ignoreAttachments: true } });
  assert.ok(event?.kind === "message");
  assert.deepEqual([event.text, event.media], ["[a file]", []]);
});

for (const row of read<{ name: string; markdown: string; text: string; ranges: string[]; marked: string }[]>("02-outbound.json")) {
  test(`outbound: ${row.name}`, () => {
    const { text, ranges } = toTextStyles(row.markdown);
    assert.deepEqual([text, ranges.map(({ start, length, style }) => `${start}:${length}:${style}`)], [row.text, row.ranges]);
    assert.equal(toVisibleSignal(row.markdown), row.text);
    assert.equal(toMarkedSignal(row.markdown), row.marked);
  });
}

test("whatever Markdown comes, the styles are within the text, and the container shows the same text", () => {
  let seed = 7;
  const random = (n: number): number => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) % n;
  const parts = ["**", "*", "_", "~~", "`", "```", "\n", "> ", "- ", "[a](https://b.example)", "\\", "||", "|", "🦞", "word ", " ", "# "];
  for (let round = 0; round < 1_500; round++) {
    const markdown = Array.from({ length: random(14) }, () => parts[random(parts.length)]).join("");
    const { text, ranges } = toTextStyles(markdown);
    for (const { start, length } of ranges) assert.ok(start >= 0 && length > 0 && start + length <= text.length, JSON.stringify(markdown));
    const shown = parseStyles(toMarkedSignal(markdown));
    assert.equal(shown.text.replaceAll("\u2060", ""), text, JSON.stringify(markdown));
  }
});

const full = { account: "+1 (555) 000-0001", transport: { kind: "external-native", url: "http://127.0.0.1:8080/" } };
const issuesOf = (raw: object): string[] => {
  const result = parseChecked(createSignalChannel(), raw);
  return "issues" in result ? result.issues.map(({ path }) => path) : [];
};
const accountOf = (raw: object): SignalAccount => {
  const result = parseChecked(createSignalChannel(), raw);
  assert.ok("account" in result, inspect(result));
  return result.account;
};

test("an account is completed", () => {
  const account = accountOf({ ...full, accountUuid: "uuid:00000000-0000-4000-8000-00000000000A" });
  assert.deepEqual(account, {
    number: "+15550000001",
    uuid: "00000000-0000-4000-8000-00000000000a",
    transport: { kind: "external-native", url: "http://127.0.0.1:8080" },
    ignoreAttachments: false,
    proxy: null,
  });
  assert.deepEqual(accountOf({ account: "+15550000001" }).transport, {
    kind: "managed-native",
    cliPath: "signal-cli",
    configPath: null,
    host: "127.0.0.1",
    port: null,
    startupTimeoutMs: 30_000,
    ignoreStories: true,
  });
});

test("wrong keys are named", () => {
  const { account } = full;
  assert.deepEqual(issuesOf({}), ["account"]);
  assert.deepEqual(issuesOf({ account: "5550000001" }), ["account"]);
  assert.deepEqual(issuesOf({ account: 5_550_000_001 }), ["account"]);
  assert.deepEqual(issuesOf({ account, accountUuid: "me" }), ["accountUuid"]);
  assert.deepEqual(issuesOf({ account, transport: { kind: "pigeon" } }), ["transport.kind"]);
  assert.deepEqual(issuesOf({ account, transport: { kind: "container" } }), ["transport.url"]);
  assert.deepEqual(issuesOf({ account, transport: { httpHost: "0.0.0.0" } }), ["transport.httpHost"]);
  assert.deepEqual(issuesOf({ account, transport: { httpPort: 0, startupTimeoutMs: 1 } }), [
    "transport.httpPort",
    "transport.startupTimeoutMs",
  ]);
  assert.deepEqual(issuesOf({ account, transport: { cliPath: "../signal-cli", configPath: "data" } }), [
    "transport.configPath",
    "transport.cliPath",
  ]);
});

const issuesAt = (url: string): string[] => issuesOf({ account: full.account, transport: { kind: "container", url } });

test("wrong keys are reported with what to do", () => {
  for (const account of [5_550_000_001, "5550000001", "+0", ""]) {
    const [issue] = checkAccount("signal", { account }).issues;
    assert.equal(issue?.path, "account");
    assert.match(issue.fix!, /own number/);
  }
  assert.match(checkAccount("signal", { transport: { url: "x" } }).issues[0]!.fix!, /address of the daemon/);
});

test("an empty text is the same as an absent key", () => {
  const { account } = full;
  assert.deepEqual(
    accountOf({ account, transport: { cliPath: "", configPath: "", httpHost: "" } }).transport,
    accountOf({ account }).transport,
  );
  assert.equal(accountOf({ account, accountUuid: "", proxy: "" }).uuid, null);
});

test("messages go in the clear only within this machine and private networks", () => {
  for (const url of [
    "http://127.0.0.1:8080",
    "http://signal-cli:8080",
    "http://192.168.1.5:8080",
    "http://box.local",
    "https://example.org/signal",
  ])
    assert.deepEqual(issuesAt(url), [], url);
  for (const url of [
    "http://example.org",
    "http://8.8.8.8",
    "ftp://127.0.0.1",
    "http://user:pw@127.0.0.1",
    "nonsense",
    "http://172.32.0.1",
  ])
    assert.deepEqual(issuesAt(url), ["transport.url"], url);
});

test("one number is one connection, whatever leads to it", () => {
  const container = { kind: "container", url: "http://signal-cli:8080" };
  assert.equal(signalIdentity(accountOf(full)), signalIdentity(accountOf({ ...full, transport: container })));
  assert.notEqual(signalIdentity(accountOf(full)), signalIdentity(accountOf({ ...full, account: "+15550000002" })));
});

test("ids of access lists come in every form that OpenClaw takes", () => {
  const uuid = "uuid:aaaaaaaa-0000-4000-8000-000000000007";
  for (const id of [uuid, "AAAAAAAA-0000-4000-8000-000000000007", `signal:${uuid}`]) assert.equal(canonicalSignalId(id), uuid);
  for (const id of ["+15550000007", "signal:+1 555 000-0007", "15550000007"]) assert.equal(canonicalSignalId(id), "+15550000007");
  assert.equal(canonicalSignalId("signal:group:abc="), "abc=");
  assert.equal(canonicalSignalId("*"), "*");
});

test("a conversation is named by a number, an id or a group", () => {
  const group = Buffer.alloc(32, 7).toString("base64");
  assert.deepEqual(toSignalChat("signal:+15550000007"), { kind: "direct", id: "+15550000007" });
  assert.deepEqual(toSignalChat(`signal:group:${group}`), { kind: "group", id: group });
  assert.deepEqual(toSignalChat(group), { kind: "group", id: group });
  assert.equal(toSignalChat("uuid:aaaaaaaa-0000-4000-8000-000000000007")?.kind, "direct");
  for (const nothing of ["", "ada", "group:x", "12"]) assert.equal(toSignalChat(nothing), null, nothing);
});

test("a message is its time and its author", () => {
  for (const ref of [
    { at: 17, author: null },
    { at: 17, author: "uuid:a" },
  ])
    assert.deepEqual(fromMessageId(toMessageId(ref)), ref);
  for (const nothing of ["", "x", "17@", "@a"]) assert.equal(fromMessageId(nothing), null);
});

test("events are cut out of the stream wherever it is broken", () => {
  const stream = Buffer.from(':\n\nevent:receive\ndata:{"a":"ü🦞"}\n\ndata: one\r\ndata: two\r\n\r\n:\ndata:last\n\n');
  for (let size = 1; size < 12; size++) {
    const cutter = new SseParser(100);
    const found: string[] = [];
    for (let at = 0; at < stream.length; at += size) found.push(...cutter.push(stream.subarray(at, at + size)));
    assert.deepEqual(found, ['{"a":"ü🦞"}', "one\ntwo", "last"], `pieces of ${size}`);
  }
  assert.throws(() => new SseParser(10).push(Buffer.from(`data:${"x".repeat(50)}`)), /longer/);
});
