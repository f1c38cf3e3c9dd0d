/** Rows, running turns and messages on their way, as one list of things to show. Pure. */
import { isActive, toResultText } from "./run.ts";
import { hasUserRow, isSettled, keyOf, rowId, runOf, seqOf } from "./transcript.ts";
import { toParts, toText } from "./wire.ts";
import type { Run, Tool } from "./run.ts";
import type { ContentPart, Row } from "./wire.ts";

export type Block =
  | { type: "text"; key: string; text: string }
  | { type: "thinking"; key: string; text: string }
  | { type: "tool"; key: string; tool: Tool }
  | { type: "image"; key: string; mimeType: string; data: string | null; url: string | null };

export type OutgoingState = "queued" | "sending" | "accepted" | "failed";
export type Outgoing = {
  idempotencyKey: string;
  text: string;
  state: OutgoingState;
  error: string | null;
  images: number;
  atMs: number;
  /** The newest row that was there when it was written. */ afterSeq: number;
};

export type Item =
  | { kind: "user"; key: string; blocks: readonly Block[]; atMs: number | null; outgoing: Outgoing | null }
  | {
      kind: "assistant";
      key: string;
      blocks: readonly Block[];
      atMs: number | null;
      model: string | null;
      run: Run | null;
      end: "stop" | "aborted" | "error";
      error: string | null;
    }
  | { kind: "note"; key: string; text: string; atMs: number | null };

/** Rows that belong together: one of the person, one note, or consecutive rows of one turn. */
type Part = { kind: "user" | "note"; rows: readonly [Row] } | { kind: "assistant"; rows: readonly Row[]; runId: string | undefined };

/** Parts whose turn is over never change: the same rows give the same item, so that nothing of it is drawn again. */
const known = new WeakMap<Row, { rows: readonly Row[]; key: string; item: Item }>();

/** Rows, running turns and messages on their way become one list of things to show, oldest first. */
export function toItems(rows: readonly Row[], runs: readonly Run[], outbox: readonly Outgoing[]): readonly Item[] {
  const live = new Map(runs.filter((run) => !isSettled(run, rows)).map((run) => [run.runId, run]));
  const parts = toGroups(rows);
  const lastPart = new Map(parts.map((part, at) => [part.kind === "assistant" ? part.runId : undefined, at]));
  const seen = new Set<string>();
  const placed: Placed[] = parts.map((part, at) => {
    const first = part.rows[0] as Row;
    if (part.kind !== "assistant")
      return { item: stable(part.rows, rowId(first), () => toPlainItem(part.kind, first)), seq: seqOf(first) ?? 0 };
    const runId = part.runId;
    const again = runId !== undefined && seen.has(runId);
    if (runId !== undefined) seen.add(runId);
    const key = runId === undefined ? rowId(first) : `run:${runId}${again ? `:${rowId(first)}` : ""}`;
    const run = runId !== undefined && lastPart.get(runId) === at ? live.get(runId) : undefined;
    const item =
      run === undefined
        ? stable(part.rows, key, () => toAssistant(part.rows, key))
        : withRun(
            toAssistant(part.rows, key),
            run,
            rows.filter((row) => runOf(row) === runId),
            again,
          );
    return { item, seq: seqOf(first) ?? 0 };
  });
  return withLive(
    placed,
    rows,
    [...live.values()].filter((run) => !seen.has(run.runId)),
    outbox,
  );
}

type Placed = { item: Item; seq: number };

function toGroups(rows: readonly Row[]): readonly Part[] {
  const parts: Part[] = [];
  for (const row of rows) {
    if (row.role !== "assistant" && row.role !== "toolResult" && row.role !== "tool") {
      parts.push({ kind: row.role === "user" ? "user" : "note", rows: [row] });
      continue;
    }
    const last = parts.at(-1);
    if (last?.kind === "assistant" && last.runId === runOf(row)) parts[parts.length - 1] = { ...last, rows: [...last.rows, row] };
    else parts.push({ kind: "assistant", rows: [row], runId: runOf(row) });
  }
  return parts;
}

