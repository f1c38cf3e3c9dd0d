import { crc32 } from "node:zlib";
import type { Store } from "./open.ts";

type ChatMigration = { channel: string; account: string; from: string; to: string };

/**
 * Moves pending work of a chat to its new id; inside a `store.write`. `begins` is the prefix of the conversations of
 * the chat. Parts that are being sent are not changed. Returns the conversations with parts to send.
 */
export function migrateChatRows(store: Store, move: ChatMigration, begins: { from: string; to: string }): string[] {
  const { channel, account, from, to } = move;
  store.run(
    `UPDATE sessions SET target = json_set(target, '$.chat.id', ?) WHERE target IS NOT NULL AND json_valid(target) AND json_extract(target, '$.channel') = ? AND json_extract(target, '$.account') = ? AND json_extract(target, '$.chat.id') = ?`,
    to,
    channel,
    account,
    from,
  );
  const inRange = "conversation >= ? AND conversation < ?";
  const range = [begins.from, `${begins.from}\u{10ffff}`];
  const renamed = "? || substr(conversation, ?)";
  const rest = begins.from.length + 1;
  store.run(
    `UPDATE outbox SET conversation = ${renamed}, target = json_set(target, '$.chat.id', ?) WHERE ${inRange} AND state <> 'attempting' AND json_valid(target)`,
    begins.to,
    rest,
    to,
    ...range,
  );
  store.run(
    `UPDATE previews SET conversation = ${renamed}, target = json_set(target, '$.chat.id', ?) WHERE ${inRange} AND json_valid(target)`,
    begins.to,
    rest,
    to,
    ...range,
  );
  store.run(`UPDATE group_history SET conversation = ${renamed} WHERE ${inRange}`, begins.to, rest, ...range);
  store.run(`UPDATE buttons SET conversation = ${renamed} WHERE ${inRange}`, begins.to, rest, ...range);
  migrateInboxRows(store, move);
  return store
    .all<{ conversation: string }>(
      `SELECT DISTINCT conversation FROM outbox WHERE ${inRange} AND state = 'queued'`,
      begins.to,
      `${begins.to}\u{10ffff}`,
    )
    .map((row) => row.conversation);
}

/** Queued and running messages: their answers go to the new id. Payloads have a checksum, so they are rewritten. */
function migrateInboxRows(store: Store, { channel, account, from, to }: ChatMigration): void {
  const rows = store.all<{ run_id: string; payload: string; crc: number }>(
    "SELECT run_id, payload, crc FROM inbox WHERE state IN ('queued', 'running', 'parked') AND channel = ? AND account = ?",
    channel,
    account,
  );
  for (const row of rows) {
    if (crc32(row.payload) !== row.crc) continue;
    const payload = JSON.parse(row.payload) as { target: { chat: { id: string } } | null };
    if (payload.target?.chat.id !== from) continue;
    const text = JSON.stringify({ ...payload, target: { ...payload.target, chat: { ...payload.target.chat, id: to } } });
    store.run("UPDATE inbox SET payload = ?, crc = ? WHERE run_id = ?", text, crc32(text), row.run_id);
  }
}
