import assert from "node:assert/strict";
import { test } from "node:test";
import { asId } from "../core/ids.ts";
import { openTurnBench, message, until, type TurnBench } from "../../test/fakes/turn-bench.ts";
import { textEvents } from "../../test/fakes/fake-runtime.ts";
import { recover } from "./recover.ts";

type Verdict = { allow: boolean; reason?: string; permit?: { caller: { surface: string; tools: readonly string[] } } };

/** Lets an agent of another vendor ask for its turn; `seen` has the answers. */
function scripted(bench: TurnBench): Verdict[] {
  const seen: Verdict[] = [];
  bench.runtime.script = async function* (turn) {
    seen.push((await turn.beforeAgent!("codex")) as Verdict);
    yield textEvents("ok");
    yield { type: "end", reason: "stop", checkpoint: null };
  };
  return seen;
}
const run = async (bench: TurnBench, id: string, tools: readonly ("exec" | "read")[]): Promise<void> => {
  await bench.turns.admission.submit(message("do it", id, { tools: [...tools] }));
  await bench.turns.runs.waitForOutcome(asId(id), 5_000);
};
const auditOf = (bench: TurnBench, id: string): string[] =>
  bench.audit
    .list({ limit: 20 })
    .toReversed()
    .flatMap(({ runId, tool, status }) => (runId === id && tool !== null ? [`${tool} ${status}`] : []));

test("an agent of another vendor needs the right to run programs, and leaves a row of its start and of its end", async () => {
  const bench = openTurnBench();
  const seen = scripted(bench);
  await run(bench, "e1", ["read"]);
  assert.deepEqual(seen.slice(), [
    { allow: false, reason: "The agent codex runs programs, and this conversation may not: the tool exec is not granted here." },
  ]);
  assert.deepEqual(auditOf(bench, "e1"), []);
  await run(bench, "e2", ["exec"]);
  assert.deepEqual(seen[1]!.permit?.caller.tools, ["exec"]);
  assert.deepEqual(auditOf(bench, "e2"), ["acp/codex started", "acp/codex succeeded"]);
  bench.close();
});

test("a session that is read-only runs no agent of another vendor", async () => {
  const bench = openTurnBench();
  const seen = scripted(bench);
  await run(bench, "e1", ["exec"]);
  await bench.store.write(() => bench.sessions.patch(asId("agent:main:main"), { permission_mode: "read-only" }));
  await run(bench, "e2", ["exec"]);
  assert.deepEqual(
    seen.map(({ allow }) => allow),
    [true, false],
  );
  bench.close();
});

test("a turn of an agent of another vendor is closed after a crash, and not run again", async () => {
  const before = openTurnBench();
  before.runtime.script = async function* (turn) {
    await turn.beforeAgent!("codex");
    yield textEvents("begun");
    await new Promise(() => {});
  };
  await before.turns.admission.submit(message("do it", "e1", { tools: ["exec"] }));
  await until(() => before.turns.runs.find("e1")?.toolsStarted);
  before.store.close();
  const after = openTurnBench({ dir: before.dir });
  assert.deepEqual(recover({ ...after, ...after.turns, abilitiesOf: () => null }), { resumed: 0, closed: 1, deadLetters: 0, unknown: 0 });
  assert.equal(after.runtime.prompts.length, 0);
  after.close();
});
