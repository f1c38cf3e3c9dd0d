import { textOf, type Message, type StoredBlock } from "../store/messages.ts";
import type { SessionRow } from "../store/sessions.ts";
import { classify } from "../routing/session-key.ts";
import type { Inflight } from "../turns/engine.ts";
import type { HistoryPage } from "./history-pages.ts";

/** Facts about a session that are not in its row. */
export type SessionFacts = {
  mainKey: string | undefined;
  /** The model that the next turn would use, `provider/id`. */
  model: string;
  contextWindow: number;
  thinkingDefault: string;
  thinkingLevels: readonly string[];
  queueMode: string;
  activeRuns: readonly Inflight[];
  waiting: number;
};

type Wire = Record<string, unknown>;

export const splitModel = (name: string): { provider: string; id: string } => {
  const slash = name.indexOf("/");
  return slash < 0 ? { provider: "", id: name } : { provider: name.slice(0, slash), id: name.slice(slash + 1) };
};

/** Levels as protocol v4 lists them. */
export const toThinkingLevels = (levels: readonly string[]): { id: string; label: string }[] => levels.map((id) => ({ id, label: id }));

/** A session row as protocol v4 shows it. */
export function toSessionRow(row: SessionRow, facts: SessionFacts): Wire {
  const { provider, id } = splitModel(facts.model);
  const kind = classify(row.key, facts.mainKey);
  const group = row.chat_kind !== "direct" && row.chat_kind !== "global";
  return {
    key: row.key,
    sessionId: row.session_id,
    agentId: row.agent_id,
    kind: group ? "group" : kind.kind,
    classification: kind.classification,
    isMain: kind.classification === "main",
    isBackground: false,
    chatType: row.chat_kind,
    visibility: "shared",
    sharingRole: "admin",
    channel: row.channel,
    ...labelsOf(row, kind.classification),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    lastInteractionAt: row.last_message_at || row.updated_at,
    lastReadAt: row.last_read_at,
    archived: row.archived === 1,
    pinned: row.pinned === 1,
    unread: row.last_message_at > row.last_read_at,
    thinkingLevels: toThinkingLevels(facts.thinkingLevels),
    thinkingOptions: facts.thinkingLevels,
    thinkingDefault: facts.thinkingDefault,
    ...(row.thinking ? { thinkingLevel: row.thinking } : {}),
    effectiveQueueMode: row.queue_mode ?? facts.queueMode,
    ...(row.queue_mode ? { queueMode: row.queue_mode } : {}),
    ...(row.activation ? { groupActivation: row.activation } : {}),
    inputTokens: row.input_tokens,
    outputTokens: row.output_tokens,
    totalTokens: row.context_tokens,
    totalTokensFresh: true,
    contextTokens: row.context_window || facts.contextWindow,
    estimatedCostUsd: row.cost_usd,
    modelProvider: provider,
    model: id,
    modelOverrideSource: row.model ? "user" : null,
    ...runsOf(row, facts),
  };
}

function labelsOf(row: SessionRow, classification: string): Wire {
  const name = row.label ?? (classification === "main" ? null : row.title);
  return {
    ...(row.label ? { label: row.label } : {}),
    ...(name ? { displayName: name } : {}),
    ...(row.title ? { derivedTitle: row.title } : {}),
    ...(row.preview ? { lastMessagePreview: row.preview } : {}),
  };
}

function runsOf(row: SessionRow, facts: SessionFacts): Wire {
  const active = facts.activeRuns.length > 0;
  return {
    status: active ? "running" : row.status === "error" ? "failed" : row.status,
    hasActiveRun: active,
    activeRunIds: facts.activeRuns.map((run) => run.runId),
    queuedInputs: facts.waiting,
    ...(active ? { startedAt: facts.activeRuns[0]!.startedAt } : row.started_at ? { startedAt: row.started_at } : {}),
    ...(!active && row.ended_at ? { endedAt: row.ended_at, runtimeMs: Math.max(0, row.ended_at - (row.started_at ?? row.ended_at)) } : {}),
    ...(row.last_run_id ? { lastRunId: row.last_run_id } : {}),
    abortedLastRun: row.status === "killed",
  };
}

