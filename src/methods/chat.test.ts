import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gatedScript, textEvents } from "../../test/fakes/fake-runtime.ts";
import { openMethodBench, silentHub, type MethodBench } from "../../test/fakes/method-bench.ts";
import { until } from "../../test/fakes/turn-bench.ts";
import { GatewayError } from "../core/errors.ts";
import { asId } from "../core/ids.ts";
import { systemClock } from "../core/clock.ts";
import { LIMITS } from "../core/limits.ts";
import { wireRow } from "./chat-context.ts";
import { startEventStream } from "./stream.ts";

const failure = (check: (err: GatewayError) => unknown) => (err: unknown) => err instanceof GatewayError && Boolean(check(err));
const base64 = (data: string | Uint8Array): string => Buffer.from(data).toString("base64");
const PNG = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 1, 2, 3]);

async function send(rig: MethodBench, idempotencyKey: string, params: Record<string, unknown> = {}): Promise<void> {
  await rig.call("chat.send", { sessionKey: "main", message: idempotencyKey, idempotencyKey, ...params });
  await rig.bench.turns.runs.waitForOutcome(asId(idempotencyKey), 5_000);
}

type History = { messages: Record<string, unknown>[]; pendingInputs: Record<string, unknown>; inputReceipts?: unknown };
async function history(rig: MethodBench, params: Record<string, unknown> = {}): Promise<History> {
  return (await rig.call("chat.history", { sessionKey: "main", ...params })) as History;
}

test("a file of any kind is stored, and an agent with tools gets its path", async () => {
  const rig = openMethodBench({ tools: ["read"] });
  const attachments = [
    { fileName: "note.txt", mimeType: "text/plain", content: base64("remember the milk") },
    { fileName: "data.bin", content: `data:application/x-thing;base64,${base64(Uint8Array.from([0, 1, 2, 255]))}` },
    { fileName: "picture.png", mimeType: "application/octet-stream", content: base64(PNG) },
  ];
  await send(rig, "look at these", { attachments });
  const turn = rig.bench.runtime.prompts[0]!;
  assert.match(turn.text, /note\.txt/);
  assert.match(turn.text, /remember the milk/);
  assert.match(turn.text, /"data\.bin" \(application\/x-thing/);
  const paths = [...turn.text.matchAll(/stored at (\/\S+?)\]/g)].map((match) => match[1]!);
  assert.deepEqual(
    paths.map((path) => [...readFileSync(path)]),
    [[...Buffer.from("remember the milk")], [0, 1, 2, 255]],
  );
  assert.deepEqual(
    turn.images.map((image) => image.mimeType),
    ["image/png"],
  );
  rig.close();
});

test("an agent without tools gets no path, and the size and number of files are limited", async () => {
  const rig = openMethodBench();
  await send(rig, "one", { attachments: [{ fileName: "a.bin", content: base64(Uint8Array.from([0, 255])) }] });
  assert.ok(!rig.bench.runtime.prompts[0]!.text.includes("stored at"));
  const refused = (attachments: unknown[], pattern: RegExp) =>
    assert.rejects(
      rig.call("chat.send", { sessionKey: "main", message: "x", idempotencyKey: "x", attachments }),
      failure((err) => err.code === "INVALID_REQUEST" && pattern.test(err.message)),
    );
  await refused([{ fileName: "a" }], /attachment 1 has no content/);
  await refused([{ fileName: "a", content: "not base64!" }], /attachment 1 is not base64/);
  await refused(
    Array.from({ length: LIMITS.messageFiles + 1 }, () => ({ content: "aGk=" })),
    /at most 10/,
  );
  const large = "A".repeat(Math.ceil(((LIMITS.attachmentBytes + 1) * 4) / 3 / 4) * 4);
  await refused([{ fileName: "a", content: large }], new RegExp(`at most ${LIMITS.attachmentBytes}`));
  rig.close();
});

test("a reply and what the sender looks at are given to the agent as context", async () => {
  const rig = openMethodBench();
  await send(rig, "one");
  const id = ((await history(rig)).messages[1]!["__openclaw"] as { id: string }).id;
  await send(rig, "two", { replyToId: id, workContext: { page: "sessions", title: "All of them" } });
  const { text } = rig.bench.runtime.prompts[1]!;
  assert.match(text, /In reply to your message\]\n> echo: one/);
  assert.match(text, /- title: "All of them"/);
  await assert.rejects(
    rig.call("chat.send", { sessionKey: "main", message: "x", idempotencyKey: "x", replyToId: "nothing" }),
    failure((err) => err.message.includes("replyToId")),
  );
  rig.close();
});

