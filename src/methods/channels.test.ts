// Group: wire
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { AccountStatus } from "../channels/account-types.ts";
import { GatewayError } from "../core/errors.ts";
import { asId, type AccountId, type ChannelId, type ConnId } from "../core/ids.ts";
import { silentLog } from "../core/log.ts";
import { createLoopProbe } from "../observe/event-loop.ts";
import type { Caller } from "../protocol/method.ts";
import { emptyBacklog } from "../store/account-backlog.ts";
import { openStore } from "../store/open.ts";
import { createPairings } from "../store/pairing.ts";
import { assertMatchesResultSchema } from "../../test/result-schema.ts";
import { channelsMethods } from "./channels.ts";
import { routesMethods } from "./routes.ts";

const root = mkdtempSync(join(tmpdir(), "channels-methods-"));
after(() => rmSync(root, { recursive: true, force: true }));
let made = 0;

const account = (name: string, state: AccountStatus["state"], cause: string | null = null): AccountStatus => ({
  channel: asId<ChannelId>("irc"),
  account: asId<AccountId>(name),
  enabled: true,
  state,
  since: 10,
  cause,
  fix: state === "terminal" ? "Correct the password." : null,
  retryAt: null,
  lastMessageAt: null,
  lastEventAt: null,
  lastReadAt: 11,
  lastWriteAt: null,
  reconnects: 0,
  rateLimits: 0,
});

const caller = (...scopes: string[]): Caller => ({
  conn: asId<ConnId>("c1"),
  role: "operator",
  scopes: new Set(scopes),
  client: { id: "cli", mode: "cli", version: "1" },
  caps: new Set(),
  device: null,
  signal: new AbortController().signal,
  accept: () => {},
});

const refused = (err: unknown): boolean =>
  err instanceof GatewayError && err.code === "FORBIDDEN" && err.details?.["code"] === "MISSING_SCOPE";
const missing = (err: unknown): boolean => err instanceof GatewayError && err.code === "NOT_FOUND";

function rig(accounts: readonly AccountStatus[] = [account("oftc", "terminal", "wrong password"), account("libera", "ready")]) {
  const store = openStore({ dir: join(root, String(made++)), log: silentLog });
  let code = 0;
  const pairings = createPairings(store, { now: () => 1_000, newCode: () => `CODE${++code}` });
  const loop = createLoopProbe();
  const did: string[] = [];
  const methods = channelsMethods({
    now: () => 50,
    host: {
      status: () => accounts,
      start: (channel, name) => void did.push(`start ${channel}/${name}`),
      stop: async (channel, name) => void did.push(`stop ${channel}/${name}`),
    },
    backlogs: () => [{ ...emptyBacklog("irc", "libera"), waiting: 3, oldestWaitingAt: 7, outboxParked: 1 }],
    labelOf: (id) => (id === "irc" ? "IRC" : undefined),
    defaultAccountOf: () => "libera",
    loop,
    pairings,
    write: (change) => store.write(change),
    ownerConfigured: () => false,
    probe: async (channel, name) => {
      did.push(`probe ${channel}/${name}`);
      if (name === "oftc") throw new Error("wrong password");
      return { name: "robot" };
    },
    notifyApproved: async (request) => {
      did.push(`notify ${request.sender}`);
      return "sent";
    },
  });
  const close = (): void => {
    loop.stop();
    store.close();
  };
  return { store, pairings, methods, did, close };
}

test("channels.status tells each account apart", async () => {
  const r = rig();
  const status = await r.methods["channels.status"].run({}, caller("operator.read"));
  assertMatchesResultSchema("ChannelsStatusResult", status);
  const rows = (status["channelAccounts"] as { irc: Record<string, unknown>[] }).irc;
  assert.deepEqual(
    rows.map((row) => [row["accountId"], row["healthState"], row["connected"], row["lastError"], row["fix"]]),
    [
      ["oftc", "failed", false, "wrong password", "Correct the password."],
      ["libera", "healthy", true, null, undefined],
    ],
  );
  assert.deepEqual(
    rows.map((row) => [row["queueDepth"], row["oldestWaitingAt"], row["outboxWaiting"], row["outboxParked"], row["rateLimits"]]),
    [
      [0, null, 0, 0, 0],
      [3, 7, 0, 1, 0],
    ],
  );
  assert.equal(
    (status["channels"] as { irc: { healthState: string } }).irc.healthState,
    "healthy",
    "a channel is as well as its best account",
  );
  assert.deepEqual((await r.methods["channels.status"].run({ channel: "telegram" }, caller("operator.read")))["channelOrder"], []);
  assert.deepEqual(r.did, [], "no platform is asked unless someone wants it");
  r.close();
  const none = rig([]);
  assertMatchesResultSchema("ChannelsStatusResult", await none.methods["channels.status"].run({}, caller("operator.read")));
  none.close();
});

