// Group: wire
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { AuthSettings } from "../auth/credentials.ts";
import { asId, type DeviceId } from "../core/ids.ts";
import { Secret } from "../core/secret.ts";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import {
  connect,
  makeDevice,
  SETTINGS,
  startServerBench,
  TOKEN,
  tryConnect,
  type RawClient,
  type ServerBench,
} from "../../test/server-bench.ts";
import type { CompletionRun, OpenAiBackend } from "./openai-backend.ts";

const OWNER = { scopes: new Set(["operator.admin"]), name: "t" };
const ADMIN = { scopes: new Set(["operator.admin"]), device: null };

const vouched = (user: string) => ({ "x-user": user, "x-checked": "1", "x-proxy": "s", "x-forwarded-for": "203.0.113.5" });

/** A backend whose runs go on until they are aborted. */
function endless() {
  const runs: CompletionRun[] = [];
  const openai: OpenAiBackend = {
    routes: { chatCompletions: true, responses: true },
    agents: () => ["main"],
    async *run(run) {
      runs.push(run);
      yield { type: "delta", text: "first" };
      await new Promise<void>((resolve) => run.signal.addEventListener("abort", () => resolve()));
      yield { type: "delta", text: "said after the end" };
      yield { type: "final", text: "said after the end", usage: { inputTokens: 0, outputTokens: 0 }, finishReason: "stop" };
    },
  };
  return { openai, runs };
}

