import { decodeRow } from "./row-decoding.ts";
import type { Store } from "./open.ts";

/**
 * A message that shows an answer while it is being written. `attempting`: sent to the platform, its id is not known yet.
 * The row exists from before the send until the answer's first part replaces the message.
 */
export type PreviewRow = {
  runId: string;
  conversation: string;
  target: unknown;
  state: "attempting" | "sent";
  messageId: string | null;
};

type PreviewSqlRow = { run_id: string; conversation: string; target: string; state: PreviewRow["state"]; message_id: string | null };

export type Previews = ReturnType<typeof createPreviews>;

export function createPreviews(store: Store) {
  return {
    get(runId: string): PreviewRow | undefined {
      const raw = store.get<PreviewSqlRow>("SELECT * FROM previews WHERE run_id = ?", runId);
      return decodeRow(store, raw, (each) => `previews ${each.run_id}`, toPreviewRow);
    },

    /** A preview is about to be sent; inside a `store.write`, like all functions that change rows. */
    markAttempting: (preview: Pick<PreviewRow, "runId" | "conversation" | "target">, at: number): number =>
      store.run(
        "INSERT INTO previews (run_id, conversation, target, state, updated_at) VALUES (?, ?, ?, 'attempting', ?) ON CONFLICT DO NOTHING",
        preview.runId,
        preview.conversation,
        JSON.stringify(preview.target),
        at,
      ),

    markSent: (runId: string, messageId: string, at: number): number =>
      store.run("UPDATE previews SET state = 'sent', message_id = ?, updated_at = ? WHERE run_id = ?", messageId, at, runId),

    remove: (runId: string): number => store.run("DELETE FROM previews WHERE run_id = ?", runId),

    /** Rows whose run ended without a message for the channel: the preview stays unchanged. */
    removeEnded: (): number =>
      store.run(
        `DELETE FROM previews WHERE run_id NOT IN (SELECT run_id FROM inbox WHERE state IN ('queued', 'running'))
         AND run_id NOT IN (SELECT run_id FROM outbox WHERE state IN ('queued', 'attempting', 'parked', 'unknown') AND run_id IS NOT NULL)`,
      ),
  };
}

const toPreviewRow = (raw: PreviewSqlRow): PreviewRow => ({
  runId: raw.run_id,
  conversation: raw.conversation,
  target: JSON.parse(raw.target),
  state: raw.state,
  messageId: raw.message_id,
});
