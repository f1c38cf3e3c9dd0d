// Several people talk to the agent at the same time: two on a real IRC server, directly and in rooms, and one in a browser's place.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ProtocolClient, ServerEvent } from "../../src/client/client.ts";
import { IrcClient } from "../channel-kit/irc-client.ts";
import { noNgircd, startNgircd, type Ngircd } from "../channel-kit/ngircd.ts";
import { contextOf, startModelServer, systemOf, type ModelServer, type RecordedRequest } from "../model-server.ts";
import { openclaw, openclawJson } from "./cli.ts";
import { dropHome, modelConfig, newHome, startGateway, until, type GatewayUnderTest } from "./gateway-process.ts";

type Wire = Record<string, unknown>;
type PairingRow = { requestId: string; senderId: string };

let irc: Ngircd;
let model: ModelServer;
let gateway: GatewayUnderTest;
let operator: ProtocolClient;
let ann: IrcClient;
let bob: IrcClient;
const home = newHome();
const events: ServerEvent[] = [];

const skip = noNgircd;
const isBot = (each: { from: string }): boolean => each.from === "claw";
const direct = (peer: IrcClient): string[] =>
  peer
    .said()
    .filter((each) => isBot(each) && each.to === peer.nick)
    .map((each) => each.text);
const codes = (peer: IrcClient): string[] => direct(peer).flatMap((line) => /pairing approve irc (\w+)/.exec(line)?.[1] ?? []);
const inRoom = (peer: IrcClient, room: string): string[] =>
  peer
    .said()
    .filter((each) => isBot(each) && each.to === room)
    .map((each) => each.text);
const call = async (method: string, params: unknown = {}): Promise<Wire> => operator.request<Wire>(method, params);

before(async () => {
  if (skip) return;
  irc = await startNgircd();
  model = await startModelServer();
  gateway = await startGateway({
    home,
    config: {
      ...modelConfig(model.url),
      agents: {
        defaults: { model: { primary: "test/echo" } },
        entries: { main: { default: true }, team: { name: "Team", workspace: join(home, "team") } },
      },
      bindings: [{ agentId: "team", match: { channel: "irc", peer: { kind: "group", id: "#team" } } }],
      session: { dmScope: "per-channel-peer" },
      channels: {
        irc: {
          host: "127.0.0.1",
          port: irc.port,
          tls: false,
          nick: "claw",
          channels: ["#team", "#lobby"],
          flood: { burst: 20, intervalMs: 10 },
          groups: { "#team": { allowFrom: ["*"] }, "#lobby": { allowFrom: ["*"], requireMention: false } },
        },
      },
    },
  });
  operator = await gateway.connect();
  operator.on((event) => events.push(event));
  await until("the bot in its rooms", async () => {
    const status = (await call("channels.status")) as { channelAccounts: Record<string, { connected?: boolean }[]> };
    return status.channelAccounts["irc"]?.[0]?.connected;
  });
  [ann, bob] = await Promise.all([
    IrcClient.join(irc.port, "ann", ["#team", "#lobby"]),
    IrcClient.join(irc.port, "bob", ["#team", "#lobby"]),
  ]);
});

after(async () => {
  if (skip) return;
  ann.close();
  bob.close();
  await operator.close();
  await gateway.kill();
  await model.close();
  await irc.close();
  dropHome(home);
});

test("An unknown sender gets a pairing code once, and the agent hears nothing until an operator has approved it", { skip }, async () => {
  ann.say("claw", "my secret plan");
  await ann.until(() => codes(ann).length > 0, "a pairing code");
  ann.say("claw", "hello? are you there?");
  bob.say("claw", "me too");
  await bob.until(() => codes(bob).length > 0, "a pairing code");
  const pending = async (): Promise<PairingRow[]> => ((await call("channels.pairing.list")) as { requests: PairingRow[] }).requests;
  const requests = await pending();
  assert.deepEqual(requests.map((each) => each.senderId.split("!")[0]).toSorted(), ["ann", "bob"]);
  assert.equal(codes(ann).length, 1, "the code is sent once");
  assert.equal(model.requests().length, 0, "no message of an unknown sender reaches a model");

  const { requestId } = requests.find((each) => each.senderId.startsWith("ann!"))!;
  const approved = await call("channels.pairing.approve", { channel: "irc", accountId: "default", requestId, notify: true });
  assert.equal(approved["senderId"], requests.find((each) => each.requestId === requestId)!.senderId);
  await ann.until(() => direct(ann).some((line) => /approved/.test(line) && !/owner/.test(line)), "the good news");
  const cli = await openclaw(home, "pairing", "approve", "irc", codes(bob)[0]!);
  assert.equal(cli.code, 0, `on the command line: ${cli.stderr}`);
  assert.deepEqual(await pending(), []);
});

