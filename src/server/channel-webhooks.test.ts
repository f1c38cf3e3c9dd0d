// Group: wire
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { GatewayError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { startServerBench, type ServerBench } from "../../test/server-bench.ts";
import type { InboundWebhookRequest } from "./deps.ts";

let room: ServerBench;
const seen: { channel: string; account: string; request: InboundWebhookRequest }[] = [];
before(async () => {
  room = await startServerBench({
    deps: {
      receiveWebhook: async (channel, account, request) => {
        if (channel === "missing") throw new GatewayError("NOT_FOUND", "no such account");
        if (channel === "away") throw new GatewayError("UNAVAILABLE", "not running", { retryAfterMs: 5_000 });
        if (channel === "full") throw new Error("disk full");
        seen.push({ channel, account, request });
        return { status: 202, headers: { "x-made": "yes" }, body: '{"ok":true}' };
      },
    },
  });
});
after(() => room.stop());

const post = (path: string, body: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`http://127.0.0.1:${room.port}${path}`, { method: "POST", body, headers });

describe("requests of chat platforms", () => {
  test("the channel gets the bytes as they came, and its answer goes back", async () => {
    const answer = await post("/channels/webhook/second?a=1", '{ "x" :1}', { "X-Sign": "s" });
    assert.equal(answer.status, 202);
    assert.equal(answer.headers.get("x-made"), "yes");
    assert.deepEqual(await answer.json(), { ok: true });
    const { channel, account, request } = seen.at(-1)!;
    assert.deepEqual([channel, account, request.query, request.headers["x-sign"]], ["webhook", "second", "a=1", "s"]);
    assert.equal(Buffer.from(request.body).toString(), '{ "x" :1}');
  });

  test("without an account the default one is meant", async () => {
    await post("/channels/webhook", "{}");
    assert.equal(seen.at(-1)!.account, "default");
  });

  test("an unknown account is 404, one that is not running 503 with Retry-After", async () => {
    assert.equal((await post("/channels/missing/x", "")).status, 404);
    const away = await post("/channels/away/x", "");
    assert.deepEqual([away.status, away.headers.get("retry-after")], [503, "5"]);
  });

  test("what could not be stored is 503 with Retry-After, without the cause", async () => {
    const full = await post("/channels/full/x", "{}");
    assert.deepEqual([full.status, full.headers.get("retry-after")], [503, "5"]);
    assert.doesNotMatch(await full.text(), /disk/);
  });

  test("a body that does not come in time, or is cut, reaches no channel", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const [slow, cut] = [connect(room.port, "127.0.0.1"), connect(room.port, "127.0.0.1")];
    const before = seen.length;
    for (const socket of [slow, cut]) socket.write("POST /channels/webhook HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{");
    cut.end();
    const answer: string[] = [];
    slow.on("data", (data: Buffer) => answer.push(data.toString()));
    while (answer.length === 0) {
      await new Promise((resolve) => setImmediate(resolve));
      t.mock.timers.tick(LIMITS.httpBodyMs);
    }
    slow.destroy();
    assert.match(answer.join(""), /^HTTP\/1\.1 4\d\d [\s\S]*too slowly/);
    assert.equal(seen.length, before);
  });

  for (const path of ["/channels/", "/channels/UPPER", "/channels/a/b/c", "/channels/a/..%2fb", `/channels/a/${"x".repeat(65)}`])
    test(`${path.slice(0, 40)} is nothing`, async () => {
      const before = seen.length;
      assert.equal((await post(path, "")).status, 404);
      assert.equal(seen.length, before);
    });

  test("a body over the limit is refused before it is read", async () => {
    const socket = connect(room.port, "127.0.0.1");
    socket.write(`POST /channels/webhook HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${LIMITS.hookBodyBytes + 1}\r\n\r\n`);
    const [chunk] = (await new Promise<Buffer[]>((resolve) => socket.once("data", (data: Buffer) => resolve([data])))) as [Buffer];
    socket.destroy();
    assert.match(chunk.toString(), /^HTTP\/1\.1 413 /);
  });

  test("a foreign Host is refused here as everywhere", async () => {
    const socket = connect(room.port, "127.0.0.1");
    socket.write("POST /channels/webhook HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 2\r\n\r\n{}");
    const chunk = await new Promise<Buffer>((resolve) => socket.once("data", resolve));
    socket.destroy();
    assert.match(chunk.toString(), /^HTTP\/1\.1 403 /);
  });
});
