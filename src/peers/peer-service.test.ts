// Group: wire
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { LINK, connect, linked, testGateway, type Loss, type Side } from "../../test/peer-bench.ts";
import { settled, until } from "../../test/until.ts";
import { createDevice, type DeviceIdentity } from "../client/device.ts";
import { seal, unseal, toAck, type Packet, type RequestEnvelope } from "./envelope.ts";
import { fingerprintOf, linkToken, pairingToken, parseCode } from "./keys.ts";
import { PEER_LIMITS } from "./limits.ts";
import { conversationIdOf, requestIdOf } from "./remote-turn.ts";

const received = (side: Side): string[] => [...side.runs.values()].map(({ submission }) => submission.text);
const never = new AbortController().signal;

test("a request becomes one message from outside, and its answer comes back", async (t) => {
  const { home, office } = await linked(t);
  connect(home, office);
  const { isUp } = await home.ask("office", "hello", "run-1");
  assert.equal(isUp, true);
  const [runId, run] = await until("the message", () => [...office.runs][0]);
  assert.deepEqual(run.submission.provenance, {
    channel: "peer",
    account: "home",
    senderId: "peer:home",
    senderName: "home",
    senderIsOwner: false,
  });
  assert.equal(run.submission.command, null);
  assert.equal(run.submission.sessionKey, `agent:main:peer:home:direct:${conversationIdOf("agent:main@office:main")}`);
  office.answer(runId, "good day");
  assert.deepEqual(await home.service.waitFor(requestIdOf("run-1"), never), { status: "ok", text: "good day", reason: null });
});

test("a message that waits for its link is sent when the link is back, once for each run", async (t) => {
  const { home, office } = await linked(t);
  home.service.configure();
  assert.deepEqual([...home.states], [["office", false]]);
  assert.equal((await home.ask("office", "one", "run-1")).isUp, false);
  await home.ask("office", "one", "run-1");
  await home.ask("office", "two", "run-2");
  assert.deepEqual(
    home.rows.queues().map(({ queued }) => queued),
    [2],
  );
  await home.restart();
  connect(home, office);
  await until("both messages", () => office.runs.size === 2);
  assert.deepEqual([...home.states], [["office", true]]);
  assert.deepEqual(received(office), ["one", "two"]);
});

test("what is not delivered or answered in time comes back with a reason", async (t) => {
  const { clock, home, office } = await linked(t);
  await home.ask("office", "lost", "run-1");
  await clock.advanceSettled(61 * 60_000);
  await settled();
  const lost = await home.service.waitFor(requestIdOf("run-1"), never);
  assert.equal(lost?.status, "bounced");
  assert.match(lost.reason!, /did not reach office in time: the link was down/);

  connect(home, office);
  await home.ask("office", "slow", "run-2");
  await until("the message", () => office.runs.size === 1);
  await until("its acknowledgement", () => home.rows.queues()[0]?.unanswered === 1);
  await clock.advanceSettled(61 * 60_000);
  const slow = await home.service.waitFor(requestIdOf("run-2"), never);
  assert.match(slow!.reason!, /has the message and did not answer in time/);
  // An answer that comes later changes nothing.
  office.answer([...office.runs.keys()][0]!, "too late");
  await settled();
  assert.match((await home.service.waitFor(requestIdOf("run-2"), never))!.reason!, /did not answer in time/);
});

test("a queue that is full refuses one more message", async (t) => {
  const { home } = await linked(t, { home: { maxQueued: 1 } });
  await home.ask("office", "one", "run-1");
  await assert.rejects(home.ask("office", "two", "run-2"), /1 messages wait for the link to office/);
});

