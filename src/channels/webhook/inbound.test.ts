import { createHmac } from "node:crypto";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { asId } from "../../core/ids.ts";
import { Secret } from "../../core/secret.ts";
import { createWebhookChannel } from "./index.ts";
import { checkAccount, parseChecked } from "../../../test/fakes/channel-account.ts";
import { FieldError, decodeWebhookEvent } from "./inbound.ts";
import { parseMessageIds, toOutboundLocation } from "./outbound.ts";
import { signatureProblem, sign, SIGNATURE_WINDOW_MS } from "./signature.ts";

type Fixture = { name: string; body: unknown; want?: Record<string, unknown> | null; wrong?: string };
const fixtures = JSON.parse(readFileSync(new URL("fixtures/01-inbound.json", import.meta.url), "utf8")) as Fixture[];

const read = (body: unknown) => decodeWebhookEvent(body, { eventId: "e1", account: asId("default"), now: 5 });

for (const { name, body, want, wrong } of fixtures) {
  test(`inbound: ${name}`, () => {
    if (wrong !== undefined)
      return assert.throws(
        () => read(body),
        (err) => err instanceof FieldError && err.path === wrong,
      );
    const event = read(body);
    if (!want || !event) return assert.equal(event, want);
    assert.equal(event.eventId, "e1");
    for (const [key, value] of Object.entries(want)) assert.deepEqual((event as Record<string, unknown>)[key], value, key);
  });
}

test("a peer cannot mark a message as the bot's own", () => {
  const body = { type: "message", chat: { kind: "direct", id: "1" }, sender: { id: "1", isSelf: true }, text: "x" };
  const event = decodeWebhookEvent(body, { eventId: "e", account: asId("a"), now: 0 });
  assert.ok(event?.kind === "message" && !event.sender.isSelf);
});

describe("signatures", () => {
  const secret = new Secret("0123456789abcdef");
  const now = 1_764_000_000_000;
  const body = Buffer.from('{"type":"ping"}');
  const headers = { id: "e1", timestamp: "1764000000", signature: sign(secret, "to-gateway", "e1", "1764000000", body) };
  const refused = (more: Partial<typeof headers>, bytes = body, at = now) => signatureProblem([secret], { ...headers, ...more }, bytes, at);

  test("the signature of the documentation", () =>
    assert.equal(headers.signature, "v2=6205ec243eb1075e0e84083848e4454668d528877c7e8266ae72fe578b4e1c06"));
  test("a request of the gateway itself is refused, however its parts are moved", () => {
    const own = sign(secret, "from-gateway", "e1", "1764000000", body);
    assert.match(refused({ signature: own })!, /Signature/);
    assert.match(refused({ id: "from-gateway.e1", signature: own })!, /Signature/);
    assert.match(refused({ signature: own.replace("v2=", "v1=") })!, /Signature/);
    assert.match(refused({ id: "from-gateway.e1", signature: own.replace("v2=", "v1=") })!, /direction/);
  });
  test("a peer may sign without the direction", () => {
    const plain = createHmac("sha256", secret.reveal()).update("e1.1764000000.").update(body).digest("hex");
    assert.equal(refused({ signature: `v1=${plain}` }), null);
    assert.match(refused({ id: "e2", signature: `v1=${plain}` })!, /Signature/);
  });
  test("a good one is accepted", () => assert.equal(refused({}), null));
  test("also with the secret before", () =>
    assert.equal(signatureProblem([new Secret("another-secret-16"), secret], headers, body, now), null));
  test("another body, id, time or secret is refused", () => {
    assert.match(refused({}, Buffer.from("{}"))!, /Signature/);
    assert.match(refused({ id: "e2" })!, /Signature/);
    assert.match(refused({ timestamp: "1764000001" })!, /Signature/);
    assert.match(signatureProblem([new Secret("another-secret-16")], headers, body, now)!, /Signature/);
    assert.match(refused({ signature: "" })!, /Signature/);
  });
  test("a replay after five minutes is refused, and so is a clock that is ahead", () => {
    assert.equal(refused({}, body, now + SIGNATURE_WINDOW_MS), null);
    assert.match(refused({}, body, now + SIGNATURE_WINDOW_MS + 1)!, /Timestamp/);
    assert.match(refused({}, body, now - SIGNATURE_WINDOW_MS - 1)!, /Timestamp/);
  });
  test("headers that are missing are named", () => {
    assert.match(refused({ id: "" })!, /X-Webhook-Id/);
    assert.match(refused({ timestamp: "soon" })!, /X-Webhook-Timestamp/);
  });
});

const issues = (keys: object): string[] => {
  const parsed = parseChecked(createWebhookChannel(), keys);
  return "issues" in parsed ? parsed.issues.map((issue) => issue.path) : [];
};

describe("configuration", () => {
  const secret = "0123456789abcdef";
  test("without a secret the door is closed", () => assert.deepEqual(issues({}), ["secret"]));
  test("a short secret is refused", () => assert.deepEqual(issues({ secret: "short" }), ["secret"]));
  test("a secret that is not a text is refused with what to do", () => {
    for (const key of ["secret", "previousSecret"]) {
      const [issue] = checkAccount("webhook", { secret, [key]: 5 }).issues;
      assert.equal(issue?.path, key);
      assert.match(issue!.fix!, /openssl rand/);
    }
  });
  test("a short previous secret is refused", () => assert.deepEqual(issues({ secret, previousSecret: "short" }), ["previousSecret"]));
  test("plain http is for this machine", () => {
    assert.deepEqual(issues({ secret, outboundUrl: "http://example.org/x" }), ["outboundUrl"]);
    assert.deepEqual(issues({ secret, outboundUrl: "https://user:pw@example.org/x" }), ["outboundUrl"]);
    for (const outboundUrl of [5, "x"]) assert.deepEqual(issues({ secret, outboundUrl }), ["outboundUrl"]);
    assert.deepEqual(issues({ secret, outboundUrl: "http://127.0.0.1:1/x" }), []);
    assert.deepEqual(issues({ secret, outboundUrl: "https://example.org/x" }), []);
  });
});

test("a proxy that cannot be read stops the account instead of a direct connection", () => {
  const keys = { secret: "0123456789abcdef", outboundUrl: "https://example.org/x", proxy: 3_128 };
  const { raw, issues: refused } = checkAccount("webhook", keys);
  assert.deepEqual(refused, [{ path: "proxy", message: "must be a text, but is a number", fix: "Write it in quotes." }]);
  const result = createWebhookChannel().parse(raw);
  assert.ok("issues" in result);
  assert.deepEqual(
    result.issues.map(({ path }) => path),
    ["proxy"],
  );
});

test("an outgoing message names the place as the peer did", () => {
  assert.deepEqual(
    toOutboundLocation({
      channel: asId("webhook"),
      account: asId("default"),
      chat: { kind: "group", id: asId("g") },
      thread: "t",
      replyTo: asId("m"),
    }),
    { chat: { kind: "group", id: "g" }, thread: "t", replyTo: "m" },
  );
  assert.deepEqual(parseMessageIds({ ids: ["a", 1, ""] }), ["a"]);
  assert.deepEqual(parseMessageIds(null), []);
});
