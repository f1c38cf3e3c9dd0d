import assert from "node:assert/strict";
import { test } from "node:test";
import { gatedScript, MODEL, textEvents } from "../../test/fakes/fake-runtime.ts";
import { openMethodBench, silentHub, type MethodBench } from "../../test/fakes/method-bench.ts";
import { until } from "../../test/fakes/turn-bench.ts";
import type { AgentEvent } from "../agents/runtime.ts";
import { GatewayError } from "../core/errors.ts";
import { asId } from "../core/ids.ts";
import { textOf } from "../store/messages.ts";

const failure = (check: (err: GatewayError) => unknown) => (err: unknown) => err instanceof GatewayError && Boolean(check(err));
const notServed = (param: string) => failure((err) => err.details?.["code"] === "PARAM_NOT_SERVED" && err.details["param"] === param);
const changed = (param: string) => failure((err) => err.details?.["reason"] === "session-changed" && err.details["param"] === param);

const row = async (rig: MethodBench, key: string): Promise<Record<string, unknown>> =>
  (await rig.call("sessions.describe", { key }))["session"] as Record<string, unknown>;

/** Sends a message and waits for its answer. */
async function say(rig: MethodBench, sessionKey: string, message: string, more: Record<string, unknown> = {}): Promise<void> {
  const idempotencyKey = `${message}-${Math.random()}`;
  await rig.call("chat.send", { sessionKey, message, idempotencyKey, ...more });
  await rig.bench.turns.runs.waitForOutcome(asId(idempotencyKey), 5_000);
}

const texts = (rig: MethodBench, key: string): string[] => {
  const session = rig.deps.sessions.get(key)!;
  return rig.deps.messages.tail(key, session.session_id, { limit: 100 }).map((each) => textOf(each.body));
};

test("a read-only session has no tool that writes or executes, also in a turn that runs already", async () => {
  const rig = openMethodBench({ tools: ["read", "write", "edit", "exec"] });
  await say(rig, "main", "one");
  assert.deepEqual(rig.bench.runtime.prompts[0]!.tools, ["read", "write", "edit", "exec"]);
  const answer = await rig.call("sessions.patch", { key: "main", permissionMode: "read-only" });
  assert.equal((answer["entry"] as Record<string, unknown>)["permissionMode"], "read-only");
  assert.equal((await row(rig, "main"))["permissionMode"], "read-only");
  await say(rig, "main", "two");
  assert.deepEqual(rig.bench.runtime.prompts[1]!.tools, ["read"]);
  await rig.call("sessions.patch", { key: "main", permissionMode: null });
  rig.bench.runtime.script = gatedScript;
  await rig.call("chat.send", { sessionKey: "main", message: "three", idempotencyKey: "k3" });
  const turn = await until(() => rig.bench.runtime.prompts[2]);
  await until(() => rig.bench.turns.runs.inflight(asId("agent:main:main"))[0]?.text);
  assert.ok((await turn.beforeTool({ id: "t1", name: "exec", args: {} })).allow);
  await rig.call("sessions.patch", { key: "main", permissionMode: "read-only" });
  assert.deepEqual(await turn.beforeTool({ id: "t2", name: "exec", args: {} }), {
    allow: false,
    reason: "the tool exec is not available in this conversation",
  });
  rig.bench.runtime.release("k3");
  await rig.bench.turns.runs.waitForOutcome(asId("k3"), 5_000);
  rig.close();
});

test("a permission mode that is not enforced here is refused, and full access takes an administrator", async () => {
  const rig = openMethodBench();
  await rig.call("sessions.create", { key: "main" });
  for (const mode of ["guarded", "workspace"]) {
    await assert.rejects(rig.call("sessions.patch", { key: "main", permissionMode: mode }), notServed("permissionMode"));
    await assert.rejects(rig.call("sessions.create", { permissionMode: mode }), notServed("permissionMode"));
  }
  const writer = { scopes: new Set(["operator.write", "operator.read"]) };
  await assert.rejects(
    rig.call("sessions.patch", { key: "main", permissionMode: "full" }, writer),
    failure((err) => err.code === "FORBIDDEN"),
  );
  await rig.call("sessions.patch", { key: "main", permissionMode: "read-only" }, writer);
  assert.equal(
    ((await rig.call("sessions.create", { permissionMode: "read-only" }))["entry"] as Record<string, unknown>)["permissionMode"],
    "read-only",
  );
  rig.close();
});

