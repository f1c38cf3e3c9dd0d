// Links between gateways with real processes: pairing, messages in both directions, rights, revocation, and kills of either side.
import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { openClient, type ProtocolClient } from "../../src/client/client.ts";
import { createDevice } from "../../src/client/device.ts";
import { ClientError } from "../../src/client/errors.ts";
import { Secret } from "../../src/core/secret.ts";
import { WebhookPeer } from "../channel-kit/webhook-peer.ts";
import { findPeerCrashPoints } from "../crash/crash-points.ts";
import { PeerCampaign } from "../crash/peer-campaign.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { openclaw, openclawJson } from "./cli.ts";
import { dropHome, modelConfig, newHome, startGateway, stateDir, until, type GatewayUnderTest } from "./gateway-process.ts";

type Wire = Record<string, unknown>;
type Link = Wire & { name: string; state: string; queued: number; unanswered: number; cause: string | null };

let model: ModelServer;
const homes: string[] = [];
const started: GatewayUnderTest[] = [];

before(async () => {
  model = await startModelServer();
});

after(async () => {
  for (const gateway of started) await gateway.kill("SIGKILL");
  await model.close();
  for (const home of homes) dropHome(home);
});

async function start(
  options: { home?: string; port?: number; config?: Wire; env?: Record<string, string> } = {},
): Promise<GatewayUnderTest> {
  const home = options.home ?? newHome();
  if (!homes.includes(home)) homes.push(home);
  const config = options.home === undefined ? { config: { ...modelConfig(model.url), ...options.config } } : {};
  const gateway = await startGateway({
    home,
    ...(options.port !== undefined && { port: options.port }),
    ...(options.env && { env: options.env }),
    ...config,
  });
  started.push(gateway);
  return gateway;
}

/** Two gateways; `home` connects to `office`, and each may ask the agent `main` of the other. */
async function pair(config: Wire = {}): Promise<{ home: GatewayUnderTest; office: GatewayUnderTest }> {
  const [home, office] = await Promise.all([start({ config }), start()]);
  await openclawJson(office.home, "peers", "add", "home", "--accept", "main", "--send", "main");
  await openclawJson(home.home, "peers", "add", "office", office.url, "--accept", "main", "--send", "main");
  const { code } = await openclawJson<{ code: string }>(office.home, "peers", "pair", "home");
  await openclawJson(home.home, "peers", "pair", "office", "--code", code);
  await untilUp(home, "office");
  return { home, office };
}

const linkOf = async (client: ProtocolClient, name: string): Promise<Link | undefined> =>
  (await client.request<{ links: Link[] }>("peers.list", {})).links.find((link) => link.name === name);

async function untilUp(gateway: GatewayUnderTest, name: string): Promise<void> {
  const client = await gateway.connect();
  await until(`the link ${name}`, async () => (await linkOf(client, name))?.state === "up");
  await client.close();
}

const ask = (gateway: GatewayUnderTest, agent: string, message: string): ReturnType<typeof openclaw> =>
  openclaw(gateway.home, "agent", "--agent", agent, "--message", message);

test("two gateways are paired by a code, and the agents of each answer the other", async () => {
  const { home, office } = await pair();
  const there = await ask(home, "main@office", "good morning");
  assert.equal(there.code, 0, there.stderr);
  assert.match(there.stdout, /You said: good morning/);
  const back = await ask(office, "main@home", "good evening");
  assert.equal(back.code, 0, back.stderr);
  assert.match(back.stdout, /You said: good evening/);

  // The conversation has one key there, and its messages are data from the link.
  await ask(home, "main@office", "and again");
  const client = await office.connect();
  const { sessions } = await client.request<{ sessions: { key: string }[] }>("sessions.list", {});
  const keys = sessions.map(({ key }) => key).filter((key) => key.includes(":peer:"));
  assert.equal(keys.length, 1);
  assert.match(keys[0]!, /^agent:main:peer:home:direct:[0-9a-f]{32}$/);
  const { messages } = await client.request<{ messages: Wire[] }>("chat.history", { sessionKey: keys[0] });
  assert.equal(messages.filter(({ role }) => role === "user").length, 2);

  const here = await home.connect();
  const named = { key: "agent:main@office:main", message: "two boxes", idempotencyKey: "order-1" };
  await here.request("sessions.send", named);
  await until("the answer to sessions.send", async () => {
    const answer = await here.request<{ messages: Wire[] }>("chat.history", { sessionKey: named.key });
    return JSON.stringify(answer.messages).includes("You said: two boxes");
  });
  await here.close();

  // Each side replaces its key, and the link goes on.
  for (const [gateway, name] of [
    [home, "office"],
    [office, "home"],
  ] as const) {
    const rotated = await openclaw(gateway.home, "peers", "rotate", name);
    const [print] = /[0-9a-f]{4}(?:-[0-9a-f]{4}){7}/.exec(rotated.stdout) ?? [];
    const client = await gateway.connect();
    // The other side may just connect again with its own new key.
    await until("the new key", async () => (await linkOf(client, name))?.["ownFingerprint"] === print);
    await client.close();
  }
  const later = await ask(home, "main@office", "with other keys");
  assert.match(later.stdout, /You said: with other keys/, later.stderr);

  const tested = await openclaw(home.home, "peers", "test", "office");
  assert.equal(tested.code, 0, tested.stderr);
  assert.match(tested.stdout, /works: \d+ ms/);
  await client.close();
});

