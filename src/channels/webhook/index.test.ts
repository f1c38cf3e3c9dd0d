// Group: wire
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { asId, type AccountId, type ChannelId, type MessageId } from "../../core/ids.ts";
import { systemClock } from "../../core/clock.ts";
import { covers } from "../../../test/channel-kit/coverage.ts";
import { parseChecked } from "../../../test/fakes/channel-account.ts";
import { openTestHost, type TestHost } from "../../../test/channel-kit/test-host.ts";
import { WebhookPeer } from "../../../test/channel-kit/webhook-peer.ts";
import { TerminalError, type Channel, type WebhookResponse, type ReplyTarget } from "../channel.ts";
import { createWebhookChannel } from "./index.ts";

const channel = createWebhookChannel();
const direct = { kind: "direct" as const, id: "u1" };
const target: ReplyTarget = { channel: asId("webhook"), account: asId("default"), chat: { kind: "direct", id: asId("u1") } };
let peer: WebhookPeer;
let testHost: TestHost;

const push = (body: string, headers: Record<string, string>): Promise<WebhookResponse> =>
  testHost.host.receive(asId<ChannelId>("webhook"), asId<AccountId>("default"), {
    method: "POST",
    path: "/channels/webhook",
    query: "",
    headers,
    body: Buffer.from(body),
  });
const hello = JSON.stringify({ type: "message", chat: direct, sender: { id: "u1" }, text: "hello" });

before(async () => {
  peer = await new WebhookPeer().start();
  testHost = await openTestHost(channel as Channel, { secret: peer.secret, outboundUrl: peer.url });
  await testHost.state("ready");
});
after(async () => {
  await testHost.close();
  await peer.close();
});
beforeEach(() => {
  peer.messages.splice(0);
  peer.events.splice(0);
  testHost.failures.admit = null;
});

