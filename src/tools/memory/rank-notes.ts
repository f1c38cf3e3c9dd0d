import { TOOL_LIMITS } from "../limits.ts";
import type { NoteMatch } from "./note-index.ts";

const DAY_MS = 86_400_000;
const DATE = /(?:^|\/)(\d{4})-(\d{2})-(\d{2})(?![0-9])[^/]*$/;

/** The day that the name of a note says, in milliseconds since 1970; null for one without. Pure. */
export function dayOf(path: string): number | null {
  const [, year, month, day] = DATE.exec(path) ?? [];
  if (year === undefined) return null;
  const at = Date.UTC(Number(year), Number(month) - 1, Number(day));
  return new Date(at).toISOString().startsWith(`${year}-${month}-${day}`) ? at : null;
}

/** What a note of this age counts of the same note of today. Notes without a day in their name, which are kept up to date, count whole. */
function weightOf(path: string, now: number): number {
  const day = dayOf(path);
  if (day === null) return 1;
  const days = Math.max(0, (now - day) / DAY_MS);
  const { leastNoteShare: least, noteHalfLifeDays } = TOOL_LIMITS;
  return Math.max(least, 2 ** (-days / noteHalfLifeDays));
}

/** The best matches first, and the newer of two that are equally good. Pure. */
export const rankNotes = (matches: readonly NoteMatch[], now: number): readonly NoteMatch[] =>
  matches
    .map((match) => ({ ...match, score: match.score * weightOf(match.path, now) }))
    .toSorted((a, b) => b.score - a.score || b.id - a.id);
