import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { InboundPress } from "../channels/channel.ts";
import { shortId } from "../approvals/approvals.ts";
import { asId } from "../core/ids.ts";
import type { ApprovalRow } from "../store/approvals.ts";
import { account, event, irc, OPEN_POLICY, openIngest, type IngestBench } from "../../test/fakes/ingest-bench.ts";
import { MODEL, textEvents } from "../../test/fakes/fake-runtime.ts";
import { questionOf } from "../../test/fakes/test-approvals.ts";
import { message, openTurnBench, until, type TurnBench } from "../../test/fakes/turn-bench.ts";
import { parseApproval } from "./approve-command.ts";

const PARSED: readonly [arg: string, id: string, decision: string][] = [
  ["3f2a allow-once", "3f2a", "allow-once"],
  ["3f2a allow", "3f2a", "allow-once"],
  ["3f2a once", "3f2a", "allow-once"],
  ["3f2a YES", "3f2a", "allow-once"],
  ["3f2a allow-always", "3f2a", "allow-always"],
  ["3f2a always", "3f2a", "allow-always"],
  ["3f2a deny", "3f2a", "deny"],
  ["deny 3f2a", "3f2a", "deny"],
  ["  reject \n 3f2a ", "3f2a", "deny"],
  ["block 3f2a", "3f2a", "deny"],
  ["no 3f2a", "3f2a", "deny"],
  ["6d0a1f3e-0000-4000-8000-000000000001 allow-once", "6d0a1f3e-0000-4000-8000-000000000001", "allow-once"],
];
for (const [arg, id, decision] of PARSED)
  test(`/approve ${JSON.stringify(arg)} is ${decision}`, () => assert.deepEqual(parseApproval(arg), { id, decision }));

const TIMES: readonly [arg: string, grant: object][] = [
  ["3f2a 1h", { minutes: 60 }],
  ["30m 3f2a", { minutes: 30 }],
  ["3f2a allow for 15min", { minutes: 15 }],
  ["3f2a session", { session: true }],
  ["3f2a allow this session", { session: true }],
];
for (const [arg, grant] of TIMES)
  test(`/approve ${JSON.stringify(arg)} is an answer for some time`, () =>
    assert.deepEqual(parseApproval(arg), { id: "3f2a", decision: "allow-once", grant }));

for (const arg of [
  "3f2a 0m",
  "3f2a 25h",
  "3f2a 1d",
  "3f2a deny 1h",
  "3f2a always session",
  "",
  "3f2a",
  "allow",
  "3f2a perhaps",
  "3f2a allow once",
  "constructor toString",
  "3f2a allow-once please",
])
  test(`/approve ${JSON.stringify(arg)} says too little or too much`, () => assert.equal(parseApproval(arg), null));

/** A question that waits, and how it ends. */
async function ask({ approvals: { approvals, bus } }: TurnBench, command = "touch ./a", signal = new AbortController().signal) {
  const { promise, resolve } = Promise.withResolvers<ApprovalRow>();
  const stop = bus.on("approval.requested", ({ approval }) => resolve(approval));
  const ended = approvals.ask(questionOf(command), signal);
  const { id } = await promise;
  stop();
  return { id, ended };
}

const OWNER = {
  approver: { kind: "channel", id: "irc:ann" },
  provenance: { channel: "irc", senderId: "ann", senderIsOwner: true },
  channel: "irc",
} as const;

function open(t: TestContext): TurnBench {
  const bench = openTurnBench();
  t.after(bench.close);
  return bench;
}

/** The text that a command is answered with. */
async function answerTo(bench: TurnBench, eventId: string, text: string, more: Parameters<typeof message>[2] = OWNER): Promise<string> {
  const { state, outcome } = await bench.turns.admission.submit(message(text, eventId, more));
  assert.equal(state, "done", "it is answered at once");
  return outcome!.text;
}

