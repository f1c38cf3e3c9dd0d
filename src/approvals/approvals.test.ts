import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { openApprovals, questionOf } from "../../test/fakes/test-approvals.ts";
import { until } from "../../test/until.ts";
import { LIMITS } from "../core/limits.ts";
import { silentLog, type Log } from "../core/log.ts";
import type { ApprovalRow } from "../store/approvals.ts";
import { openStore } from "../store/open.ts";
import { shortId } from "./approvals.ts";

const ANN = { kind: "channel", id: "irc:ann" } as const;

function open(t: TestContext, newId?: () => string, log: Log = silentLog) {
  const dir = mkdtempSync(join(tmpdir(), "approvals-"));
  const store = openStore({ dir, log: silentLog });
  t.after(() => {
    store.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const clock = new FakeClock();
  const parts = openApprovals(store, { clock, log, ...(newId && { newId }) });
  const ended: ApprovalRow[] = [];
  parts.bus.on("approval.ended", ({ approval }) => ended.push(approval));
  const ask = async (text = "touch ./a", signal = new AbortController().signal, more = {}) => {
    const { promise, resolve } = Promise.withResolvers<ApprovalRow>();
    const stop = parts.bus.on("approval.requested", ({ approval }) => resolve(approval));
    const answer = parts.approvals.ask(questionOf(text, more), signal);
    const { id } = await promise;
    stop();
    return { id, answer };
  };
  return { ...parts, store, clock, ended, ask };
}

test("the first answer counts, also against a second one at the same time", async (t) => {
  const { approvals, ask, ended } = open(t);
  const { id, answer } = await ask();
  const results = await Promise.all([
    approvals.answer(id, { decision: "allow-once" }, ANN),
    approvals.answer(shortId(id), { decision: "deny" }, { kind: "device", id: "laptop" }),
  ]);
  assert.deepEqual(
    results.map(({ applied, approval }) => [applied, approval.status]),
    [
      [true, "allowed"],
      [false, "allowed"],
    ],
  );
  const { status, decision, reason, resolver } = await answer;
  assert.deepEqual({ status, decision, reason, resolver }, { status: "allowed", decision: "allow-once", reason: "user", resolver: ANN });
  assert.equal(ended.length, 1);
  assert.deepEqual(approvals.pending(), []);
  assert.equal(approvals.history(null, 10)[0]!.id, id);
});

test("an answer is used once", async (t) => {
  const { approvals, ask } = open(t);
  const allowed = await ask();
  await approvals.answer(allowed.id, { decision: "allow-once" }, ANN);
  assert.deepEqual([await approvals.use(allowed.id), await approvals.use(allowed.id)], [true, false]);
  const denied = await ask();
  await approvals.answer(denied.id, { decision: "deny" }, ANN);
  assert.equal(await approvals.use(denied.id), false);
});

test("without an answer in time it is no, and so is the end of what asks", async (t) => {
  const { ask, clock } = open(t);
  const late = await ask();
  clock.advance(LIMITS.approvalMs);
  assert.deepEqual([(await late.answer).status, (await late.answer).reason], ["expired", "timeout"]);
  const stopped = new AbortController();
  const cancelled = await ask("touch ./b", stopped.signal);
  stopped.abort();
  assert.deepEqual([(await cancelled.answer).status, (await cancelled.answer).reason], ["cancelled", "run-aborted"]);
  const gone = await ask("touch ./c", AbortSignal.abort());
  assert.equal((await gone.answer).status, "cancelled");
});

test("a restart closes what waits, and an answer after it changes nothing", async (t) => {
  const { approvals, ask, store } = open(t);
  const { id } = await ask();
  const next = openApprovals(store);
  await next.approvals.recover();
  const { applied, approval } = await next.approvals.answer(id, { decision: "allow-once" }, ANN);
  assert.deepEqual([applied, approval.status, approval.reason], [false, "cancelled", "gateway-restart"]);
  assert.equal(await approvals.use(id), false);
});

test("recovery leaves alone what was asked in this process", async (t) => {
  const { approvals, ask } = open(t);
  const { id } = await ask();
  await approvals.recover();
  assert.equal((await approvals.answer(id, { decision: "allow-once" }, ANN)).applied, true);
});

test("the end of the gateway is the reason of the questions that it cancels", async (t) => {
  const { approvals, ask } = open(t);
  const turn = new AbortController();
  const { answer } = await ask("touch ./a", turn.signal);
  approvals.stop();
  turn.abort();
  const { status, reason } = await answer;
  assert.deepEqual([status, reason], ["cancelled", "gateway-restart"]);
});

test("what asks gets its answer also when the approval was ended elsewhere", async (t) => {
  const { ask, clock, store, ended } = open(t);
  const { answer } = await ask();
  await openApprovals(store).approvals.recover();
  clock.advance(LIMITS.approvalMs);
  assert.equal((await answer).reason, "gateway-restart");
  assert.deepEqual(ended, []);
});

test("the log says which question was asked and how it ended, and nothing of the command", async (t) => {
  const lines: [message: string, fields: object | undefined][] = [];
  const log = { ...silentLog, info: (message: string, fields?: object) => void lines.push([message, fields]) };
  const { approvals, ask } = open(t, undefined, log);
  const { id } = await ask("curl -H secret");
  await approvals.answer(id, { decision: "deny" }, ANN);
  const about = { approval: id, agent: "main", session: "agent:main:main" };
  assert.deepEqual(lines, [
    ["a command waits for an approval", about],
    ["an approval has ended", { ...about, status: "denied", decision: "deny" }],
  ]);
});

test("what is always allowed is stored with its patterns, once", async (t) => {
  const { approvals, allowlist, ask } = open(t);
  for (const text of ["touch ./a", "touch ./b"]) await approvals.answer((await ask(text)).id, { decision: "allow-always" }, ANN);
  assert.deepEqual(
    allowlist.entries("main").map(({ pattern, argPattern, commandText, source }) => [pattern, argPattern, commandText, source]),
    [["/usr/bin/touch", 'words:["{path}"]', "touch ./a", "allow-always"]],
  );
  assert.deepEqual(allowlist.entries("other"), []);
});

test("a command that can be allowed once only keeps waiting when a person tries always", async (t) => {
  const { approvals, ask } = open(t);
  const { id } = await ask("sh -c ls", undefined, { patterns: [] });
  await assert.rejects(approvals.answer(id, { decision: "allow-always" }, ANN), /allow-always is not offered.*/);
  assert.equal(approvals.pending().length, 1);
});

test("an id is found by its beginning where that is unique", async (t) => {
  let count = 0;
  const ids = ["abcd-1", "abcd-2", "bbbb-1", "abce-1"];
  const { approvals, ask } = open(t, () => ids[count++]!);
  const first = await ask();
  assert.equal(first.id, "abcd-1");
  assert.equal((await ask()).id, "bbbb-1", "another waiting question begins like the second id");
  assert.equal(approvals.find("ABCD").id, "abcd-1");
  assert.throws(() => approvals.find("abc"), /there is no approval "abc"/);
  assert.throws(() => approvals.find("zzzz"), /there is no approval/);
});

test("too many waiting questions are refused, and nothing of them is kept", async (t) => {
  const { approvals } = open(t);
  const waiting = Array.from({ length: LIMITS.approvalsPending }, () =>
    approvals.ask(questionOf("touch ./a"), new AbortController().signal),
  );
  await until("all wait", () => approvals.pending().length === LIMITS.approvalsPending);
  await assert.rejects(approvals.ask(questionOf("touch ./b"), new AbortController().signal), /wait for an answer already/);
  assert.equal(approvals.pending().length, LIMITS.approvalsPending);
  void waiting;
});

test("a program that waits for an answer gets it, also when it was given before", async (t) => {
  const { approvals, ask } = open(t);
  const { id } = await ask();
  const { signal } = new AbortController();
  const waiting = approvals.waitFor(id, 1_000, signal);
  await approvals.answer(id, { decision: "deny" }, ANN);
  assert.equal((await waiting)!.status, "denied");
  assert.equal((await approvals.waitFor(id, 1_000, signal))!.status, "denied");
  const other = await ask();
  assert.equal(await approvals.waitFor(other.id, 1_000, AbortSignal.abort()), null);
});
