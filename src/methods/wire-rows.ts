import { fieldsOf, tryParseJson } from "../core/json.ts";
import { textOf, type Message, type StoredBlock } from "../store/messages.ts";
import type { SessionRow } from "../store/sessions.ts";
import { classifySessionKey } from "../routing/session-key.ts";
import type { InflightRun } from "../turns/runs.ts";
import type { SerializedHistoryPage } from "./history-pages.ts";

/** Facts about a session that are not in its row. */
export type SessionFacts = {
  mainKey: string | undefined;
  /** The model that the next turn would use, `provider/id`. */
  model: string;
  contextWindow: number;
  thinkingDefault: string;
  thinkingLevels: readonly string[];
  queueMode: string;
  activeRuns: readonly InflightRun[];
  waiting: number;
  /** Sessions below this one. */
  children: readonly string[];
  now: number;
};

/** What a list leaves out of its rows on request. */
export type RowOptions = { derivedTitles?: boolean; lastMessage?: boolean };

/** Names one life of a session: another one after each reset, archiving and restoration, and for a session that was made again. */
export const lifecycleRevision = (row: Pick<SessionRow, "created_at" | "lifecycle">): string =>
  `${row.created_at.toString(36)}-${row.lifecycle}`;

type Wire = Record<string, unknown>;

export const splitModel = (name: string): { provider: string; id: string } => {
  const slash = name.indexOf("/");
  return slash < 0 ? { provider: "", id: name } : { provider: name.slice(0, slash), id: name.slice(slash + 1) };
};

/** Levels as protocol v4 lists them. */
export const toThinkingLevels = (levels: readonly string[]): { id: string; label: string }[] => levels.map((id) => ({ id, label: id }));

/** A session row as protocol v4 shows it. */
export function toSessionRow(row: SessionRow, facts: SessionFacts, options: RowOptions = {}): Wire {
  const { provider, id } = splitModel(facts.model);
  const kind = classifySessionKey(row.key, facts.mainKey);
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
    ...routeOf(row),
    ...labelsOf(row, kind.classification, options),
    ...displayOf(row, facts.now),
    ...settingsOf(row),
    ...relativesOf(row, facts.children),
    lifecycleRevision: lifecycleRevision(row),
    snapshotAt: facts.now,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    lastInteractionAt: row.last_message_at || row.updated_at,
    lastReadAt: row.last_read_at,
    archived: row.archived === 1,
    pinned: row.pinned === 1,
    unread: row.marked_unread_at !== null || row.last_message_at > row.last_read_at,
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

/** What people have chosen to see of a session. A status note is over when its time is. */
function displayOf(row: SessionRow, now: number): Wire {
  const fields = { icon: row.icon, color: row.color, category: row.category, boardFace: row.board_face };
  const times = {
    boardPresentation: row.board_presentation,
    markedUnreadAt: row.marked_unread_at,
    archivedAt: row.archived === 1 ? row.archived_at : null,
    pinnedAt: row.pinned === 1 ? row.pinned_at : null,
    lastActivityAt: row.ended_at,
  };
  const shown = statusExpiry(row, now) !== Infinity;
  const status = { note: row.status_note, attention: row.attention, expiresAt: row.status_expires_at };
  return { ...present(fields), ...present(times), ...(shown ? { agentStatus: present(status) } : {}) };
}

/** When the status note of a row is over; Infinity when it shows none. */
export const statusExpiry = (row: SessionRow, now: number): number =>
  row.status_note !== null && row.status_expires_at !== null && row.status_expires_at > now ? row.status_expires_at : Infinity;

/** Where the session last was on a channel; a message with `send` goes there. */
function routeOf({ target }: SessionRow): Wire {
  if (target === null) return {};
  // A row that cannot be read must not take the list with it.
  const { channel, account, chat, thread } = fieldsOf(tryParseJson(target));
  const to = fieldsOf(chat)["id"];
  if (typeof channel !== "string" || typeof to !== "string") return {};
  return { deliveryContext: { channel, to, accountId: account, ...(thread === undefined ? {} : { threadId: thread }) } };
}

const settingsOf = (row: SessionRow): Wire => ({
  ...present({ permissionMode: row.permission_mode, sendPolicy: row.send_policy, verboseLevel: row.verbose_level }),
  permissionModePending: false,
});

const relativesOf = (row: SessionRow, children: readonly string[]): Wire => ({
  ...(row.parent_key ? { parentSessionKey: row.parent_key } : {}),
  ...(row.parent_key && row.key.includes(":subagent:") ? { spawnedBy: row.parent_key } : {}),
  ...(row.parent_key && row.forked_from
    ? { forkedFromParent: true, forkSource: { sessionKey: row.parent_key, sessionId: row.forked_from } }
    : {}),
  ...(children.length > 0 ? { childSessions: children } : {}),
});

const present = (fields: Readonly<Record<string, unknown>>): Wire =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));

