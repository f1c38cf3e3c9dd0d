import type { ReplyTarget } from "../channels/channel.ts";
import { asId, type SessionKey } from "../core/ids.ts";
import type { Outbox, OutboxPart } from "../store/outbox.ts";
import type { Sessions } from "../store/sessions.ts";
import type { Transcript } from "./transcript.ts";

export type UndeliveredDeps = { outbox: Outbox; sessions: Sessions; transcript: Transcript };

/** A part that did not arrive (`parked`), or whose outcome is unknown. */
export type UndeliveredPart = { part: OutboxPart; state: "parked" | "unknown"; cause: string; now: number };

/**
 * Notes in a session that a part of its reply did not arrive, once for each reply; inside a `store.write`. The returned function announces
 * the note and is called after the commit; null when there is nothing to announce. The agent does not see the note.
 */
export function noteUndelivered(deps: UndeliveredDeps, { part, state, cause, now }: UndeliveredPart): (() => void) | null {
  const { outbox, sessions, transcript } = deps;
  const session = part.sessionKey === null ? undefined : sessions.get(asId<SessionKey>(part.sessionKey));
  if (!session) return null;
  const isNoted = outbox.byIntent(part.intentId).some((each) => each.partKey !== part.partKey && isUndelivered(each.state));
  if (isNoted) return null;
  const { channel } = part.target as ReplyTarget;
  const text =
    state === "parked"
      ? `A reply was not delivered on ${channel}: ${cause}. It waits among the dead letters.`
      : `It is not known whether a reply arrived on ${channel}: ${cause}. It was not sent again; it waits among the dead letters.`;
  const message = transcript.addReply({ runId: null, session, text, now, origin: "notice" });
  return () => transcript.emitAdded(message, "undelivered", ["updated_at", "preview", "last_message_at"]);
}

const isUndelivered = (state: OutboxPart["state"]): boolean => state === "parked" || state === "unknown";
