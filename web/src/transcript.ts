/** The stored rows of one session and how they are shown together with running turns. Pure. */
import { isActive, toResultText } from "./run.ts";
import type { Run, Tool } from "./run.ts";
import { toText } from "./wire.ts";
import type { ContentPart, HistoryPage, Row } from "./wire.ts";

export type Rows = {
  sessionId: string | null;
  rows: readonly Row[];
  hasMore: boolean;
  /** Where the next older page begins, counted from the newest message. */
  nextOffset: number;
};

export const NO_ROWS: Rows = { sessionId: null, rows: [], hasMore: false, nextOffset: 0 };

export type Block =
  | { type: "text"; key: string; text: string }
  | { type: "thinking"; key: string; text: string }
  | { type: "tool"; key: string; tool: Tool }
  | { type: "image"; key: string; mimeType: string; data: string | null; url: string | null };

export type OutgoingState = "queued" | "sending" | "accepted" | "failed";
export type Outgoing = { idempotencyKey: string; text: string; state: OutgoingState; error: string | null; images: number; atMs: number };

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

/** The identity of a row; two rows with the same one are the same message. */
export function rowId(row: Row): string {
  return row.__openclaw?.id ?? row.idempotencyKey ?? `${row.role}:${row.timestamp ?? 0}:${toText(row.content).slice(0, 64)}`;
}

const seqOf = (row: Row): number | undefined => row.__openclaw?.seq;
const keyOf = (row: Row): string | undefined => row.idempotencyKey ?? row.__openclaw?.idempotencyKey;
const runOf = (row: Row): string | undefined => row.__openclaw?.runId;

/** Adds or replaces rows by id and keeps them in the order of the server's sequence. */
export function mergeRows(current: readonly Row[], incoming: readonly Row[]): readonly Row[] {
  const byId = new Map(current.map((row) => [rowId(row), row]));
  for (const row of incoming) byId.set(rowId(row), row);
  const merged = [...byId.values()];
  const ordered = merged.every((row) => seqOf(row) !== undefined);
  return ordered ? merged.toSorted((a, b) => (seqOf(a) ?? 0) - (seqOf(b) ?? 0)) : merged;
}

/**
 * Takes the newest page of the history as the truth: from its first message on, what the server does not have goes away. Older
 * pages that were already loaded stay. Another session id means that the session was reset: nothing old stays.
 */
export function applyNewest(current: Rows, page: HistoryPage): Rows {
  const sessionId = page.sessionId ?? null;
  const first = page.messages.find((row) => seqOf(row) !== undefined);
  const sameSession = current.sessionId === sessionId && first !== undefined;
  const older = sameSession ? current.rows.filter((row) => (seqOf(row) ?? Infinity) < (seqOf(first) ?? 0)) : [];
  const kept = older.length > 0;
  return {
    sessionId,
    rows: mergeRows(older, page.messages),
    hasMore: kept ? current.hasMore : page.hasMore === true,
    nextOffset: older.length + (page.nextOffset ?? page.messages.length),
  };
}

/** Puts an older page in front. */
export function applyOlder(current: Rows, page: HistoryPage): Rows {
  const rows = mergeRows(page.messages, current.rows);
  return {
    ...current,
    rows,
    hasMore: page.hasMore === true && page.messages.length > 0,
    nextOffset: page.nextOffset ?? current.nextOffset + page.messages.length,
  };
}

/** One row that arrived live. */
export function applyRow(current: Rows, row: Row): Rows {
  return { ...current, rows: mergeRows(current.rows, [row]), nextOffset: current.nextOffset + (hasRow(current, row) ? 0 : 1) };
}

const hasRow = (current: Rows, row: Row): boolean => current.rows.some((known) => rowId(known) === rowId(row));

/** True when the server has stored the message that was sent with this idempotency key. */
export function hasUserRow(rows: readonly Row[], idempotencyKey: string): boolean {
  return rows.some((row) => row.role === "user" && keyOf(row) === `${idempotencyKey}:user`);
}

