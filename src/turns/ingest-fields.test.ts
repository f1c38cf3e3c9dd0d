import assert from "node:assert/strict";
import { test } from "node:test";
import type { InboundMessage, MediaRef, ChatLocation, QuotedMessage, Sender, ReplyTarget } from "../channels/channel.ts";
import { asId } from "../core/ids.ts";
import { silentLog } from "../core/log.ts";
import type { RoutingConfig } from "../routing/types.ts";
import { account, event, inGroup, irc, OPEN_POLICY, openIngest, type IngestBench } from "../../test/fakes/ingest-bench.ts";
import { ALL_CAPABILITIES } from "../../test/fakes/chat-bench.ts";
import { until } from "../../test/fakes/turn-bench.ts";

const HOUR = 3_600_000;
const PICTURE: MediaRef = { kind: "image", name: "cat.png", mimeType: "image/png", sizeBytes: 12, url: "u" };
const PNG = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0]);
const bound = (match: object): RoutingConfig => ({
  ...OPEN_POLICY,
  agents: { entries: { main: {}, other: {} } },
  bindings: [{ agentId: "other", match: { channel: "irc", ...match } }],
});

/** What becomes of one event: the prompt, or null when no agent gets it. */
async function prompt(door: IngestBench, each: InboundMessage): Promise<IngestBench["runtime"]["prompts"][number] | null> {
  const before = door.runtime.prompts.length;
  await door.ingest.admit(irc, account, [each]);
  await until(() => door.turns.lanes.load().lanes === 0);
  return door.runtime.prompts[before] ?? null;
}
const ask = async (each: InboundMessage, config = OPEN_POLICY): Promise<Awaited<ReturnType<typeof prompt>>> => {
  const door = openIngest(config, {
    abilities: ALL_CAPABILITIES,
    link: () => ({ send: () => Promise.reject(new Error("no")), download: async () => PNG }),
  });
  const found = await prompt(door, each);
  door.close();
  return found;
};
/** Where the answer to one event goes. */
async function target(each: InboundMessage): Promise<ReplyTarget> {
  const door = openIngest(OPEN_POLICY);
  await prompt(door, each);
  const [row] = door.store.all<{ payload: string }>("SELECT payload FROM inbox");
  door.close();
  return (JSON.parse(row!.payload) as { target: ReplyTarget }).target;
}
const called = (more: Partial<InboundMessage> = {}, text = "hi"): InboundMessage => inGroup("m1", text, { mentionsSelf: true, ...more });
const eve = (more: Partial<Sender>): Pick<InboundMessage, "sender"> => ({
  sender: { id: asId("eve"), isBot: false, isSelf: false, ...more },
});
const answering = (more: Partial<QuotedMessage>): Partial<InboundMessage> => ({
  replyTo: { id: asId("m0"), text: "earlier", isSelf: false, ...more },
});

type Fields =
  | keyof InboundMessage
  | `chat.${keyof ChatLocation["chat"]}`
  | `sender.${keyof Sender}`
  | `replyTo.${keyof QuotedMessage}`
  | `media.${keyof MediaRef}`;