test("an owner's /approve ends the question, and what asked goes on with it", async (t) => {
  const bench = open(t);
  const { id, ended } = await ask(bench);
  assert.equal(await answerTo(bench, "e1", `/approve ${shortId(id)} allow-once`), "Allowed once: touch ./a");
  const { status, resolver } = await ended;
  assert.deepEqual([status, resolver], ["allowed", { kind: "channel", id: "irc:ann" }]);
  assert.equal(bench.runtime.prompts.length, 0, "no agent has read it");
});

test("an answer while a turn waits for it is not queued behind that turn", async (t) => {
  const bench = open(t);
  const asked: string[] = [];
  bench.runtime.script = async function* () {
    yield { type: "started", model: MODEL, contextWindow: 1000 };
    const { id, ended } = await ask(bench);
    asked.push(id);
    yield textEvents((await ended).status);
    yield { type: "end", reason: "stop", checkpoint: "c" };
  };
  await bench.turns.admission.submit(message("work", "turn"));
  const id = await until(() => asked[0]);
  await answerTo(bench, "e1", `/approve deny ${shortId(id)}`);
  await until(() => bench.turns.runs.find(asId("turn"))?.outcome?.text === "denied");
});

test("always stores the program, and only where it is offered", async (t) => {
  const bench = open(t);
  const first = await ask(bench);
  assert.equal(await answerTo(bench, "e1", `/approve ${first.id} always`), "Allowed, also from now on: touch ./a");
  assert.deepEqual(
    bench.approvals.allowlist.entries("main").map(({ pattern }) => pattern),
    ["/usr/bin/touch"],
  );
  const { approvals, bus } = bench.approvals;
  const { promise, resolve } = Promise.withResolvers<ApprovalRow>();
  bus.on("approval.requested", ({ approval }) => resolve(approval));
  void approvals.ask(questionOf("sh -c ls", { patterns: [] }), new AbortController().signal);
  const { id } = await promise;
  assert.match(await answerTo(bench, "e2", `/approve ${id} always`), /allow-always is not offered.*allow-once or deny/);
  assert.equal(approvals.pending().length, 1);
});

test("an answer for some time says until when, and is refused where it is not offered", async (t) => {
  const bench = open(t);
  const asked = (binding?: string): Promise<ApprovalRow> => {
    const { approvals, bus } = bench.approvals;
    const { promise, resolve } = Promise.withResolvers<ApprovalRow>();
    const stop = bus.on("approval.requested", ({ approval }) => (stop(), resolve(approval)));
    void approvals.ask(questionOf("touch ./a", binding === undefined ? {} : { binding }), new AbortController().signal);
    return promise;
  };
  const { id } = await asked("b");
  const text = await answerTo(bench, "e1", `/approve ${id} 1h`);
  assert.match(text, /^Allowed without another question in this session until \d{4}-\d\d-\d\d \d\d:\d\d UTC: touch \.\/a$/);
  assert.equal((await bench.approvals.grants.list(10))[0]!.approvalId, id);
  const session = await asked("b");
  assert.match(await answerTo(bench, "e2", `/approve ${session.id} session`), /^Allowed in this conversation .*until it is reset/);
  const once = await asked();
  assert.match(await answerTo(bench, "e3", `/approve ${once.id} 1h`), /can be allowed once only/);
  assert.equal(bench.approvals.approvals.pending().length, 1);
});

test("someone who is not an owner answers nothing, and learns nothing about the question", async (t) => {
  const bench = open(t);
  const { id } = await ask(bench);
  const eve = { provenance: { channel: "irc", senderId: "eve", senderIsOwner: false }, channel: "irc" };
  for (const [index, text] of [`/approve ${id} allow-once`, "/approve 0000 deny", "/approve"].entries())
    assert.equal(await answerTo(bench, `e${index}`, text, eve), "Only an owner may answer questions about commands.");
  assert.equal(bench.approvals.approvals.pending().length, 1);
});