test("a gateway takes so many messages of a link as it may leave without a reply, and the others wait there", async (t) => {
  const { clock, home, office } = await linked(t, { office: { maxQueued: 1 } });
  connect(home, office);
  await home.ask("office", "one", "run-1");
  await home.ask("office", "two", "run-2");
  await until("the first message", () => office.runs.size === 1);
  await settled();
  assert.deepEqual(received(office), ["one"]);
  // A reply passes the request that waits.
  await office.ask("home", "and you?", "run-3");
  const [question] = await until("the message of the other side", () => [...home.runs][0]);
  home.answer(question, "me too");
  assert.equal((await office.service.waitFor(requestIdOf("run-3"), never))?.text, "me too");
  office.answer([...office.runs.keys()][0]!, "done");
  await until("the second message", async () => {
    await clock.advanceSettled(PEER_LIMITS.busyMs);
    return office.runs.size === 2;
  });
});

test("a link has few connections, and shows no credential of its address", async (t) => {
  const { home, office } = await linked(t, { home: { url: "wss://ann:secret@office.example:18789/gw?token=secret" } });
  let ended = 0;
  for (let index = 0; index <= PEER_LIMITS.connections; index++)
    office.service.connected(
      `c${index}`,
      home.identity.id,
      () => {},
      () => {
        ended++;
        office.service.disconnected(`c${index}`);
      },
    );
  assert.equal(ended, 1);
  assert.equal(home.service.reports()[0]?.url, "wss://office.example:18789/gw");
});

test("what one of the two gateways does not allow is refused, and nothing of it is stored there", async (t) => {
  const { home, office } = await linked(t, { home: { send: { ...LINK.send, channels: ["telegram"] } } });
  await assert.rejects(home.ask("office", "hello", "run-1"), /peers.office.send: messages from webchat are not allowed/);
  home.links.set("office", LINK);
  connect(home, office);
  await home.ask("office", "hello", "run-2", "work");
  const outcome = await home.service.waitFor(requestIdOf("run-2"), never);
  assert.deepEqual(outcome, { status: "bounced", text: "", reason: "office refused the message: the agent work is not allowed" });
  assert.equal(office.runs.size, 0);
});

function packetOf(from: Side, to: Side, more: Partial<RequestEnvelope> = {}): Packet {
  const now = to.service.now();
  return seal(from.identity, {
    v: 1,
    from: from.identity.id,
    to: to.identity.id,
    kind: "request",
    id: "request-0001",
    sentAt: now,
    expiresAt: now + 60_000,
    path: [from.identity.id],
    maxHops: 3,
    agent: "main",
    channel: "webchat",
    conversation: "0123",
    isNew: false,
    text: "hello",
    ...more,
  });
}

async function pushed(from: Side, to: Side, packet: Packet): Promise<string> {
  const answer = await to.service.receive(from.identity.id, packet);
  const content = unseal(answer, { publicKey: to.identity.publicKey, from: to.identity.id, to: from.identity.id });
  const ack = content && toAck(content, "request-0001");
  return ack ? `${ack.status}${ack.reason === null ? "" : `: ${ack.reason}`}` : "no acknowledgement";
}

test("a packet that comes again is acknowledged and does nothing", async (t) => {
  const { clock, home, office } = await linked(t);
  const packet = packetOf(home, office);
  assert.deepEqual(await Promise.all([pushed(home, office, packet), pushed(home, office, packet)]), ["stored", "stored"]);
  assert.equal(office.runs.size, 1);
  // What was stored stays so, whatever is allowed by now.
  office.links.set("home", { ...LINK, accept: { ...LINK.accept, agents: [] } });
  assert.equal(await pushed(home, office, packet), "stored");
  office.links.set("home", LINK);
  await office.restart();
  assert.equal(await pushed(home, office, packet), "stored");
  assert.equal(office.runs.size, 1);
  // After its time there is no row of it any more, and it is too old.
  office.answer([...office.runs.keys()][0]!, "done");
  await settled();
  clock.advance(PEER_LIMITS.keptMs);
  await office.store.write(() => office.rows.prune(clock.now(), 100));
  assert.equal(await pushed(home, office, packet), "refused: its time is over");
  assert.equal(office.runs.size, 1);
});

