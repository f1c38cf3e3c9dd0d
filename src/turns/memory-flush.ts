import { compactionReserve, keptTokens } from "../agents/compaction.ts";
import { asId, type RunId } from "../core/ids.ts";
import { asString, isObject } from "../core/json.ts";
import type { NewInboxRow } from "../store/inbox.ts";
import type { SessionRow } from "../store/sessions.ts";
import type { Payload, RunRow, Submission } from "./submission.ts";

/** A turn in which the agent writes its notes before its conversation is shortened. */
export type FlushSettings = {
  /** The conversation is shortened by itself; otherwise only when an operator asks. */
  isAutomatic: boolean;
  /** Another model than that of the conversation. */
  model: string | null;
  /** How long before the conversation is shortened. */
  softThresholdTokens: number;
  /** Tokens of the newest part that stay as they are when it is shortened; default: the runtime's. */
  keepRecentTokens: number | undefined;
  /** The day for the name of a note, in the time zone of the agent. */
  today: () => string;
};

const FLUSH_CHANNEL = "flush";
export const FLUSH_TIMEOUT_MS = 180_000;
/** Of a small context window, the early part would be most of it. */
const SOFT_SHARE = 8;
/** Tools with which notes are written. */
const WRITERS: readonly string[] = ["write", "edit"];
const ALLOWED: readonly string[] = ["read", ...WRITERS];

/** Whether the tools of a conversation can write notes. Pure. */
export const canWriteNotes = (tools: readonly string[]): boolean => WRITERS.some((tool) => tools.includes(tool));

/** Whether a context of so many tokens is soon shortened. Pure. */
export function isNearCompaction({ tokens, window }: { tokens: number; window: number }, softThresholdTokens: number): boolean {
  if (window <= 0) return false;
  return tokens > window - compactionReserve(window) - Math.min(softThresholdTokens, Math.floor(window / SOFT_SHARE));
}

/** Whether an operator's compaction would shorten a conversation whose notes are not written yet. Pure. */
export const isWorthFlush = (
  session: Pick<SessionRow, "memory_flushed" | "context_tokens" | "context_window" | "chat_kind">,
  { keepRecentTokens }: FlushSettings,
): boolean =>
  session.memory_flushed === 0 &&
  session.chat_kind === "direct" &&
  session.context_tokens > keptTokens(session.context_window, keepRecentTokens);

const flushText = (today: string): string =>
  [
    "This conversation is about to be shortened to a summary. Write down what is worth keeping and is not in your notes yet: lasting facts in MEMORY.md,",
    `what happened and what is open in memory/${today}.md. Read a note before you change it, and keep what it has.`,
    "Only these notes can be written now, and no one reads your answer: answer NO_REPLY when you are done, or at once when there is nothing to keep.",
  ].join(" ");

/** The turn that follows one whose conversation is about to be shortened: with its rights and its instructions, but without its way to people. Pure. */
export function toFlushRow(
  row: RunRow,
  session: Pick<SessionRow, "session_id">,
  { settings, runId, now }: { settings: FlushSettings; runId: string; now: number },
): NewInboxRow<Payload> {
  const { payload } = row;
  const { extraSystem, payer, roomTools } = payload;
  return {
    runId: asId<RunId>(runId),
    channel: FLUSH_CHANNEL,
    account: row.sessionKey,
    eventId: `${session.session_id}:${row.runId}`,
    sessionKey: row.sessionKey,
    sessionId: session.session_id,
    agentId: row.agentId,
    receivedAt: now,
    state: "queued",
    startedAt: null,
    outcome: null,
    payload: {
      kind: "message",
      text: flushText(settings.today()),
      context: null,
      images: [],
      provenance: { ...payload.provenance, client: { id: payload.provenance.client?.id ?? FLUSH_CHANNEL, mode: "schedule" } },
      target: null,
      tools: payload.tools,
      queueMode: "followup",
      model: settings.model ?? payload.model,
      thinking: payload.thinking,
      timeoutMs: FLUSH_TIMEOUT_MS,
      ...(extraSystem !== undefined && { extraSystem }),
      ...(payer !== undefined && { payer }),
      ...(roomTools !== undefined && { roomTools }),
      flush: { target: payload.target },
    },
  };
}

/** The same before an operator shortens a conversation by hand. Pure. */
export function toFlushSubmission(
  session: Pick<SessionRow, "key" | "agent_id" | "chat_kind" | "session_id">,
  { settings, tools, id }: { settings: FlushSettings; tools: Submission["tools"]; id: string },
): Submission {
  return {
    channel: FLUSH_CHANNEL,
    account: session.key,
    eventId: `${session.session_id}:${id}`,
    agentId: session.agent_id,
    sessionKey: session.key,
    chatKind: session.chat_kind,
    text: flushText(settings.today()),
    context: null,
    images: [],
    provenance: { channel: "webchat", senderIsOwner: true, client: { id: FLUSH_CHANNEL, mode: "schedule" } },
    target: null,
    tools,
    queueMode: "followup",
    model: settings.model,
    thinking: null,
    timeoutMs: FLUSH_TIMEOUT_MS,
    command: null,
    flush: { target: null },
  };
}

/** Why a call does not run in a turn that writes notes; null: it does. Nothing else is changed than notes. Pure. */
export function refuseFlushCall({ name, args }: { name: string; args: unknown }, workspace: string): string | null {
  if (!ALLOWED.includes(name)) return `only the tools ${ALLOWED.join(", ")} are available while notes are written`;
  if (!WRITERS.includes(name)) return null;
  const given = isObject(args) ? asString(args["path"]) : "";
  const path = (given.startsWith(`${workspace}/`) ? given.slice(workspace.length + 1) : given).replace(/^\.\//, "");
  return isNotePath(path) ? null : "only MEMORY.md and memory/**/*.md can be written before a conversation is shortened";
}

const isNotePath = (path: string): boolean =>
  path === "MEMORY.md" || (/^memory\/[^\\]+\.md$/.test(path) && !path.split("/").some((part) => part === ".." || part === "."));