test("a client without the scope learns which one is missing, and how to get it", async (t) => {
  const bench = open(t);
  const { id } = await ask(bench);
  const client = { provenance: { channel: "webchat", senderIsOwner: true, client: { id: "cli", mode: "cli" } }, channel: "rpc" };
  const text = await answerTo(bench, "e1", `/approve ${id} allow-once`, client);
  assert.match(text, /lacks the scope operator\.approvals\..* openclaw tokens create <name> --scope/);
  assert.equal(bench.approvals.approvals.pending().length, 1);
});

test("a wrong id, a missing word and a question that has ended are answered with the reason", async (t) => {
  const bench = open(t);
  const { id } = await ask(bench);
  assert.match(await answerTo(bench, "e1", "/approve 0000 deny"), /there is no approval "0000"/);
  assert.match(await answerTo(bench, "e2", `/approve ${shortId(id)}`), /^Write \/approve <id> and allow-once/);
  assert.equal(await answerTo(bench, "e3", `/approve ${id} deny`), "Denied: touch ./a");
  assert.equal(await answerTo(bench, "e4", `/approve ${id} allow-once`), "That question has ended before: denied.");
  const stopped = new AbortController();
  const gone = await ask(bench, "touch ./b", stopped.signal);
  stopped.abort();
  await gone.ended;
  assert.equal(await answerTo(bench, "e5", `/approve ${gone.id} allow-once`), "That question has ended before: cancelled.");
});

test("an event that arrives twice answers once", async (t) => {
  const bench = open(t);
  const { id } = await ask(bench);
  const submission = message(`/approve ${id} allow-once`, "e1", OWNER);
  const results = [await bench.turns.admission.submit(submission), await bench.turns.admission.submit(submission)];
  assert.deepEqual(
    results.map(({ duplicate, outcome }) => [duplicate, outcome!.text]),
    [
      [false, "Allowed once: touch ./a"],
      [true, "Allowed once: touch ./a"],
    ],
  );
});

const BOSS = { ...OPEN_POLICY, commands: { ownerAllowFrom: ["irc:boss"] } };
const from = (id: string): Parameters<typeof event>[2] => ({
  chat: { kind: "direct", id: asId(id) },
  sender: { id: asId(id), name: id, isBot: false, isSelf: false },
});

/** What a person reads after a message or a press of a button. */
async function textAfter(bench: IngestBench, eventId: string, admit: Promise<unknown>): Promise<string> {
  await admit;
  const row = await until(() => {
    const found = bench.inbox.byEvent("irc", "default", eventId);
    return found?.outcome ? found : null;
  });
  return row.outcome!.text;
}

test("on a channel only the configured owner may answer", async () => {
  const bench = openIngest(BOSS);
  const { id } = await ask(bench);
  const say = (eventId: string, who: string): Promise<string> =>
    textAfter(bench, eventId, bench.ingest.admit(irc, account, [event(eventId, `/approve ${shortId(id)} allow-once`, from(who))]));
  assert.match(await say("m1", "eve"), /Only an owner may answer/);
  assert.equal(await say("m2", "boss"), "Allowed once: touch ./a");
  bench.close();
});

test("a button answers its own question by the full id, once", async () => {
  const bench = openIngest(BOSS);
  const { id } = await ask(bench);
  const tokens = await bench.store.write(() =>
    bench.buttons.issue({
      conversation: "irc|default|boss|",
      sessionKey: asId("agent:main:irc:direct:boss"),
      sender: "boss",
      values: [`/approve ${id} deny`],
      ttlMs: 60_000,
      now: Date.now(),
    }),
  );
  const press = (eventId: string): InboundPress => ({
    kind: "interaction",
    eventId,
    account,
    chat: { kind: "direct", id: asId("boss") },
    sender: { id: asId("boss"), name: "boss", isBot: false, isSelf: false },
    message: asId("m"),
    token: tokens[0]!,
    sentAt: Date.now(),
    origin: "live",
  });
  assert.equal(await textAfter(bench, "p1", bench.ingest.admit(irc, account, [press("p1")])), "Denied: touch ./a");
  await bench.ingest.admit(irc, account, [press("p2")]);
  assert.equal(bench.inbox.byEvent("irc", "default", "p2"), undefined, "a second press runs nothing");
  bench.close();
});
