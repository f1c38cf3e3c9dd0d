/** Rows, running turns and messages on their way, as one list of things to show. Pure. */
import { splitAttachedFiles } from "./attached-files.ts";
import { parseErrorDetail, isActive, toolResultText } from "./live-run.ts";
import { hasUserRow, isSettled, keyOf, rowId, runOf, seqOf } from "./transcript-rows.ts";
import { toContentParts, contentText } from "./protocol-types.ts";
import type { RunView, LiveTool } from "./live-run.ts";
import type { ContentPart, TranscriptRow } from "./protocol-types.ts";

export type ItemBlock =
  | { type: "text"; key: string; text: string }
  | { type: "thinking"; key: string; text: string }
  | { type: "tool"; key: string; tool: LiveTool }
  /** `raw`: as it is in the message, for a message that is edited or copied. */
  | { type: "file"; key: string; name: string; mimeType: string; size: string | null; text: string | null; raw: string }
  | {
      type: "image";
      key: string;
      mimeType: string;
      /** Null where no one has said it yet. */
      sizeBytes: number | null;
      data: string | null;
      url: string | null;
      source: ImageSource | null;
    };

/** Where a picture that is not in the row can be found: in memory under the key of its message, or at the gateway. */
export type ImageSource = {
  sentAs: string | null;
  /** Its place among the pictures of the message. */ at: number;
  messageId: string | null;
  index: number;
};

export type OutgoingState = "queued" | "sending" | "accepted" | "failed";
export type OutgoingMessage = {
  idempotencyKey: string;
  text: string;
  state: OutgoingState;
  error: string | null;
  images: number;
  /** The other files. */
  files?: readonly { name: string; mimeType: string }[];
  atMs: number;
  /** The newest row that was there when it was written. */ afterSeq: number;
};

export type TranscriptItem =
  | {
      kind: "user";
      key: string;
      blocks: readonly ItemBlock[];
      atMs: number | null;
      outgoing: OutgoingMessage | null;
      /** Who wrote it on a channel; null for what was written on a client such as this page. */
      sender: MessageSender | null;
      /** It waits behind a reply that is still being written. */
      waits: boolean;
      /** The id by which the gateway finds its timeline; null before it has been stored. */
      traceId: string | null;
    }
  | {
      kind: "assistant";
      key: string;
      blocks: readonly ItemBlock[];
      atMs: number | null;
      model: string | null;
      run: RunView | null;
      end: "stop" | "aborted" | "error";
      error: string | null;
      /** The original error text of the provider or the gateway. */
      errorDetail: string | null;
      errorKind: string | null;
      usage: TurnUsage | null;
      traceId: string | null;
    }
  | { kind: "note"; key: string; text: string; atMs: number | null };

export type MessageSender = { name: string; isOwner: boolean; channel: string };
/** What a turn has used, all its calls of the model together. */
export type TurnUsage = { tokens: number; costUsd: number };

/** Rows that belong together: one of the person, one note, or consecutive rows of one turn. */
type RowGroup =
  | { kind: "user" | "note"; rows: readonly [TranscriptRow] }
  | { kind: "assistant"; rows: readonly TranscriptRow[]; runId: string | undefined };

/** Parts whose turn is over never change: the same rows give the same item, so that nothing of it is drawn again. */
const itemCache = new WeakMap<TranscriptRow, { rows: readonly TranscriptRow[]; key: string; item: TranscriptItem }>();

/** Rows, running turns and messages on their way become one list of things to show, oldest first. */
export function toItems(
  rows: readonly TranscriptRow[],
  runs: readonly RunView[],
  outbox: readonly OutgoingMessage[],
): readonly TranscriptItem[] {
  const live = new Map(runs.filter((run) => !isSettled(run, rows)).map((run) => [run.runId, run]));
  const parts = toGroups(rows);
  const lastPart = new Map(parts.map((part, at) => [part.kind === "assistant" ? part.runId : undefined, at]));
  const seen = new Set<string>();
  const placed: PlacedItem[] = parts.map((part, at) => {
    const first = part.rows[0] as TranscriptRow;
    if (part.kind !== "assistant")
      return { item: withStableIdentity(part.rows, rowId(first), () => toPlainItem(part.kind, first)), seq: seqOf(first) ?? 0 };
    const runId = part.runId;
    const again = runId !== undefined && seen.has(runId);
    if (runId !== undefined) seen.add(runId);
    const key = runId === undefined ? rowId(first) : `run:${runId}${again ? `:${rowId(first)}` : ""}`;
    const run = runId !== undefined && lastPart.get(runId) === at ? live.get(runId) : undefined;
    const item =
      run === undefined
        ? withStableIdentity(part.rows, key, () => toAssistant(part.rows, key))
        : withRun(
            toAssistant(part.rows, key),
            run,
            rows.filter((row) => runOf(row) === runId),
            again,
          );
    return { item, seq: seqOf(first) ?? 0 };
  });
  const items = withLive(
    placed,
    rows,
    [...live.values()].filter((run) => !seen.has(run.runId)),
    outbox,
  );
  return withWaiting(items, runs);
}