test("with probe the platform is asked about every enabled account, and a failing one does not affect the others", async () => {
  const r = rig([
    account("oftc", "terminal", "wrong password"),
    account("libera", "ready"),
    { ...account("off", "stopped"), enabled: false } as never,
  ]);
  const status = await r.methods["channels.status"].run({ probe: true }, caller("operator.read"));
  assertMatchesResultSchema("ChannelsStatusResult", status);
  assert.deepEqual(r.did, ["probe irc/oftc", "probe irc/libera"]);
  assert.deepEqual(
    status.channelAccounts["irc"]!.map((row) => [row["probe"], row["lastProbeAt"]]),
    [
      [{ ok: false, error: "wrong password", elapsedMs: 0 }, 50],
      [{ ok: true, name: "robot", elapsedMs: 0 }, 50],
      [undefined, undefined],
    ],
  );
  r.close();
});

test("channels are started and stopped by account, or all at once", async () => {
  const r = rig();
  assert.deepEqual(await r.methods["channels.stop"].run({ channel: "irc", accountId: "oftc" }), {
    ok: true,
    channel: "irc",
    accountId: "oftc",
    accountIds: ["oftc"],
    stopped: true,
  });
  r.methods["channels.start"].run({ channel: "irc" });
  assert.deepEqual(r.did, ["stop irc/oftc", "start irc/oftc", "start irc/libera"]);
  assert.throws(() => r.methods["channels.start"].run({ channel: "irc", accountId: "nope" }), missing);
  await assert.rejects(() => r.methods["channels.stop"].run({ channel: "telegram" }), missing);
  r.close();
});

test("a pairing request is listed, approved once, and the sender is notified on request", async () => {
  const r = rig();
  const code = await r.store.write(() => r.pairings.request("irc", "libera", "ann", "Ann"));
  await r.store.write(() => r.pairings.request("irc", "libera", "bob", undefined));
  const list = r.methods["channels.pairing.list"].run({});
  assertMatchesResultSchema("ChannelsPairingListResult", list);
  assert.deepEqual(
    (list["requests"] as { requestId: string; senderLabel: string }[]).map((each) => [each.requestId, each.senderLabel]),
    [
      [code, "Ann"],
      ["CODE2", "bob"],
    ],
  );
  const params = { channel: "irc", accountId: "libera", requestId: code! };
  const approved = await r.methods["channels.pairing.approve"].run({ ...params, notify: true }, caller("operator.pairing"));
  assertMatchesResultSchema("ChannelsPairingApproveResult", approved);
  assert.equal(approved["notification"], "sent");
  assert.deepEqual(r.did, ["notify ann"]);
  assert.equal(r.pairings.isPaired("irc", "libera", "ann"), true);
  await assert.rejects(
    () => r.methods["channels.pairing.approve"].run(params, caller("operator.pairing")),
    (err: unknown) => err instanceof GatewayError && err.code === "NOT_FOUND",
  );
  const dismissed = await r.methods["channels.pairing.dismiss"].run({ ...params, requestId: "CODE2" });
  assertMatchesResultSchema("ChannelsPairingDismissResult", dismissed);
  assert.equal(r.pairings.isPaired("irc", "libera", "bob"), false);
  r.close();
});

test("approving needs the pairing scope, and making an owner needs admin; a refusal changes nothing", async () => {
  const r = rig();
  const code = await r.store.write(() => r.pairings.request("irc", "libera", "ann", "Ann"));
  const params = { channel: "irc", accountId: "libera", requestId: code! };
  const approve = r.methods["channels.pairing.approve"].run;
  await assert.rejects(() => approve(params, caller("operator.write")), refused);
  await assert.rejects(() => approve({ ...params, bootstrapCommandOwner: true }, caller("operator.pairing")), refused);
  assert.equal(r.pairings.isPaired("irc", "libera", "ann"), false);
  const answer = await approve({ ...params, bootstrapCommandOwner: true }, caller("operator.admin"));
  assertMatchesResultSchema("ChannelsPairingApproveResult", answer);
  assert.equal(answer["commandOwnerBootstrap"], "unavailable");
  r.close();
});

test("route.explain decides as the gateway does and prints its reasons", () => {
  const explain = routesMethods({
    config: () => ({
      agents: { entries: { main: {}, work: {} } },
      bindings: [{ agentId: "work", match: { channel: "irc", peer: { kind: "group", id: "#dev" } } }],
      channels: { irc: { dmPolicy: "pairing", groupPolicy: "open" } },
    }),
    isPaired: (_channel, _account, sender) => sender === "ann",
    botFacts: () => ({ now: 1 }),
    isAddressed: (_channel: string, _account: string, text: string) => text.startsWith("bot:"),
    now: () => 1,
  })["route.explain"].run;
  const room = explain({ channel: "irc", account: "default", peer: "#dev", group: true });
  assert.equal(room.route?.agentId, "work");
  assert.ok(room.lines.length > 2 && room.lines.every((line) => !line.includes("\n")));
  const said = (text: string) => explain({ channel: "irc", account: "default", peer: "#dev", group: true, text }).access;
  assert.equal(said("hello all").action, "record");
  assert.deepEqual([said("bot: hello").action, said("bot: hello").reason], ["answer", "group-mention"]);
  assert.equal(explain({ channel: "irc", account: "default", peer: "ann" }).access.action, "answer");
  assert.equal(explain({ channel: "irc", account: "default", peer: "bob" }).access.action, "offer-pairing");
});
