import type { ContextMessage } from "../agents/runtime.ts";
import type { Bus } from "../core/bus.ts";
import type { RunId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { hasExternalSender, hasOtherThanOwner } from "../store/external-senders.ts";
import type { Message, MessageBody, Messages, NewMessage } from "../store/messages.ts";
import type { Store } from "../store/open.ts";
import type { SessionRow, Sessions } from "../store/sessions.ts";
import { buildContext } from "./conversation-context.ts";
import type { TurnEvents } from "./events.ts";
import { toTranscriptText, type Payload, type Submission } from "./submission.ts";

export type TranscriptDeps = { store: Store; messages: Messages; sessions: Sessions; bus: Bus<TurnEvents>; newId: () => string };

type UserMessageInput = {
  submission: Pick<Submission, "sessionKey" | "eventId" | "text" | "attached" | "images" | "provenance">;
  runId: RunId;
  session: SessionRow;
  now: number;
};

export type GatewayReply = { runId: RunId | null; session: SessionRow; text: string; now: number; origin: "command" | "notice" | "inject" };

type UserContent = Extract<MessageBody, { role: "user" }>["content"];

const CHANGED_FIELDS: readonly (keyof SessionRow)[] = ["updated_at", "preview", "last_message_at", "title"];
/** What a message changes that begins a new conversation because the earlier one was over. */
export const RESTART_FIELDS: readonly (keyof SessionRow)[] = [...CHANGED_FIELDS, "session_id", "lifecycle", "context_tokens"];

/** The messages of each session. Functions that write run inside a `store.write`. Rows are never changed: they are removed and added again. */
export class Transcript {
  readonly #deps: TranscriptDeps;

  constructor(deps: TranscriptDeps) {
    this.#deps = deps;
  }

  add(message: NewMessage): Message {
    return { ...message, seq: this.#deps.messages.add(message) };
  }

  /** Stores what a person has said. */
  addUserMessage({ submission, runId, session, now }: UserMessageInput): Message {
    return this.add({
      id: this.#deps.newId(),
      sessionKey: submission.sessionKey,
      sessionId: session.session_id,
      runId,
      idempotencyKey: `${submission.eventId}:user`,
      at: now,
      body: { role: "user", content: toUserContent(submission), provenance: submission.provenance },
    });
  }

  /** Stores a text that the gateway itself says in a session. */
  addReply({ runId, session, text, now, origin }: GatewayReply): Message {
    const message = this.add({
      id: this.#deps.newId(),
      sessionKey: session.key,
      sessionId: session.session_id,
      runId,
      idempotencyKey: runId && `${runId}:assistant`,
      at: now,
      body: { role: "assistant", content: [{ type: "text", text }], stopReason: "stop", origin },
    });
    this.#deps.sessions.patch(session.key, { preview: text.slice(0, 160), last_message_at: now, updated_at: now });
    return message;
  }

  /** Moves what a person has said to the end of the transcript, where the agent read it; with other content where that has changed. */
  moveUserMessage(runId: RunId, change?: (content: UserContent) => UserContent): void {
    const { messages } = this.#deps;
    const old = messages.byRun(runId).find((message) => message.body.role === "user");
    if (old?.body.role !== "user") return;
    messages.removeUser(runId);
    const { seq: _, ...message } = old;
    this.add(change ? { ...message, body: { ...old.body, content: change(old.body.content) } } : message);
  }

  /** Announces a message that is on disk. */
  emitAdded(message: Message, reason: string, fields = CHANGED_FIELDS): void {
    const { bus } = this.#deps;
    bus.emit("message.added", { message });
    bus.emit("session.changed", { sessionKey: message.sessionKey, reason, fields, ...(message.runId ? { runId: message.runId } : {}) });
  }

  /** The messages of a session, without the given runs, for a runtime that rebuilds its context. */
  buildContext(session: SessionRow, leaveOut: readonly RunId[]): ContextMessage[] {
    const rows = this.#deps.messages.tail(session.key, session.session_id, {
      limit: LIMITS.contextMessages,
      maxBytes: LIMITS.contextBytes,
    });
    return buildContext(rows, new Set<string>(leaveOut));
  }

  /** People from outside write in this session: what they say has to be distinguished from what the operator says. */
  hasExternalSenders(session: SessionRow | undefined): boolean {
    return session !== undefined && session.target !== null && hasExternalSender(this.#deps.store, session, LIMITS.contextMessages);
  }

  /** A sender who is not an owner writes in this session, and reads it. */
  hasOtherThanOwner(session: SessionRow): boolean {
    return session.target !== null && hasOtherThanOwner(this.#deps.store, session, LIMITS.contextMessages);
  }
}

/** What a person has said, as the transcript keeps it. Pure. */
export function toUserContent(payload: Pick<Payload, "text" | "attached" | "images">): UserContent {
  const shown = toTranscriptText(payload);
  const images = payload.images.map((image) => ({ type: "image" as const, ...image }));
  return images.length > 0 ? [{ type: "text" as const, text: shown }, ...images] : shown;
}
