import { effectOf, type ToolName } from "../agents/runtime.ts";
import type { SessionRow } from "../store/sessions.ts";

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

/** True when nothing may be sent into the session by clients, nor out of it to its channel. Pure. */
export const isSendDenied = (session: Pick<SessionRow, "send_policy"> | undefined): boolean => session?.send_policy === "deny";
