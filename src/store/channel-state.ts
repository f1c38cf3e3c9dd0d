import type { Store } from "./open.ts";

export type PendingLine = { sender: string; text: string; at: number };

export type ChannelState = ReturnType<typeof createChannelState>;

/** What the gateway keeps for channels beside messages: cursors, and group lines that were not addressed to the agent. */
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
    addLine(conversation: string, eventId: string, line: PendingLine, keep: number): void {
      store.run(
        "INSERT INTO group_history (conversation, event_id, sender, text, at) VALUES (?, ?, ?, ?, ?)",
        conversation,
        eventId,
        line.sender,
        line.text,
        line.at,
      );
      store.run(
        "DELETE FROM group_history WHERE conversation = ? AND seq <= (SELECT seq FROM group_history WHERE conversation = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)",
        conversation,
        conversation,
        keep,
      );
    },

    /** Takes the waiting lines of a conversation, oldest first: they go into the next message to the agent. */
    takeLines(conversation: string): PendingLine[] {
      const lines = store.all<PendingLine>("SELECT sender, text, at FROM group_history WHERE conversation = ? ORDER BY seq", conversation);
      if (lines.length > 0) store.run("DELETE FROM group_history WHERE conversation = ?", conversation);
      return lines;
    },
  };
}
