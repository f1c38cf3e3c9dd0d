import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { test } from "node:test";
import type { AgentEvent, ModelCall, Turn } from "../agents/runtime.ts";
import { MODEL, textEvents, type PromptControl } from "../../test/fakes/fake-runtime.ts";
import { message, openTurnBench, until, type TurnBench } from "../../test/fakes/turn-bench.ts";
import { asId } from "../core/ids.ts";
import { textOf } from "../store/messages.ts";
import { isNearCompaction, refuseFlushCall, type FlushSettings } from "./memory-flush.ts";
import { recover } from "./recover.ts";

const key = asId<never>("agent:main:main");
const settings: FlushSettings = {
  isAutomatic: true,
  model: null,
  softThresholdTokens: 4_000,
  keepRecentTokens: undefined,
  today: () => "2026-12-01",
};
const WINDOW = 100_000;
const usage = { input: 80_000, output: 100, cacheRead: 0, cacheWrite: 0, totalTokens: 0, costUsd: 0 };
const call: ModelCall = { purpose: "answer", model: MODEL, usage, cost: null, status: "ok", durationMs: 5, firstTokenMs: 1 };
const isFlush = ({ text }: Pick<Turn, "text">): boolean => text.startsWith("This conversation is about to be shortened");

/** Each answer leaves a context of so many tokens. */
const answering = (tokensOf: (turn: Turn) => number, more: (turn: Turn) => readonly AgentEvent[] = () => []) =>
  async function* (turn: Turn): AsyncGenerator<AgentEvent, void, void> {
    yield { type: "started", model: MODEL, contextWindow: WINDOW };
    yield* more(turn);
    yield { type: "call", call };
    const said = textEvents(isFlush(turn) ? "NO_REPLY" : `answer to ${turn.text}`) as Extract<AgentEvent, { type: "message" }>;
    yield { ...said, usage: { ...usage, totalTokens: tokensOf(turn) } };
    yield { type: "end", reason: "stop", checkpoint: null };
  };

function openBench(script: (turn: Turn, control: PromptControl) => AsyncGenerator<AgentEvent, void, void>, given = {}): TurnBench {
  const bench = openTurnBench({ flush: () => settings, ...given });
  bench.runtime.script = script;
  return bench;
}

async function say(bench: TurnBench, id: string, more: Parameters<typeof message>[2] = {}): Promise<void> {
  await bench.turns.admission.submit(message(id, id, { tools: ["read", "write"], ...more }));
  await bench.turns.runs.waitForOutcome(asId(id), 5_000);
  await until(() => bench.turns.lanes.load().lanes === 0);
}

const asked = (bench: TurnBench): string[] => bench.runtime.prompts.map((turn) => (isFlush(turn) ? "flush" : turn.text));
const causes = (bench: TurnBench): string[] =>
  bench.store
    .all<{ cause: string; calls: number }>("SELECT cause, count(*) AS calls FROM usage_calls GROUP BY cause ORDER BY cause")
    .map(({ cause, calls }) => `${cause} ${calls}`);

const target = { channel: asId<never>("irc"), account: asId<never>("default"), chat: { kind: "direct" as const, id: asId<never>("ann") } };
const fromOwner = { target, provenance: { channel: "irc", senderId: "ann", senderIsOwner: true } };

test("a conversation that is about to be shortened gets one turn for its notes, before what waits, and once for each time it is shortened", async () => {
  let compacts = false;
  const script = answering(
    () => (compacts ? 20_000 : 90_000),
    (turn) => (compacts && !isFlush(turn) ? [{ type: "compaction", phase: "end", reason: "threshold", isDone: true }] : []),
  );
  const bench = openBench(script);
  await say(bench, "a");
  await say(bench, "b");
  assert.deepEqual(asked(bench), ["a", "flush", "b"]);
  assert.deepEqual(
    bench.runtime.prompts.map((turn) => turn.defersCompaction === true),
    [true, true, false],
  );
  compacts = true;
  await say(bench, "c");
  compacts = false;
  await say(bench, "d");
  assert.deepEqual(asked(bench), ["a", "flush", "b", "c", "d", "flush"]);
  assert.deepEqual(causes(bench), ["flush 2", "message 4"]);
  bench.close();
});

test("the turn for notes has the rights and the instructions of the conversation, is not delivered, and takes no message", async () => {
  const situations: unknown[] = [];
  const bench = openBench(
    async function* (turn, control) {
      const events = answering(() => 90_000)(turn);
      for await (const event of events) {
        yield event;
        if (isFlush(turn) && event.type === "started") await control.gate();
      }
    },
    { situation: (payload: { target: unknown }) => (situations.push(payload.target), "") },
  );
  await bench.turns.admission.submit(message("a", "a", { ...fromOwner, tools: ["exec", "write"] }));
  const flush = await until(() => bench.runtime.prompts[1]);
  await bench.turns.admission.submit(message("b", "b", { ...fromOwner, tools: ["exec", "write"], queueMode: "steer" }));
  await bench.turns.admission.submit(message("c", "c", { ...fromOwner, tools: ["exec", "write"], queueMode: "interrupt" }));
  assert.deepEqual([flush.tools, flush.isPrivate], [["exec", "write"], true]);
  assert.deepEqual(await flush.beforeTool({ id: "1", name: "exec", args: { command: "id" } }), {
    allow: false,
    reason: "only the tools read, write, edit are available while notes are written",
  });
  assert.equal((await flush.beforeTool({ id: "2", name: "write", args: { path: "memory/2026-12-01.md", content: "x" } })).allow, true);
  const before = bench.sessions.get(key)!.updated_at;
  bench.runtime.release(flush.runId);
  await until(() => bench.turns.lanes.load().lanes === 0);
  assert.deepEqual(asked(bench), ["a", "flush", "b", "c"]);
  assert.deepEqual(situations[0], situations[1]);
  assert.deepEqual(bench.outbox.byIntent(flush.runId), []);
  assert.equal(bench.outbox.byIntent("a").length, 1);
  assert.ok(bench.sessions.get(key)!.updated_at >= before);
  bench.close();
});

