import type { Store } from "./open.ts";

type SearchedSession = { key: string; session_id: string };

const isAnyUser = (condition: string): string =>
  `SELECT 1 AS found FROM (SELECT role, body FROM messages WHERE session_key = ? AND session_id = ? ORDER BY seq DESC LIMIT ?) WHERE role = 'user' AND ${condition} LIMIT 1`;

/** Whether one of the last `limit` messages of a session is from an external sender. */
export const hasExternalSender = (store: Store, { key, session_id }: SearchedSession, limit: number): boolean =>
  store.get(isAnyUser("json_extract(body, '$.provenance.channel') <> 'webchat'"), key, session_id, limit) !== undefined;

/** Whether one of the last `limit` messages of a session is from a sender who is not an owner. */
export const hasOtherThanOwner = (store: Store, { key, session_id }: SearchedSession, limit: number): boolean =>
  store.get(isAnyUser("json_extract(body, '$.provenance.senderIsOwner') IS NOT 1"), key, session_id, limit) !== undefined;