/** Marks the messages that were written during a reply and are not answered yet. */
function withWaiting(items: readonly TranscriptItem[], runs: readonly RunView[]): readonly TranscriptItem[] {
  const running = runs.find((run) => isActive(run) && run.state !== "waiting") ?? runs.find(isActive);
  const at = running === undefined ? -1 : items.findIndex((item) => item.key === `sent:${running.runId}`);
  if (running === undefined || at === -1) return items;
  const begun = new Set(items.filter((item) => item.kind === "assistant").map((item) => item.key));
  const over = new Set(runs.filter((run) => !isActive(run)).map((run) => run.runId));
  return items.map((item, index) => {
    const runId = item.key.startsWith("sent:") ? item.key.slice(5) : null;
    const waits = item.kind === "user" && index > at && runId !== null && !begun.has(`run:${runId}`) && !over.has(runId);
    return waits && item.outgoing?.state !== "failed" ? { ...item, waits } : item;
  });
}

type PlacedItem = { item: TranscriptItem; seq: number };

function toGroups(rows: readonly TranscriptRow[]): readonly RowGroup[] {
  const parts: RowGroup[] = [];
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

function withStableIdentity(rows: readonly TranscriptRow[], key: string, make: () => TranscriptItem): TranscriptItem {
  const first = rows[0] as TranscriptRow;
  const before = itemCache.get(first);
  if (before !== undefined && before.key === key && before.rows.length === rows.length && before.rows.every((row, at) => row === rows[at]))
    return before.item;
  const item = make();
  itemCache.set(first, { rows, key, item });
  return item;
}

/** Adds what no row says yet: answers without a row at the end, messages on their way with their answers where they were written. */
function withLive(
  placed: readonly PlacedItem[],
  rows: readonly TranscriptRow[],
  runs: readonly RunView[],
  outbox: readonly OutgoingMessage[],
): readonly TranscriptItem[] {
  const waiting = outbox.filter((one) => !hasUserRow(rows, one.idempotencyKey));
  const sent = new Set(waiting.map((one) => one.idempotencyKey));
  const items = [...placed];
  for (const run of runs) if (!sent.has(run.runId)) items.push({ item: liveItem(run), seq: Infinity });
  for (const one of waiting) {
    const answer = runs.find((run) => run.runId === one.idempotencyKey);
    const pair = [toPending(one), ...(answer === undefined ? [] : [liveItem(answer)])].map((item) => ({ item, seq: Infinity }));
    // A command that left no row in the history stays at its place.
    const over = answer !== undefined && !isActive(answer);
    const later = over ? items.findIndex((other) => other.seq > one.afterSeq) : -1;
    items.splice(later === -1 ? items.length : later, 0, ...(over ? pair.map(({ item }) => ({ item, seq: one.afterSeq })) : pair));
  }
  return items.map(({ item }) => item);
}

function liveItem(run: RunView): TranscriptItem {
  return {
    kind: "assistant",
    key: `run:${run.runId}`,
    blocks: toLiveBlocks(run, ""),
    atMs: null,
    model: run.model,
    run,
    end: run.state === "aborted" || run.state === "error" ? run.state : "stop",
    error: run.error,
    errorDetail: run.errorDetail,
    errorKind: run.errorKind,
    usage: null,
    traceId: run.runId,
  };
}

function toPending(one: OutgoingMessage): TranscriptItem {
  const text: ItemBlock[] = one.text === "" ? [] : [{ type: "text", key: "t0", text: one.text }];
  const pictures = Array.from({ length: one.images }, (_, at): ItemBlock => {
    const source = { sentAs: one.idempotencyKey, at, messageId: null, index: 0 };
    return { type: "image", key: `i${at}`, mimeType: "", sizeBytes: null, data: null, url: null, source };
  });
  const files = (one.files ?? []).map(({ name, mimeType }, at): ItemBlock => ({
    type: "file",
    key: `f${at}`,
    name,
    mimeType,
    size: null,
    text: null,
    raw: "",
  }));
  const blocks = [...text, ...files, ...pictures];
  return {
    kind: "user",
    key: `sent:${one.idempotencyKey}`,
    blocks,
    atMs: one.atMs,
    outgoing: one,
    sender: null,
    waits: false,
    traceId: null,
  };
}

function senderOf(row: TranscriptRow): MessageSender | null {
  const { transport, senderName, senderId, senderIsOwner } = row.__openclaw ?? {};
  const channel = transport?.channel;
  if (channel === undefined || channel === "webchat") return null;
  return { name: senderName ?? senderId ?? "Someone", isOwner: senderIsOwner === true, channel };
}

/** In a room each message begins with its sender, for the agent; the page shows the name above it. */
function withoutName(blocks: readonly ItemBlock[], sender: MessageSender | null): readonly ItemBlock[] {
  const prefix = `${sender?.name ?? ""}: `;
  const [first, ...rest] = blocks;
  if (sender === null || first?.type !== "text" || !first.text.startsWith(prefix)) return blocks;
  return [{ ...first, text: first.text.slice(prefix.length) }, ...rest];
}

function toPlainItem(kind: "user" | "note", row: TranscriptRow): TranscriptItem {
  const atMs = row.timestamp ?? null;
  if (kind === "note") return { kind, key: rowId(row), text: contentText(row.content), atMs };
  const key = keyOf(row);
  const sender = senderOf(row);
  const runId = key?.endsWith(":user") === true ? key.slice(0, -5) : null;
  const id = runId === null ? rowId(row) : `sent:${runId}`;
  const blocks = withFiles(withoutName(toBlocks(row, 0), sender));
  return { kind, key: id, blocks, atMs, outgoing: null, sender, waits: false, traceId: runOf(row) ?? runId ?? rowId(row) };
}

/** The files that the gateway has written into the text of a message, as blocks of their own. */
function withFiles(blocks: readonly ItemBlock[]): readonly ItemBlock[] {
  return blocks.flatMap((block): readonly ItemBlock[] => {
    if (block.type !== "text") return [block];
    const { text, files } = splitAttachedFiles(block.text);
    if (files.length === 0) return [block];
    return [
      ...(text === "" ? [] : [{ ...block, text }]),
      ...files.map(({ kind: _kind, ...file }, at) => ({ type: "file" as const, key: `${block.key}f${at}`, ...file })),
    ];
  });
}

/** The key of the item that shows a row; null where it is not shown. */
export function itemKeyOf(items: readonly TranscriptItem[], row: TranscriptRow): string | null {
  const run = runOf(row);
  const sentAs = keyOf(row)?.replace(/:user$/, "");
  const keys = new Set([rowId(row), `sent:${sentAs}`, `run:${run}:${rowId(row)}`]);
  const found =
    items.find(({ key }) => keys.has(key)) ?? items.findLast(({ key }) => key === `run:${run}` || key.startsWith(`run:${run}:`));
  return found?.key ?? null;
}

/** The text of a message as it was sent, with its files. */
export const messageText = (blocks: readonly ItemBlock[]): string =>
  blocks.flatMap((block) => (block.type === "text" ? [block.text] : block.type === "file" ? [block.raw] : [])).join("\n\n");

type Answer = Extract<TranscriptItem, { kind: "assistant" }>;

function toAssistant(rows: readonly TranscriptRow[], key: string): Answer {
  const last = rows.findLast((row) => row.role === "assistant") ?? (rows[0] as TranscriptRow);
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
    errorDetail: parseErrorDetail(last.errorDetail).words,
    errorKind: parseErrorDetail(last.errorDetail).kind ?? last.errorKind ?? null,
    usage: turnUsage(rows),
    traceId: runOf(last) ?? rowId(last),
  };
}

