import { LIMITS } from "../core/limits.ts";
import type { Store } from "./open.ts";

export type SessionNotes = ReturnType<typeof createSessionNotes>;

/** Notes for the next turn of a session: an edit, a reaction. Functions that change rows run inside a `store.write`. */
export function createSessionNotes(store: Store) {
  return {
    /** Keeps the last LIMITS.sessionNotes of a session. */
    add(sessionKey: string, text: string, at: number): void {
      store.run(
        "INSERT INTO session_notes (session_key, text, at) VALUES (?, ?, ?)",
        sessionKey,
        text.slice(0, LIMITS.sessionNoteChars),
        at,
      );
      store.run(
        "DELETE FROM session_notes WHERE session_key = ? AND seq <= (SELECT seq FROM session_notes WHERE session_key = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)",
        sessionKey,
        sessionKey,
        LIMITS.sessionNotes,
      );
    },

    /** Removes and returns the notes of a session, oldest first. */
    take(sessionKey: string): string[] {
      const rows = store.all<{ text: string }>("SELECT text FROM session_notes WHERE session_key = ? ORDER BY seq", sessionKey);
      if (rows.length > 0) store.run("DELETE FROM session_notes WHERE session_key = ?", sessionKey);
      return rows.map((row) => row.text);
    },
  };
}
