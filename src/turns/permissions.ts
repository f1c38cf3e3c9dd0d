import { effectOf, type ToolName } from "../agents/runtime.ts";
import type { SessionRow } from "../store/sessions.ts";
import { isFromOperator } from "./agent-text.ts";
import type { Grant } from "./grant.ts";
import type { Payload } from "./submission.ts";

export const PERMISSION_MODES = ["read-only", "full"] as const;

/** Tools that neither write nor execute. */
const isReading = (tool: ToolName): boolean => ["list", "read", "recall"].includes(effectOf(tool));

/** The tools of a turn: what its message was granted, as far as the session permits it now. Pure. */
export function permittedTools(
  session: Pick<SessionRow, "permission_mode"> | undefined,
  granted: readonly ToolName[],
): readonly ToolName[] {
  return session?.permission_mode === "read-only" ? granted.filter(isReading) : granted;
}

/**
 * Only owners read what a turn answers, as far as that is known without the messages of its session: owners have written all that it has
 * read, in a direct conversation, and the answer goes back to where they wrote. Pure.
 */
export const isForOwner = (
  session: Pick<SessionRow, "chat_kind"> | undefined,
  grant: Pick<Grant, "owner">,
  payload: Pick<Payload, "provenance" | "target" | "flush">,
): boolean => {
  // An answer that goes nowhere has no other reader.
  const isBack =
    payload.flush !== undefined || (isFromOperator(payload) ? payload.target === null : payload.target?.chat.kind === "direct");
  return grant.owner && session?.chat_kind === "direct" && isBack;
};

/** True when nothing may be sent into the session by clients, nor out of it to its channel. Pure. */
export const isSendDenied = (session: Pick<SessionRow, "send_policy"> | undefined): boolean => session?.send_policy === "deny";
