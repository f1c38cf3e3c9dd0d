/** One row of the list of sessions: live changes, and what people call it. Pure. */
import type { SessionListRow } from "./protocol-types.ts";

/** The changed row as `session`, or only its changed fields beside the rest. */
export type SessionChange = Partial<SessionListRow> & {
  sessionKey?: string;
  reason?: string;
  phase?: string;
  runId?: string;
  ts?: number;
  session?: SessionListRow;
};

/** What a change says about its session, without what it says about itself. */
export function toSessionPatch(change: SessionChange): Partial<SessionListRow> {
  const { sessionKey: _key, reason: _reason, phase: _phase, runId: _run, ts: _ts, session, ...fields } = change;
  return session ?? fields;
}

/** Applies one `sessions.changed` event. `null` means that the event does not say enough and the list must be read again. */
export function applyChange(rows: readonly SessionListRow[], change: SessionChange): readonly SessionListRow[] | null {
  const key = change.sessionKey ?? change.key ?? change.session?.key;
  if (key === undefined) return null;
  const patch = toSessionPatch(change);
  if (change.reason === "delete" || change.reason === "deleted" || patch.archived === true) return rows.filter((row) => row.key !== key);
  const whole = change.session !== undefined || rows.some((row) => row.key === key);
  return whole && Object.keys(patch).length > 0 ? upsertSession(rows, { ...patch, key }) : null;
}

/** Adds or updates one row; a title that the server derived earlier survives a shorter row. */
export function upsertSession(rows: readonly SessionListRow[], row: SessionListRow): readonly SessionListRow[] {
  const at = rows.findIndex((known) => known.key === row.key);
  if (at === -1) return [row, ...rows];
  const known = rows[at] as SessionListRow;
  return rows.with(at, { ...known, ...row, derivedTitle: row.derivedTitle ?? known.derivedTitle ?? null });
}

/** `main` and `agent:main:main` are the same session; the long form is the one in lists and events. */
export function canonicalKey(key: string, defaultAgentId: string): string {
  return key.startsWith("agent:") || key === "global" || key === "unknown" ? key : `agent:${defaultAgentId}:${key}`;
}

/** The part of the key after `agent:<id>:`. */
export const withoutAgentPrefix = (key: string): string => (key.startsWith("agent:") ? key.split(":").slice(2).join(":") : key);

const GENERATED_KEY = /^(web|tui|acp-bridge|explicit|openai|openresponses|hook|subagent)[-:]?[0-9a-f-]{8,}$/i;

/** What a person calls this session. */
export function titleOf(row: SessionListRow): string {
  const rest = withoutAgentPrefix(row.key);
  const main = row.isMain === true || rest === "main";
  // The main session goes on for months; its first words are no name for it.
  const names = main ? [row.label, row.displayName] : [row.label, row.displayName, row.derivedTitle];
  const given = names.find((name) => typeof name === "string" && name.trim() !== "" && !GENERATED_KEY.test(name));
  if (typeof given === "string") return given.trim();
  if (main) return "Main";
  if (GENERATED_KEY.test(rest)) return stripMarkdown(row.lastMessagePreview ?? "") || "New session";
  return rest;
}

/** Markdown without its marks, on one line, for a preview. */
export const stripMarkdown = (text: string): string =>
  text
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/^\s*(#{1,6}|>|[-*+]|\d+\.)\s+/gm, "")
    .replace(/[*`~|]+|_{2,}/g, "")
    .replace(/(^|\s)_([^_]+)_(?=[\s.,:;!?]|$)/g, "$1$2")
    .replace(/\s+/g, " ")
    .replace(/ #{1,6} /g, " ")
    .trim();