test("sendPolicy deny keeps messages out of the session, and its answers from the channel", async () => {
  const rig = openMethodBench();
  await say(rig, "main", "one");
  await rig.call("sessions.patch", { key: "main", sendPolicy: "deny" });
  const denied = failure((err) => err.code === "INVALID_REQUEST" && err.message.includes("send blocked by session policy"));
  await assert.rejects(rig.call("chat.send", { sessionKey: "main", message: "two", idempotencyKey: "k2" }), denied);
  await assert.rejects(rig.call("sessions.send", { key: "main", message: "two", idempotencyKey: "k3" }), denied);
  await assert.rejects(rig.call("agent", { sessionKey: "main", message: "two", idempotencyKey: "k4" }), denied);
  assert.deepEqual(texts(rig, "agent:main:main"), ["one", "echo: one"]);
  await say(rig, "main", "/status");
  const target = { channel: "irc", account: "default", chat: { kind: "direct", id: "alice" } };
  const { message } = await import("../../test/fakes/turn-bench.ts");
  await rig.bench.turns.admission.submit(message("from the channel", "e9", { target: target as never }));
  await rig.bench.turns.runs.waitForOutcome(asId("e9"), 5_000);
  assert.deepEqual(rig.bench.outbox.byIntent("e9"), []);
  const writer = { scopes: new Set(["operator.write", "operator.read"]) };
  await assert.rejects(
    rig.call("sessions.patch", { key: "main", sendPolicy: null }, writer),
    failure((err) => err.code === "FORBIDDEN"),
  );
  await rig.call("sessions.patch", { key: "main", sendPolicy: null });
  await say(rig, "main", "three");
  assert.equal(texts(rig, "agent:main:main").at(-1), "echo: three");
  rig.close();
});

test("what people choose to see of a session is stored and comes back in its row", async () => {
  const rig = openMethodBench();
  await rig.call("sessions.create", { key: "main" });
  const shown = {
    icon: "🦀",
    color: "teal",
    category: "Work",
    boardFace: "dashboard",
    boardPresentation: "split",
    label: "Mine",
    verboseLevel: "on",
  };
  await rig.call("sessions.patch", { key: "main", ...shown, pinned: true, statusNote: "busy", attention: "flag", ttlMinutes: 5 });
  const stored = await row(rig, "main");
  for (const [name, value] of Object.entries(shown)) assert.equal(stored[name], value, name);
  assert.equal(typeof stored["pinnedAt"], "number");
  const status = stored["agentStatus"] as { note: string; attention: string; expiresAt: number };
  assert.deepEqual([status.note, status.attention], ["busy", "flag"]);
  assert.ok(status.expiresAt > Date.now() && status.expiresAt <= Date.now() + 300_000);
  await rig.call("sessions.patch", { key: "main", icon: null, statusNote: null, verboseLevel: null });
  const cleared = await row(rig, "main");
  for (const name of ["icon", "agentStatus", "verboseLevel"]) assert.ok(!(name in cleared), name);
  for (const alone of [{ attention: "flag" }, { ttlMinutes: 5 }])
    await assert.rejects(
      rig.call("sessions.patch", { key: "main", ...alone }),
      failure((err) => err.message.includes("status note")),
    );
  await assert.rejects(
    rig.call("sessions.patch", { key: "main", verboseLevel: "loud" }),
    failure((err) => err.code === "INVALID_REQUEST"),
  );
  rig.close();
});

