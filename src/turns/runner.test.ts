import assert from "node:assert/strict";
import { test } from "node:test";
import { asId } from "../core/ids.ts";
import { textOf } from "../store/messages.ts";
import { echoScript, MODEL } from "../../test/fakes/fake-runtime.ts";
import { message, openTurnBench, until } from "../../test/fakes/turn-bench.ts";

const target = {
  channel: asId<never>("irc"),
  account: asId<never>("default"),
  chat: { kind: "direct" as const, id: asId<never>("alice") },
};

test("a turn that a bug ends is reported as an error, in the session and on the channel, and its lane continues", async () => {
  const bench = openTurnBench();
  bench.runtime.script = async function* () {
    yield { type: "started", model: MODEL, contextWindow: 1 };
    throw new Error("a bug");
  };
  await bench.turns.admission.submit(message("one", "e1", { target }));
  const outcome = await bench.turns.runs.waitForOutcome(asId("e1"), 5_000);
  assert.equal(outcome?.status, "error");
  assert.equal(bench.turns.runs.find("e1")?.state, "failed");
  assert.deepEqual(bench.turns.runs.inflight(asId("agent:main:main")), []);
  const [, notice] = bench.messages.byRun("e1");
  assert.match(textOf(notice!.body), /did not work/);
  assert.equal(bench.outbox.byIntent("e1").length, 1);
  bench.runtime.script = echoScript;
  await bench.turns.admission.submit(message("two", "e2"));
  assert.equal((await bench.turns.runs.waitForOutcome(asId("e2"), 5_000))?.text, "echo: two");
  await until(() => bench.turns.lanes.load().lanes === 0);
  bench.close();
});
