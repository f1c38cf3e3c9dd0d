// Group: wire
import assert from "node:assert/strict";
import { test } from "node:test";
import { Bus } from "../core/bus.ts";
import { asId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { Hub } from "../protocol/hub.ts";
import type { SessionRow } from "../store/sessions.ts";
import type { TurnEvents } from "../turns/events.ts";
import { startEventStream } from "./stream.ts";

type Published = { event: string; payload: Record<string, unknown> };
const ref = { runId: asId<never>("r1"), sessionKey: asId<never>("agent:main:main"), agentId: asId<never>("main") };

function openStream(): { bus: Bus<TurnEvents>; published: Published[] } {
  const bus = new Bus<TurnEvents>((err) => {
    throw err;
  });
  const published: Published[] = [];
  const publish = (event: string, payload: unknown): void => void published.push({ event, payload: payload as Published["payload"] });
  const hub = { publish, isWatched: () => true };
  const clock = { now: () => 1, monotonic: () => 1, after: () => () => {} };
  startEventStream({ bus, hub: hub as unknown as Hub, clock, session: () => undefined, wireRow: () => ({}) });
  return { bus, published };
}

/** Characters of answer text in everything that was published. */
const charsOf = (published: readonly Published[]): number =>
  published.reduce((sum, { payload }) => {
    const data = (payload["data"] ?? {}) as { text?: string; delta?: string };
    const message = payload["message"] as { content: { text: string }[] } | undefined;
    const parts = [payload["deltaText"] as string | undefined, message?.content[0]!.text, data.text, data.delta];
    return sum + parts.reduce((chars, part) => chars + (part?.length ?? 0), 0);
  }, 0);

for (const piece of [5, 100, 25_000])
  test(`an answer of a million characters in pieces of ${piece} is sent about four times, not once for each piece`, () => {
    const { bus, published } = openStream();
    const delta = "x".repeat(piece);
    let text = "";
    let seq = 0;
    while (text.length < LIMITS.answerChars) {
      text += delta;
      bus.emit("turn.text", { ...ref, seq: ++seq, delta, text });
    }
    assert.ok(charsOf(published) <= 4 * text.length + LIMITS.streamWholeChars, String(charsOf(published)));
    const deltas = published.filter(({ event }) => event === "chat").map(({ payload }) => payload["deltaText"] as string);
    assert.equal(deltas.join(""), text, "the pieces alone are the whole text");
  });

test("a short answer carries the whole text with every piece, for clients that do not append", () => {
  const { bus, published } = openStream();
  let text = "";
  for (let seq = 1; seq <= 200; seq++) {
    text += "word ";
    bus.emit("turn.text", { ...ref, seq, delta: "word ", text });
  }
  assert.ok(published.every(({ event, payload }) => (event === "chat" ? payload["message"] : (payload["data"] as { text?: string }).text)));
});

test("text that is taken back is replaced, with the whole new text", () => {
  const { bus, published } = openStream();
  bus.emit("turn.text", { ...ref, seq: 1, delta: "half", text: "half" });
  bus.emit("turn.text", { ...ref, seq: 2, delta: "", text: "", replace: true });
  const [, , chat, agent] = published;
  assert.equal(chat!.payload["replace"], true);
  assert.equal(chat!.payload["deltaText"], "");
  assert.deepEqual((chat!.payload["message"] as { content: unknown }).content, [{ type: "text", text: "" }]);
  assert.deepEqual(agent!.payload["data"], { text: "", delta: "", replace: true });
});

test("an error carries the sentence for people, and the provider's words apart for operators", () => {
  const { bus, published } = openStream();
  const detail = { message: "401 no", httpStatus: 401, provider: "p", model: "m" };
  const error = { kind: "auth", message: "p refused the key.", detail };
  bus.emit("turn.ended", { ...ref, seq: 1, outcome: { status: "error", text: "", stopReason: "error", endedAt: 1, error } });
  const chat = published.find(({ event }) => event === "chat")!.payload;
  assert.equal(chat["errorMessage"], "p refused the key.");
  assert.deepEqual(chat["errorDetail"], {
    provider: "p",
    model: "m",
    httpStatus: 401,
    providerErrorType: "auth",
    providerErrorMessagePreview: "401 no",
  });
});

test("a retry, a compaction and the tokens of a run go out in the streams that official clients read, numbered apart", () => {
  const { bus, published } = openStream();
  bus.emit("turn.note", { ...ref, seq: 1, kind: "retry", text: "The model is busy." });
  bus.emit("turn.note", { ...ref, seq: 2, kind: "compaction", phase: "start" });
  bus.emit("turn.note", { ...ref, seq: 3, kind: "compaction", phase: "end" });
  const usage = { input: 7, output: 5, cacheRead: 0, cacheWrite: 0, totalTokens: 12, costUsd: 0 };
  bus.emit("turn.ended", { ...ref, seq: 4, outcome: { status: "ok", text: "done", stopReason: "stop", endedAt: 1, usage } });
  const agent = published.filter(({ event }) => event === "agent").map(({ payload }) => payload);
  assert.deepEqual(
    agent.map(({ seq, stream }) => [seq, stream]),
    [
      [1, "run_status"],
      [2, "compaction"],
      [3, "compaction"],
      [4, "usage"],
      [5, "lifecycle"],
    ],
  );
  assert.deepEqual(
    agent.slice(0, 4).map(({ data }) => data),
    [{ phase: "retrying", message: "The model is busy." }, { phase: "start" }, { phase: "end", completed: true }, { outputTokens: 5 }],
  );
});

test("without a watcher, a changed session is neither read nor encoded", () => {
  const bus = new Bus<TurnEvents>((err) => {
    throw err;
  });
  const watched = new Set<string>();
  const asked: string[] = [];
  const hub = {
    publish: (event: string) => void asked.push(event),
    isWatched: (topics: readonly string[]) => topics.some((topic) => watched.has(topic)),
  };
  const session = (key: string): SessionRow => (asked.push("row"), { key, session_id: "s1", agent_id: "main" } as SessionRow);
  const clock = { now: () => 1, monotonic: () => 1, after: () => () => {} };
  startEventStream({ bus, hub: hub as unknown as Hub, clock, session, wireRow: () => ({}) });
  const emit = (): void => bus.emit("session.changed", { sessionKey: ref.sessionKey, reason: "patch", fields: ["label"] });
  emit();
  assert.deepEqual(asked, []);
  watched.add("sessions");
  emit();
  assert.deepEqual(asked, ["row", "sessions.changed"]);
});