test("a change that was decided on an older state of the session is refused", async () => {
  const rig = openMethodBench();
  await rig.call("sessions.create", { key: "main" });
  const { sessionId, lifecycleRevision } = await row(rig, "main");
  const patch = (params: Record<string, unknown>) => rig.call("sessions.patch", { key: "main", ...params });
  await patch({ label: "a", expectedSessionId: sessionId, expectedLifecycleRevision: lifecycleRevision, expectedToolOverrides: null });
  await patch({ permissionMode: "read-only", expectedPermissionMode: null });
  await assert.rejects(patch({ permissionMode: null, expectedPermissionMode: null }), changed("expectedPermissionMode"));
  await assert.rejects(patch({ label: "b", expectedToolOverrides: { skills: { x: true } } }), changed("expectedToolOverrides"));
  await patch({ archived: true });
  await assert.rejects(patch({ label: "b", expectedLifecycleRevision: lifecycleRevision }), changed("expectedLifecycleRevision"));
  await assert.rejects(rig.call("sessions.reset", { key: "main", expectedSessionId: "other" }), changed("expectedSessionId"));
  await rig.call("sessions.reset", { key: "main", expectedSessionId: sessionId });
  await assert.rejects(patch({ label: "b", expectedSessionId: sessionId }), changed("expectedSessionId"));
  assert.equal((await row(rig, "main"))["label"], "a");
  rig.close();
});

test("a new conversation that a client begins is one for internal hooks too", async () => {
  const rig = openMethodBench();
  const renewed: string[] = [];
  rig.deps.bus.on("session.renewed", ({ sessionKey }) => void renewed.push(sessionKey));
  await rig.call("sessions.create", { key: "main" });
  await rig.call("sessions.create", { parentSessionKey: "main" });
  assert.deepEqual(renewed, [], "a client that does not ask for it announces nothing");
  await rig.call("sessions.create", { parentSessionKey: "main", emitCommandHooks: true });
  await rig.call("sessions.reset", { key: "main", reason: "new" });
  assert.deepEqual(renewed, ["agent:main:main", "agent:main:main"]);
  rig.close();
});

test("an automatic acknowledgement does not undo a mark that someone has set since", async () => {
  const rig = openMethodBench();
  await say(rig, "main", "one");
  await rig.call("sessions.patch", { key: "main", unread: false });
  assert.equal((await row(rig, "main"))["unread"], false);
  await rig.call("sessions.patch", { key: "main", unread: true });
  const { markedUnreadAt } = await row(rig, "main");
  await rig.call("sessions.patch", { key: "main", unread: false, expectedMarkedUnreadAt: null });
  assert.equal((await row(rig, "main"))["unread"], true);
  await rig.call("sessions.patch", { key: "main", unread: false, expectedMarkedUnreadAt: markedUnreadAt });
  assert.equal((await row(rig, "main"))["unread"], false);
  await assert.rejects(
    rig.call("sessions.patch", { key: "main", unread: false, label: "x", expectedMarkedUnreadAt: null }),
    failure((err) => err.code === "INVALID_REQUEST"),
  );
  rig.close();
});

test("archiving a session stops its running turn and what waits in it", async () => {
  const rig = openMethodBench();
  rig.bench.runtime.script = gatedScript;
  const { turns } = rig.bench;
  await rig.call("chat.send", { sessionKey: "side", message: "one", idempotencyKey: "k1" });
  const key = asId<never>("agent:main:side");
  await until(() => turns.runs.inflight(key)[0]?.text);
  await rig.call("chat.send", { sessionKey: "side", message: "two", idempotencyKey: "k2" });
  await rig.call("sessions.patch", { key: "side", label: "still running" });
  assert.equal(turns.runs.inflight(key).length, 1);
  await rig.call("sessions.patch", { key: "side", archived: true });
  for (const runId of ["k1", "k2"]) assert.equal((await turns.runs.waitForOutcome(asId(runId), 5_000))?.status, "aborted", runId);
  assert.equal((await row(rig, "side"))["archived"], true);
  rig.close();
});

test("the main session of an agent cannot be deleted; reset is offered, and it is untouched", async () => {
  const rig = openMethodBench();
  await say(rig, "main", "one");
  for (const key of ["main", "agent:main:main"])
    await assert.rejects(
      rig.call("sessions.delete", { key }),
      failure(
        (err) => err.code === "INVALID_REQUEST" && err.details?.["code"] === "SESSION_IS_MAIN" && err.fix?.includes("sessions.reset"),
      ),
    );
  assert.deepEqual(texts(rig, "agent:main:main"), ["one", "echo: one"]);
  rig.close();
});

