import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { asId } from "../core/ids.ts";
import { silentLog } from "../core/log.ts";
import { createAudit, type Audit, type AuditQuery, type NewAuditRow } from "./audit.ts";
import { openStore } from "./open.ts";

function openAudit(t: TestContext): { audit: Audit; write: (change: () => void) => Promise<void> } {
  const dir = mkdtempSync(join(tmpdir(), "audit-"));
  const store = openStore({ dir, log: silentLog });
  t.after(() => {
    store.close();
    rmSync(dir, { recursive: true });
  });
  return { audit: createAudit(store), write: (change) => store.write(change) };
}

const row = (at: number, more: Partial<NewAuditRow> = {}): NewAuditRow => ({
  at,
  kind: "tool",
  status: "started",
  agentId: asId("main"),
  sessionKey: asId("agent:main:main"),
  runId: "r1",
  callId: "c1",
  tool: "exec",
  ...more,
});

test("events are listed the newest first, page by page, and by every filter", async (t) => {
  const { audit, write } = openAudit(t);
  const authority = { surface: "channel", channel: "irc", sender: "ada", isOwner: false } as const;
  await write(() => {
    audit.add(row(1, { authority, subject: '{"command":"ls"}', hash: "ab" }));
    audit.add(row(2, { status: "succeeded" }));
    audit.add(row(3, { kind: "run", status: "succeeded", callId: null, tool: null }));
    audit.add(row(4, { agentId: asId("ops"), sessionKey: asId("agent:ops:main"), runId: "r2", status: "blocked" }));
  });
  const times = (query: Partial<AuditQuery>): number[] => audit.list({ limit: 10, ...query }).map(({ at }) => at);
  assert.deepEqual(times({}), [4, 3, 2, 1]);
  assert.deepEqual(times({ limit: 2 }), [4, 3]);
  assert.deepEqual(times({ beforeSeq: audit.list({ limit: 2 }).at(-1)!.seq }), [2, 1]);
  assert.deepEqual(times({ agentId: "ops" }), [4]);
  assert.deepEqual(times({ sessionKey: "agent:main:main" }), [3, 2, 1]);
  assert.deepEqual(times({ runId: "r2" }), [4]);
  assert.deepEqual(times({ kind: "run" }), [3]);
  assert.deepEqual(times({ status: "blocked" }), [4]);
  assert.deepEqual(times({ after: 2, before: 4 }), [3, 2]);
  assert.deepEqual(audit.list({ limit: 1, beforeSeq: 2 })[0]!.authority, authority);
});

test("calls that have begun and not ended are ended, and no others", async (t) => {
  const { audit, write } = openAudit(t);
  await write(() => {
    audit.add(row(1));
    audit.add(row(2, { status: "succeeded" }));
    audit.add(row(3, { callId: "c2", subject: "{}", hash: "ab" }));
    audit.add(row(4, { callId: "c3", runId: "r2" }));
    audit.endCalls("r1", "unknown", 9);
    audit.endCalls("r1", "unknown", 10);
  });
  const ended = audit.list({ limit: 10, status: "unknown" });
  assert.deepEqual(
    ended.map(({ callId, at, subject, hash }) => [callId, at, subject, hash]),
    [["c2", 9, null, null]],
  );
});

test("old events are removed step by step", async (t) => {
  const { audit, write } = openAudit(t);
  await write(() => [1, 2, 3, 4].forEach((at) => audit.add(row(at))));
  const more: boolean[] = [];
  await write(() => void more.push(audit.prune(4, 2), audit.prune(4, 2), audit.prune(4, 2)));
  assert.deepEqual(more, [true, false, false]);
  assert.deepEqual(audit.list({ limit: 10 }).map(({ at }) => at), [4]); // prettier-ignore
});