function turnUsage(rows: readonly TranscriptRow[]): TurnUsage | null {
  const used = rows.flatMap(({ usage }) => (usage === undefined ? [] : [usage]));
  const tokens = used.reduce((sum, usage) => sum + (usage.totalTokens ?? (usage.input ?? 0) + (usage.output ?? 0)), 0);
  const costUsd = used.reduce((sum, usage) => sum + (usage.cost?.total ?? 0), 0);
  return tokens === 0 ? null : { tokens, costUsd };
}

/** The stored part of a turn together with what is live. A turn that was seen from its beginning needs no rows until it ends. */
function withRun(stored: Answer, run: RunView, turn: readonly TranscriptRow[], again: boolean): Answer {
  const whole = run.isComplete && !again;
  const blocks = whole ? [] : stored.blocks.map((block) => withLiveTool(block, run));
  const calls = new Map<string, number>();
  for (const id of turn.flatMap((row) => toContentParts(row.content).map((part) => part.id ?? ""))) calls.set(id, (calls.get(id) ?? 0) + 1);
  // Some servers restart the numbers of calls at each request, so an id can stand for several calls of a turn.
  const isStored = (id: string): boolean => {
    const left = calls.get(id) ?? 0;
    calls.set(id, left - 1);
    return left > 0;
  };
  const rest = toLiveBlocks(run, whole ? "" : storedText(turn)).filter(
    (block) => whole || block.type !== "tool" || !isStored(block.tool.callId),
  );
  return {
    ...stored,
    blocks: [...blocks, ...rest],
    model: stored.model ?? run.model,
    run,
    end: run.state === "aborted" || run.state === "error" ? run.state : stored.end,
    error: run.error ?? stored.error,
    errorDetail: run.errorDetail ?? stored.errorDetail,
    errorKind: run.errorKind ?? stored.errorKind,
  };
}