/** Each field of an event, and what it does. A field that is added to the contract does not compile here until it is used. */
const USES: Readonly<Record<Exclude<Fields, "chat" | "sender" | "replyTo" | "media">, () => Promise<void>>> = {
  kind: async () => assert.ok(await ask(event("m1", "hi"))),
  eventId: async () => {
    const door = openIngest(OPEN_POLICY);
    assert.ok(await prompt(door, event("m1", "hi")));
    assert.equal(await prompt(door, event("m1", "hi")), null, "the same id again is the same event");
    assert.ok(await prompt(door, event("m2", "hi")));
    door.close();
  },
  account: async () => {
    const warnings: string[] = [];
    const door = openIngest(OPEN_POLICY, { log: { ...silentLog, warn: (text) => void warnings.push(text) } });
    await prompt(door, event("m1", "hi", { account: asId("stray") }));
    assert.equal(door.store.get<{ account: string }>("SELECT account FROM inbox")!.account, "default");
    assert.match(warnings.join(), /names another account/);
    door.close();
  },
  sentAt: async () => {
    const sentAt = Date.now() - 25 * HOUR;
    assert.equal(await ask(event("m1", "hi", { origin: "backfill", sentAt })), null, "too old to be answered");
    assert.ok(await ask(event("m1", "hi", { origin: "backfill", sentAt: Date.now() - HOUR })));
  },
  origin: async () => assert.ok(await ask(event("m1", "hi", { origin: "live", sentAt: Date.now() - 25 * HOUR }))),
  "chat.kind": async () => assert.match((await ask(called()))!.sessionKey, /:group:/),
  "chat.id": async () => assert.match((await ask(called({ chat: { kind: "group", id: asId("#garden") } })))!.sessionKey, /#garden$/),
  "chat.title": async () => {
    const door = openIngest(OPEN_POLICY);
    await prompt(door, called({ chat: { kind: "group", id: asId("#room"), title: "Garden club" } }));
    assert.equal(door.sessions.get("agent:main:irc:group:#room")!.title, "Garden club");
    door.close();
  },
  thread: async () => {
    const inThread = called({ thread: { id: "t1" } });
    assert.match((await ask(inThread))!.sessionKey, /:t1$/);
    assert.equal((await target(inThread)).thread, "t1");
  },
  parent: async () => {
    const parent = { kind: "channel" as const, id: asId<never>("c0") };
    assert.equal((await target(called({ parent }))).parent, "c0");
    assert.equal((await ask(called({ parent }), bound({ peer: { kind: "channel", id: "c0" } })))!.agentId, "other");
  },
  guildId: async () => {
    assert.equal((await target(called({ guildId: "g1" }))).guildId, "g1");
    assert.equal((await ask(called({ guildId: "g1" }), bound({ guildId: "g1" })))!.agentId, "other");
  },
  teamId: async () => assert.equal((await ask(called({ teamId: "t1" }), bound({ teamId: "t1" })))!.agentId, "other"),
  "sender.id": async () => {
    const closed = { channels: { irc: { dmPolicy: "allowlist", allowFrom: ["eve"] } } };
    assert.ok(await ask(event("m1", "hi", eve({})), closed));
    assert.equal(await ask(event("m1", "hi"), closed), null);
  },
  "sender.aliases": async () => {
    const closed = { channels: { irc: { dmPolicy: "allowlist", allowFrom: ["eve-2"] } } };
    assert.ok(await ask(event("m1", "hi", eve({ aliases: [asId("eve-2")] })), closed));
  },
  "sender.name": async () => assert.equal((await ask(called(eve({ name: "Eve B" }))))!.text, "Eve B: hi"),
  "sender.isBot": async () => assert.equal(await ask(event("m1", "hi", eve({ isBot: true }))), null),
  "sender.isSelf": async () => assert.equal(await ask(event("m1", "hi", eve({ isSelf: true }))), null),
  "sender.roles": async () =>
    assert.equal(
      (await ask(called({ guildId: "g1", ...eve({ roles: ["r1"] }) }), bound({ guildId: "g1", roles: ["r1"] })))!.agentId,
      "other",
    ),
  message: async () => {
    assert.equal((await target(called({ message: asId("their-7") }))).replyTo, "their-7");
    const door = openIngest(OPEN_POLICY);
    await prompt(door, called({ message: asId("their-7") }));
    assert.equal(door.inbox.byMessage("irc", "default", "#room|their-7").length, 1, "a later edit finds it");
    door.close();
  },
  text: async () => assert.equal((await ask(event("m1", "words")))!.text, "words"),
  "media.kind": async () => assert.match((await ask(event("m1", "see", { media: [PICTURE] })))!.text, /\[attached image /),
  "media.name": async () => assert.match((await ask(event("m1", "see", { media: [PICTURE] })))!.text, /"cat\.png"/),
  "media.mimeType": async () => {
    const media: MediaRef[] = [{ ...PICTURE, kind: "file", mimeType: "application/x-cat", sizeBytes: null }];
    const door = openIngest(OPEN_POLICY);
    await door.ingest.admit(irc, account, [inGroup("k1", "see", { media })]);
    assert.match((await prompt(door, called({ eventId: "m2" })))!.text, /see \[attached file "cat\.png" \(application\/x-cat\)\]/);
    door.close();
  },
  "media.sizeBytes": async () =>
    assert.match((await ask(event("m1", "see", { media: [{ ...PICTURE, sizeBytes: null }] })))!.text, /its size is not known/),
  "media.url": async () => assert.equal((await ask(event("m1", "see", { media: [PICTURE] })))!.images.length, 1, "fetched from there"),
  mentionsSelf: async () => {
    assert.equal(await ask(called({ mentionsSelf: false })), null);
    assert.ok(await ask(called()));
  },
  "replyTo.id": async () => {
    const door = openIngest(OPEN_POLICY);
    await prompt(door, called({ message: asId("m0") }, "the plan"));
    const again = await prompt(door, called({ eventId: "m2", replyTo: { id: asId("m0"), isSelf: false } }, "why?"));
    assert.equal(again!.text, "[This answers an earlier message]\n> Alice: the plan\n\nAlice: why?");
    assert.equal(await ask(called({ replyTo: { id: asId("unknown"), isSelf: false } })).then((each) => each!.text), "Alice: hi");
    const thread = { thread: { id: "m0" }, replyTo: { id: asId<never>("m0"), text: "root", isSelf: false } };
    assert.equal((await ask(called(thread)))!.text, "Alice: hi", "a whole thread answers the message that opened it");
    door.close();
  },
  "replyTo.text": async () =>
    assert.equal((await ask(event("m1", "what?", answering({}))))!.text, "[This answers an earlier message]\n> earlier\n\nwhat?"),
  "replyTo.sender": async () =>
    assert.match(
      (await ask(called(answering({ sender: { id: asId("bob"), name: "Bob" } }))))!.text,
      /^\[This answers a message of Bob\]\n> earlier/,
    ),
  "replyTo.media": async () => {
    const asked = await ask(event("m1", "what is it?", answering({ text: "", media: [PICTURE] })));
    assert.equal(asked!.images.length, 1);
    assert.match(asked!.text, /\[of the answered message: image "cat\.png"/);
  },
  "replyTo.isSelf": async () => {
    const reply = called({ mentionsSelf: false, ...answering({ isSelf: true }) });
    assert.match((await ask(reply))!.text, /^\[This answers your message\]\n> earlier\n\nAlice: hi$/);
  },
  via: async () => assert.equal((await target(called({ via: "token" }))).via, "token"),
};

for (const [field, use] of Object.entries(USES)) test(`an inbound message's ${field} reaches its use`, use);
