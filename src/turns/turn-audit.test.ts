import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentEvent } from "../agents/runtime.ts";
import { asId } from "../core/ids.ts";
import type { NewAuditRow } from "../store/audit.ts";
import { MODEL, textEvents } from "../../test/fakes/fake-runtime.ts";
import { openTurnBench, message, type TurnBench } from "../../test/fakes/turn-bench.ts";
import { recover } from "./recover.ts";

const usage = { input: 1, output: 1, cacheRead: 0, cacheWrite: 0, totalTokens: 2, costUsd: 0 };
const end: AgentEvent = { type: "end", reason: "stop", checkpoint: null };
const call = (id: string, name: string): AgentEvent => ({
  type: "message",
  blocks: [{ type: "toolCall", id, name, arguments: {} }],
  model: MODEL,
  usage,
  stopReason: "toolUse",
});
const result = (id: string, name: string, isError = false): AgentEvent => ({
  type: "tool",
  phase: "end",
  id,
  name,
  result: "done",
  isError,
  durationMs: 1,
});

/** What the audit has, the oldest first. */
const events = (bench: TurnBench): string[] =>
  bench.audit
    .list({ limit: 100 })
    .toReversed()
    .map(({ kind, tool, callId, status, authority }) =>
      [kind, tool, callId, status, authority && `${authority.channel} ${authority.sender ?? "-"} ${authority.isOwner}`]
        .filter((each) => each !== null)
        .join(" "),
    );

async function run(bench: TurnBench, runId: string, more: Parameters<typeof message>[2]): Promise<void> {
  await bench.turns.admission.submit(message("do it", runId, more));
  await bench.turns.runs.waitForOutcome(asId(runId), 5_000);
}

test("a call, its result and the run leave rows, with the sender and hashes, and what is refused leaves one too", async () => {
  const bench = openTurnBench();
  const allowed: boolean[] = [];
  bench.runtime.script = async function* (turn) {
    for (const [id, name] of [
      ["t1", "exec"],
      ["t2", "write"],
    ] as const) {
      yield call(id, name);
      const { allow } = await turn.beforeTool({ id, name, args: { command: "ls", secret: "x".repeat(1_000) } });
      allowed.push(allow);
      yield result(id, name, !allow);
    }
    yield textEvents("finished");
    yield end;
  };
  const provenance = { channel: "irc", account: "default", senderId: "ada", senderIsOwner: true };
  await run(bench, "e1", { tools: ["exec"], provenance });
  assert.deepEqual(allowed, [true, false]);
  assert.deepEqual(events(bench), [
    "tool exec t1 started irc ada true",
    "tool exec t1 succeeded",
    "tool write t2 blocked",
    "run succeeded irc ada true",
  ]);
  const [first, second] = bench.audit.list({ limit: 100 }).toReversed();
  assert.ok(first!.subject!.startsWith('{"command":"ls"') && first!.subject!.length === 500);
  assert.match(`${first!.hash} ${second!.hash}`, /^[0-9a-f]{64} [0-9a-f]{64}$/);
  assert.equal(first!.sessionId, bench.sessions.get("agent:main:main")!.session_id);
  bench.close();
});

test("a call without a result ends as its run does", async () => {
  const bench = openTurnBench();
  bench.runtime.script = async function* (turn) {
    yield call("t1", "exec");
    await turn.beforeTool({ id: "t1", name: "exec", args: {} });
    yield { type: "end", reason: "aborted", checkpoint: null };
  };
  await run(bench, "e1", { tools: ["exec"] });
  assert.deepEqual(events(bench), ["tool exec t1 started webchat - true", "tool exec t1 cancelled", "run cancelled webchat - true"]);
  bench.close();
});

test("a crash in a call: after the restart its end is unknown, and the run has failed", async () => {
  const bench = openTurnBench();
  const began = Promise.withResolvers<void>();
  bench.runtime.script = async function* (turn) {
    yield call("t1", "exec");
    await turn.beforeTool({ id: "t1", name: "exec", args: {} });
    began.resolve();
    await new Promise(() => {});
  };
  await bench.turns.admission.submit(message("do it", "e1", { tools: ["exec"] }));
  await began.promise;
  bench.store.close();
  const next = openTurnBench({ dir: bench.dir });
  recover({ ...next, ...next.turns, abilitiesOf: () => null });
  assert.deepEqual(events(next), ["tool exec t1 started webchat - true", "tool exec t1 unknown", "run failed webchat - true"]);
  next.close();
});

test("a row is in the transaction of what it is about: when that fails, neither is there", async () => {
  const bench = openTurnBench();
  const add = bench.audit.add.bind(bench.audit);
  let allow: boolean | null = null;
  bench.runtime.script = async function* (turn) {
    yield call("t1", "exec");
    bench.audit.add = (row: NewAuditRow) => {
      add(row);
      throw new Error("the disk is full");
    };
    allow = await turn.beforeTool({ id: "t1", name: "exec", args: {} }).then(
      (verdict) => verdict.allow,
      () => false,
    );
    bench.audit.add = add;
    yield textEvents("finished");
    yield end;
  };
  await run(bench, "e1", { tools: ["exec"] });
  assert.equal(allow, false);
  assert.deepEqual(events(bench), ["run succeeded webchat - true"]);
  assert.deepEqual(bench.messages.byRun("e1").map(({ body }) => body.role), ["user", "assistant", "assistant"]); // prettier-ignore
  bench.close();
});