test("a message for a conversation that is no longer shown is refused", async () => {
  const rig = openMethodBench();
  const leaf = (expectedLeafEntryId: string | null, more: Record<string, unknown> = {}) =>
    rig.call("chat.send", { sessionKey: "main", message: "hi", idempotencyKey: `k${Math.random()}`, expectedLeafEntryId, ...more });
  const moved = failure((err) => err.details?.["reason"] === "active-leaf-changed");
  await send(rig, "first", { expectedLeafEntryId: null });
  const id = ((await history(rig)).messages[1]!["__openclaw"] as { id: string }).id;
  await leaf(id);
  await assert.rejects(leaf(null), moved);
  await assert.rejects(leaf("unknown"), moved);
  await leaf("unknown", { queueMode: "steer" });
  await until(() => rig.bench.turns.lanes.busySessions().size === 0);
  await rig.call("sessions.reset", { key: "main" });
  await assert.rejects(leaf(id), moved);
  await assert.rejects(
    rig.call("chat.send", { sessionKey: "main", message: "hi", idempotencyKey: "p", expectedPermissionMode: "read-only" }),
    failure((err) => err.details?.["param"] === "expectedPermissionMode"),
  );
  rig.close();
});

const waitingRuns = (page: History): string[] => (page.pendingInputs["items"] as { runId: string }[]).map((item) => item.runId);

test("a message that was removed from the middle is in no page any more", async () => {
  const rig = openMethodBench();
  for (const text of ["one", "two"]) await send(rig, text);
  const texts = async (): Promise<unknown[]> => (await history(rig)).messages.map((row) => row["content"]);
  const before = await texts();
  const first = (await history(rig)).messages.find((row) => row["content"] === "one")!;
  rig.deps.messages.removeUser((first["__openclaw"] as { runId: string }).runId);
  assert.deepEqual(
    await texts(),
    before.filter((content) => content !== "one"),
  );
  rig.close();
});

test("a history page has texts of the wanted length, and says what became of a client's messages", async () => {
  const rig = openMethodBench();
  await send(rig, "a long message from a client");
  const cut = await history(rig, { maxChars: 6 });
  assert.equal(cut.messages[0]!["content"], "a long…");
  assert.equal((await history(rig)).messages[0]!["content"], "a long message from a client");
  rig.bench.runtime.script = gatedScript;
  for (const id of ["w1", "w2", "w3"]) await rig.call("chat.send", { sessionKey: "main", message: id, idempotencyKey: id });
  await until(() => rig.bench.turns.runs.inflight(asId("agent:main:main"))[0]?.text);
  const whole = await history(rig, { inputRunIds: ["w1", "w3", "missing"] });
  assert.deepEqual(waitingRuns(whole), ["w2", "w3"]);
  const receipts = whole.inputReceipts as { runId: string; state: string; consumedByEventId?: string }[];
  assert.deepEqual(
    receipts.map((receipt) => [receipt.runId, receipt.state]),
    [
      ["w1", "consumed"],
      ["w3", "pending"],
    ],
  );
  assert.ok(whole.messages.some((row) => (row["__openclaw"] as { id: string }).id === receipts[0]!.consumedByEventId));
  assert.deepEqual(waitingRuns(await history(rig, { pendingBefore: 2 })), ["w2"]);
  await rig.call("sessions.abort", { key: "main", clearQueued: true });
  await until(() => rig.bench.turns.lanes.busySessions().size === 0);
  rig.close();
});

test("waiting messages that are large come in several pages, the newest first", async () => {
  const rig = openMethodBench();
  rig.bench.runtime.script = gatedScript;
  const ids = ["w1", "w2", "w3", "w4"];
  for (const id of ["running", ...ids])
    await rig.call("chat.send", { sessionKey: "main", message: `${id} ${"x".repeat(100_000)}`, idempotencyKey: id });
  await until(() => rig.bench.turns.runs.inflight(asId("agent:main:main"))[0]?.text);
  const first = await history(rig);
  assert.deepEqual(waitingRuns(first), ["w3", "w4"]);
  assert.deepEqual([first.pendingInputs["total"], first.pendingInputs["nextBefore"]], [4, 3]);
  const second = await history(rig, { pendingBefore: 3 });
  assert.deepEqual(waitingRuns(second), ["w1", "w2"]);
  assert.equal(second.pendingInputs["nextBefore"], undefined);
  await rig.call("sessions.abort", { key: "main", clearQueued: true });
  await until(() => rig.bench.turns.lanes.busySessions().size === 0);
  rig.close();
});

test("agent adds to the system prompt of its run, and delivers only to the given target", async () => {
  const rig = openMethodBench();
  await rig.call("agent", { message: "hello", idempotencyKey: "k1", extraSystemPrompt: "Answer in verse.", label: "Verses" });
  assert.match(rig.bench.runtime.prompts[0]!.conversationContext, /Answer in verse\./);
  await rig.call("agent", { message: "again", idempotencyKey: "k2" });
  assert.ok(!rig.bench.runtime.prompts[1]!.conversationContext.includes("verse"));
  assert.equal(rig.deps.sessions.get("agent:main:main")?.label, "Verses");
  await assert.rejects(
    rig.call("agent", { message: "x", idempotencyKey: "k3", deliver: true }),
    failure((err) => err.message.startsWith("deliver:")),
  );
  await rig.call("agent", { message: "x", idempotencyKey: "k4", deliver: true, channel: "irc", to: "alice", sessionKey: "main" });
  assert.equal(rig.bench.outbox.byIntent("k4").length, 1);
  await assert.rejects(
    rig.call("agent", { message: "x", idempotencyKey: "k5", expectedExistingSessionId: "other" }),
    failure((err) => err.details?.["reason"] === "session-changed"),
  );
  rig.close();
});

