import { detailError, GatewayError } from "../core/errors.ts";
import type { SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { MethodParams } from "../protocol/method.ts";
import { textOf } from "../store/messages.ts";
import type { SessionRow } from "../store/sessions.ts";
import type { ChatDeps } from "./chat-context.ts";
import { checkExpectations } from "./session-guards.ts";

type SendParams = MethodParams<"chat.send">;

/** What the agent reads before the message: the one that it answers, and what the sender looks at. Null when there is neither. */
export function contextOfSend(deps: ChatDeps, key: SessionKey, { replyToId, workContext }: SendParams): string | null {
  const parts = [...(replyToId === undefined ? [] : [quote(deps, key, replyToId)]), ...(workContext ? [describeWork(workContext)] : [])];
  return parts.length === 0 ? null : parts.join("\n\n");
}

function quote(deps: ChatDeps, key: SessionKey, id: string): string {
  const message = deps.messages.byId(id);
  if (!message || message.sessionKey !== key)
    throw new GatewayError("INVALID_REQUEST", `replyToId: there is no message ${JSON.stringify(id.slice(0, 80))} in this session`);
  const text = textOf(message.body).slice(0, LIMITS.quoteChars);
  const who = message.body.role === "user" ? "an earlier message" : "your message";
  return `[In reply to ${who}]\n${text.replaceAll(/^/gm, "> ")}`;
}

/** Facts from the sender's page: data of a client, one line each. */
function describeWork(work: NonNullable<SendParams["workContext"]>): string {
  const lines = Object.entries(work).map(([name, value]) => `- ${name}: ${JSON.stringify(value)}`);
  return ["[What the sender looks at]", ...lines].join("\n");
}

/** Refuses a message that was written for another state of the session. Asked in the transaction that admits it. */
export function guardOfSend(deps: ChatDeps, params: SendParams): (session: SessionRow | undefined) => void {
  return (session) => {
    const { sessionId, expectedPermissionMode, expectedToolOverrides, expectedLeafEntryId } = params;
    if (sessionId && session && session.session_id !== sessionId) {
      throw detailError("SESSION_CHANGED", "this session was reset since it was loaded; load it again", {
        details: { reason: "session-changed", sessionId: session.session_id },
      });
    }
    checkExpectations(session, {
      ...(expectedPermissionMode === undefined ? {} : { expectedPermissionMode }),
      ...(expectedToolOverrides === undefined ? {} : { expectedToolOverrides }),
    });
    // A message that is handed into a running turn follows that turn, whatever was shown when it was written.
    if (expectedLeafEntryId !== undefined && params.queueMode !== "steer" && !isLeafKnown(deps, session, expectedLeafEntryId))
      throw detailError("SESSION_CHANGED", "the conversation is no longer the one that was shown; load it again", {
        details: { reason: "active-leaf-changed" },
      });
  };
}

/** Whether the message is on the active branch. Null means that the conversation was shown empty. */
function isLeafKnown(deps: ChatDeps, session: SessionRow | undefined, leaf: string | null): boolean {
  if (leaf === null) return !session || deps.messages.lastSeq(session.key, session.session_id) === 0;
  const message = deps.messages.byId(leaf);
  return message !== undefined && message.sessionKey === session?.key && message.sessionId === session.session_id;
}