function stable(rows: readonly Row[], key: string, make: () => Item): Item {
  const first = rows[0] as Row;
  const before = known.get(first);
  if (before !== undefined && before.key === key && before.rows.length === rows.length && before.rows.every((row, at) => row === rows[at]))
    return before.item;
  const item = make();
  known.set(first, { rows, key, item });
  return item;
}

/** Adds what no row says yet: answers without a row at the end, messages on their way with their answers where they were written. */
function withLive(placed: readonly Placed[], rows: readonly Row[], runs: readonly Run[], outbox: readonly Outgoing[]): readonly Item[] {
  const waiting = outbox.filter((one) => !hasUserRow(rows, one.idempotencyKey));
  const sent = new Set(waiting.map((one) => one.idempotencyKey));
  const items = [...placed];
  for (const run of runs) if (!sent.has(run.runId)) items.push({ item: liveItem(run), seq: Infinity });
  for (const one of waiting) {
    const answer = runs.find((run) => run.runId === one.idempotencyKey);
    const pair = [toPending(one), ...(answer === undefined ? [] : [liveItem(answer)])].map((item) => ({ item, seq: Infinity }));
    // A command that was answered without a trace in the history stays where it was said.
    const over = answer !== undefined && !isActive(answer);
    const later = over ? items.findIndex((other) => other.seq > one.afterSeq) : -1;
    items.splice(later === -1 ? items.length : later, 0, ...(over ? pair.map(({ item }) => ({ item, seq: one.afterSeq })) : pair));
  }
  return items.map(({ item }) => item);
}

function liveItem(run: Run): Item {
  return {
    kind: "assistant",
    key: `run:${run.runId}`,
    blocks: toLiveBlocks(run, ""),
    atMs: null,
    model: run.model,
    run,
    end: run.state === "aborted" || run.state === "error" ? run.state : "stop",
    error: run.error,
  };
}

function toPending(one: Outgoing): Item {
  const blocks: Block[] = one.text === "" ? [] : [{ type: "text", key: "t0", text: one.text }];
  return { kind: "user", key: `sent:${one.idempotencyKey}`, blocks, atMs: one.atMs, outgoing: one };
}

function toPlainItem(kind: "user" | "note", row: Row): Item {
  const atMs = row.timestamp ?? null;
  if (kind === "note") return { kind, key: rowId(row), text: toText(row.content), atMs };
  const key = keyOf(row);
  const blocks = toBlocks(toParts(row.content), 0);
  const id = key?.endsWith(":user") === true ? `sent:${key.slice(0, -5)}` : rowId(row);
  return { kind, key: id, blocks, atMs, outgoing: null };
}

type Answer = Extract<Item, { kind: "assistant" }>;

function toAssistant(rows: readonly Row[], key: string): Answer {
  const last = rows.findLast((row) => row.role === "assistant") ?? (rows[0] as Row);
  const failed = last.stopReason === "error" || last.errorMessage !== undefined;
  const aborted = last.openclawAbort !== undefined || last.stopReason === "aborted";
  return {
    kind: "assistant",
    key,
    blocks: withResults(rows),
    atMs: last.timestamp ?? null,
    model: last.model ?? null,
    run: null,
    end: failed ? "error" : aborted ? "aborted" : "stop",
    error: last.errorMessage ?? null,
  };
}

/** The stored part of a turn together with what is live. A turn that was seen from its beginning needs no rows until it ends. */
function withRun(stored: Answer, run: Run, turn: readonly Row[], again: boolean): Answer {
  const whole = run.whole && !again;
  const blocks = whole ? [] : stored.blocks.map((block) => withLiveTool(block, run));
  const calls = new Set(turn.flatMap((row) => toParts(row.content).map((part) => part.id)));
  const rest = toLiveBlocks(run, whole ? "" : storedText(turn)).filter(
    (block) => whole || block.type !== "tool" || !calls.has(block.tool.callId),
  );
  return {
    ...stored,
    blocks: [...blocks, ...rest],
    model: stored.model ?? run.model,
    run,
    end: run.state === "aborted" || run.state === "error" ? run.state : stored.end,
    error: run.error ?? stored.error,
  };
}

const storedText = (group: readonly Row[]): string =>
  group
    .filter((row) => row.role === "assistant")
    .map((row) => toText(row.content))
    .join("");