test("sessions.delete removes an archived session only when it is archived, and what it was asked to", async () => {
  const rig = openMethodBench();
  await say(rig, "work-1", "keep me");
  const key = "agent:main:work-1";
  await assert.rejects(
    rig.call("sessions.delete", { key, archivedOnly: true }),
    failure((err) => err.message.includes("is not archived")),
  );
  await assert.rejects(rig.call("sessions.delete", { key, expectedLifecycleRevision: "x" }), changed("expectedLifecycleRevision"));
  await assert.rejects(rig.call("sessions.delete", { key, expectedSessionUpdatedAt: 1 }), changed("expectedSessionUpdatedAt"));
  assert.ok(await row(rig, key));
  await rig.call("sessions.patch", { key, archived: true });
  const { updatedAt, lifecycleRevision, sessionId } = await row(rig, key);
  const guards = { expectedSessionUpdatedAt: updatedAt, expectedLifecycleRevision: lifecycleRevision, expectedSessionId: sessionId };
  assert.equal((await rig.call("sessions.delete", { key, archivedOnly: true, deleteTranscript: false, ...guards }))["deleted"], true);
  assert.equal(await row(rig, key), null);
  assert.equal(rig.deps.messages.tail(key, String(sessionId), { limit: 10 }).length, 2);
  rig.close();
});

test("a fork copies the conversation, is listed under its parent, and continues on its own", async () => {
  const rig = openMethodBench();
  await say(rig, "main", "one");
  await rig.call("sessions.patch", { key: "main", permissionMode: "read-only" });
  const { key } = (await rig.call("sessions.create", { parentSessionKey: "main", fork: true })) as { key: string };
  assert.match(key, /^agent:main:dashboard:[0-9a-f-]{36}$/);
  assert.deepEqual(texts(rig, key), ["one", "echo: one"]);
  const child = await row(rig, key);
  assert.deepEqual([child["parentSessionKey"], child["forkedFromParent"], child["permissionMode"]], ["agent:main:main", true, "read-only"]);
  assert.deepEqual((await row(rig, "main"))["childSessions"], [key]);
  const list = (await rig.call("sessions.list"))["sessions"] as Record<string, unknown>[];
  assert.deepEqual(list.find((each) => each["key"] === "agent:main:main")?.["childSessions"], [key]);
  await say(rig, key, "two");
  assert.deepEqual(
    rig.bench.runtime.prompts
      .at(-1)!
      .history()
      .map((each) => each.text),
    ["one", "echo: one"],
  );
  assert.deepEqual(texts(rig, "agent:main:main"), ["one", "echo: one"]);
  await rig.deps.store.write(() => rig.deps.sessions.remove(asId("agent:main:main"), false));
  assert.ok(!("parentSessionKey" in (await row(rig, key))));
  rig.close();
});

test("a fork of the last completed answer leaves out what runs", async () => {
  const rig = openMethodBench();
  await say(rig, "main", "one");
  rig.bench.runtime.script = gatedScript;
  await rig.call("chat.send", { sessionKey: "main", message: "two", idempotencyKey: "k2" });
  const { key } = (await rig.call("sessions.create", { parentSessionKey: "main", fork: true, forkFrom: "last-completed" })) as {
    key: string;
  };
  assert.deepEqual(texts(rig, key), ["one", "echo: one"]);
  await until(() => rig.bench.turns.runs.inflight(asId("agent:main:main"))[0]?.text);
  rig.bench.runtime.release("k2");
  await rig.bench.turns.runs.waitForOutcome(asId("k2"), 5_000);
  rig.close();
});

