import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { asId } from "../core/ids.ts";
import { silentLog } from "../core/log.ts";
import { createAudit, type NewAuditRow } from "../store/audit.ts";
import { openStore } from "../store/open.ts";
import { assertMatchesResultSchema } from "../../test/result-schema.ts";
import { auditMethods } from "./audit.ts";

type Page = { events: Record<string, unknown>[]; nextCursor?: string };

const ROW: NewAuditRow = {
  at: 5,
  kind: "tool",
  status: "started",
  agentId: asId("main"),
  sessionKey: asId("agent:main:main"),
  sessionId: "s1",
  runId: "r1",
  callId: "c1",
  tool: "exec",
  authority: { surface: "channel", channel: "irc", sender: "lovelace", isOwner: false },
  subject: '{"command":"secret"}',
  hash: "ab",
};

async function scene(t: TestContext, rows: readonly NewAuditRow[]) {
  const dir = mkdtempSync(join(tmpdir(), "audit-methods-"));
  const store = openStore({ dir, log: silentLog });
  t.after(() => {
    store.close();
    rmSync(dir, { recursive: true });
  });
  const audit = createAudit(store);
  await store.write(() => rows.forEach((row) => audit.add(row)));
  const methods = auditMethods({ audit });
  return {
    list: (params = {}) => methods["audit.list"].run(params) as Page,
    activity: (params = {}) => methods["audit.activity.list"].run(params) as Page,
    details: (params = {}) => methods["audit.details"].run(params) as Page,
  };
}

const END = { authority: null, subject: null, hash: null } as const;
const ENDS = ["succeeded", "failed", "cancelled", "timed_out", "blocked", "unknown"] as const;

test("every event has the published shape, without its content", async (t) => {
  const rows = ENDS.flatMap((status): NewAuditRow[] => [
    { ...ROW, ...END, status },
    ...(status === "unknown" ? [] : [{ ...ROW, ...END, kind: "run" as const, callId: null, tool: null, status }]),
  ]);
  const { list, activity } = await scene(t, [ROW, ...rows]);
  assertMatchesResultSchema("AuditListResult", list());
  assertMatchesResultSchema("AuditActivityListResult", activity());
  assert.equal(list().events.length, rows.length + 1);
  assert.doesNotMatch(JSON.stringify([list(), activity()]), /secret|lovelace/);
});

test("the details have arguments, hash and authority", async (t) => {
  const { details } = await scene(t, [ROW]);
  const [event] = details().events;
  assert.deepEqual([event!["arguments"], event!["hash"], event!["authority"]], [ROW.subject, ROW.hash, ROW.authority]);
});

test("pages follow each other, and a cursor that no answer had finds nothing", async (t) => {
  const { list } = await scene(
    t,
    [1, 2, 3].map((at) => ({ ...ROW, at })),
  );
  const first = list({ limit: 2 });
  assert.deepEqual(first.events.map(({ occurredAt }) => occurredAt), [3, 2]); // prettier-ignore
  const second = list({ limit: 2, cursor: first.nextCursor });
  assert.deepEqual([second.events.map(({ occurredAt }) => occurredAt), second.nextCursor], [[1], undefined]);
  assert.deepEqual(list({ cursor: "never; DROP TABLE audit" }).events, []);
});

test("messages are not recorded, and asking for them says so", async (t) => {
  const { activity } = await scene(t, [ROW]);
  assert.throws(() => activity({ kind: "message" }), /messages are not among the events of the audit/);
  assert.equal(activity({ kind: "tool_action" }).events.length, 1);
});
