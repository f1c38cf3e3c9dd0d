/**
 * Odd output of models, as records of Pi: wrong types, numbers of every kind, half characters, tags, markup without an end. Plays
 * each stream through all code between a model and people, and reports failures.
 *
 *     node test/fuzz/model-output.ts [--count N] [--seed N]
 */
import { parseArgs } from "node:util";
import { createMappingState, mapRecord } from "../../src/agents/pi/event-mapping.ts";
import type { PiRecord } from "../../src/agents/pi/process.ts";
import type { AgentEvent } from "../../src/agents/runtime.ts";
import type { Channel } from "../../src/channels/channel.ts";
import { channelIds, loadChannel } from "../../src/channels/registry.ts";
import { splitText } from "../../src/channels/split-text.ts";
import { asId } from "../../src/core/ids.ts";
import { Outbound } from "../../src/turns/outbound.ts";
import { initialTurnState, finishTurn, reduce, visibleText, type TurnState } from "../../src/turns/reduce.ts";
import { SeededRandom } from "../crash/seeded-random.ts";

const NUMBERS: readonly unknown[] = [0, 1, -1, 12.5, 2 ** 53 + 2, 1e300, -0, null, "12", "NaN", {}, [], true];
const PIECES: readonly string[] = [
  "word ",
  "<think>",
  "</think>",
  "<thinking>",
  "</reasoning>",
  "[THINK]",
  "<|channel|>analysis<|message|>",
  "<|end|>",
  "`",
  "```\n",
  "~~~",
  "**",
  "_",
  "~",
  "[a](http://x)",
  "[[reply_to_current]]",
  "[[",
  "NO_REPLY",
  "MEDIA:/etc/passwd\n",
  "| a | b |\n|---|---|\n",
  "> ",
  "\n\n",
  "\r\n",
  "\0",
  "\u202e",
  "\ud83d",
  "\ude00",
  "😀👩‍👩‍👧",
  "日本語、",
  "[object Object]",
  "<!DOCTYPE html><html>",
  "&lt;b&gt;",
  "\u001b[31m",
  "x".repeat(2_000),
  "<".repeat(100),
  "- ".repeat(30),
];

const anything = (random: SeededRandom): unknown =>
  random.pick([
    null,
    7,
    "text",
    true,
    [],
    {},
    [[[]]],
    { type: "text", text: 3 },
    { toString: "x" },
    JSON.parse('{"__proto__":{"a":1}}') as unknown,
  ]);

const mostly = (random: SeededRandom, value: unknown): unknown => (random.chance(0.1) ? anything(random) : value);

function textOf(random: SeededRandom): string {
  return Array.from({ length: random.int(0, 12) }, () => random.pick(PIECES)).join("");
}

function deltaOf(random: SeededRandom): PiRecord {
  const type = random.pick(["text_delta", "text_delta", "text_delta", "thinking_delta", "toolcall_delta", "odd"]);
  const delta = random.chance(0.1) ? [{ type: "text", text: textOf(random) }, anything(random)] : mostly(random, textOf(random));
  return { type: "message_update", assistantMessageEvent: mostly(random, { type, delta, contentIndex: mostly(random, random.int(0, 3)) }) };
}

function messageOf(random: SeededRandom): PiRecord {
  const usage = Object.fromEntries(
    ["input", "output", "cacheRead", "cacheWrite", "totalTokens"].map((name) => [name, random.pick(NUMBERS)]),
  );
  const block = (): unknown =>
    random.pick([
      { type: "text", text: mostly(random, textOf(random)) },
      { type: "thinking", thinking: mostly(random, textOf(random)) },
      { type: "toolCall", id: mostly(random, "1"), name: mostly(random, "exec"), arguments: anything(random) },
      anything(random),
    ]);
  const message = {
    role: mostly(random, "assistant"),
    provider: mostly(random, "p"),
    model: mostly(random, "m"),
    stopReason: random.pick(["stop", "stop", "length", "error", "toolUse", "aborted", "content_filter", "eos", "", null, 7]),
    errorMessage: random.pick([undefined, "429 try again in 20s", "<html><title>x</title>", textOf(random), {}]),
    content: mostly(random, Array.from({ length: random.int(0, 4) }, block)),
    usage: mostly(random, { ...usage, cost: mostly(random, { total: random.pick(NUMBERS) }) }),
  };
  return { type: "message_end", message: mostly(random, message) };
}

function otherOf(random: SeededRandom): PiRecord {
  return random.pick<PiRecord>([
    { type: "message_start", message: mostly(random, { role: "assistant" }) },
    { type: "tool_execution_start", toolCallId: mostly(random, "1"), toolName: mostly(random, "exec"), args: anything(random) },
    { type: "tool_execution_update", toolCallId: "1", toolName: "exec", partialResult: anything(random) },
    {
      type: "tool_execution_end",
      toolCallId: mostly(random, "1"),
      toolName: "exec",
      result: { content: [{ text: textOf(random) }, anything(random)] },
    },
    {
      type: "auto_retry_start",
      attempt: random.pick(NUMBERS),
      maxAttempts: 3,
      delayMs: random.pick(NUMBERS),
      errorMessage: mostly(random, "terminated"),
    },
    { type: "compaction_end", reason: anything(random), willRetry: random.chance(0.5) },
    { type: random.pick(["constructor", "__proto__", "odd"]) },
  ]);
}

