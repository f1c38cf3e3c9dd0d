import assert from "node:assert/strict";
import { test } from "node:test";
import { asId } from "../core/ids.ts";
import { textOf } from "../store/messages.ts";
import { echoScript, gatedScript, MODEL, textEvents } from "../../test/fakes/fake-runtime.ts";
import { message, openTurnBench, until, type TurnBench } from "../../test/fakes/turn-bench.ts";

const key = asId<never>("agent:main:main");
const outcome = (bench: TurnBench, runId: string) => bench.turns.runs.waitForOutcome(asId(runId), 5_000);

/** A turn that has begun, and what happens at the moment in which a message to be handed in has been admitted. */
async function atAdmissionOfTheSecond(act: (bench: TurnBench) => void): Promise<TurnBench> {
  let admitted = 0;
  const bench = openTurnBench({ mark: (point) => void (point === "admitted" && ++admitted === 2 && act(bench)) });
  bench.runtime.script = gatedScript;
  await bench.turns.admission.submit(message("one", "e1"));
  await until(() => bench.turns.runs.inflight(key)[0]?.text);
  await bench.turns.admission.submit(message("two", "e2", { queueMode: "steer" }));
  return bench;
}

test("a message that is handed in while the turn ends is answered by a turn of its own", async () => {
  const bench = await atAdmissionOfTheSecond((at) => at.runtime.release("e1"));
  bench.runtime.script = echoScript;
  assert.equal((await outcome(bench, "e1"))?.text, "half done: one");
  assert.equal((await outcome(bench, "e2"))?.text, "echo: two");
  assert.equal(bench.turns.runs.find("e2")?.state, "done");
  assert.equal(bench.turns.runs.find("e2")?.mergedInto, null);
  bench.close();
});

test("a message that is handed in is in the transcript and in the rebuilt context where the agent read it", async () => {
  const bench = openTurnBench();
  bench.runtime.script = async function* (turn, control) {
    if (turn.text !== "one") return yield* echoScript(turn);
    yield { type: "started", model: MODEL, contextWindow: 1 };
    yield { type: "text", delta: "first" };
    await control.gate();
    yield textEvents("first");
    for (let steered = await control.steered(); steered; steered = await control.steered()) {
      yield { type: "steered", runId: asId(steered.runId) };
      yield textEvents(`then ${steered.text}`);
    }
    yield { type: "end", reason: "stop", checkpoint: null };
  };
  await bench.turns.admission.submit(message("one", "e1"));
  await until(() => bench.turns.runs.inflight(key)[0]?.text);
  let handedIn = 0;
  const steer = bench.runtime.steer.bind(bench.runtime);
  bench.runtime.steer = (...args) => {
    handedIn++;
    return steer(...args);
  };
  await bench.turns.admission.submit(message("two", "e2", { queueMode: "steer" }));
  await until(() => handedIn === 1);
  await bench.turns.admission.submit(message("waits", "e3"));
  bench.runtime.release("e1");
  await outcome(bench, "e3");
  const session = bench.sessions.get(key)!;
  const told = bench.messages.tail(key, session.session_id, { limit: 100 }).map(({ body }) => `${body.role} ${textOf(body)}`);
  assert.deepEqual(told, ["user one", "assistant first", "user two", "user waits", "assistant then two", "assistant echo: waits"]);
  const read = ["one", "first", "two", "then two", "waits", "echo: waits"];
  assert.deepEqual(
    bench.turns.transcript.buildContext(session, []).map(({ text }) => text),
    read,
  );
  bench.close();
});

test("a message that is withdrawn while it is handed in stays withdrawn", async () => {
  const bench = await atAdmissionOfTheSecond((at) => void setImmediate(() => at.turns.lanes.abort(key, asId("e2"))));
  assert.equal((await outcome(bench, "e2"))?.status, "aborted");
  bench.runtime.release("e1");
  assert.equal((await outcome(bench, "e1"))?.text, "half done: one");
  assert.equal(bench.turns.runs.find("e2")?.state, "aborted");
  assert.equal(bench.turns.lanes.load().waiting, 0);
  bench.close();
});