test("a parent that does not exist, and a fork without one, are errors", async () => {
  const rig = openMethodBench();
  const missing = failure((err) => err.details?.["code"] === "SESSION_NOT_FOUND");
  await assert.rejects(rig.call("sessions.create", { parentSessionKey: "agent:main:missing", fork: true }), missing);
  await assert.rejects(rig.call("sessions.create", { parentSessionKey: "agent:main:missing" }), missing);
  await assert.rejects(
    rig.call("sessions.create", { fork: true }),
    failure((err) => err.message.includes("parentSessionKey")),
  );
  assert.deepEqual((await rig.call("sessions.list"))["sessions"], []);
  rig.close();
});

test("the same creation again is the same session", async () => {
  const rig = openMethodBench();
  const params = { message: "hello", idempotencyKey: "create-1" };
  const [first, second] = [await rig.call("sessions.create", params), await rig.call("sessions.create", params)];
  assert.equal(first["key"], second["key"]);
  assert.equal(first["runId"], second["runId"]);
  await rig.bench.turns.runs.waitForOutcome(asId("create-1"), 5_000);
  assert.deepEqual(texts(rig, String(first["key"])), ["hello", "echo: hello"]);
  rig.close();
});

test("a session is found by its short id, with the name deciding between several", async () => {
  const rig = openMethodBench();
  const create = async (key: string, label: string) => rig.call("sessions.create", { key, label });
  await create("agent:main:dashboard:a1b2c3d4-0000-4000-8000-000000000001", "Größe of the boat");
  await create("agent:main:dashboard:a1b2c3d4-1111-4000-8000-000000000002", "Other");
  await create("agent:work:dashboard:a1b2c3d4-2222-4000-8000-000000000003", "Other");
  const resolve = (params: Record<string, unknown>) => rig.call("sessions.resolve", { allowMissing: true, ...params });
  assert.equal((await resolve({ shortId: "A1B2C3D41111", agentId: "main" }))["displayName"], "Other");
  const hinted = await resolve({ shortId: "a1b2c3d4", slugHint: "neither", agentId: "main" });
  assert.equal(hinted["ok"], false);
  assert.equal((hinted["candidates"] as unknown[]).length, 2);
  const exact = await resolve({ shortId: "a1b2c3d4", slugHint: "größe-of-the-boat", agentId: "main" });
  assert.deepEqual([exact["ok"], exact["key"]], [true, "agent:main:dashboard:a1b2c3d4-0000-4000-8000-000000000001"]);
  assert.deepEqual(await resolve({ shortId: "ffffffff", agentId: "main" }), { ok: false });
  await assert.rejects(
    rig.call("sessions.resolve", { shortId: "ffffffff" }),
    failure((err) => err.details?.["code"] === "SESSION_NOT_FOUND"),
  );
  await assert.rejects(
    resolve({ shortId: "a1b2%" }),
    failure((err) => err.code === "INVALID_REQUEST"),
  );
  assert.equal((await resolve({ reference: { key: "gone", slug: "Other" }, agentId: "work" }))["ok"], true);
  assert.equal((await resolve({ reference: { key: "agent:main:dashboard:a1b2c3d4-1111-4000-8000-000000000002" } }))["ok"], true);
  const history = await rig.call("chat.startup", { shortId: "a1b2c3d42222", agentId: "work" });
  const read = "json" in history ? (JSON.parse(String(history["json"])) as Record<string, unknown>) : history;
  assert.equal(read["sessionKey"], "agent:work:dashboard:a1b2c3d4-2222-4000-8000-000000000003");
  rig.close();
});

