import assert from "node:assert/strict";
import { test } from "node:test";
import { asId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { echoScript, MODEL, type PromptControl } from "../../test/fakes/fake-runtime.ts";
import { message, openTurnBench, until, type TurnBench } from "../../test/fakes/turn-bench.ts";
import { recover } from "./recover.ts";

const keyOf = (name: string): never => asId<never>(`agent:main:${name}`);
const attempts = (bench: TurnBench, runId: string): number | undefined => bench.turns.runs.find(runId)?.attempts;

/** Ends the process over a text, everything else waits for the test. */
const dyingOver = (poison: string, die: () => void) =>
  async function* (turn: TurnBench["runtime"]["prompts"][number], control: PromptControl) {
    if (turn.text.includes(poison)) {
      die();
      await new Promise(() => {});
    }
    yield { type: "started" as const, model: MODEL, contextWindow: 1 };
    yield { type: "text" as const, delta: "x" };
    await control.gate();
    const steered = await control.steered();
    if (steered?.text.includes(poison)) {
      die();
      await new Promise(() => {});
    }
    yield { type: "end" as const, reason: "stop" as const, checkpoint: null };
  };

/** Starts the gateway again and again until nothing ends it any more; the state of each run at the end. */
async function liveThrough(dir: string, poison: string, runIds: readonly string[]): Promise<{ deaths: number; bench: TurnBench }> {
  for (let deaths = 0; ; deaths++) {
    assert.ok(deaths <= LIMITS.turnAttempts * 2, "the gateway never stops crashing");
    const bench = openTurnBench({ dir });
    let dead = false;
    bench.runtime.script = dyingOver(poison, () => {
      dead = true;
      bench.store.close();
    });
    recover({ ...bench, ...bench.turns, abilitiesOf: () => null });
    await until(() => {
      if (dead) return true;
      for (const { runId } of runIds.flatMap((id) => bench.turns.runs.inflight(bench.turns.runs.find(id)!.sessionKey)))
        bench.runtime.release(runId);
      return !dead && runIds.every((id) => bench.turns.runs.find(id)?.endedAt);
    });
    if (!dead) return { deaths, bench };
  }
}

test("a start is stored before the runtime is asked, for a message that is collected or handed in as well", async () => {
  const bench = openTurnBench();
  const seen: Record<string, number | undefined> = {};
  bench.runtime.script = async function* (turn, control) {
    for (const id of turn.text.split("\n\n")) seen[id] = attempts(bench, id);
    yield { type: "started", model: MODEL, contextWindow: 1 };
    yield { type: "text", delta: "x" };
    await control.gate();
    const steered = await control.steered();
    if (steered) {
      seen[steered.text] = attempts(bench, steered.text);
      yield { type: "steered", runId: asId(steered.runId) };
    }
    yield { type: "end", reason: "stop", checkpoint: null };
  };
  await bench.turns.admission.submit(message("a", "a"));
  await until(() => bench.turns.runs.inflight(keyOf("main"))[0]?.text);
  let handedIn = false;
  const steer = bench.runtime.steer.bind(bench.runtime);
  bench.runtime.steer = (...args) => {
    handedIn = true;
    return steer(...args);
  };
  await bench.turns.admission.submit(message("b", "b", { queueMode: "steer" }));
  await until(() => handedIn);
  for (const id of ["c", "d"]) await bench.turns.admission.submit(message(id, id, { queueMode: "collect" }));
  bench.runtime.release("a");
  await until(() => bench.runtime.prompts.length === 2 && bench.turns.runs.inflight(keyOf("main"))[0]?.text);
  bench.runtime.release("c");
  await bench.turns.runs.waitForOutcome(asId("d"), 5_000);
  assert.deepEqual(seen, { a: 1, b: 1, c: 1, d: 1 });
  bench.close();
});

test("a message that ends the process before its prompt becomes a dead letter, and those that ran beside it do not", async () => {
  const first = openTurnBench();
  let dead = false;
  first.runtime.script = dyingOver("poison", () => {
    dead = true;
    first.store.close();
  });
  const innocent = ["i1", "i2", "i3"];
  for (const id of innocent) await first.turns.admission.submit(message("fine", id, { sessionKey: keyOf(id) }));
  await until(() => innocent.every((id) => first.turns.runs.inflight(keyOf(id))[0]?.text));
  await first.turns.admission.submit(message("poison", "p", { sessionKey: keyOf("p") }));
  await until(() => dead);
  const { bench, deaths } = await liveThrough(first.dir, "poison", ["p", ...innocent]);
  assert.equal(bench.turns.runs.find("p")?.state, "parked");
  assert.equal(deaths + 1, LIMITS.turnAttempts);
  for (const id of innocent) assert.equal(bench.turns.runs.find(id)?.state, "done", id);
  bench.close();
});

test("a message that ends the process when it is handed in does not take the running turn with it", async () => {
  const first = openTurnBench();
  let dead = false;
  first.runtime.script = dyingOver("poison", () => {
    dead = true;
    first.store.close();
  });
  await first.turns.admission.submit(message("fine", "a"));
  await until(() => first.turns.runs.inflight(keyOf("main"))[0]?.text);
  await first.turns.admission.submit(message("poison", "p", { queueMode: "steer" }));
  await until(() => first.turns.runs.find("p")?.mergedInto === "a");
  first.runtime.release("a");
  await until(() => dead);
  const { bench } = await liveThrough(first.dir, "poison", ["a", "p"]);
  assert.equal(bench.turns.runs.find("a")?.state, "done");
  assert.equal(bench.turns.runs.find("p")?.state, "parked");
  bench.close();
});

test("an orderly stop does not count as a failed attempt, however often it happens", async () => {
  const { dir, store, turns } = openTurnBench();
  await turns.admission.submit(message("first", "e0"));
  await turns.runs.waitForOutcome(asId("e0"), 5_000);
  store.close();
  for (let restart = 0; restart < LIMITS.turnAttempts * 2; restart++) {
    const bench = openTurnBench({ dir });
    bench.runtime.script = async function* () {
      yield { type: "started", model: MODEL, contextWindow: 1 };
      await new Promise(() => {});
    };
    if (restart === 0) await bench.turns.admission.submit(message("long", "e1"));
    else assert.equal(recover({ ...bench, ...bench.turns, abilitiesOf: () => null }).resumed, 1);
    await until(() => bench.runtime.prompts.length === 1);
    bench.turns.lanes.stop();
    bench.store.close();
  }
  const last = openTurnBench({ dir });
  last.runtime.script = echoScript;
  recover({ ...last, ...last.turns, abilitiesOf: () => null });
  assert.equal((await last.turns.runs.waitForOutcome(asId("e1"), 5_000))?.text, "echo: long");
  last.close();
});

test("a part whose sending ends the process repeatedly becomes a dead letter", async () => {
  const bench = openTurnBench();
  const target = { channel: asId<never>("irc"), account: asId<never>("a"), chat: { kind: "direct" as const, id: asId<never>("alice") } };
  await bench.store.write(() => bench.turns.outbound.add({ id: "x", sessionKey: null, target, text: "poison", at: 1 }));
  const { outbox } = bench;
  for (let death = 1; death <= LIMITS.sendAttempts; death++) {
    assert.equal(outbox.get("x:0")?.state, "queued");
    await bench.store.write(() => outbox.markAttempting("x:0", death));
    recover({ ...bench, ...bench.turns, abilitiesOf: () => ({ idempotency: "key" }) });
  }
  assert.equal(outbox.get("x:0")?.state, "parked");
  assert.match(outbox.get("x:0")!.cause!, /gave up after 8 attempts/);
  bench.close();
});

test("one row that cannot be settled does not keep the gateway from starting", async () => {
  const before = openTurnBench();
  before.runtime.script = async function* (turn) {
    yield { type: "started", model: MODEL, contextWindow: 1 };
    await turn.beforeTool({ id: "t", name: "exec", args: {} });
    await new Promise(() => {});
  };
  const target = { channel: asId<never>("irc"), account: asId<never>("a"), chat: { kind: "direct" as const, id: asId<never>("alice") } };
  await before.turns.admission.submit(message("with a tool", "e1", { tools: ["exec"], target }));
  await until(() => before.turns.runs.find("e1")?.toolsStarted);
  await before.turns.admission.submit(message("waits", "e2"));
  before.store.close();
  const after = openTurnBench({
    dir: before.dir,
    split: () => {
      throw new RangeError("no such text");
    },
  });
  recover({ ...after, ...after.turns, abilitiesOf: () => null });
  assert.equal(after.turns.runs.find("e1")?.state, "parked");
  assert.equal((await after.turns.runs.waitForOutcome(asId("e2"), 5_000))?.text, "echo: waits");
  after.close();
});
