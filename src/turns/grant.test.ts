// Group: wire
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentEvent, ToolName } from "../agents/runtime.ts";
import type { ReplyTarget } from "../channels/channel.ts";
import { asId } from "../core/ids.ts";
import { QUEUE_MODES } from "../core/queue-modes.ts";
import { MODEL, textEvents, type PromptControl } from "../../test/fakes/fake-runtime.ts";
import { message, openTurnBench, until, type TurnBench } from "../../test/fakes/turn-bench.ts";
import { grantOf, intersectGrants, NO_GRANT, isSameGrant, type Grant } from "./grant.ts";
import { recover } from "./recover.ts";
import type { Payload } from "./submission.ts";

const key = asId<never>("agent:main:main");
const TOOLS: readonly ToolName[] = ["read", "write", "edit", "exec"];

const targetOf = (chat: string, kind: ReplyTarget["chat"]["kind"] = "group"): ReplyTarget => ({
  channel: asId("irc"),
  account: asId("default"),
  chat: { kind, id: asId(chat) },
});
type Sender = Pick<Payload, "tools" | "provenance" | "target">;
const fromChannel = (senderId: string, target: ReplyTarget, more: Partial<Sender> = {}, owner = false): Sender => ({
  tools: [],
  provenance: { channel: "irc", account: "default", senderId, senderIsOwner: owner },
  target,
  ...more,
});
/** Everybody who may write into one session, by what they may cause. */
const SENDERS: Readonly<Record<string, Sender>> = {
  operator: { tools: TOOLS, provenance: { channel: "webchat", senderIsOwner: true }, target: null },
  delivering: { tools: TOOLS, provenance: { channel: "webchat", senderIsOwner: true }, target: targetOf("#room") },
  eve: fromChannel("eve", targetOf("eve", "direct")),
  reader: fromChannel("bob", targetOf("#room"), { tools: ["read"] }),
  limited: fromChannel("bob", targetOf("#quiet")),
  owner: fromChannel("own", targetOf("#room"), { tools: ["read"] }, true),
};
const names = Object.keys(SENDERS);

/** A small generator, so that a failure can be repeated by its seed. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const readers = (text: string): string[] => [...text.matchAll(/from (\w+)/g)].map((found) => found[1]!);
const step = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

type Observed = { readers: string[]; situation: string; tools: readonly ToolName[]; ran: ToolName[] };

/** A model that tries every tool after each message that it reads. */
function obedient(observed: Observed[]) {
  return async function* (turn: TurnBench["runtime"]["prompts"][number], control: PromptControl): AsyncGenerator<AgentEvent, void, void> {
    const seen: Observed = { readers: readers(turn.text), situation: turn.conversationContext, tools: turn.tools, ran: [] };
    observed.push(seen);
    yield { type: "started", model: MODEL, contextWindow: 1 };
    yield { type: "text", delta: "x" };
    for (let step = 0; step < 3; step++) {
      for (const name of TOOLS) if ((await turn.beforeTool({ id: `${step}${name}`, name, args: {} })).allow) seen.ran.push(name);
      await control.gate();
      if (control.signal.aborted) return yield { type: "end", reason: "aborted", checkpoint: null };
      const steered = await control.steered();
      if (!steered) continue;
      yield { type: "steered", runId: steered.runId as never };
      seen.readers.push(...readers(steered.text));
    }
    yield textEvents("done");
    yield { type: "end", reason: "stop", checkpoint: null };
  };
}

function assertGuarded(observed: readonly Observed[], seed: number): void {
  for (const { readers, situation, tools, ran } of observed) {
    const grants = readers.map((name) => grantOf(SENDERS[name]!));
    for (const tool of new Set([...ran, ...tools]))
      assert.ok(
        grants.every((grant) => grant.tools.includes(tool)),
        `seed ${seed}: ${tool} was available to a turn that read ${readers.join(", ")}`,
      );
    for (const grant of grants)
      assert.equal(situation, JSON.stringify([grant.owner, grant.surface]), `seed ${seed}: ${readers.join(", ")}`);
  }
}

const situation = (payload: Payload): string => JSON.stringify([grantOf(payload).owner, grantOf(payload).surface]);