test("the list is filtered and sorted as asked", async () => {
  const rig = openMethodBench();
  await rig.call("sessions.create", { key: "one", category: "Work" });
  await rig.call("sessions.create", { key: "cron:job-1" });
  await rig.call("sessions.create", { key: "subagent:x" });
  await rig.call("sessions.create", { key: "hook:y" });
  await rig.call("sessions.patch", { key: "one", pinned: true, boardFace: "dashboard" });
  const keys = async (params: Record<string, unknown>) =>
    ((await rig.call("sessions.list", params))["sessions"] as { key: string }[])
      .map((each) => each.key.slice("agent:main:".length))
      .toSorted();
  assert.deepEqual(await keys({ excludeCron: true, excludeSystem: true, excludeSubagents: true }), ["one"]);
  assert.deepEqual(await keys({ group: "Work" }), ["one"]);
  assert.deepEqual(await keys({ group: "", excludeSystem: true }), ["cron:job-1", "subagent:x"]);
  assert.deepEqual(await keys({ pinned: true }), ["one"]);
  assert.deepEqual(await keys({ boardFace: "dashboard" }), ["one"]);
  assert.deepEqual(await keys({ activeOnly: true }), []);
  assert.deepEqual(await keys({ ownerId: "someone" }), []);
  await say(rig, "hook:y", "hello");
  const first = async (params: Record<string, unknown>) => ((await rig.call("sessions.list", params))["sessions"] as { key: string }[])[0]!;
  assert.equal((await first({})).key, "agent:main:one");
  assert.equal((await first({ sortBy: "activity" })).key, "agent:main:hook:y");
  rig.bench.runtime.script = gatedScript;
  await rig.call("chat.send", { sessionKey: "one", message: "wait", idempotencyKey: "w1" });
  assert.deepEqual(await keys({ activeOnly: true }), ["one"]);
  await until(() => rig.bench.turns.runs.inflight(asId("agent:main:one"))[0]?.text);
  rig.bench.runtime.release("w1");
  await rig.bench.turns.runs.waitForOutcome(asId("w1"), 5_000);
  const named = await first({ sortBy: "activity", includeLastMessage: false, includeDerivedTitles: false });
  assert.ok(!("lastMessagePreview" in named) && !("derivedTitle" in named));
  rig.close();
});

test("a subscription with the params of a list brings the list", async () => {
  const rig = openMethodBench();
  await rig.call("sessions.create", { key: "one" });
  assert.deepEqual(await rig.call("sessions.subscribe"), { subscribed: true });
  const answer = await rig.call("sessions.subscribe", { limit: 60, ownerFirst: true });
  assert.equal((answer["list"] as { count: number }).count, 1);
  rig.close();
});

test("a search finds messages by the beginnings of words, and not after they are deleted", async () => {
  const rig = openMethodBench();
  await say(rig, "one", "The Größe of the harbour crane");
  await say(rig, "agent:work:two", "a crane is a bird");
  const found = async (params: Record<string, unknown>) =>
    (await rig.call("sessions.search", params))["results"] as Record<string, unknown>[];
  assert.deepEqual((await found({ query: "HARB cran" })).map((hit) => hit["role"]).toSorted(), ["assistant", "user"]);
  assert.equal((await found({ query: "große" })).length, 2);
  assert.equal((await found({ query: "crane" })).length, 4);
  assert.equal((await found({ query: "crane", agentId: "work" })).length, 2);
  assert.equal((await found({ query: "crane", sessionKeys: ["one"], limit: 1 })).length, 1);
  assert.equal((await found({ query: "crane", scope: { agentId: "work" } })).length, 2);
  assert.match(String((await found({ query: "bird" }))[0]!["snippet"]), /crane is a bird/);
  for (const query of ['"', "* OR", "NEAR(", "-", "a:b"]) await found({ query });
  await rig.call("sessions.delete", { key: "one" });
  assert.equal((await found({ query: "harbour" })).length, 0);
  rig.close();
});

test("sessions.abort stops the running turn, and what waits only when it is asked to", async () => {
  const rig = openMethodBench();
  rig.bench.runtime.script = gatedScript;
  const send = (idempotencyKey: string) => rig.call("chat.send", { sessionKey: "main", message: idempotencyKey, idempotencyKey });
  await send("a1");
  await send("a2");
  await until(() => rig.bench.turns.runs.inflight(asId("agent:main:main"))[0]);
  assert.deepEqual((await rig.call("sessions.abort", { key: "main" }))["runIds"], ["a1"]);
  await until(() => rig.bench.turns.runs.inflight(asId("agent:main:main"))[0]?.runId === "a2");
  await send("a3");
  assert.deepEqual((await rig.call("sessions.abort", { key: "main", clearQueued: true }))["runIds"], ["a2", "a3"]);
  assert.equal((await rig.bench.turns.runs.waitForOutcome(asId("a3"), 5_000))?.status, "aborted");
  rig.close();
});

