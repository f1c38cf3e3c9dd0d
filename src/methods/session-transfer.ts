import { createHash } from "node:crypto";
import { GatewayError } from "../core/errors.ts";
import { asObjects, asString, fieldsOf, isObject, isTimestamp } from "../core/json.ts";
import { LIMITS } from "../core/limits.ts";
import type { MethodParams, MethodTable } from "../protocol/method.ts";
import type { MessageBody, StoredBlock } from "../store/messages.ts";
import { sessionTitle } from "../turns/submission.ts";
import { requireSession, resolveKey, type ChatDeps } from "./chat-context.ts";

const PAGE = 200;

/** sessions.export, sessions.import: the messages of a conversation as they are stored, for another gateway. */
export function sessionTransferMethods(deps: ChatDeps) {
  return {
    "sessions.export": { scope: "operator.admin", run: (params) => exportPage(deps, params) },
    "sessions.import": { scope: "operator.admin", maxBytes: LIMITS.attachmentRequestBytes, run: (params) => importPage(deps, params) },
  } satisfies MethodTable;
}

/** A page of messages after a number; `nextAfter` is null with the last one. */
function exportPage(deps: ChatDeps, { key: name, agentId, after = 0, limit = PAGE }: MethodParams<"sessions.export">): object {
  const { key } = resolveKey(deps, name, agentId);
  const session = requireSession(deps, key);
  const fitting: object[] = [];
  let bytes = 0;
  let last = after;
  const rows = deps.messages.after(key, session.session_id, after, limit);
  for (const { seq, id, at, body } of rows) {
    bytes += JSON.stringify(body).length;
    if (fitting.length > 0 && bytes > LIMITS.historyPageBytes) break;
    fitting.push({ id, at, body: withoutImages(body) });
    last = seq;
  }
  const { agent_id: agent, chat_kind: chatKind, channel, label, title, created_at: createdAt, session_id: sessionId } = session;
  return {
    session: { key, agentId: agent, chatKind, channel, label, title, createdAt, sessionId },
    messages: fitting,
    nextAfter: fitting.length < rows.length || rows.length === limit ? last : null,
  };
}

/** The content of a file is not part of an export; its place says that there was one. */
function withoutImages(body: MessageBody): MessageBody {
  if (typeof body.content === "string") return body;
  const content = body.content.map((block): StoredBlock => (block.type === "image" ? { type: "text", text: "[image]" } : block));
  return { ...body, content } as MessageBody;
}

/** Adds messages to a session that an import has made. A page that comes again adds nothing twice. */
async function importPage(deps: ChatDeps, params: MethodParams<"sessions.import">): Promise<object> {
  const { key: name, agentId: wanted, importId, messages, chatKind = "direct", channel = "webchat", label, title } = params;
  const { key, agentId } = resolveKey(deps, name, wanted);
  const sessionId = toUuid(`import|${key}|${importId}`);
  const rows = messages.map((message, index) => toMessage(message, index, sessionId));
  const added = await deps.store.write(() => {
    const before = deps.sessions.get(key);
    if (before && before.session_id !== sessionId)
      throw new GatewayError("CONFLICT", `the session ${key} exists`, {
        fix: "Import under another key (--key), or delete it first: openclaw sessions delete.",
      });
    const now = deps.clock.now();
    deps.sessions.ensure(key, { sessionId, agentId, chatKind, channel, now });
    const fresh = rows.filter(({ id }) => deps.messages.byId(id) === undefined);
    for (const { id, at, body } of fresh)
      deps.messages.add({ id, sessionKey: key, sessionId, runId: null, idempotencyKey: null, at, body });
    const first = rows.find(({ body }) => body.role === "user");
    const found = title ?? before?.title ?? (first ? titleOf(first.body) : null);
    const lastAt = Math.max(before?.last_message_at ?? 0, ...rows.map(({ at }) => at), 0);
    deps.sessions.patch(key, { title: found, last_message_at: lastAt, updated_at: now, ...(label !== undefined && { label }) });
    return fresh.length;
  });
  deps.bus.emit("session.changed", { sessionKey: key, reason: "create", fields: ["title", "label", "updated_at", "last_message_at"] });
  return { ok: true, key, sessionId, added, skipped: rows.length - added };
}

const titleOf = ({ content }: MessageBody): string | null =>
  sessionTitle({
    text: typeof content === "string" ? content : content.flatMap((block) => (block.type === "text" ? [block.text] : [])).join(" "),
    target: null,
    chatKind: "direct",
    provenance: { channel: "webchat", senderIsOwner: false },
  });

type ImportedMessage = { readonly id: string; readonly at: number; readonly body: MessageBody };

/** Ids of an import are its own: the same file can be imported under two keys. */
function toMessage(value: unknown, index: number, sessionId: string): ImportedMessage {
  const { id, at, body } = fieldsOf(value);
  if (typeof id !== "string" || id === "" || typeof at !== "number" || !isTimestamp(at)) throw badMessage(index, "it has no id or time");
  return { id: toUuid(`${sessionId}|${id}`), at, body: toBody(fieldsOf(body), index) };
}

const badMessage = (index: number, why: string): GatewayError =>
  new GatewayError("INVALID_REQUEST", `messages[${index}] cannot be imported: ${why}`, { fix: "Use a file of openclaw sessions export." });

/** Only what is known of each role. A file does not prove who wrote: no imported message counts as the owner's. */
function toBody(body: Readonly<Record<string, unknown>>, index: number): MessageBody {
  const blocks = asObjects(body["content"]).map((block) => toBlock(block, index));
  switch (body["role"]) {
    case "user": {
      const from = fieldsOf(body["provenance"]);
      const content = typeof body["content"] === "string" ? body["content"] : blocks;
      const senderName = asString(from["senderName"]).slice(0, LIMITS.idChars);
      return {
        role: "user",
        content,
        provenance: {
          channel: asString(from["channel"]).slice(0, LIMITS.idChars) || "webchat",
          ...(senderName && { senderName }),
          senderIsOwner: false,
        },
      };
    }
    case "assistant": {
      const model = asString(body["model"]);
      return { role: "assistant", content: blocks, ...(model && { model: model.slice(0, LIMITS.idChars) }) };
    }
    case "toolResult": {
      const { toolCallId, toolName, isError } = body;
      return {
        role: "toolResult",
        toolCallId: asString(toolCallId).slice(0, LIMITS.idChars),
        toolName: asString(toolName).slice(0, LIMITS.idChars),
        content: blocks,
        isError: isError === true,
      };
    }
    default:
      throw badMessage(index, "its role is not user, assistant or toolResult");
  }
}

function toBlock(block: Readonly<Record<string, unknown>>, index: number): StoredBlock {
  const { type } = block;
  if (type === "text" && typeof block["text"] === "string") return { type, text: block["text"] };
  if (type === "thinking" && typeof block["thinking"] === "string") return { type, thinking: block["thinking"] };
  if (type === "image") return { type: "text", text: "[image]" };
  if (type === "toolCall" && typeof block["name"] === "string" && isObject(block["arguments"]))
    return {
      type,
      id: asString(block["id"]).slice(0, LIMITS.idChars),
      name: block["name"].slice(0, LIMITS.idChars),
      arguments: block["arguments"],
    };
  throw badMessage(index, `it has a part of the kind ${JSON.stringify(String(type).slice(0, 40))}`);
}

function toUuid(text: string): string {
  const hex = createHash("sha256").update(text).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