test("the agent events of a run are numbered apart", async () => {
  const rig = openMethodBench();
  const seen: { stream: string; seq: number; phase?: unknown }[] = [];
  const stop = startEventStream({
    bus: rig.bench.bus,
    hub: {
      ...silentHub,
      publish: (event, payload) => {
        const { stream, seq, data } = payload as { stream: string; seq: number; data: { phase?: unknown } };
        if (event === "agent") seen.push({ stream, seq, phase: data.phase });
      },
    },
    clock: systemClock,
    session: (key) => rig.deps.sessions.get(key),
    wireRow: (row) => wireRow(rig.deps, row),
  });
  rig.bench.runtime.script = async function* () {
    yield { type: "text", delta: "one" };
    yield { type: "tool", phase: "start", id: "t", name: "read", args: {} };
    yield { type: "tool", phase: "end", id: "t", name: "read", result: "", isError: false, durationMs: 1 };
    yield textEvents("one");
    yield { type: "end", reason: "stop", checkpoint: null };
  };
  await send(rig, "go");
  await until(() => seen.at(-1)?.phase === "end");
  assert.deepEqual(
    seen.map((each) => each.seq),
    seen.map((_, index) => index + 1),
  );
  stop();
  rig.close();
});

test("sessions.changed has the whole row beside the changed fields", async () => {
  const rig = openMethodBench();
  const rows: Record<string, unknown>[] = [];
  const stop = startEventStream({
    bus: rig.bench.bus,
    hub: {
      ...silentHub,
      publish: (event, payload) => void (event === "sessions.changed" && rows.push(payload as Record<string, unknown>)),
    },
    clock: systemClock,
    session: (key) => rig.deps.sessions.get(key),
    wireRow: (row) => wireRow(rig.deps, row),
  });
  await rig.call("sessions.create", { key: "main" });
  await rig.call("sessions.patch", { key: "main", permissionMode: "read-only" });
  const last = rows.at(-1)!;
  assert.equal(last["permissionMode"], "read-only");
  assert.equal((last["session"] as Record<string, unknown>)["key"], "agent:main:main");
  assert.equal((last["session"] as Record<string, unknown>)["permissionMode"], "read-only");
  stop();
  rig.close();
});

test("a command that official clients offer and that is not served is answered by the gateway", async () => {
  const rig = openMethodBench();
  for (const text of ["/send off", "/elevated full", "/goal win", "/reasoning on", "/usage full", "/fast on", "/export-session"]) {
    await send(rig, text);
    const last = (await history(rig)).messages.at(-1)!;
    assert.match(JSON.stringify(last["content"]), /not served here/, text);
  }
  await send(rig, "/verbose on");
  assert.equal(rig.deps.sessions.get("agent:main:main")?.verbose_level, "on");
  await send(rig, "/etc/hosts is a file");
  assert.deepEqual(
    rig.bench.runtime.prompts.map((turn) => turn.text),
    ["/etc/hosts is a file"],
  );
  rig.close();
});

test("pages of large messages have a bounded size, and together they are the whole history", async () => {
  const rig = openMethodBench();
  const { store, messages } = rig.bench;
  await send(rig, "first");
  const { session_id: sessionId, key } = rig.bench.sessions.get("agent:main:main")!;
  await store.write(() => {
    for (let n = 0; n < 16; n++) {
      const body = {
        role: "user" as const,
        content: `${n} ${"x".repeat(200_000)}`,
        provenance: { channel: "webchat", senderIsOwner: true },
      };
      messages.add({ id: `large-${n}`, sessionKey: key, sessionId, runId: null, idempotencyKey: null, at: n, body });
    }
  });
  const seen: unknown[] = [];
  let offset = 0;
  for (let pages = 0; ; pages++) {
    assert.ok(pages < 12, "too many pages");
    const page = (await history(rig, { offset })) as History & { hasMore: boolean; nextOffset?: number; deltaCursor: string };
    assert.ok(JSON.stringify(page).length < 600_000);
    seen.unshift(...page.messages.map((message) => JSON.stringify(message["content"]).slice(0, 50)));
    if (!page.hasMore) break;
    offset = page.nextOffset!;
  }
  assert.equal(seen.length, 18);
  assert.equal(new Set(seen).size, 18);
  const cursor = Buffer.from(JSON.stringify([sessionId, 0])).toString("base64url");
  assert.deepEqual(await rig.call("chat.history", { sessionKey: "main", cursor }), { kind: "reset" });
  rig.close();
});