test("a packet of another gateway, or for another one, is not read", async (t) => {
  const { home, office } = await linked(t);
  const unknownDevice = createDevice();
  const forged = {
    ...packetOf(home, office),
    signature: seal(unknownDevice, JSON.parse(packetOf(home, office).body) as RequestEnvelope).signature,
  };
  await assert.rejects(office.service.receive(home.identity.id, forged), /not signed by this link/);
  await assert.rejects(office.service.receive(home.identity.id, packetOf(home, office, { to: unknownDevice.id })), /not for this gateway/);
  assert.throws(() => office.service.receive(unknownDevice.id, packetOf(home, office)), /not in use/);
  assert.equal(office.runs.size, 0);
});

test("a message does not go in a circle, nor over more links than either side allows", async (t) => {
  const { home, office } = await linked(t, { office: { maxHops: 2 } });
  const { id } = home.identity;
  assert.match(await pushed(home, office, packetOf(home, office, { path: [office.identity.id, id] })), /refused: .*circle/);
  assert.match(await pushed(home, office, packetOf(home, office, { path: ["x", "y", id] })), /refused: .*3 links; at most 2/);
  assert.match(await pushed(home, office, packetOf(home, office, { path: [id, "x"] })), /refused: the path does not end/);
  assert.match(await pushed(home, office, packetOf(home, office, { path: ["x", id], maxHops: 1 })), /refused: .*at most 1/);
  assert.equal(office.runs.size, 0);
});

test("a message is passed on over another link, and its answer comes back the same way", async (t) => {
  const { clock, home, office } = await linked(t);
  const thirdKey = createDevice();
  const third = testGateway(t, clock, thirdKey, { office: {} });
  office.links.set("third", LINK);
  await office.pin("third", thirdKey);
  await third.pin("office", office.identity);
  connect(home, office);
  connect(office, third);
  await home.ask("office", "far away", "run-1", "main@third");
  const [runId, { submission }] = await until("the message", () => [...third.runs][0]);
  assert.equal(submission.text, "far away");
  assert.equal(submission.provenance.senderId, "peer:office");
  assert.equal(office.runs.size, 0);
  third.answer(runId, "from afar");
  assert.equal((await home.service.waitFor(requestIdOf("run-1"), never))?.text, "from afar");

  // A ring: the third gateway passes messages for `main@home` on to the first.
  office.links.set("third", { ...LINK, send: { ...LINK.send, agents: ["main@home"] } });
  office.links.set("home", { ...LINK, accept: { ...LINK.accept, agents: ["main@home@third"] } });
  home.links.set("office", { ...LINK, send: { ...LINK.send, agents: ["main@home@third"] } });
  third.links.set("office", { ...LINK, accept: { ...LINK.accept, agents: ["main@home"] } });
  third.links.set("home", LINK);
  await third.pin("home", home.identity);
  connect(office, third);
  await home.ask("office", "around", "run-2", "main@home@third");
  const around = await home.service.waitFor(requestIdOf("run-2"), never);
  assert.equal(around?.status, "bounced");
  assert.match(around.reason!, /circle/);
  assert.equal(home.runs.size, 0);
});

