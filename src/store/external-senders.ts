import type { Store } from "./open.ts";

/** Whether one of the last `limit` messages of a session is from an external sender. */
export function hasExternalSender(store: Store, session: { key: string; session_id: string }, limit: number): boolean {
  const found = store.get<{ found: number }>(
    "SELECT 1 AS found FROM (SELECT role, body FROM messages WHERE session_key = ? AND session_id = ? ORDER BY seq DESC LIMIT ?) WHERE role = 'user' AND json_extract(body, '$.provenance.channel') <> 'webchat' LIMIT 1",
    session.key,
    session.session_id,
    limit,
  );
  return found !== undefined;
}
