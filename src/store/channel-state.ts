import type { Store } from "./open.ts";

/** `message`: id by which a later edit or deletion finds the line. */
export type PendingLine = { sender: string; text: string; at: number; message?: string };
type AccountScope = { channel: string; account: string };

export type ChannelState = ReturnType<typeof createChannelState>;

/** Channel data other than messages: cursors, and group lines that were not addressed to the agent. */
export function createChannelState(store: Store) {
  return {
    cursor: (channel: string, account: string): string | null =>
      store.get<{ value: string }>("SELECT value FROM cursors WHERE channel = ? AND account = ?", channel, account)?.value ?? null,

    setCursor: (channel: string, account: string, value: string): number =>
      store.run(
        "INSERT INTO cursors (channel, account, value) VALUES (?, ?, ?) ON CONFLICT (channel, account) DO UPDATE SET value = excluded.value",
        channel,
        account,
        value,
      ),

    /** Keeps the last `keep` lines of a conversation. */
    addPendingLine(conversation: string, eventId: string, line: PendingLine, keep: number): void {
      store.run(
        "INSERT INTO group_history (conversation, event_id, sender, text, at, message) VALUES (?, ?, ?, ?, ?, ?)",
        conversation,
        eventId,
        line.sender,
        line.text,
        line.at,
        line.message ?? null,
      );
      store.run(
        "DELETE FROM group_history WHERE conversation = ? AND seq <= (SELECT seq FROM group_history WHERE conversation = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)",
        conversation,
        conversation,
        keep,
      );
    },

    /** Removes and returns the pending lines of a conversation, oldest first, for the next message to the agent. */
    takePendingLines(conversation: string): PendingLine[] {
      const lines = store.all<PendingLine>("SELECT sender, text, at FROM group_history WHERE conversation = ? ORDER BY seq", conversation);
      if (lines.length > 0) store.run("DELETE FROM group_history WHERE conversation = ?", conversation);
      return lines;
    },

    /** Changes the text of a pending line; false when it is no longer pending. */
    replacePendingLine: (conversation: string, message: string, text: string): boolean =>
      store.run("UPDATE group_history SET text = ? WHERE conversation = ? AND message = ?", text, conversation, message) > 0,

    removePendingLine: (conversation: string, message: string): boolean =>
      store.run("DELETE FROM group_history WHERE conversation = ? AND message = ?", conversation, message) > 0,

    /** Records the id of an event without a row of its own; false when it is a repeat. */
    markEventSeen: ({ channel, account }: AccountScope, eventId: string, at: number): boolean =>
      store.run(
        "INSERT INTO seen_events (channel, account, event_id, at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        channel,
        account,
        eventId,
        at,
      ) > 0,

    /** The session of a message that the gateway sent; undefined for other messages. `chat`: see conversationPrefix. */
    findOwnMessage: (chat: string, message: string): { sessionKey: string | null } | undefined =>
      store.get<{ sessionKey: string | null }>(
        "SELECT session_key AS sessionKey FROM outbox WHERE conversation >= ? AND conversation < ? AND platform_ids IS NOT NULL AND EXISTS (SELECT 1 FROM json_each(platform_ids) WHERE value = ?) LIMIT 1",
        chat,
        `${chat}\u{10ffff}`,
        message,
      ),

    /** The text of a message that the gateway sent; undefined for other messages. `chat`: see conversationPrefix. */
    findOwnText: (chat: string, message: string): string | undefined =>
      store.get<{ text: string }>(
        "SELECT text FROM outbox WHERE conversation >= ? AND conversation < ? AND platform_ids IS NOT NULL AND EXISTS (SELECT 1 FROM json_each(platform_ids) WHERE value = ?) LIMIT 1",
        chat,
        `${chat}\u{10ffff}`,
        message,
      )?.text,

    /** The first known id of a chat; undefined when it never changed. */
    previousChatId: ({ channel, account }: AccountScope, chat: string): string | undefined =>
      store.get<{ formerly: string }>(
        "SELECT formerly FROM chat_aliases WHERE channel = ? AND account = ? AND chat = ?",
        channel,
        account,
        chat,
      )?.formerly,

    /** Records that the chat `formerly` has the new id `chat`. False when that was known. */
    migrateChat: ({ channel, account }: AccountScope, chat: string, formerly: string, at: number): boolean =>
      store.run(
        "INSERT INTO chat_aliases (channel, account, chat, formerly, at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        channel,
        account,
        chat,
        formerly,
        at,
      ) > 0,
  };
}