/** The events that one odd stream becomes. */
export function generateEvents(random: SeededRandom): AgentEvent[] {
  const state = createMappingState();
  const records = Array.from({ length: random.int(1, 20) }, () =>
    random.chance(0.6) ? deltaOf(random) : random.chance(0.5) ? messageOf(random) : otherOf(random),
  );
  const events = records.flatMap((record, at) => mapRecord(record, state, at).events);
  const end: AgentEvent = random.pick<AgentEvent>([
    { type: "end", reason: "stop", checkpoint: null },
    { type: "end", reason: "aborted", checkpoint: null },
    { type: "end", reason: "error", checkpoint: null, error: { kind: "cut", message: textOf(random), origin: "provider" } },
  ]);
  return [{ type: "started", model: { provider: "p", id: "m" }, contextWindow: 1 }, ...events, end];
}

export type OutputChecker = { check: (events: readonly AgentEvent[]) => string[] };

/** Looks for what must not happen, whatever a model says. */
export async function createChecker(): Promise<OutputChecker> {
  const channels = (await Promise.all(channelIds.map((id) => loadChannel(id)))).filter((each): each is Channel => each !== null);
  const outbound = new Outbound({
    outbox: undefined as never,
    split: (_target, text) => [text],
    replyPrefix: () => "",
    directory: { capabilities: () => null },
    replyToMode: () => "off",
  });
  const target = { channel: asId<never>("x"), account: asId<never>("x"), chat: { kind: "direct" as const, id: asId<never>("x") } };
  return {
    check: (events) => {
      const faults: string[] = [];
      let state: TurnState = initialTurnState;
      let shown = "";
      for (const event of events) {
        const before = state;
        if (event.type === "end") continue;
        state = reduce(state, event);
        const text = visibleText(state);
        if (state.revision === before.revision && !text.startsWith(shown))
          faults.push(`shown text changed without being replaced after ${event.type}`);
        shown = text;
        outbound.preview({ id: "1", sessionKey: asId("s"), target, text, at: 0 });
      }
      const { outcome, state: last } = finishTurn(state, events.at(-1) as Extract<AgentEvent, { type: "end" }>, 1);
      const written = JSON.stringify([outcome, last.rows]);
      if (!written.isWellFormed() || JSON.parse(written) === null) faults.push("what is stored is not well-formed");
      for (const text of [outcome.text, outcome.error?.message ?? ""]) {
        if (!text.isWellFormed() || text.includes("\0")) faults.push("half a character or NUL in a text");
      }
      if (/<html|<title/i.test(outcome.error?.message ?? "")) faults.push("a web page in a sentence");
      const usage = outcome.usage as Record<string, unknown>;
      for (const name of ["input", "output", "totalTokens"])
        if (!Number.isSafeInteger(usage[name]) || (usage[name] as number) < 0) faults.push(`usage.${name} is ${String(usage[name])}`);
      for (const channel of channels) faults.push(...checkChannel(channel, outcome.text));
      return faults;
    },
  };
}

/** Work of a renderer for each character of a text, in characters that it is given. */
const RENDERED_PER_CHAR = 200;

function checkChannel(channel: Channel, text: string): string[] {
  let rendered = 0;
  const render = (part: string): string => {
    rendered += part.length;
    return channel.toRenderedText ? channel.toRenderedText(part) : part;
  };
  const { maxText } = channel.capabilities;
  const pieces = splitText(text, maxText, { render });
  const faults: string[] = [];
  if (rendered > RENDERED_PER_CHAR * (text.length + maxText.value))
    faults.push(`${channel.id}: ${rendered} characters rendered for ${text.length}`);
  for (const piece of pieces) {
    const out = channel.toRenderedText ? channel.toRenderedText(piece.text) : piece.text;
    const size = maxText.unit === "utf8" ? Buffer.byteLength(out) : out.length;
    if (size > maxText.value) faults.push(`${channel.id}: a part has ${size} of ${maxText.value}`);
    if (!out.isWellFormed()) faults.push(`${channel.id}: half a character in a part`);
  }
  return faults;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { count: { type: "string", default: "20000" }, seed: { type: "string", default: String(Date.now() % 1_000_000) } },
  });
  const random = new SeededRandom(Number(values.seed));
  const checker = await createChecker();
  let failed = 0;
  for (let i = 0; i < Number(values.count); i++) {
    const events = generateEvents(random);
    const faults = checker.check(events);
    if (faults.length === 0) continue;
    failed++;
    console.log(JSON.stringify({ faults, events }).slice(0, 2_000));
  }
  console.log(`${values.count} streams, ${failed} failed (seed ${values.seed})`);
  process.exitCode = failed > 0 ? 1 : 0;
}
