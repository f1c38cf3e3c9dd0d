import assert from "node:assert/strict";
import { test } from "node:test";
import { asId, type SessionKey } from "../../src/core/ids.ts";
import { SeededRandom } from "../crash/seeded-random.ts";
import { message, openTurnBench } from "../fakes/turn-bench.ts";
import { createChecker, generateEvents } from "./model-output.ts";

const SEED = 4;

const key = (i: number): SessionKey => asId<SessionKey>(`agent:main:s${i % 5}`);

test("a thousand odd streams of a model neither break nor stall anything between it and people", async () => {
  const random = new SeededRandom(SEED);
  const checker = await createChecker();
  for (let i = 0; i < 1_000; i++) {
    const events = generateEvents(random);
    assert.deepEqual(checker.check(events), [], JSON.stringify(events).slice(0, 2_000));
  }
});

test("odd streams end their turns, and all that they leave in the store can be read back", async () => {
  const random = new SeededRandom(SEED + 1);
  const bench = openTurnBench();
  const { sessions, messages, inbox } = bench;
  bench.runtime.script = async function* () {
    yield* generateEvents(random);
  };
  for (let i = 0; i < 100; i++) {
    await bench.turns.admission.submit(message("hello", `e${i}`, { sessionKey: key(i) }));
    assert.ok(await bench.turns.runs.waitForOutcome(asId(`e${i}`), 10_000), `run ${i} has no outcome`);
  }
  for (let i = 0; i < 5; i++) {
    const session = sessions.get(key(i))!;
    assert.ok(
      [session.input_tokens, session.context_tokens, session.context_window].every((each) => Number.isSafeInteger(each) && each >= 0),
    );
    assert.equal(messages.tail(key(i), session.session_id, { limit: 1_000 }).filter((each) => each.body.role === "user").length, 20);
  }
  assert.ok(Array.from({ length: 100 }, (_, i) => inbox.byRun(`e${i}`)!.outcome).every((outcome) => outcome !== null));
  bench.close();
});