test("Two people on IRC, a room and a browser talk at the same time, each in a session of their own", { skip }, async () => {
  model.clear();
  const runId = randomUUID();
  ann.say("claw", "ann likes apples");
  bob.say("claw", "bob likes bananas");
  ann.say("#team", "claw: the team likes tea");
  await call("chat.send", { sessionKey: "main", message: "the browser likes bread", idempotencyKey: runId });
  await Promise.all([
    ann.until(() => direct(ann).includes("You said: ann likes apples"), "her answer"),
    bob.until(() => direct(bob).includes("You said: bob likes bananas"), "his answer"),
    bob.until(() => inRoom(bob, "#team").some((line) => line.includes("the team likes tea")), "the answer in the room"),
    until("the answer in the browser", () =>
      events.some(
        (each) => each.event === "chat" && (each.payload as Wire)["runId"] === runId && (each.payload as Wire)["state"] === "final",
      ),
    ),
  ]);
  ann.say("claw", "and what do I like?");
  bob.say("claw", "what about me?");
  bob.say("#team", "claw: and we?");
  await model.waitFor(7);
  await ann.until(() => direct(ann).includes("You said: and what do I like?"), "her second answer");
  await bob.until(() => direct(bob).includes("You said: what about me?"), "his second answer");

  const shown = (word: string): RecordedRequest[] => model.requests().filter((request) => contextOf(request).join("\n").includes(word));
  assert.equal(model.requests().length, 7);
  for (const [word, others] of [
    ["apples", ["bananas", "tea", "bread"]],
    ["bananas", ["apples", "tea", "bread"]],
    ["tea", ["apples", "bananas", "bread"]],
    ["bread", ["apples", "bananas", "tea"]],
  ] as const) {
    const requests = shown(word);
    assert.equal(requests.length, word === "bread" ? 1 : 2, `${word} stays in one conversation, and is remembered there`);
    for (const other of others) assert.equal(contextOf(requests.at(-1)!).join("\n").includes(other), false, `${other} beside ${word}`);
  }
  assert.deepEqual(
    new Set(model.requests().map((request) => request.tools.length > 0)),
    new Set([true, false]),
    "only the operator has tools",
  );
  assert.deepEqual(shown("apples")[0]!.tools, [], "a person on a channel has none");
  assert.match(systemOf(shown("apples")[0]!), /irc/i, "the system prompt names the channel");
});

test(
  "In a room with mention gating only messages that address the bot are answered; earlier ones are their context",
  { skip },
  async () => {
    model.clear();
    bob.say("#team", "the meeting is at noon");
    ann.say("#team", "who brings cake?");
    ann.say("#team", "claw: when is the meeting?");
    await ann.until(() => inRoom(ann, "#team").some((line) => line.includes("when is the meeting?")), "an answer");
    assert.equal(model.requests().length, 1);
    const last = contextOf(model.requests()[0]!).at(-1)!;
    assert.match(last, /bob: the meeting is at noon[^]*ann: who brings cake\?[^]*ann: when is the meeting\?/);

    model.clear();
    bob.say("#lobby", "anyone here?");
    await bob.until(
      () => inRoom(bob, "#lobby").some((line) => line.includes("anyone here?")),
      "an answer without a mention, where the config says so",
    );
    assert.equal(model.requests().length, 1);
  },
);

test("The command line shows who talks to which agent, where, and why", { skip }, async () => {
  const bindings = await openclaw(home, "agents", "list", "--bindings");
  assert.equal(bindings.code, 0, bindings.stderr);
  assert.match(bindings.stdout, /team[^]*irc[^]*#team/);
  const agents = await openclawJson<{ agents: { id: string }[] }>(home, "agents", "list", "--bindings");
  assert.deepEqual(agents.agents.map((each) => each.id).toSorted(), ["main", "team"]);

  const sessions = await openclawJson<{ sessions: { key: string; agentId: string }[] }>(home, "sessions", "list");
  const keys = sessions.sessions.map((each) => each.key).toSorted();
  assert.equal(keys.length, 5, keys.join("\n"));
  assert.ok(keys.includes("agent:main:main"), "the browser");
  assert.equal(keys.filter((key) => /^agent:main:irc:direct:(ann|bob)!/.test(key)).length, 2, keys.join("\n"));
  assert.ok(keys.includes("agent:team:irc:group:#team"), keys.join("\n"));
  assert.ok(keys.includes("agent:main:irc:group:#lobby"), keys.join("\n"));
  const table = await openclaw(home, "sessions", "list");
  assert.match(table.stdout, /agent:team:irc:group:#team/);

  const hit = await openclaw(home, "route", "explain", "irc", "default", "#team", "--group", "--text", "claw: hello");
  assert.equal(hit.code, 0, hit.stderr);
  assert.match(hit.stdout, /team/);
  assert.match(hit.stdout, /peer/);
  const silent = await openclaw(home, "route", "explain", "irc", "default", "#team", "--group", "--text", "hello all");
  assert.match(silent.stdout, /not addressed|group-not-addressed/);
  const decision = await openclaw(home, "route", "explain", "irc", "default", "eve!e@example.org");
  assert.match(decision.stdout, /pairing/);
});

const stateOf = async (): Promise<unknown> =>
  ((await call("channels.status")) as { channelAccounts: Record<string, Wire[]> }).channelAccounts["irc"]![0]!["state"];

test("An account is stopped and started again from the command line", { skip }, async () => {
  const stopped = await openclaw(home, "channels", "stop", "irc");
  assert.equal(stopped.code, 0, stopped.stderr);
  assert.match(stopped.stdout, /irc\/default stopped/);
  assert.equal(await stateOf(), "stopped");
  assert.equal((await openclaw(home, "channels", "start", "irc", "--account", "nope")).code === 0, false);
  assert.equal((await openclaw(home, "channels", "start", "irc")).code, 0);
  await until("the account", async () => (await stateOf()) === "ready");
});