test("a session made with an empty message begins no turn, and one whose message is refused says why", async () => {
  const rig = openMethodBench();
  const empty = await rig.call("sessions.create", { message: "", titleSource: "About boats", model: "other" });
  assert.equal(empty["runStarted"], false);
  const entry = empty["entry"] as Record<string, unknown>;
  assert.deepEqual([entry["displayName"], entry["model"], entry["classification"]], ["About boats", "other", "dashboard"]);
  await rig.call("sessions.create", { key: "closed" });
  await rig.call("sessions.patch", { key: "closed", sendPolicy: "deny" });
  const refused = await rig.call("sessions.create", { key: "closed", message: "hello" });
  assert.equal(refused["runStarted"], false);
  assert.match((refused["runError"] as { message: string }).message, /blocked by session policy/);
  rig.close();
});

test("the start and the end of a compaction are published to the clients that watch the session", async () => {
  const rig = openMethodBench();
  await rig.call("sessions.create", { key: "main" });
  const published: [string, Record<string, unknown>][] = [];
  rig.deps.hub = { ...silentHub, publish: (event, payload) => void published.push([event, payload as Record<string, unknown>]) };
  await rig.call("sessions.compact", { key: "main" });
  const operations = published.filter(([event]) => event === "session.operation").map(([, payload]) => payload);
  assert.deepEqual(
    operations.map(({ operation, sessionKey, phase, completed }) => [operation, sessionKey, phase, completed]),
    [
      ["compact", "agent:main:main", "start", undefined],
      ["compact", "agent:main:main", "end", true],
    ],
  );
  assert.equal(operations[0]!["operationId"], operations[1]!["operationId"]);
  rig.close();
});

test("a compaction that an operator asks for waits for the notes of the conversation, once for each compaction", async () => {
  const flush = { isAutomatic: false, model: null, softThresholdTokens: 4_000, keepRecentTokens: undefined, today: () => "2026-12-01" };
  const rig = openMethodBench({ tools: ["read", "write"], flush });
  const { runtime, sessions } = rig.bench;
  const order: string[] = [];
  const compact = runtime.compact.bind(runtime);
  runtime.compact = () => (order.push("compact"), compact());
  runtime.script = async function* (turn) {
    order.push(turn.text.startsWith("This conversation is about to be shortened") ? "notes" : "message");
    yield { type: "started", model: MODEL, contextWindow: 100_000 };
    const usage = { input: 50_000, output: 1, cacheRead: 0, cacheWrite: 0, totalTokens: 50_001, costUsd: 0 };
    yield { ...(textEvents("ok") as Extract<AgentEvent, { type: "message" }>), usage };
    yield { type: "end", reason: "stop", checkpoint: null };
  };
  await say(rig, "main", "hello");
  await rig.call("sessions.compact", { key: "main" });
  assert.deepEqual(order, ["message", "notes", "compact"]);
  assert.equal(sessions.get(asId("agent:main:main"))!.memory_flushed, 0);
  // What is short is not worth a turn.
  await rig.call("sessions.compact", { key: "main" });
  assert.deepEqual(order, ["message", "notes", "compact", "compact"]);
  rig.close();
});

test("the latest messages of a session are read by its key, the newest last", async () => {
  const rig = openMethodBench();
  await say(rig, "main", "one");
  await say(rig, "main", "two");
  const read = async (params: object): Promise<string[]> => {
    const answer = (await rig.call("sessions.get", params)) as unknown as { messages: { role: string; content: unknown }[] };
    return answer.messages.map(({ role, content }) => (typeof content === "string" ? `${role} ${content}` : role));
  };
  assert.deepEqual(await read({ key: "main" }), ["user one", "assistant", "user two", "assistant"]);
  assert.deepEqual(await read({ key: "agent:main:main", limit: 2 }), ["user two", "assistant"]);
  assert.deepEqual(await read({ key: "agent:main:none" }), []);
  rig.close();
});