function labelsOf(row: SessionRow, classification: string, { derivedTitles = true, lastMessage = true }: RowOptions): Wire {
  const name = row.label ?? (classification === "main" ? null : row.title);
  return {
    ...(row.label ? { label: row.label } : {}),
    ...(name ? { displayName: name } : {}),
    ...(row.title && derivedTitles ? { derivedTitle: row.title } : {}),
    ...(row.preview && lastMessage ? { lastMessagePreview: row.preview } : {}),
  };
}

function runsOf(row: SessionRow, facts: SessionFacts): Wire {
  const active = facts.activeRuns.length > 0;
  return {
    status: active ? "running" : facts.waiting > 0 ? "queued" : row.status === "error" ? "failed" : row.status,
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
  session_id: ["sessionId", "lifecycleRevision"],
  lifecycle: ["lifecycleRevision"],
  icon: ["icon"],
  color: ["color"],
  category: ["category"],
  board_face: ["boardFace"],
  board_presentation: ["boardPresentation"],
  status_note: ["agentStatus"],
  attention: ["agentStatus"],
  status_expires_at: ["agentStatus"],
  permission_mode: ["permissionMode"],
  send_policy: ["sendPolicy"],
  verbose_level: ["verboseLevel"],
  parent_key: ["parentSessionKey", "spawnedBy", "forkedFromParent", "forkSource"],
  marked_unread_at: ["markedUnreadAt", "unread"],
  archived_at: ["archivedAt"],
  pinned_at: ["pinnedAt"],
  label: ["label", "displayName"],
  title: ["displayName", "derivedTitle"],
  updated_at: ["updatedAt"],
  target: ["deliveryContext"],
  preview: ["lastMessagePreview"],
  last_message_at: ["lastInteractionAt", "unread"],
  last_read_at: ["lastReadAt", "unread"],
  archived: ["archived"],
  pinned: ["pinned"],
  status: ["status", "hasActiveRun", "activeRunIds", "startedAt", "endedAt", "runtimeMs", "abortedLastRun", "lastRunId", "queuedInputs"],
  ended_at: ["endedAt", "runtimeMs", "lastActivityAt"],
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
      ...(provenance.senderName ? { senderName: provenance.senderName } : {}),
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

/** A transcript row whose texts have at most `maxChars` characters each. */
export function truncateTexts(row: Wire, maxChars: number): Wire {
  const cut = (text: unknown): unknown => (typeof text === "string" && text.length > maxChars ? `${text.slice(0, maxChars)}…` : text);
  const { content } = row;
  if (!Array.isArray(content)) return { ...row, content: cut(content) };
  return { ...row, content: content.map((block: Wire) => ("text" in block ? { ...block, text: cut(block["text"]) } : block)) };
}

/** The newest rows that fit into `maxBytes` when they are written as JSON; always at least the newest one. */
export function toPage(rows: readonly Wire[], maxBytes: number): SerializedHistoryPage {
  const texts: string[] = [];
  let bytes = 0;
  for (const row of rows.toReversed()) {
    const text = JSON.stringify(row);
    bytes += text.length;
    if (bytes > maxBytes && texts.length > 0) break;
    texts.push(text);
  }
  return { json: `[${texts.toReversed().join(",")}]`, count: texts.length, truncated: texts.length < rows.length };
}

export const previewOf = (message: Message, maxChars: number): Wire[] => {
  const text = textOf(message.body);
  return text === "" || message.body.role === "toolResult" ? [] : [{ role: message.body.role, text: text.slice(0, maxChars) }];
};
