import assert from "node:assert/strict";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { callerOf } from "../../test/fakes/method-bench.ts";
import { openApprovals, questionOf } from "../../test/fakes/test-approvals.ts";
import { assertMatchesResultSchema } from "../../test/result-schema.ts";
import { shortId } from "../approvals/approvals.ts";
import { asId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { silentLog } from "../core/log.ts";
import type { Caller } from "../protocol/method.ts";
import { checkParams } from "../protocol/validate.ts";
import type { ApprovalRow } from "../store/approvals.ts";
import { openStore } from "../store/open.ts";
import { approvalMethods } from "./approvals.ts";

type Answer = Record<string, unknown>;
type ApprovalMethod = keyof ReturnType<typeof approvalMethods>;

/** The methods over a real store; `ask` makes a question, as the tool for commands does. */
function openMethods(t: TestContext) {
  const dir = mkdtempSync(join(tmpdir(), "approval-methods-"));
  const store = openStore({ dir, log: silentLog });
  t.after(() => {
    store.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const clock = new FakeClock();
  const { approvals, allowlist, grants, bus } = openApprovals(store, { clock });
  const methods = approvalMethods({
    approvals,
    allowlist,
    grants,
    hub: { peers: () => [] },
    activeRun: () => null,
    write: (change) => store.write(change),
    workspaces: () => [{ agentId: "ops", path: join(dir, "workspace") }],
  });
  const call = async <T = Answer>(method: ApprovalMethod, params: object = {}, caller: Partial<Caller> = {}): Promise<T> => {
    const { run } = methods[method] as { run: (params: never, caller: never) => unknown };
    return (await run(checkParams(method, params) as never, callerOf(caller) as never)) as T;
  };
  const ask = async (command = "touch ./a", more: Parameters<typeof questionOf>[1] = {}, signal = new AbortController().signal) => {
    const { promise, resolve } = Promise.withResolvers<ApprovalRow>();
    const stop = bus.on("approval.requested", ({ approval }) => resolve(approval));
    const ended = approvals.ask(questionOf(command, more), signal);
    const { id } = await promise;
    stop();
    return { id, ended };
  };
  /** A method that asks; resolves when its question waits. */
  const begin = async (method: ApprovalMethod, params: object, caller: Partial<Caller> = {}) => {
    const { promise, resolve } = Promise.withResolvers<ApprovalRow>();
    const stop = bus.on("approval.requested", ({ approval }) => resolve(approval));
    const answer = call(method, params, caller);
    await promise;
    stop();
    return { answer };
  };
  return { dir, methods, call, ask, begin, clock };
}

const LAPTOP: Partial<Caller> = { device: asId("laptop") };

test("answers need operator.approvals, and the document operator.admin", (t) => {
  const { methods } = openMethods(t);
  for (const [name, { scope }] of Object.entries(methods))
    assert.equal(scope, name.startsWith("exec.approvals.") ? "operator.admin" : "operator.approvals", name);
});

test("a question is listed until it is answered, and then it is in the history", async (t) => {
  const { call, ask } = openMethods(t);
  const { id } = await ask("touch ./a", { warnings: ["Careful."] });
  const [listed] = await call<{ id: string; approvalKind: string; request: Answer }[]>("exec.approval.list");
  assert.deepEqual(
    [listed!.id, listed!.approvalKind, listed!.request["command"], listed!.request["warningText"], listed!.request["cwd"]],
    [id, "exec", "touch ./a", "Careful.", "/workspace"],
  );
  assert.deepEqual(listed!.request["allowedDecisions"], ["allow-once", "allow-always", "deny"]);
  assertMatchesResultSchema("ApprovalGetResult", await call("approval.get", { id: shortId(id) }));
  assertMatchesResultSchema("ApprovalHistoryResult", await call("approval.history"));
  const answer = await call("approval.resolve", { id: shortId(id), kind: "exec", decision: "allow-once" }, LAPTOP);
  assertMatchesResultSchema("ApprovalResolveResult", answer);
  assert.deepEqual([answer["applied"], (answer["approval"] as Answer)["resolver"]], [true, { kind: "device", id: "laptop" }]);
  assert.deepEqual(await call("exec.approval.list"), []);
  const history = await call<{ items: Answer[] }>("approval.history");
  assertMatchesResultSchema("ApprovalHistoryResult", history);
  assert.deepEqual(
    history.items.map((each) => [each["id"], each["status"], each["decision"], each["reason"]]),
    [[id, "allowed", "allow-once", "user"]],
  );
});

test("a whole question has its directory, its warnings and what would be stored", async (t) => {
  const { call, ask } = openMethods(t);
  const { id } = await ask("sh ./build.sh", { patterns: [], warnings: ["sh runs what its arguments or files say."] });
  const whole = await call("exec.approval.get", { id: shortId(id) });
  assert.deepEqual(
    [whole["commandText"], whole["cwd"], whole["host"], whole["warnings"], whole["patterns"], whole["status"]],
    ["sh ./build.sh", "/workspace", "gateway", ["sh runs what its arguments or files say."], [], "pending"],
  );
  assert.deepEqual(whole["allowedDecisions"], ["allow-once", "deny"]);
  await call("exec.approval.resolve", { id, decision: "deny" }, LAPTOP);
  const ended = await call("exec.approval.get", { id });
  assert.deepEqual([ended["status"], ended["decision"], ended["resolver"]], ["denied", "deny", { kind: "device", id: "laptop" }]);
});

test("the first answer counts: the second is reported by one method and refused by the other", async (t) => {
  const { call, ask } = openMethods(t);
  const { id } = await ask();
  assert.deepEqual(await call("exec.approval.resolve", { id, decision: "deny" }, LAPTOP), { ok: true });
  const second = await call("approval.resolve", { id, kind: "exec", decision: "allow-once" });
  assertMatchesResultSchema("ApprovalResolveResult", second);
  assert.deepEqual([second["applied"], (second["approval"] as Answer)["status"]], [false, "denied"]);
  await assert.rejects(call("exec.approval.resolve", { id, decision: "allow-once" }), {
    code: "INVALID_REQUEST",
    message: /has ended before: denied/,
  });
  await assert.rejects(call("exec.approval.resolve", { id, decision: "allow-once" }), (err: { details: Answer }) => {
    assert.equal(err.details["code"], "APPROVAL_ALREADY_RESOLVED");
    return true;
  });
});

/** The code of the error, or its text where it has none. */
const detailOf = async (promise: Promise<unknown>): Promise<unknown> =>
  await promise.then(
    () => null,
    (err: { details?: Answer; message: string }) => err.details?.["code"] ?? err.message,
  );

test("the lists of other kinds of questions, which clients ask for as well, are empty", async (t) => {
  const { call, ask } = openMethods(t);
  await ask();
  assert.deepEqual(await call("openclaw.approval.list"), []);
  assert.deepEqual(await call("plugin.approval.list"), []);
});

test("what is not offered, other kinds, other words and other ids are refused", async (t) => {
  const { call, ask } = openMethods(t);
  const { id } = await ask("sh ./build.sh", { patterns: [] });
  const detail = (method: ApprovalMethod, params: object): Promise<unknown> => detailOf(call(method, params));
  assert.equal(await detail("approval.resolve", { id, kind: "exec", decision: "allow-always" }), "APPROVAL_DECISION_NOT_OFFERED");
  assert.equal(await detail("approval.resolve", { id, kind: "plugin", decision: "deny" }), "APPROVAL_NOT_FOUND");
  assert.match(String(await detail("exec.approval.resolve", { id, decision: "perhaps" })), /invalid decision "perhaps"/);
  for (const method of ["approval.get", "exec.approval.get", "exec.approval.waitDecision"] as const)
    assert.equal(await detail(method, { id: "0000" }), "APPROVAL_NOT_FOUND", method);
  assert.equal((await call<unknown[]>("exec.approval.list")).length, 1, "it still waits");
});

test("the history has every ended question once, page by page, the latest first", async (t) => {
  const { call, ask, clock } = openMethods(t);
  const asked: string[] = [];
  for (const end of ["deny", "allow-once", "expire", "stop", "deny"]) {
    const stopped = new AbortController();
    const { id, ended } = await ask(`touch ./${asked.length}`, {}, stopped.signal);
    asked.unshift(id);
    if (end === "expire") clock.advance(LIMITS.approvalMs);
    else if (end === "stop") stopped.abort();
    else await call("exec.approval.resolve", { id, decision: end });
    await ended;
    clock.advance(1_000);
  }
  await ask("touch ./waits");
  const seen: string[] = [];
  let cursor: string | undefined;
  for (let pages = 0; pages < 5; pages++) {
    const page = await call<{ items: { id: string }[]; nextCursor?: string }>("approval.history", { limit: 2, ...(cursor && { cursor }) });
    assertMatchesResultSchema("ApprovalHistoryResult", page);
    seen.push(...page.items.map(({ id }) => id));
    cursor = page.nextCursor;
    if (cursor === undefined) break;
  }
  assert.deepEqual(seen, asked);
  assert.deepEqual(await call("approval.history", { kind: "plugin" }), { items: [] });
  await assert.rejects(call("approval.history", { cursor: "nonsense" }), /the cursor is not one of an earlier answer/);
});

test("a program that waits for the decision gets it, and a question without an answer is a no", async (t) => {
  const { call, ask, clock } = openMethods(t);
  const { id } = await ask();
  const waiting = call("exec.approval.waitDecision", { id: shortId(id) });
  await call("exec.approval.resolve", { id, decision: "allow-once" });
  assert.partialDeepStrictEqual(await waiting, { id, decision: "allow-once", status: "allowed", terminalReason: "user" });
  const late = await ask();
  clock.advance(LIMITS.approvalMs);
  await late.ended;
  const expired = await call("exec.approval.waitDecision", { id: late.id });
  assert.partialDeepStrictEqual(expired, { id: late.id, decision: "deny", status: "expired", terminalReason: "timeout" });
  const open = await ask();
  const gone = await call("exec.approval.waitDecision", { id: open.id }, { signal: AbortSignal.abort() });
  assert.partialDeepStrictEqual(gone, { id: open.id, decision: null, status: "pending" });
});

test("a program asks for itself: its text is shown, it gets the answer, and the answer is used with that", async (t) => {
  const { call, begin } = openMethods(t);
  const question = { title: "Pay", description: "12 EUR to Ann", detail: "invoice 7", severity: "critical", pluginId: "payments" };
  const { answer } = await begin("plugin.approval.request", { ...question, allowedDecisions: ["allow-once", "allow-always"] });
  const [listed] = await call<{ id: string; approvalKind: string; request: Answer }[]>("plugin.approval.list");
  assert.deepEqual(await call("exec.approval.list"), [], "it counts as no question about a command");
  assert.match(listed!.id, /^plugin:[0-9a-f-]{36}$/);
  assert.partialDeepStrictEqual(listed!.request, {
    ...question,
    allowedDecisions: ["allow-once", "allow-always", "deny"],
    sessionKey: null,
  });
  assertMatchesResultSchema("ApprovalGetResult", await call("approval.get", { id: shortId(listed!.id) }));
  await assert.rejects(call("exec.approval.resolve", { id: listed!.id, decision: "deny" }), /is of the kind plugin, not exec/);
  assert.deepEqual(await call("plugin.approval.resolve", { id: shortId(listed!.id), decision: "allow-once" }, LAPTOP), { ok: true });
  assert.partialDeepStrictEqual(await answer, { id: listed!.id, decision: "allow-once", status: "allowed" });
  const whole = await call("exec.approval.get", { id: listed!.id });
  assert.equal(typeof whole["usedAtMs"], "number");
  const history = await call<{ items: Answer[] }>("approval.history", { kind: "plugin" });
  assertMatchesResultSchema("ApprovalHistoryResult", history);
  assert.equal(history.items.length, 1);
  assert.deepEqual((await call<{ items: Answer[] }>("approval.history", { kind: "exec" })).items, []);
});

test("always is offered to a program only where it asks for that, a time never", async (t) => {
  const { call, begin } = openMethods(t);
  await begin("plugin.approval.request", { title: "Pay", description: "12 EUR" });
  const [{ id, request } = { id: "", request: {} }] = await call<{ id: string; request: Answer }[]>("plugin.approval.list");
  assert.deepEqual(request["allowedDecisions"], ["allow-once", "deny"]);
  await assert.rejects(call("plugin.approval.resolve", { id, decision: "allow-always" }), {
    code: "INVALID_REQUEST",
    message: /not offered/,
  });
  await assert.rejects(call("approval.resolve", { id, kind: "plugin", decision: "allow-once", grant: "1h" }), /can be allowed once only/);
  assert.equal((await call<unknown[]>("plugin.approval.list")).length, 1);
  await assert.rejects(call("plugin.approval.request", { title: " ", description: "x" }), /is blank/);
});

test("no answer in time is a no, and so is the end of the connection that asks; with two phases another one may wait", async (t) => {
  const { call, begin, clock } = openMethods(t);
  const short = await begin("plugin.approval.request", { title: "a", description: "b", timeoutMs: 5_000 });
  clock.advance(5_000);
  assert.partialDeepStrictEqual(await short.answer, { decision: "deny", status: "expired" });
  const closed = await call("plugin.approval.request", { title: "a", description: "b" }, { signal: AbortSignal.abort() });
  assert.partialDeepStrictEqual(closed, { decision: "deny", status: "cancelled", terminalReason: "run-aborted" });
  const accepted = Promise.withResolvers<Answer>();
  const caller = { signal: AbortSignal.abort(), accept: (payload: unknown) => accepted.resolve(payload as Answer) };
  const final = call("exec.approval.request", { command: "deploy", cwd: "/srv", twoPhase: true }, caller);
  const { status, id, deliveryRoute } = await accepted.promise;
  assert.deepEqual([status, deliveryRoute], ["accepted", "none"]);
  const waiting = call("exec.approval.waitDecision", { id });
  await call("exec.approval.resolve", { id, decision: "deny" });
  assert.partialDeepStrictEqual(await waiting, { id, decision: "deny", status: "denied" });
  assert.partialDeepStrictEqual(await final, { id, decision: "deny" });
});

test("a program that runs a command itself asks about all of it, once for each id", async (t) => {
  const { call, begin } = openMethods(t);
  const { answer } = await begin("exec.approval.request", { id: "node-1", commandArgv: ["echo", "a b"], cwd: "/srv", nodeId: "n1" });
  const [listed] = await call<{ id: string; request: Answer }[]>("exec.approval.list");
  assert.partialDeepStrictEqual(listed, {
    id: "node-1",
    request: { command: "echo 'a b'", cwd: "/srv", nodeId: "n1", isGrantable: false },
  });
  assert.deepEqual(listed!.request["allowedDecisions"], ["allow-once", "deny"]);
  await call("exec.approval.resolve", { id: "node-1", decision: "allow-once" });
  assert.partialDeepStrictEqual(await answer, { decision: "allow-once" });
  await assert.rejects(call("exec.approval.request", { id: "node-1", command: "echo" }), /there is an approval "node-1" already/);
  await assert.rejects(call("exec.approval.request", { id: "plugin:x", command: "echo" }), /cannot be used/);
  await assert.rejects(call("exec.approval.request", { cwd: "/srv" }), /the request names no command/);
});

test("an answer for some time is a grant, which is listed in the protocol's shape and revoked once", async (t) => {
  const { call, ask } = openMethods(t);
  const { id } = await ask("touch ./a", { binding: "b" });
  const [listed] = await call<{ request: Answer }[]>("exec.approval.list");
  assert.equal(listed!.request["isGrantable"], true);
  await assert.rejects(call("approval.resolve", { id, kind: "exec", decision: "allow-once", grant: "2 days" }), /is not a time/);
  await call("exec.approval.resolve", { id, decision: "allow-once", grant: "1h" }, LAPTOP);
  const answer = await call<{ grants: { grantId: string }[] }>("exec.approval.grants.list");
  assertMatchesResultSchema("ExecApprovalGrantsListResult", answer);
  const [{ grantId } = { grantId: "" }] = answer.grants;
  for (const [given, outcome] of [
    ["nothing", "not-found"],
    [grantId, "revoked"],
    [grantId, "already-revoked"],
  ] as const) {
    const revoked = await call("exec.approval.grants.revoke", { grantId: given }, LAPTOP);
    assertMatchesResultSchema("ExecApprovalGrantsRevokeResult", revoked);
    assert.equal(revoked["outcome"], outcome);
  }
  assertMatchesResultSchema("ExecApprovalGrantsListResult", await call("exec.approval.grants.list"));
});

type Document = { hash: string; exists: boolean; file: { agents?: Record<string, { allowlist?: { id?: string; pattern: string }[] }> } };

test("the document is read, replaced, and not overwritten when it was changed meanwhile", async (t) => {
  const { call, ask } = openMethods(t);
  const empty = await call<Document>("exec.approvals.get");
  assertMatchesResultSchema("ExecApprovalsSnapshot", empty);
  assert.equal(empty.exists, false);
  const { id } = await ask();
  await call("approval.resolve", { id, kind: "exec", decision: "allow-always" });
  const stored = await call<Document>("exec.approvals.get");
  assertMatchesResultSchema("ExecApprovalsSnapshot", stored);
  assert.deepEqual(
    stored.file.agents!["main"]!.allowlist!.map(({ pattern }) => pattern),
    ["/usr/bin/touch"],
  );
  const file = { version: 1, agents: { "*": { allowlist: [{ pattern: "jira" }] } } };
  await assert.rejects(call("exec.approvals.set", { file, baseHash: empty.hash }), { code: "CONFLICT" });
  const replaced = await call<Document>("exec.approvals.set", { file, baseHash: stored.hash });
  assertMatchesResultSchema("ExecApprovalsSnapshot", replaced);
  assert.deepEqual(await call("exec.approvals.get"), replaced);
});

const withPattern = (pattern: string, more: object = {}): object => ({
  version: 1,
  agents: { ops: { allowlist: [{ pattern, ...more }] } },
});

test("a document with something that could have no effect is refused, and says where", async (t) => {
  const { call, dir } = openMethods(t);
  writeFileSync(join(dir, "tool"), "", { mode: 0o755 });
  writeFileSync(join(dir, "text"), "");
  symlinkSync(join(dir, "tool"), join(dir, "link"));
  const refused: [file: object, why: RegExp][] = [
    [{ version: 1, defaults: { askFallback: "full" } }, /defaults\.askFallback has no effect here/],
    [{ version: 1, socket: { path: "/tmp/s" } }, /socket has no effect here/],
    [{ version: 1, agents: { ops: { security: "some" } } }, /agents\.ops\.security must be one of/],
    [withPattern(" "), /agents\.ops\.allowlist\[0\]\.pattern is empty/],
    [withPattern("jira", { argPattern: "^ls$" }), /argPattern is of another form/],
    [withPattern("/usr/bin/python3"), /agents\.ops\.allowlist\[0\]\.pattern "\/usr\/bin\/python3" runs what its arguments/],
    [withPattern(join(dir, "link")), /is a link/],
    [withPattern(dir), /is a directory/],
    [withPattern(join(dir, "text")), /is not a program: the gateway may not execute it/],
    [withPattern(join(dir, "workspace/tool")), /is in the workspace of agent ops/],
    [withPattern(join(dir, "workspace/bin/*")), /is in the workspace of agent ops/],
  ];
  for (const [file, why] of refused) await assert.rejects(call("exec.approvals.set", { file }), why, JSON.stringify(file));
  assert.equal((await call<Document>("exec.approvals.get")).exists, false);
  await call("exec.approvals.set", { file: withPattern(join(dir, "tool")) });
  await call("exec.approvals.set", { file: withPattern(join(dir, "*")) });
});

test("a program that has become a link does not prevent other changes", async (t) => {
  const { call, dir } = openMethods(t);
  const program = { pattern: join(dir, "tool") };
  await call("exec.approvals.set", { file: { version: 1, agents: { "*": { allowlist: [program] } } } });
  symlinkSync(join(dir, "elsewhere"), program.pattern);
  writeFileSync(join(dir, "elsewhere"), "");
  await call("exec.approvals.set", { file: { version: 1, agents: { "*": { allowlist: [program, { pattern: "jira" }] } } } });
});