async function play(seed: number): Promise<{ observed: Observed[]; joined: number }> {
  const next = random(seed);
  const observed: Observed[] = [];
  let bench = openTurnBench({ situation });
  bench.runtime.script = obedient(observed);
  const sent: string[] = [];
  for (let n = 0; n < 12; n++) {
    const name = names[next(names.length)]!;
    const id = `s${seed}-${n}`;
    sent.push(id);
    // Runs of several messages of one sender, so that some of them may share a turn.
    for (let more = next(3); more >= 0; more--) {
      const mode = QUEUE_MODES[next(QUEUE_MODES.length)]!;
      const eventId = `${id}-${more}`;
      sent.push(eventId);
      await bench.turns.admission.submit(message(`from ${name}`, eventId, { ...SENDERS[name]!, queueMode: mode }));
    }
    for (let quiet = next(4); quiet >= 0; quiet--) await step();
    for (const { runId } of bench.turns.runs.inflight(key)) if (next(2) === 0) bench.runtime.release(runId);
    if (next(8) === 0) {
      bench.store.close();
      bench = openTurnBench({ situation, dir: bench.dir });
      bench.runtime.script = obedient(observed);
      recover({ ...bench, ...bench.turns, abilitiesOf: () => null });
    }
  }
  await until(() => {
    for (const { runId } of bench.turns.runs.inflight(key)) bench.runtime.release(runId);
    return bench.turns.lanes.load().lanes === 0;
  });
  bench.close();
  return { observed, joined: observed.filter((each) => each.readers.length > 1).length };
}

test("no tool runs that the sender of one of the turn's messages does not have, in any queue mode and for any mix of senders", async () => {
  let joined = 0;
  let tools = 0;
  for (let seed = 1; seed <= 30; seed++) {
    const played = await play(seed);
    assertGuarded(played.observed, seed);
    joined += played.joined;
    tools += played.observed.filter((each) => each.ran.length > 0).length;
  }
  assert.ok(joined > 10, `only ${joined} turns had several messages`);
  assert.ok(tools > 10, `only ${tools} turns ran a tool`);
});

for (const mode of QUEUE_MODES) {
  test(`a message without tools that arrives during an operator's turn is answered by a turn of its own (${mode})`, async () => {
    const observed: Observed[] = [];
    const bench = openTurnBench({ situation });
    bench.runtime.script = obedient(observed);
    await bench.turns.admission.submit(message("from operator", "e1", SENDERS["operator"]));
    await until(() => bench.turns.runs.inflight(key)[0]?.text);
    await bench.turns.admission.submit(message("from eve", "e2", { ...SENDERS["eve"]!, queueMode: mode }));
    await until(() => {
      for (const { runId } of bench.turns.runs.inflight(key)) bench.runtime.release(runId);
      return bench.turns.runs.find("e2")?.outcome;
    });
    assert.equal(bench.turns.runs.find("e1")?.outcome?.status, "ok", "only an owner ends the turn of someone else");
    assert.equal(bench.turns.runs.find("e2")?.mergedInto, null);
    assert.deepEqual(
      observed.map(({ readers, ran }) => [readers.join(), new Set(ran).size]),
      [
        ["operator", 4],
        ["eve", 0],
      ],
    );
    bench.close();
  });
}

const ROOM = { key: "channels.irc.groups.#a.tools", policy: { deny: ["one__*"] } };

test("every field of a grant keeps two messages apart, and limits what both may cause", () => {
  const base: Grant = { tools: ["read", "exec"], rooms: [], owner: true, surface: "irc|a", conversation: "irc|a|#room|" };
  const others: readonly Partial<Grant>[] = [
    { tools: ["read"] },
    { rooms: [ROOM] },
    { owner: false },
    { surface: "irc|b" },
    { conversation: null },
  ];
  assert.equal(others.length, Object.keys(base).length);
  assert.ok(isSameGrant(base, { ...base, tools: ["exec", "read"] }));
  for (const other of others) {
    assert.equal(isSameGrant(base, { ...base, ...other }), false, JSON.stringify(other));
    const both = intersectGrants([base, { ...base, ...other }]);
    assert.ok(both.tools.length <= 2 && (other.owner === undefined || !both.owner));
  }
  assert.deepEqual(intersectGrants([base, { ...base, tools: ["read"] }]).tools, ["read"]);
  const other = { key: "channels.irc.groups.#b.tools", policy: {} };
  assert.deepEqual(intersectGrants([{ ...base, rooms: [ROOM] }, base, { ...base, rooms: [other, { ...ROOM }] }]).rooms, [ROOM, other]);
  assert.deepEqual(intersectGrants([]), NO_GRANT);
  assert.deepEqual(grantOf(null), NO_GRANT, "what cannot be read grants nothing");
});