/** Which wire fields each column decides: `sessions.changed` carries these and no others. */
const FIELDS: Partial<Record<keyof SessionRow, readonly string[]>> = {
  session_id: ["sessionId"],
  label: ["label", "displayName"],
  title: ["displayName", "derivedTitle"],
  updated_at: ["updatedAt"],
  preview: ["lastMessagePreview"],
  last_message_at: ["lastInteractionAt", "unread"],
  last_read_at: ["lastReadAt", "unread"],
  archived: ["archived"],
  pinned: ["pinned"],
  status: ["status", "hasActiveRun", "activeRunIds", "startedAt", "endedAt", "runtimeMs", "abortedLastRun", "lastRunId", "queuedInputs"],
  ended_at: ["endedAt", "runtimeMs"],
  model: ["model", "modelProvider", "modelOverrideSource"],
  used_model: ["model", "modelProvider"],
  thinking: ["thinkingLevel"],
  queue_mode: ["queueMode", "effectiveQueueMode"],
  activation: ["groupActivation"],
  context_tokens: ["totalTokens", "inputTokens", "outputTokens", "contextTokens", "estimatedCostUsd"],
};

/** The part of a wire row that `columns` decide. A field that the row no longer has is null. */
export function changedFields(row: Wire, columns: readonly (keyof SessionRow)[]): Wire {
  const names = new Set(columns.flatMap((column) => FIELDS[column] ?? []));
  return Object.fromEntries([...names].map((name) => [name, row[name] ?? null]));
}

/** A stored message as protocol v4 shows it in a transcript. */
export function toMessageRow(message: Message): Wire {
  const { body } = message;
  const meta: Wire = {
    id: message.id,
    seq: message.seq,
    recordTimestampMs: message.at,
    ...(message.runId ? { runId: message.runId } : {}),
    ...(message.idempotencyKey ? { idempotencyKey: message.idempotencyKey } : {}),
  };
  const common: Wire = { timestamp: message.at, ...(message.idempotencyKey ? { idempotencyKey: message.idempotencyKey } : {}) };
  if (body.role === "user") {
    const { provenance } = body;
    const from: Wire = {
      senderIsOwner: provenance.senderIsOwner,
      ...(provenance.senderId ? { senderId: provenance.senderId } : {}),
      transport: provenance.client
        ? { clients: [provenance.client] }
        : { channel: provenance.channel, ...(provenance.account ? { accountId: provenance.account } : {}) },
    };
    return {
      role: "user",
      content: typeof body.content === "string" ? body.content : body.content.map(toBlock),
      ...common,
      __openclaw: { ...meta, ...from },
    };
  }
  if (body.role === "toolResult") {
    return {
      role: "toolResult",
      toolCallId: body.toolCallId,
      toolName: body.toolName,
      content: body.content.map(toBlock),
      isError: body.isError,
      ...(body.durationMs === undefined ? {} : { durationMs: body.durationMs }),
      ...common,
      __openclaw: meta,
    };
  }
  return {
    role: "assistant",
    content: body.content.map(toBlock),
    ...(body.provider ? { provider: body.provider, model: body.model, api: "openai-completions" } : {}),
    ...(body.usage ? { usage: body.usage } : {}),
    ...(body.stopReason ? { stopReason: body.stopReason } : {}),
    ...(body.errorMessage ? { errorMessage: body.errorMessage } : {}),
    ...(body.stopReason === "aborted"
      ? { openclawAbort: { aborted: true, origin: "rpc", ...(message.runId ? { runId: message.runId } : {}) } }
      : {}),
    ...common,
    __openclaw: { ...meta, ...(body.origin ? { origin: body.origin } : {}) },
  };
}

const toBlock = (block: StoredBlock): Wire =>
  block.type === "image" && "file" in block
    ? { type: "image", mimeType: block.mimeType, sizeBytes: block.sizeBytes, omitted: true }
    : { ...block };

/** The newest rows that fit into `maxBytes` when they are written as JSON; always at least the newest one. */
export function toPage(rows: readonly Wire[], maxBytes: number): HistoryPage {
  const texts: string[] = [];
  let bytes = 0;
  for (const row of rows.toReversed()) {
    const text = JSON.stringify(row);
    bytes += text.length;
    if (bytes > maxBytes && texts.length > 0) break;
    texts.push(text);
  }
  return { json: `[${texts.toReversed().join(",")}]`, count: texts.length, cut: texts.length < rows.length };
}

export const previewOf = (message: Message, maxChars: number): Wire[] => {
  const text = textOf(message.body);
  return text === "" || message.body.role === "toolResult" ? [] : [{ role: message.body.role, text: text.slice(0, maxChars) }];
};
