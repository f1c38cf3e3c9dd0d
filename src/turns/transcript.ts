import type { RunId } from "../core/ids.ts";
import type { Message, Messages, NewMessage } from "../store/messages.ts";
import type { SessionRow, Sessions } from "../store/sessions.ts";
import { toTranscriptText, type Submission } from "./submission.ts";

/** What is written into the transcript of a session. Everything here runs inside a `store.write`. */
type TranscriptDeps = { messages: Messages; sessions: Sessions; newId: () => string };

/** Stores a message. */
export function addMessage({ messages }: TranscriptDeps, message: NewMessage): Message {
  return { ...message, seq: messages.add(message) };
}

type UserMessageInput = { submission: Submission; runId: RunId; session: SessionRow; now: number };

/** Stores what a person has said. */
export function addUserMessage(deps: TranscriptDeps, { submission, runId, session, now }: UserMessageInput): Message {
  const images = submission.images.map((image) => ({ type: "image" as const, ...image }));
  const shown = toTranscriptText(submission);
  const content = images.length > 0 ? [{ type: "text" as const, text: shown }, ...images] : shown;
  return addMessage(deps, {
    id: deps.newId(),
    sessionKey: submission.sessionKey,
    sessionId: session.session_id,
    runId,
    idempotencyKey: `${submission.eventId}:user`,
    at: now,
    body: { role: "user", content, provenance: submission.provenance },
  });
}

/** Puts what a person has said at the end of the transcript, where the agent read it. Rows are never changed: it is taken out and put in again. */
export function moveUserMessage(deps: TranscriptDeps, runId: RunId): boolean {
  const old = deps.messages.byRun(runId).find((message) => message.body.role === "user");
  if (!old) return false;
  deps.messages.removeUser(runId);
  const { seq: _, ...message } = old;
  addMessage(deps, message);
  return true;
}

export type GatewayReply = { runId: RunId | null; session: SessionRow; text: string; now: number; origin: "command" | "notice" | "inject" };

/** Stores a text that the gateway itself says in a session. */
export function addReply(deps: TranscriptDeps, { runId, session, text, now, origin }: GatewayReply): Message {
  const message = addMessage(deps, {
    id: deps.newId(),
    sessionKey: session.key,
    sessionId: session.session_id,
    runId,
    idempotencyKey: runId && `${runId}:assistant`,
    at: now,
    body: { role: "assistant", content: [{ type: "text", text }], stopReason: "stop", origin },
  });
  deps.sessions.patch(session.key, { preview: text.slice(0, 160), last_message_at: now, updated_at: now });
  return message;
}
