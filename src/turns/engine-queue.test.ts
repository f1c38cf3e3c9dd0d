import assert from "node:assert/strict";
import { test } from "node:test";
import { gatedScript, textEvents } from "../../test/fakes/fake-runtime.ts";
import { message, openTurnBench, until, type TurnBench } from "../../test/fakes/turn-bench.ts";
import { asId, type SessionKey } from "../core/ids.ts";
import { parseCommand } from "./commands.ts";

const key = asId<never>("agent:main:main");
const outcome = (bench: TurnBench, runId: string) => bench.turns.runs.waitForOutcome(asId(runId), 5_000);
const target = {
  channel: asId<never>("irc"),
  account: asId<never>("default"),
  chat: { kind: "direct" as const, id: asId<never>("alice") },
};

test("a collected message that came during a turn waits for a quiet moment, and for what comes meanwhile", async () => {
  const bench = openTurnBench({ quietMs: 400 });
  bench.runtime.script = gatedScript;
  await bench.turns.admission.submit(message("one", "e1", { queueMode: "collect" }));
  // The first one finds an idle lane and has nothing to wait for.
  await until(() => bench.turns.runs.inflight(key)[0]?.text);
  await bench.turns.admission.submit(message("two", "e2", { queueMode: "collect" }));
  bench.runtime.release("e1");
  await outcome(bench, "e1");
  assert.equal(bench.runtime.prompts.length, 1);
  await bench.turns.admission.submit(message("three", "e3", { queueMode: "collect" }));
  await until(() => bench.runtime.prompts.length === 2);
  assert.equal(bench.runtime.prompts[1]!.text, "two\n\nthree");
  await until(() => bench.turns.runs.inflight(key)[0]?.text);
  bench.runtime.release("e2");
  assert.equal((await outcome(bench, "e3"))?.status, "ok");
  await until(() => bench.turns.lanes.load().lanes === 0);
  bench.close();
});

test("what waits for a quiet moment is let go by /stop", async () => {
  const bench = openTurnBench({ quietMs: 60_000 });
  bench.runtime.script = gatedScript;
  await bench.turns.admission.submit(message("one", "e1"));
  await until(() => bench.turns.runs.inflight(key)[0]?.text);
  await bench.turns.admission.submit(message("two", "e2", { queueMode: "collect" }));
  bench.runtime.release("e1");
  await outcome(bench, "e1");
  assert.deepEqual(bench.turns.lanes.queuedRuns(key), ["e2"]);
  await bench.turns.admission.submit(message("/stop", "e3"));
  assert.equal((await outcome(bench, "e2"))?.status, "aborted");
  bench.close();
});

test("a configured text starts a conversation anew, whatever its case; a sentence with it does not", async () => {
  const bench = openTurnBench({ resetTriggers: ["fresh start", "/new"] });
  await bench.turns.admission.submit(message("hello", "e1"));
  await outcome(bench, "e1");
  const first = bench.sessions.get(key)!.session_id;
  await bench.turns.admission.submit(message("a fresh start would be nice", "e2"));
  await outcome(bench, "e2");
  assert.equal(bench.sessions.get(key)!.session_id, first);
  await bench.turns.admission.submit(message(" Fresh Start ", "e3"));
  assert.match((await outcome(bench, "e3"))!.text, /new conversation/);
  assert.notEqual(bench.sessions.get(key)!.session_id, first);
  bench.close();
});

test("a text that is a command already is not taken for another one", () => {
  assert.equal(parseCommand("/stop", ["/stop"])?.name, "stop");
  assert.equal(parseCommand("/model x", ["/model x"])?.arg, "x");
  assert.equal(parseCommand("", [""]), null);
});

test("a reply on a channel begins with the prefix, also that of a command; what an operator sends does not", async () => {
  const bench = openTurnBench({ replyPrefix: "[claw]" });
  const parts = () => bench.outbox.byState("queued", 10).map((part) => part.text);
  await bench.turns.admission.submit(message("hello", "e1", { target }));
  await outcome(bench, "e1");
  await bench.turns.admission.submit(message("/stop", "e2", { target }));
  await bench.store.write(() => bench.turns.outbound.add({ id: "send:1", sessionKey: null, target, text: "by hand", at: 1 }));
  assert.deepEqual(parts().toSorted(), ["[claw] Stopped.", "[claw] echo: hello", "by hand"]);
  assert.equal((await outcome(bench, "e1"))?.text, "echo: hello");
  bench.close();
});

test("/model knows the short names of the configuration", async () => {
  const bench = openTurnBench();
  await bench.turns.admission.submit(message("/model QUICK", "e1"));
  assert.match((await outcome(bench, "e1"))!.text, /uses fake\/other/);
  bench.close();
});

const session = (name: string): SessionKey => asId<SessionKey>(`agent:main:${name}`);

test("a provider that hangs in every slot does not keep the session of another provider waiting", async () => {
  const bench = openTurnBench({ concurrency: () => 2 });
  bench.runtime.script = async function* (turn, control) {
    if (turn.models[0]!.provider === "hangs") await control.gate();
    yield textEvents(`answer to ${turn.text}`);
    yield { type: "end", reason: "stop", checkpoint: null };
  };
  for (const name of ["a", "b", "c"])
    await bench.turns.admission.submit(message(name, name, { sessionKey: session(name), model: "hangs/model" }));
  for (const name of ["d", "e"]) {
    await bench.turns.admission.submit(message(name, name, { sessionKey: session(name), model: "well/model" }));
    assert.equal((await bench.turns.runs.waitForOutcome(asId(name), 5_000))?.text, `answer to ${name}`);
  }
  assert.deepEqual(
    bench.runtime.prompts.map((turn) => turn.text),
    ["a", "b", "d", "e"],
  );
  for (const name of ["a", "b"]) bench.runtime.release(name);
  await until(() => bench.runtime.prompts.length === 5);
  bench.runtime.release("c");
  assert.equal((await bench.turns.runs.waitForOutcome(asId("c"), 5_000))?.text, "answer to c");
  bench.close();
});