test("no notes are asked for in rooms, from others, where nothing can be written, and where they are off", async () => {
  const room = { ...target, chat: { kind: "group" as const, id: asId<never>("#room") } };
  const ways: [string, Parameters<typeof message>[2], object?][] = [
    ["a room", { ...fromOwner, target: room, chatKind: "group" }],
    ["another person", { target, provenance: { channel: "irc", senderId: "eve", senderIsOwner: false } }],
    ["no tool", { tools: ["read", "exec"] }],
    ["off", {}, { flush: () => null }],
    ["by hand only", {}, { flush: () => ({ ...settings, isAutomatic: false }) }],
    ["a sub-agent", { channel: "subagent" }],
    ["a heartbeat", { heartbeat: { ackMaxChars: 100 } }],
  ];
  for (const [name, more, given] of ways) {
    const bench = openBench(
      answering(() => 90_000),
      given,
    );
    await say(bench, "a", more);
    assert.deepEqual(asked(bench), ["a"], name);
    bench.close();
  }
});

test("an owner's conversation in which another person writes meanwhile is not asked for notes", async () => {
  const bench = openBench(answering(() => 90_000));
  await say(bench, "a", { target, provenance: { channel: "irc", senderId: "eve", senderIsOwner: false } });
  await say(bench, "b", fromOwner);
  assert.deepEqual(asked(bench), ["a", "b"]);
  bench.close();
});

const rows = (bench: TurnBench): number => bench.store.all("SELECT 1 FROM inbox WHERE channel = 'flush'").length;

test("a crash before, in and after the turn for notes neither loses nor repeats it", async () => {
  for (const at of ["answered", "stored", "run-started"]) {
    let bench = openTurnBench({ flush: () => settings, mark: (point) => point === at && isDying() && die() });
    const { dir } = bench;
    let dead = false;
    const isDying = (): boolean => !dead && (at !== "run-started" || bench.runtime.prompts.length === 1);
    const die = (): void => {
      dead = true;
      bench.store.close();
    };
    bench.runtime.script = answering(() => 90_000);
    await bench.turns.admission.submit(message("a", "a", { tools: ["write"] }));
    await until(() => dead);
    bench = openTurnBench({ dir, flush: () => settings });
    bench.runtime.script = answering(() => 90_000);
    recover({ ...bench, ...bench.turns, abilitiesOf: () => null });
    await until(() => bench.turns.lanes.load().lanes === 0 && rows(bench) === 1);
    assert.deepEqual(
      asked(bench).filter((text) => text === "flush"),
      ["flush"],
      at,
    );
    const flushes = bench.messages
      .tail(key, bench.sessions.get(key)!.session_id, { limit: 100 })
      .filter(({ body }) => isFlush({ text: textOf(body) }));
    assert.equal(flushes.length, 1, at);
    bench.close();
    rmSync(dir, { recursive: true, force: true });
  }
});

const check = (name: string, path: unknown): boolean => refuseFlushCall({ name, args: { path } }, "/home/ann/w") === null;

test("only notes are written, wherever the workspace is", () => {
  for (const path of ["MEMORY.md", "./MEMORY.md", "memory/2026-12-01.md", "/home/ann/w/memory/a/b.md"])
    assert.ok(check("write", path), path);
  const others = [
    "USER.md",
    "AGENTS.md",
    "memory/../AGENTS.md",
    "memory/x.txt",
    "/etc/memory/x.md",
    "../MEMORY.md",
    "",
    7,
    "memory/./../x.md",
  ];
  for (const path of others) assert.ok(!check("edit", path), String(path));
  assert.ok(check("read", "AGENTS.md"));
  for (const name of ["exec", "apply_patch", "message", "more_tools", "sessions_send"]) assert.ok(!check(name, "MEMORY.md"), name);
});

const near = (tokens: number, window: number): boolean => isNearCompaction({ tokens, window }, 4_000);

test("a conversation is near the point when the reserve and the threshold are used up; of a small window the threshold is small", () => {
  assert.deepEqual([near(179_616, 200_000), near(179_617, 200_000)], [false, true]);
  assert.deepEqual([near(5_000, 8_000), near(5_001, 8_000)], [false, true]);
  assert.equal(near(1_000, 0), false);
});