test("a link allows what both gateways allow, and nothing of an operator", async () => {
  const { home, office } = await pair();
  const unknown = await ask(home, "work@office", "hello");
  assert.notEqual(unknown.code, 0);
  assert.match(unknown.stderr, /peers\.office\.send: the agent work is not allowed/);
  await openclawJson(home.home, "peers", "add", "office", "--send", "main,work");
  await untilUp(home, "office");
  const refused = await ask(home, "work@office", "hello");
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /office refused the message: the agent work is not allowed/);

  const thinking = await openclaw(home.home, "agent", "--agent", "main@office", "--message", "hello", "--thinking", "high");
  assert.match(thinking.stderr, /thinking has no effect for main@office/);

  // A key that no link has gets in neither as a gateway nor as anything else.
  const device = createDevice();
  const { fingerprint } = await openclawJson<{ fingerprint: string }>(office.home, "peers", "status");
  assert.match(fingerprint, /^[0-9a-f]{4}(?:-[0-9a-f]{4}){7}$/);
  for (const role of ["peer", "operator", "node"] as const)
    await assert.rejects(
      openClient({ url: office.url, role, scopes: ["operator.admin"], device, credentials: { token: new Secret("to:another") } }),
      (err: unknown) => err instanceof ClientError && ["auth", "pairing", "handshake"].includes(err.kind),
    );
});

test("a removed link ends at once, and what waits comes back to its sender", async () => {
  const { home, office } = await pair();
  await openclawJson(office.home, "peers", "remove", "home");
  const client = await home.connect();
  await until("the end of the link", async () => (await linkOf(client, "office"))?.state === "down");
  const waiting = ask(home, "main@office", "are you there?");
  await until("the message in the queue", async () => (await linkOf(client, "office"))?.queued === 1);
  await openclawJson(home.home, "peers", "remove", "office");
  const answer = await waiting;
  assert.notEqual(answer.code, 0);
  assert.match(answer.stderr, /the link to office was removed/);
  await client.close();
});

test("a gateway that shows another key gets nothing before a person has approved it", async () => {
  const { home, office } = await pair();
  await office.kill();
  rmSync(join(stateDir(office.home), "gateway", "peer-key.pem"));
  const again = await start({ home: office.home, port: office.port });
  const client = await home.connect();
  await until("the other key", async () => (await linkOf(client, "office"))?.state === "key-changed");
  const waiting = ask(home, "main@office", "is it you?");
  await until("the message in the queue", async () => (await linkOf(client, "office"))?.queued === 1);
  const { fingerprint } = await openclawJson<{ fingerprint: string }>(again.home, "peers", "status");
  assert.equal((await linkOf(client, "office"))?.["shownFingerprint"], fingerprint);
  const wrong = await openclaw(home.home, "peers", "approve", "office", "0000-0000-0000-0000-0000-0000-0000-0000");
  assert.match(wrong.stderr, /no gateway has shown a key/);
  await openclawJson(home.home, "peers", "approve", "office", fingerprint);
  const answer = await waiting;
  assert.equal(answer.code, 0, answer.stderr);
  assert.match(answer.stdout, /You said: is it you\?/);
  await client.close();
});

test("a binding gives a channel's conversation to the other gateway, and its person reads that the link is down", async () => {
  const person = await new WebhookPeer().start();
  try {
    const webhook = { secret: person.secret, outboundUrl: person.url, dmPolicy: "allowlist", allowFrom: ["customer-17"] };
    const bindings = [{ match: { channel: "webhook", accountId: "*" }, agentId: "main@office" }];
    const { home, office } = await pair({ channels: { webhook }, bindings });
    person.door = `${home.http}/channels/webhook`;
    const chat = { kind: "direct", id: "customer-17" };
    const say = (text: string): Promise<void> => person.push({ type: "message", chat, sender: { id: "customer-17", name: "Ann" }, text });
    const untilSaid = (what: RegExp): Promise<true> =>
      until(String(what), () => person.messages.some(({ text }) => what.test(text)) || undefined);
    await say("Where is my parcel?");
    await untilSaid(/^You said: Where is my parcel\?$/);
    await office.kill("SIGKILL");
    await say("And my letter?");
    await untilSaid(/^The link to office is down\. The message is kept/);
    await start({ home: office.home, port: office.port });
    await untilSaid(/^You said: And my letter\?$/);
    assert.equal(person.messages.filter(({ text }) => text === "You said: And my letter?").length, 1);
  } finally {
    await person.close();
  }
});

