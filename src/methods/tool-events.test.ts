import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { LIMITS } from "../core/limits.ts";
import { asId } from "../core/ids.ts";
import { TOOL_LIMITS } from "../tools/limits.ts";
import { newPart, shortenResult, ToolEvents } from "./tool-events.ts";

const ref = { runId: asId<never>("r1"), sessionKey: asId<never>("agent:main:main"), agentId: asId<never>("main"), seq: 1 };
const call = { id: "call_1", name: "exec" };
const LINE = "a line of output, of which there are many, ";

/** Plays the updates of one call, each with what a command has shown until then, and gives what is sent. */
function play(outputs: readonly string[], result: string, clock = new FakeClock()): Record<string, unknown>[] {
  const events = new ToolEvents(clock);
  const sent = [events.toData({ ...ref, ...call, phase: "start", args: { command: "make" } })];
  for (const output of outputs) {
    clock.advance(LIMITS.toolUpdateMs);
    sent.push(events.toData({ ...ref, ...call, phase: "update", partial: output.slice(-TOOL_LIMITS.updateChars) }));
  }
  sent.push(events.toData({ ...ref, ...call, phase: "end", isError: false, durationMs: 5, result }));
  return sent.filter((data) => data !== null);
}

/** The output of a command, cut into what has come until each update. */
const growing = (lines: number, each: number): string[] => {
  const text = Array.from({ length: lines }, (_, n) => `${LINE}${n}\n`).join("");
  return Array.from({ length: Math.ceil(text.length / each) }, (_, n) => text.slice(0, (n + 1) * each));
};
const big = (n: number): string => `${n} ${"x".repeat(7_000)} ${n}`;
const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

test("a command with 100 MB of output in ten seconds costs at most 64 KB on the wire, its stored result included", () => {
  const outputs = Array.from({ length: 40 }, (_, n) => `${LINE}${n} `.repeat(200));
  const result = outputs.join("").slice(-TOOL_LIMITS.commandOutputChars);
  const sent = play(outputs, result);
  const payload = sent.reduce((sum, data) => sum + bytesOf(data), 0);
  // Each frame has some 250 bytes around its data.
  const bytes = payload + sent.length * 300 + bytesOf(result);
  assert.ok(bytes <= 65_536, `${bytes} bytes`);
  assert.ok(sent.length > 3, "it is shown that the command goes on");
});

test("what an event has besides its payload is less than 1 KB", () => {
  for (const data of play(growing(50, 400), "done")) {
    const { args, delta, partialResult, result, ...rest } = data;
    assert.ok(bytesOf(rest) < 200, JSON.stringify(rest));
    const [payload] = [args, delta, partialResult, result].filter((each) => each !== undefined);
    assert.ok(payload !== undefined && [args, delta, partialResult, result].filter((each) => each !== undefined).length === 1);
  }
});

test("a client that appends what is new shows the output as it is", () => {
  const outputs = growing(200, 300);
  let shown = "";
  let deltas = 0;
  for (const { phase, delta, partialResult } of play(outputs, "")) {
    if (phase !== "update") continue;
    if (typeof delta === "string") deltas++;
    const whole = (partialResult as { content: { text: string }[] } | undefined)?.content[0]!.text;
    shown = whole ?? shown + String(delta);
  }
  assert.ok(deltas > 3, String(deltas));
  assert.equal(shown.slice(-500), outputs.at(-1)!.slice(-500));
});

test("without room only the end is shown, and after a pause there is room again", () => {
  const clock = new FakeClock();
  const first = play(
    Array.from({ length: 60 }, (_, n) => big(n)),
    "",
    clock,
  );
  assert.ok(first.length < 55, "some are left out");
  const events = new ToolEvents(clock);
  const update = (n: number) => events.toData({ ...ref, ...call, phase: "update", partial: big(n) });
  for (let n = 0; n < 50; n++) update(n);
  assert.equal(update(50), null);
  clock.advance(60_000);
  assert.notEqual(update(51), null);
});

test("the continuation of an output is recognized by its end", () => {
  const text = growing(100, 10_000)[0]!;
  assert.equal(newPart("", "a"), "a");
  assert.equal(newPart("ab", "abc"), "c");
  assert.equal(newPart(text.slice(0, 2_000), text.slice(500, 2_300)), text.slice(2_000, 2_300));
  assert.equal(newPart("step 1", "step 2"), null);
  assert.equal(newPart(text, "something else"), null);
});

test("a long result has its beginning and its end in the event, and says what is left out", () => {
  const { toolEventHeadChars: head, toolEventTailChars: tail } = LIMITS;
  assert.equal(shortenResult("x".repeat(head + tail)), "x".repeat(head + tail));
  const shown = shortenResult("a".repeat(head) + "b".repeat(123) + "c".repeat(tail));
  assert.equal(shown, `${"a".repeat(head)}\n[123 characters are left out here]\n${"c".repeat(tail)}`);
});