async function streamFrom(room: ServerBench, token: string, headers: Record<string, string> = {}, stream = true): Promise<Response> {
  return fetch(`http://127.0.0.1:${room.port}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, ...headers },
    body: JSON.stringify({ model: "openclaw", stream, messages: [{ role: "user", content: "x" }] }),
  });
}

/** What still comes of a stream, until it ends or is cut. */
async function rest(response: Response): Promise<{ text: string; cut: boolean }> {
  const reader = response.body!.getReader();
  let text = "";
  for (;;) {
    const read = await reader.read().catch(() => null);
    if (read === null) return { text, cut: true };
    if (read.done) return { text, cut: false };
    text += Buffer.from(read.value).toString();
  }
}

const endsWith4001 = async (raw: RawClient): Promise<void> => assert.deepEqual(await raw.end(), { code: 4001, reason: "credential ended" });

describe("connections and streams that end with their credential", () => {
  test("connections and streams of a named token end when it expires, at once, and no others", async () => {
    const clock = new FakeClock();
    const { openai, runs } = endless();
    const room = await startServerBench({ clock, deps: { openai } });
    const lifeMs = 5 * 3_600_000;
    const short = await room.auth.tokens.create({ name: "n", scopes: ["operator.write"], expiresInMs: lifeMs }, OWNER);
    const long = await room.auth.tokens.create({ name: "long", scopes: ["operator.read"], expiresInMs: lifeMs * 2 }, OWNER);
    const kept = await connect(room, { auth: { token: long.token.reveal() } });
    const ends = await connect(room, { auth: { token: short.token.reveal() } });
    const stream = await streamFrom(room, short.token.reveal());
    clock.advance(lifeMs - 1);
    assert.equal((await ends.call("health")).ok, true);
    clock.advance(1);
    await endsWith4001(ends);
    const { text, cut } = await rest(stream);
    assert.ok(cut && !text.includes("after the end"), text);
    assert.ok(runs[0]!.signal.aborted);
    assert.equal((await kept.call("health")).ok, true);
    clock.advance(lifeMs);
    await endsWith4001(kept);
    await room.stop();
  });

  test("a revoked token ends its streams, also the answer that had not begun", async () => {
    const { openai, runs } = endless();
    const room = await startServerBench({ deps: { openai } });
    const { row, token } = await room.auth.tokens.create({ name: "n", scopes: ["operator.write"] }, OWNER);
    const stream = await streamFrom(room, token.reveal());
    const whole = streamFrom(room, token.reveal(), {}, false);
    while (runs.length < 2) await new Promise((resolve) => setImmediate(resolve));
    const other = await streamFrom(room, TOKEN);
    await room.auth.tokens.revoke(row.id);
    assert.ok((await rest(stream)).cut);
    assert.equal((await whole).status, 401);
    assert.deepEqual(
      runs.map((run) => run.signal.aborted),
      [true, true, false],
    );
    await other.body!.cancel();
    await room.stop();
  });

  test("a device that is revoked, rotated or removed ends what came in with it, by its own token or with the shared one", async () => {
    const room = await startServerBench();
    for (const end of [
      (id: DeviceId) => room.auth.devices.revoke(id, "operator", ADMIN),
      (id: DeviceId) => room.auth.devices.rotate(id, "operator", undefined, ADMIN),
      (id: DeviceId) => room.auth.devices.remove(id, ADMIN),
    ]) {
      const device = makeDevice();
      const { raw: shared, answer } = await tryConnect(room, { device });
      const deviceToken = String((answer.payload!["auth"] as Record<string, unknown>)["deviceToken"]);
      const own = await connect(room, { device, auth: { token: deviceToken } });
      const bystander = await connect(room, { device: makeDevice() });
      await end(asId<DeviceId>(device.id));
      await Promise.all([endsWith4001(shared), endsWith4001(own)]);
      assert.equal((await bystander.call("health")).ok, true);
    }
    await room.stop();
  });
});

describe("connections and streams that end when the auth settings change", () => {
  test("another token, a password instead, or another mode ends the holders of the old one; the same one again ends none", async () => {
    const changes: Partial<AuthSettings>[] = [
      { token: new Secret("ocg_another-token-with-a-lot-of-entropy-0123456789abcdef") },
      { mode: "password", password: new Secret("hunter2") },
      { mode: "trusted-proxy", proxy: { userHeader: "x-user", requiredHeaders: [], allowUsers: [], secret: null } },
      { token: null },
    ];
    for (const change of changes) {
      const { openai } = endless();
      const room = await startServerBench({ deps: { openai } });
      const service = await room.auth.tokens.create({ name: "n", scopes: ["operator.read"] }, OWNER);
      const kept = await connect(room, { auth: { token: service.token.reveal() } });
      const raw = await connect(room);
      const stream = await streamFrom(room, TOKEN);
      room.auth.configure({ ...SETTINGS, token: new Secret(TOKEN), rateLimit: { maxAttempts: 1, windowMs: 1, lockoutMs: 1 } });
      assert.equal((await raw.call("health")).ok, true, "the same secret");
      room.auth.configure({ ...SETTINGS, ...change });
      await endsWith4001(raw);
      assert.ok((await rest(stream)).cut);
      assert.equal((await kept.call("health")).ok, true, "a named token does not depend on the shared one");
      await room.stop();
    }
  });

  test("mode none switched off ends those who came in without a credential", async () => {
    const room = await startServerBench({ settings: { mode: "none", token: null } });
    const raw = await connect(room, { auth: {} });
    room.auth.configure(SETTINGS);
    await endsWith4001(raw);
    await room.stop();
  });

  test("a user of the proxy ends when taken out of allowUsers, or when the proxy vouches in another way", async () => {
    const proxy = {
      userHeader: "x-user",
      requiredHeaders: ["x-checked"],
      allowUsers: ["ann", "eve"],
      secret: { header: "x-proxy", value: new Secret("s") },
    };
    const settings: AuthSettings = { ...SETTINGS, mode: "trusted-proxy", token: null, proxy, trustedProxies: ["127.0.0.1"] };
    const ending: AuthSettings[] = [
      { ...settings, proxy: { ...proxy, allowUsers: ["ann"] } },
      { ...settings, trustedProxies: ["10.0.0.1"] },
      { ...settings, proxy: { ...proxy, userHeader: "x-other" } },
      { ...settings, proxy: { ...proxy, requiredHeaders: ["x-checked", "x-more"] } },
      { ...settings, proxy: { ...proxy, secret: { header: "x-proxy", value: new Secret("t") } } },
      { ...settings, proxy: null },
      SETTINGS,
    ];
    for (const [index, change] of ending.entries()) {
      const { openai } = endless();
      const room = await startServerBench({ settings, deps: { openai } });
      const [ann, eve] = await Promise.all(["ann", "eve"].map((user) => connect(room, { auth: {} }, vouched(user))));
      const stream = await streamFrom(room, "-", vouched("eve"));
      room.auth.configure({
        ...settings,
        trustedProxies: ["127.0.0.1", "10.0.0.1"],
        proxy: { ...proxy, allowUsers: ["eve", "ann", "bob"] },
      });
      assert.equal((await eve!.call("health")).ok, true, "further proxies and users change nothing");
      room.auth.configure(change);
      await endsWith4001(eve!);
      assert.ok((await rest(stream)).cut);
      if (index === 0) assert.equal((await ann!.call("health")).ok, true);
      else await endsWith4001(ann!);
      await room.stop();
    }
  });

  test("a credential that ends while its handshake waits is not accepted", async () => {
    const room = await startServerBench();
    const device = makeDevice();
    const raw = tryConnect(room, { device }).then(
      ({ answer }) => answer.ok,
      () => false,
    );
    // The pairing of the device is written in between.
    const write = room.store.write.bind(room.store);
    room.store.write = (work) => {
      room.auth.configure({ ...SETTINGS, token: new Secret("ocg_another-token-with-a-lot-of-entropy-0123456789abcdef") });
      return write(work);
    };
    assert.equal(await raw, false);
    await room.stop();
  });
});

async function paired(room: ServerBench) {
  const silent = makeDevice();
  const { answer } = await tryConnect(room, { device: silent, scopes: ["operator.admin"] });
  const token = String((answer.payload!["auth"] as Record<string, unknown>)["deviceToken"]);
  const linked = makeDevice();
  const { code } = await room.auth.links.createForOwner();
  const signed = await tryConnect(room, { device: linked, auth: { bootstrapToken: code.reveal() } });
  const linkedToken = String((signed.answer.payload!["auth"] as Record<string, unknown>)["deviceToken"]);
  const again = async (device: typeof silent, text: string) => (await tryConnect(room, { device, auth: { token: text } })).answer.ok;
  return { silent, token, linked, linkedToken, again };
}

describe("devices that the shared secret has paired without approval", () => {
  const NEXT = new Secret("ocg_another-token-with-a-lot-of-entropy-0123456789abcdef");

  test("end with it when it is replaced while the gateway runs", async () => {
    const room = await startServerBench();
    const { silent, token, linked, linkedToken, again } = await paired(room);
    const raw = await connect(room, { device: silent, auth: { token } });
    room.auth.configure({ ...SETTINGS, token: NEXT });
    assert.equal(await again(silent, token), false, "refused at once, also before it is written");
    await endsWith4001(raw);
    assert.equal(await again(linked, linkedToken), true, "a device that the owner let in by a link stays");
    assert.equal(
      (await tryConnect(room, { device: silent, auth: { token: NEXT.reveal() } })).answer.ok,
      true,
      "with the new one it comes back",
    );
    await room.stop();
  });

  test("end with it when it was replaced while the gateway was stopped, and stay when it is the same", async () => {
    const dir = mkdtempSync(join(tmpdir(), "rotation-"));
    let room = await startServerBench({ dir });
    const { silent, token, linked, linkedToken } = await paired(room);
    const ok = async (device: typeof silent, text: string) => (await tryConnect(room, { device, auth: { token: text } })).answer.ok;
    await room.stop();
    room = await startServerBench({ dir });
    assert.equal(await ok(silent, token), true);
    await room.stop();
    room = await startServerBench({ dir, settings: { mode: "none", token: null } });
    await room.stop();
    room = await startServerBench({ dir, settings: { token: NEXT } });
    assert.equal(await ok(silent, token), false);
    assert.equal(await ok(linked, linkedToken), true);
    await room.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  test("a device that a person has decided about gets nothing more without a person", async () => {
    const room = await startServerBench();
    const device = makeDevice();
    const request = await room.auth.devices.request(
      {
        id: asId<DeviceId>(device.id),
        publicKey: device.publicKey,
        facts: { displayName: null, platform: null, deviceFamily: null, clientId: null, clientMode: null, remote: null },
        origin: null,
      },
      { role: "operator", scopes: ["operator.read"], reason: "not-paired" },
    );
    await room.auth.devices.approve(request.requestId, ADMIN);
    assert.equal((await tryConnect(room, { device, scopes: ["operator.read"] })).answer.ok, true);
    for (const wanted of [{ scopes: ["operator.admin"] }, { role: "node", scopes: [] }])
      assert.equal((await tryConnect(room, { device, ...wanted })).answer.error!.details!["code"], "PAIRING_REQUIRED");
    await room.auth.devices.revoke(device.id, "operator", ADMIN);
    assert.equal((await tryConnect(room, { device, scopes: ["operator.read"] })).answer.error!.details!["code"], "PAIRING_REQUIRED");
    await room.stop();
  });
});
