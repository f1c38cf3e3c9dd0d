import { detailError, GatewayError } from "../core/errors.ts";
import type { SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { clip } from "../core/text.ts";
import type { MethodParams, MethodTable } from "../protocol/method.ts";
import { textOf, type Message, type StoredBlock } from "../store/messages.ts";
import type { Branch, BranchContext } from "../store/session-branches.ts";
import type { SessionRow } from "../store/sessions.ts";
import { requireSession, resolveKey, type ChatDeps } from "./chat-context.ts";

/** sessions.branches.*, sessions.rewind, sessions.fork: other ways that a conversation takes after one of its messages. */
export function branchMethods(deps: ChatDeps) {
  return {
    "sessions.branches.list": { scope: "operator.read", run: (params) => list(deps, params) },
    "sessions.branches.switch": { scope: "operator.admin", run: (params) => switchTo(deps, params) },
    "sessions.rewind": { scope: "operator.admin", run: (params) => rewind(deps, params) },
    "sessions.fork": { scope: "operator.write", run: (params) => fork(deps, params) },
  } satisfies MethodTable;
}

const HEADLINE_CHARS = 120;

function list(deps: ChatDeps, { sessionKey, agentId }: MethodParams<"sessions.branches.list">): { branches: unknown[] } {
  const session = deps.sessions.get(resolveKey(deps, sessionKey, agentId).key);
  if (!session) return { branches: [] };
  return {
    branches: deps.branches.list(session).map(({ leafId, at, messages, active }) => {
      const leaf = deps.messages.byId(leafId);
      const headline = leaf ? textOf(leaf.body).replaceAll(/\s+/g, " ").trim() : "";
      return {
        leafEntryId: leafId,
        headline: clip(headline, HEADLINE_CHARS),
        messageCount: messages,
        updatedAt: new Date(at).toISOString(),
        active,
      };
    }),
  };
}

async function switchTo(deps: ChatDeps, params: MethodParams<"sessions.branches.switch">): Promise<Record<string, never>> {
  const { key } = resolveKey(deps, params.sessionKey, params.agentId);
  requireSession(deps, key);
  await change(deps, key, (session) => deps.branches.activate(session, findBranch(deps, session, params.leafEntryId)));
  return {};
}

function findBranch(deps: ChatDeps, session: SessionRow, leafId: string): Branch {
  const found = deps.branches.list(session).find((branch) => branch.leafId === leafId);
  if (found) return found;
  throw detailError("BRANCH_NOT_FOUND", `no branch of this session ends with the message ${JSON.stringify(clip(leafId, 80))}`, {
    fix: "sessions.branches.list shows the branches as they are now; load it again.",
  });
}

/** What the person wrote, for the field in which it is changed and sent again. */
type EditorContent = { editorText?: string; editorAttachments?: { mimeType: string; data: string }[] };

async function rewind(deps: ChatDeps, params: MethodParams<"sessions.rewind">): Promise<EditorContent> {
  const { key } = resolveKey(deps, params.sessionKey, params.agentId);
  const entry = requireEntry(deps, requireSession(deps, key), params.entryId);
  const content = await editorContent(deps, entry);
  await change(deps, key, (session) => {
    const cut = findCut(deps, session, requireEntry(deps, session, params.entryId));
    if (cut.isEnd) return null;
    const context = deps.branches.begin(session, cut.afterSeq, { newId: deps.newId, now: deps.clock.now() });
    addAgain(deps, cut.late, session);
    return context;
  });
  return content;
}

async function fork(deps: ChatDeps, params: MethodParams<"sessions.fork">): Promise<{ sessionKey: SessionKey } & EditorContent> {
  const { key, agentId } = resolveKey(deps, params.sessionKey, params.agentId);
  const content = await editorContent(deps, requireEntry(deps, requireSession(deps, key), params.entryId));
  const to = resolveKey(deps, `dashboard:${deps.newId()}`, agentId);
  await deps.store.write(() => {
    const session = requireSession(deps, key);
    const cut = findCut(deps, session, requireEntry(deps, session, params.entryId));
    const now = deps.clock.now();
    const copy = deps.sessions.insert({
      key: to.key,
      session_id: deps.newId(),
      agent_id: to.agentId,
      chat_kind: "direct",
      channel: "webchat",
      created_at: now,
      updated_at: now,
      parent_key: key,
      forked_from: session.session_id,
      title: session.title ?? session.label,
      model: session.model,
      thinking: session.thinking,
      permission_mode: session.permission_mode,
    });
    requireFewMessages(deps, session);
    deps.messages.copy({ key, sessionId: session.session_id, upToSeq: cut.afterSeq }, { key: copy.key, sessionId: copy.session_id });
    addAgain(deps, cut.late, copy);
    const preview = previewOf(deps, copy);
    deps.sessions.patch(copy.key, { preview, last_message_at: preview === null ? 0 : now, last_read_at: now });
  });
  deps.bus.emit("session.changed", { sessionKey: to.key, reason: "create", fields: ["title", "updated_at", "model", "parent_key"] });
  deps.bus.emit("session.changed", { sessionKey: key, reason: "create", fields: [] });
  return { sessionKey: to.key, ...content };
}

function requireFewMessages(deps: ChatDeps, session: SessionRow): void {
  const count = deps.messages.count(session.key, session.session_id);
  if (count <= LIMITS.forkMessages) return;
  throw new GatewayError("INVALID_REQUEST", `the conversation has ${count} messages; at most ${LIMITS.forkMessages} can be copied`, {
    fix: "Begin a new session, and tell it what it has to know.",
  });
}

/** A message of the active branch that a branch can begin at: one of a person, or an answer. */
function requireEntry(deps: ChatDeps, session: SessionRow, id: string): Message {
  const message = deps.messages.byId(id);
  if (!message || message.sessionKey !== session.key || message.sessionId !== session.session_id)
    throw detailError("MESSAGE_NOT_FOUND", `the conversation has no message ${JSON.stringify(clip(id, 80))}`, {
      fix: "Load the conversation again: another branch may be active.",
    });
  if (message.body.role !== "toolResult") return message;
  throw new GatewayError("INVALID_REQUEST", "a branch cannot begin at the result of a tool", {
    fix: "Choose the message of a person, or an answer.",
  });
}

type Cut = {
  /** The last message that stays. */
  afterSeq: number;
  /** Answers to messages that stay, which were stored after the one that is changed. */
  late: readonly Message[];
  /** Nothing comes after it. */
  isEnd: boolean;
};

/** Where a branch begins: before the message of a person, which is written again, or after an answer with all of its parts. */
function findCut(deps: ChatDeps, { key, session_id: sessionId }: SessionRow, { seq, runId, body }: Message): Cut {
  const own = runId === null ? [] : deps.messages.byRun(runId).filter((each) => each.sessionId === sessionId);
  if (body.role !== "user") {
    const afterSeq = Math.max(seq, ...own.map((each) => each.seq));
    return { afterSeq, late: [], isEnd: deps.messages.lastSeq(key, sessionId) === afterSeq };
  }
  const afterSeq = deps.messages.seqOf(key, sessionId, 0, seq) ?? 0;
  const answersEarlier = (each: Message): boolean =>
    each.runId !== null &&
    each.runId !== runId &&
    deps.messages.byRun(each.runId).some((one) => one.body.role === "user" && one.seq < seq && one.sessionId === sessionId);
  const late = deps.messages.after(key, sessionId, seq, LIMITS.branchLateMessages).filter(answersEarlier);
  return { afterSeq, late, isEnd: false };
}

/** The rows stay where they are for the branch that they are in; the new one gets its own. */
function addAgain(deps: ChatDeps, messages: readonly Message[], { key, session_id: sessionId }: SessionRow): void {
  for (const { seq: _, ...message } of messages)
    deps.messages.add({ ...message, id: deps.newId(), sessionKey: key, sessionId, runId: null, idempotencyKey: null });
}

const isImage = (block: StoredBlock): block is Extract<StoredBlock, { type: "image" }> => block.type === "image";

/** Read before anything is changed: a message whose pictures are gone cannot be sent again as it was. */
async function editorContent(deps: ChatDeps, { body }: Message): Promise<EditorContent> {
  if (body.role !== "user") return {};
  const images = typeof body.content === "string" ? [] : body.content.filter(isImage);
  const attachments = await Promise.all(images.map((image) => deps.media.loadImage(image)));
  return {
    editorText: textOf(body),
    ...(attachments.length > 0 && { editorAttachments: attachments.map(({ mimeType, data }) => ({ mimeType, data })) }),
  };
}

const CHANGED: readonly (keyof SessionRow)[] = ["updated_at", "preview", "context_tokens"];

/** Changes the active branch while no turn runs. `choose` returns the runtime's state in it; null: nothing changes. */
async function change(deps: ChatDeps, key: SessionKey, choose: (session: SessionRow) => BranchContext | null): Promise<void> {
  const { lanes, runs } = deps.turns;
  // The lock would wait for the end of the turn.
  if (runs.inflight(key).length > 0 || lanes.queuedRuns(key).length > 0) throw busyError();
  const isChanged = await lanes.withSessionLock(key, async () => {
    const before = deps.sessions.contextsOf(requireSession(deps, key));
    const changed = await deps.store.write(() => {
      // A message that waits was stored in the branch that is active now.
      if (deps.branches.isBusy(key)) throw busyError();
      const session = requireSession(deps, key);
      const context = choose(session);
      if (context === null) return null;
      deps.sessions.patch(key, { ...context, preview: previewOf(deps, session), context_tokens: 0, updated_at: deps.clock.now() });
      return session;
    });
    if (changed === null) return false;
    const kept = deps.sessions.contextsOf(changed);
    for (const context of before.filter((each) => !kept.includes(each))) await deps.runtime.forget(changed.agent_id, context);
    return true;
  });
  // Clients read the conversation again.
  if (isChanged) deps.bus.emit("session.changed", { sessionKey: key, reason: "branch", fields: CHANGED });
}

const busyError = (): GatewayError =>
  new GatewayError("UNAVAILABLE", "an answer is being written in this session, or a message waits", {
    retryAfterMs: 2_000,
    fix: "Stop it, or wait until it has ended.",
  });

function previewOf(deps: ChatDeps, { key, session_id: sessionId }: SessionRow): string | null {
  const last = deps.messages.tail(key, sessionId, { limit: 5 }).findLast(({ body }) => body.role !== "toolResult" && textOf(body) !== "");
  return last ? textOf(last.body).slice(0, 160) : null;
}