test("messages in both directions arrive once and are answered while both gateways are killed", async () => {
  const summary = await new PeerCampaign({ kills: 2, seed: 7, points: findPeerCrashPoints() }).run();
  assert.deepEqual(summary.kills, { home: 2, office: 2 });
  assert.deepEqual(summary.missed, []);
  assert.ok(summary.letters.home > 0 && summary.letters.office > 0);
  assert.deepEqual([summary.lost, summary.doubled, summary.unanswered], [[], [], []]);
});

test("two gateways are linked over A2A, and a client of it gets an answer as it is written", async () => {
  const [secret, variable] = ["s3cret-of-home", "HOME_TOKEN"];
  const config = { gateway: { http: { endpoints: { a2a: { enabled: true } } } } };
  const [home, office] = await Promise.all([start({ env: { [variable]: secret } }), start({ config, env: { [variable]: secret } })]);
  await openclawJson(office.home, "peers", "add", "home", "--a2a", "--inbound-token", "${HOME_TOKEN}", "--accept", "main");
  const url = `${office.http}/a2a/v1`;
  await openclawJson(home.home, "peers", "add", "office", url, "--a2a", "--outbound-token", "${HOME_TOKEN}", "--send", "main");
  await untilUp(home, "office");
  const answer = await ask(home, "main@office", "good morning");
  assert.equal(answer.code, 0, answer.stderr);
  assert.match(answer.stdout, /You said: good morning/);
  assert.match((await openclaw(home.home, "peers", "test", "office")).stdout, /works: \d+ ms.\n.*may be asked: main\./);
  const plain = await openclaw(office.home, "peers", "add", "other", "--a2a", "--inbound-token", "in-clear");
  assert.notEqual(plain.code, 0);
  assert.match(plain.stderr, /not a reference to a variable/);

  const message = { messageId: "m1", role: "ROLE_USER", parts: [{ text: "words" }] };
  const post = (authorization: string): Promise<Response> =>
    fetch(url, {
      method: "POST",
      headers: { authorization, "content-type": "application/json", "a2a-version": "1.0" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "SendStreamingMessage", params: { message } }),
    });
  assert.equal((await post("Bearer wrong")).status, 401);
  const stream = await (await post(`Bearer ${secret}`)).text();
  const events = stream.split("\n\n").flatMap((line) => (line.startsWith("data: ") ? [line.slice(6)] : []));
  assert.ok(events.length >= 3, stream);
  assert.match(events.at(0)!, /TASK_STATE_WORKING/);
  assert.match(events.at(-1)!, /TASK_STATE_COMPLETED/);
  assert.match(stream, /"You said: ".*"words"/s);
  for (const { http } of [home, office])
    assert.equal((await fetch(`${http}/.well-known/agent-card.json`)).status, http === office.http ? 200 : 404);
});

test("a gateway without a link loads nothing of it and lets no gateway in", async () => {
  const modules = join(newHome(), "modules.txt");
  homes.push(dirname(modules));
  const hook = join(import.meta.dirname, "../fakes/record-modules.mjs");
  const env = { NODE_OPTIONS: `--import=${hook}`, RECORD_MODULES: modules };
  const ofLinks = (): string[] =>
    readFileSync(modules, "utf8")
      .split("\n")
      .filter((name) => /peer-service|remote-turn|pinned-connection|\/a2a/.test(name));
  const alone = await start({ env });
  const device = createDevice();
  await assert.rejects(
    openClient({ url: alone.url, role: "peer", scopes: [], device, credentials: { token: new Secret("to:someone") } }),
    (err: unknown) => err instanceof ClientError && err.reason === "PEER_NOT_LINKED",
  );
  const answer = await ask(alone, "main@office", "hello");
  assert.notEqual(answer.code, 0);
  assert.match(answer.stderr, /Unknown agent "main@office"/);
  assert.equal((await openclaw(alone.home, "peers", "list")).code, 0);
  for (const path of ["/.well-known/agent-card.json", "/a2a/v1"])
    await fetch(alone.http + path, { method: path === "/a2a/v1" ? "POST" : "GET" });
  assert.deepEqual(ofLinks(), []);
  assert.ok(!existsSync(join(stateDir(alone.home), "gateway", "peer-key.pem")), "no key is made");
  await openclawJson(alone.home, "peers", "add", "office", "ws://127.0.0.1:9", "--send", "main");
  await until("the hook sees what is loaded", () => ofLinks().length > 0);
});