test("a pairing code lets one gateway in, whose key is pinned; another key is refused until a person approves it", async (t) => {
  const clock = new FakeClock();
  const office = testGateway(t, clock, createDevice(), { home: {} });
  const [homeKey, otherKey] = [createDevice(), createDevice()];
  const claim = ({ id, publicKey }: DeviceIdentity, token: string) =>
    office.service.admit({ keyId: id, publicKey, token, address: "10.0.0.7" });
  const code = parseCode(office.service.makeCode("home").code)!;
  assert.deepEqual(await claim(otherKey, pairingToken(code, homeKey.id)), { refused: { kind: "code" } });
  assert.deepEqual(await claim(homeKey, pairingToken(code, homeKey.id)), { name: "home" });
  assert.deepEqual(await claim(otherKey, pairingToken(code, otherKey.id)), { refused: { kind: "code" } });

  const own = office.identity.id;
  assert.deepEqual(await claim(homeKey, linkToken(own)), { name: "home" });
  assert.deepEqual(await claim(homeKey, linkToken(otherKey.id)), {
    refused: { kind: "other-key", publicKey: office.identity.publicKey },
  });
  assert.deepEqual(await claim(otherKey, linkToken(own)), { refused: { kind: "unknown", fingerprint: fingerprintOf(otherKey.id) } });
  assert.equal(office.service.isLinked("home", homeKey.id), true);
  assert.equal(office.service.isLinked("home", otherKey.id), false);

  await assert.rejects(office.service.approve("home", fingerprintOf(createDevice().id)), /no gateway has shown a key/);
  await office.service.approve("home", fingerprintOf(otherKey.id));
  assert.equal(office.service.isLinked("home", otherKey.id), true);
  assert.equal(office.service.isLinked("home", homeKey.id), false);
  assert.deepEqual(office.revoked, ["home"]);
});

test("a link that is removed forgets its key, ends its connections and gives back what waits", async (t) => {
  const { home, office } = await linked(t);
  await home.ask("office", "hello", "run-1");
  connect(home, office);
  await until("the message", () => office.runs.size === 1);
  const { wasPaired, bounced } = await home.service.revoke("office");
  assert.deepEqual([wasPaired, bounced], [true, 1]);
  assert.deepEqual(home.revoked, ["office"]);
  assert.match((await home.service.waitFor(requestIdOf("run-1"), never))!.reason!, /was removed/);
  assert.equal(home.service.reports()[0]?.state, "unpaired");
  assert.equal(home.states.size, 0);
  assert.equal(home.service.isLinked("office", office.identity.id), false);
  assert.throws(() => home.service.receive(office.identity.id, packetOf(office, home)), /not in use/);
});

test("a link that is up answers a ping with the agents that may be asked", async (t) => {
  const { home, office } = await linked(t);
  await assert.rejects(home.service.test("office"), /the link to office is down/);
  connect(home, office);
  assert.deepEqual((await home.service.test("office")).agents, ["main", "main@third"]);
  office.links.set("home", { ...LINK, accept: { ...LINK.accept, methods: ["agent"] } });
  assert.equal((await home.service.test("office")).agents, null);
});

function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

test("each message arrives once and in order, and is answered, over lost connections and restarts", async (t) => {
  for (let seed = 1; seed <= 6; seed++) {
    const next = random(seed);
    const { clock, home, office } = await linked(t);
    const loss: Loss = () => (next() < 0.2 ? "before" : next() < 0.2 ? "after" : "none");
    const COUNT = 20;
    for (let index = 0; index < COUNT; index++) {
      await home.ask("office", `letter ${index}`, `run-${seed}-${index}`);
      const end = connect(home, office, loss);
      await clock.advanceSettled(Math.floor(next() * 5_000));
      for (const [runId, run] of office.runs) if (run.outcome === null && next() < 0.6) office.answer(runId, `re: ${run.submission.text}`);
      await settled(5);
      if (next() < 0.3) await home.restart();
      if (next() < 0.3) await office.restart();
      end();
    }
    await until(`everything of seed ${seed}`, async () => {
      const end = connect(home, office);
      await clock.advanceSettled(10_000);
      for (const [runId, run] of office.runs) if (run.outcome === null) office.answer(runId, `re: ${run.submission.text}`);
      await settled(5);
      end();
      return home.rows.queues().length === 0 && office.rows.queues().length === 0;
    });
    assert.deepEqual(
      received(office),
      Array.from({ length: COUNT }, (_, index) => `letter ${index}`),
    );
    for (let index = 0; index < COUNT; index++) {
      const outcome = await home.service.waitFor(requestIdOf(`run-${seed}-${index}`), never);
      assert.equal(outcome?.text, `re: letter ${index}`);
    }
  }
});