const storedText = (group: readonly TranscriptRow[]): string =>
  group
    .filter((row) => row.role === "assistant")
    .map((row) => contentText(row.content))
    .join("");

/** A stored call that has no result yet is still running while its turn is. */
function withLiveTool(block: ItemBlock, run: RunView | undefined): ItemBlock {
  if (block.type !== "tool" || block.tool.state !== "stopped" || run === undefined) return block;
  const live = run.blocks.findLast((one) => one.type === "tool" && one.tool.callId === block.tool.callId);
  if (live?.type === "tool") return { ...block, tool: live.tool };
  return isActive(run) ? { ...block, tool: { ...block.tool, state: "running" } } : block;
}

/** The blocks of a running turn, without the beginning that `stored` (text of the rows) already shows. */
function toLiveBlocks(run: RunView, stored: string): readonly ItemBlock[] {
  const skip = coveredLength(run.text, stored);
  let texts = 0;
  let thoughts = 0;
  const blocks: ItemBlock[] = [];
  for (const block of run.blocks) {
    if (block.type === "tool") blocks.push({ type: "tool", key: toolKey(block.tool.callId, blocks), tool: block.tool });
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

function withResults(group: readonly TranscriptRow[]): readonly ItemBlock[] {
  const blocks: ItemBlock[] = [];
  let texts = 0;
  for (const row of group) {
    if (row.role === "assistant") {
      const added = toBlocks(row, texts, row.__openclaw?.recordTimestampMs ?? row.timestamp ?? null);
      texts += added.filter((block) => block.type === "text").length;
      for (const block of added) blocks.push(block.type === "tool" ? { ...block, key: toolKey(block.tool.callId, blocks) } : block);
      continue;
    }
    // The call of this id that has no result yet.
    const isOpen = (block: ItemBlock): boolean =>
      block.type === "tool" && block.tool.callId === row.toolCallId && block.tool.state === "stopped";
    const at = blocks.findIndex(isOpen);
    const call = blocks[at];
    if (call?.type === "tool") blocks[at] = { ...call, tool: withResult(call.tool, row) };
  }
  return blocks;
}

function withResult(call: LiveTool, row: TranscriptRow): LiveTool {
  const measured = row.durationMs ?? (row.details as { durationMs?: unknown } | undefined)?.durationMs;
  const endedAt = row.__openclaw?.recordTimestampMs ?? row.timestamp;
  const elapsed = call.startedAtMs !== null && endedAt !== undefined ? Math.max(0, endedAt - call.startedAtMs) : null;
  return {
    ...call,
    result: toolResultText({ content: row.content }),
    state: row.isError === true ? "failed" : "done",
    durationMs: typeof measured === "number" ? measured : elapsed,
  };
}

/** The same id may come twice in one turn; the keys of its blocks may not. */
function toolKey(callId: string, before: readonly ItemBlock[]): string {
  const same = before.filter((block) => block.type === "tool" && block.tool.callId === callId).length;
  return `tool:${callId}${same === 0 ? "" : `:${same}`}`;
}

function toBlocks(row: TranscriptRow, texts: number, atMs: number | null = null): readonly ItemBlock[] {
  const parts: readonly ContentPart[] = toContentParts(row.content);
  const key = keyOf(row);
  const sentAs = key?.endsWith(":user") === true ? key.slice(0, -5) : null;
  const blocks: ItemBlock[] = [];
  let textAt = texts;
  let pictures = 0;
  parts.forEach((part, at) => {
    if (part.type === "text" && part.text !== undefined) {
      if (part.text.trim() !== "") blocks.push({ type: "text", key: `t${textAt++}`, text: part.text });
    } else if (part.type === "thinking") {
      const text = part.thinking ?? part.text ?? "";
      if (text !== "") blocks.push({ type: "thinking", key: `h${texts + at}`, text });
    } else if (part.type === "toolCall" && part.id !== undefined) {
      const tool: LiveTool = {
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
      const source = { sentAs, at: pictures, messageId: row.__openclaw?.id ?? null, index: at };
      pictures += 1;
      const { mimeType = "image/png", sizeBytes = null, data = null, url = null } = part;
      blocks.push({ type: "image", key: `i${at}`, mimeType, sizeBytes, data, url, source });
    }
  });
  return blocks;
}