/** A stored call that has no result yet is still running while its turn is. */
function withLiveTool(block: Block, run: Run | undefined): Block {
  if (block.type !== "tool" || block.tool.state !== "stopped" || run === undefined) return block;
  const live = run.blocks.find((one) => one.type === "tool" && one.tool.callId === block.tool.callId);
  if (live?.type === "tool") return { ...block, tool: live.tool };
  return isActive(run) ? { ...block, tool: { ...block.tool, state: "running" } } : block;
}

/** The blocks of a running turn, without the beginning that `stored` (text of the rows) already shows. */
function toLiveBlocks(run: Run, stored: string): readonly Block[] {
  const skip = coveredLength(run.text, stored);
  let texts = 0;
  let thoughts = 0;
  const blocks: Block[] = [];
  for (const block of run.blocks) {
    if (block.type === "tool") blocks.push({ type: "tool", key: `tool:${block.tool.callId}`, tool: block.tool });
    else if (block.type === "thinking") {
      if (stored === "") blocks.push({ type: "thinking", key: `h${thoughts++}`, text: block.text });
    } else {
      const text = run.text.slice(Math.max(block.from, skip), block.to).trim();
      if (text !== "") blocks.push({ type: "text", key: `${stored === "" ? "t" : "rest"}${texts}`, text });
      texts += 1;
    }
  }
  return blocks;
}

/** How many characters at the start of `text` are those of `stored`, spaces and line breaks not counted. */
export function coveredLength(text: string, stored: string): number {
  const wanted = stored.replace(/\s+/g, "");
  if (wanted === "") return 0;
  let matched = 0;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at] as string;
    if (/\s/.test(char)) continue;
    if (char !== wanted[matched]) return 0;
    matched += 1;
    if (matched === wanted.length) return at + 1;
  }
  return text.length;
}

function withResults(group: readonly Row[]): readonly Block[] {
  const blocks: Block[] = [];
  let texts = 0;
  for (const row of group) {
    if (row.role === "assistant") {
      const added = toBlocks(toParts(row.content), texts, row.__openclaw?.recordTimestampMs ?? row.timestamp ?? null);
      texts += added.filter((block) => block.type === "text").length;
      blocks.push(...added);
      continue;
    }
    const at = blocks.findIndex((block) => block.type === "tool" && block.tool.callId === row.toolCallId);
    const call = blocks[at];
    if (call?.type === "tool") blocks[at] = { ...call, tool: withResult(call.tool, row) };
  }
  return blocks;
}

function withResult(call: Tool, row: Row): Tool {
  const measured = row.durationMs ?? (row.details as { durationMs?: unknown } | undefined)?.durationMs;
  const endedAt = row.__openclaw?.recordTimestampMs ?? row.timestamp;
  const elapsed = call.startedAtMs !== null && endedAt !== undefined ? Math.max(0, endedAt - call.startedAtMs) : null;
  return {
    ...call,
    result: toResultText({ content: row.content }),
    state: row.isError === true ? "failed" : "done",
    durationMs: typeof measured === "number" ? measured : elapsed,
  };
}

function toBlocks(parts: readonly ContentPart[], texts: number, atMs: number | null = null): readonly Block[] {
  const blocks: Block[] = [];
  let textAt = texts;
  parts.forEach((part, at) => {
    if (part.type === "text" && part.text !== undefined) {
      if (part.text.trim() !== "") blocks.push({ type: "text", key: `t${textAt++}`, text: part.text });
    } else if (part.type === "thinking") {
      const text = part.thinking ?? part.text ?? "";
      if (text !== "") blocks.push({ type: "thinking", key: `h${texts + at}`, text });
    } else if (part.type === "toolCall" && part.id !== undefined) {
      const tool: Tool = {
        callId: part.id,
        name: part.name ?? "tool",
        args: part.arguments ?? null,
        result: "",
        state: "stopped",
        startedAtMs: atMs,
        durationMs: null,
      };
      blocks.push({ type: "tool", key: `tool:${part.id}`, tool });
    } else if (part.type === "image") {
      blocks.push({ type: "image", key: `i${at}`, mimeType: part.mimeType ?? "image/png", data: part.data ?? null, url: part.url ?? null });
    }
  });
  return blocks;
}