/** A run whose whole answer is in the rows needs no live copy any more. */
export function isSettled(run: Run, rows: readonly Row[]): boolean {
  if (isActive(run)) return false;
  const last = rows.findLast((row) => row.role === "assistant" && runOf(row) === run.runId);
  return last !== undefined && last.stopReason !== "toolUse";
}

/** Rows, running turns and messages on their way become one list of things to show, oldest first. */
export function toItems(rows: readonly Row[], runs: readonly Run[], outbox: readonly Outgoing[]): readonly Item[] {
  const live = new Map(runs.filter((run) => !isSettled(run, rows)).map((run) => [run.runId, run]));
  const items: Item[] = [];
  const used = new Set<string>();
  let group: Row[] = [];
  const flush = (): void => {
    if (group.length > 0) items.push(toAssistant(group, live, used));
    group = [];
  };
  for (const row of rows) {
    if (row.role === "assistant" || row.role === "toolResult" || row.role === "tool") {
      if (group[0] !== undefined && runOf(group[0]) !== runOf(row)) flush();
      group.push(row);
      continue;
    }
    flush();
    items.push(
      row.role === "user" ? toUser(row) : { kind: "note", key: rowId(row), text: toText(row.content), atMs: row.timestamp ?? null },
    );
  }
  flush();
  return withLive(items, rows, live, used, outbox);
}

function withLive(
  items: Item[],
  rows: readonly Row[],
  live: Map<string, Run>,
  used: Set<string>,
  outbox: readonly Outgoing[],
): readonly Item[] {
  const waiting = outbox.filter((one) => !hasUserRow(rows, one.idempotencyKey));
  const sent = new Set(waiting.map((one) => one.idempotencyKey));
  const rest = [...live.values()].filter((run) => !used.has(run.runId));
  for (const run of rest) if (!sent.has(run.runId)) items.push(liveItem(run));
  for (const one of waiting) {
    items.push(toPending(one));
    const answer = rest.find((run) => run.runId === one.idempotencyKey);
    if (answer !== undefined) items.push(liveItem(answer));
  }
  return items;
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

function toUser(row: Row): Item {
  const key = keyOf(row);
  const blocks = toBlocks(typeof row.content === "string" ? [{ type: "text", text: row.content }] : row.content, 0);
  const id = key?.endsWith(":user") === true ? `sent:${key.slice(0, -5)}` : rowId(row);
  return { kind: "user", key: id, blocks, atMs: row.timestamp ?? null, outgoing: null };
}

function toAssistant(group: readonly Row[], live: Map<string, Run>, used: Set<string>): Item {
  const first = group[0] as Row;
  const runId = runOf(first);
  const again = runId !== undefined && used.has(runId);
  const run = runId === undefined || again ? undefined : live.get(runId);
  if (runId !== undefined) used.add(runId);
  const last = group.findLast((row) => row.role === "assistant") ?? first;
  const stored = run?.whole === true ? [] : withResults(group).map((block) => withLiveTool(block, run));
  const remainder =
    run === undefined ? [] : toLiveBlocks(run, run.whole ? "" : storedText(group)).filter((block) => !isStored(block, stored));
  const failed = last.stopReason === "error" || last.errorMessage !== undefined;
  const aborted = last.openclawAbort !== undefined || last.stopReason === "aborted";
  return {
    kind: "assistant",
    key: runId === undefined ? rowId(first) : `run:${runId}${again ? `:${rowId(first)}` : ""}`,
    blocks: [...stored, ...remainder],
    atMs: last.timestamp ?? null,
    model: last.model ?? run?.model ?? null,
    run: run ?? null,
    end: run?.state === "aborted" || run?.state === "error" ? run.state : failed ? "error" : aborted ? "aborted" : "stop",
    error: run?.error ?? last.errorMessage ?? null,
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

const isStored = (block: Block, stored: readonly Block[]): boolean =>
  block.type === "tool" && stored.some((known) => known.type === "tool" && known.tool.callId === block.tool.callId);

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
      const parts = typeof row.content === "string" ? [{ type: "text", text: row.content }] : row.content;
      const added = toBlocks(parts, texts, row.__openclaw?.recordTimestampMs ?? row.timestamp ?? null);
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
  const measured = (row.details as { durationMs?: unknown } | undefined)?.durationMs;
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