describe("what comes in", () => {
  test("is stored, then answered with 200; the same id again is a repeat", async () => {
    const before = testHost.events.length;
    assert.equal((await push(hello, peer.sign("in-1", hello))).status, 200);
    assert.equal((await push(hello, peer.sign("in-1", hello))).status, 200);
    assert.equal(testHost.events.length, before + 1);
    assert.equal(testHost.events.at(-1)!.eventId, "in-1");
  });
  test("is not answered with 200 when it could not be stored", async () => {
    testHost.failures.admit = new Error("disk full");
    await assert.rejects(push(hello, peer.sign("in-2", hello)));
    testHost.failures.admit = null;
    assert.equal((await push(hello, peer.sign("in-2", hello))).status, 200);
  });
  test("is refused when it is forged or old, and nothing is stored", async () => {
    const before = testHost.events.length;
    assert.equal((await push(hello, { ...peer.sign("in-3", hello), "x-webhook-signature": "v2=00" })).status, 401);
    assert.equal((await push(hello, peer.sign("in-3", hello, Date.now() - 301_000))).status, 401);
    assert.equal((await push(hello, {})).status, 401);
    assert.equal(testHost.events.length, before);
  });
  test("says which field is wrong", async () => {
    const body = '{"type":"message"}';
    const answer = await push(body, peer.sign("in-4", body));
    assert.equal(answer.status, 400);
    assert.match(answer.body!, /"text must be a text/);
    assert.equal((await push("{", peer.sign("in-5", "{"))).status, 400);
  });
  test("edits, deletions, reactions and presses are events", async () => {
    const common = { chat: direct, sender: { id: "u1" }, message: "m1" };
    for (const event of [
      { type: "edit", text: "x" },
      { type: "delete" },
      { type: "reaction", emoji: "👍" },
      { type: "press", token: "t" },
    ]) {
      const body = JSON.stringify({ ...common, ...event });
      assert.equal((await push(body, peer.sign(`other-${event.type}`, body))).status, 200);
    }
    assert.deepEqual(
      testHost.others.map((each) => each.kind),
      ["edit", "delete", "reaction", "interaction"],
    );
  });
});

const send = (text: string) => testHost.send(direct, text);
const ref = (url: string) => ({ kind: "file" as const, name: "f", mimeType: "a/b", sizeBytes: 5, url });

describe("an outgoing message", () => {
  test("arrives, with the ids of the peer", async () => {
    const result = await send("**hi** 🦞");
    assert.ok(result.state === "sent" && result.ids[0]!.startsWith("p"));
    assert.equal(peer.messages[0]!.text, "**hi** 🦞");
  });
  test("429 and 503 are refused until Retry-After", async () => {
    const before = testHost.host.status()[0]!.rateLimits;
    peer.fail(429, 1, { "retry-after": "2" });
    assert.deepEqual(await send("x"), { state: "refused", retryable: true, reason: "the peer answered 429", retryAfterMs: 2_000 });
    assert.equal(testHost.host.status()[0]!.rateLimits, before + 1);
  });
  test("other 4xx are refused for good", async () => {
    peer.fail(422);
    assert.deepEqual(await send("x"), { state: "refused", retryable: false, reason: "the peer answered 422" });
  });
  test("5xx and a cut connection are unknown", async () => {
    peer.fail(500);
    await assert.rejects(send("x"), /500/);
    peer.fail("cut");
    await assert.rejects(send("x"));
  });
  test("a repetition with the same key is one message", async () => {
    const part = { key: "same", target, text: "once" };
    peer.fail("cut-after");
    await assert.rejects(testHost.link().send(part, new AbortController().signal));
    assert.equal((await testHost.link().send(part, new AbortController().signal)).state, "sent");
    assert.deepEqual(
      peer.messages.map((each) => each.text),
      ["once"],
    );
  });
  test("a redirect is not followed with the secret's signature", async () => {
    peer.fail(302, 1, { location: "http://127.0.0.1:1/" });
    const result = await send("x");
    assert.ok(result.state === "refused" && !result.retryable);
  });
  test(covers(["edit"], "edits and removals; what is gone says so"), async () => {
    const sent = await send("first");
    assert.ok(sent.state === "sent");
    const [id] = sent.ids as [MessageId];
    const signal = new AbortController().signal;
    assert.equal((await testHost.link().edit!(id, { key: "k", target, text: "second" }, signal)).state, "sent");
    assert.equal(peer.messages[0]!.text, "second");
    await testHost.link().remove!(target, id);
    assert.equal(peer.messages.length, 0);
    const gone = await testHost.link().edit!(id, { key: "k", target, text: "third" }, signal);
    assert.ok(gone.state === "refused" && gone.notFound);
  });
  test(covers(["typing", "reactions"], "files, buttons, reactions and typing"), async () => {
    const media = { kind: "file" as const, name: "a.txt", mimeType: "text/plain", sizeBytes: 2, read: async () => Buffer.from("hi") };
    await testHost
      .link()
      .send({ key: "file", target, text: "see", media, buttons: [[{ text: "Yes", token: "t1" }]] }, new AbortController().signal);
    assert.deepEqual(peer.messages[0]!.files, ["a.txt:hi"]);
    assert.deepEqual(peer.events[0]!["buttons"], [[{ text: "Yes", token: "t1" }]]);
    await testHost.link().react!(target, asId("m1"), "👍", true);
    await testHost.link().typing!(target);
    assert.deepEqual(
      peer.events.slice(1).map((each) => each["type"]),
      ["reaction", "typing"],
    );
  });
  test("files are fetched from the peer's own origin only, and within the limit", async () => {
    peer.files.set("/f", Buffer.from("12345"));
    const { origin } = new URL(peer.url);
    const signal = new AbortController().signal;
    assert.equal(Buffer.from(await testHost.link().download!(ref(`${origin}/f`), 10, signal)).toString(), "12345");
    await assert.rejects(testHost.link().download!(ref(`${origin}/f`), 4, signal), /larger/);
    await assert.rejects(testHost.link().download!(ref("http://169.254.169.254/x"), 10, signal), /origin/);
  });
});

describe("verify", () => {
  const signal = new AbortController().signal;
  const check = (secret: string) => {
    const parsed = parseChecked(channel, { secret, outboundUrl: peer.url });
    assert.ok("account" in parsed);
    return channel.verify(parsed.account, signal);
  };
  test("a signed ping finds the peer", async () => assert.match((await check(peer.secret)).name, /^127\.0\.0\.1:/));
  test("a wrong secret is terminal", () => assert.rejects(check("another-secret-of-16"), TerminalError));
});

test("the clock of the channel is the one it is given", async () => {
  const late = createWebhookChannel({ clock: { ...systemClock, now: () => Date.now() + 400_000 } });
  const other = await openTestHost(late as Channel, { secret: peer.secret });
  try {
    await other.state("ready");
    const answer = await other.host.receive(asId("webhook"), asId("default"), {
      method: "POST",
      path: "/",
      query: "",
      headers: peer.sign("x", hello),
      body: Buffer.from(hello),
    });
    assert.equal(answer.status, 401);
  } finally {
    await other.close();
  }
});

test("a request that the gateway itself signed is refused", async () => {
  const forged = JSON.stringify({ type: "delete", chat: direct, message: "m1" });
  peer.events.splice(0);
  await testHost.link().remove!(target, asId<MessageId>("m1")).catch(() => undefined);
  const own = peer.requests.at(-1)!;
  assert.equal(own.body.includes('"delete"'), true);
  assert.equal((await push(own.body, own.headers)).status, 401);
  assert.equal((await push(forged, peer.sign("in-9", forged))).status, 200);
});
