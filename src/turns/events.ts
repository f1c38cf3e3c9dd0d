import type { AgentId, RunId, SessionKey } from "../core/ids.ts";
import type { RunOutcome } from "../store/inbox.ts";
import type { Message } from "../store/messages.ts";
import type { StageEvents } from "../core/stages.ts";
import type { PartState } from "../store/outbox.ts";
import type { SessionRow } from "../store/sessions.ts";

export type RunRef = { runId: RunId; sessionKey: SessionKey; agentId: AgentId };

export const toRunRef = ({ runId, sessionKey, agentId }: RunRef): RunRef => ({ runId, sessionKey, agentId });

/** What the rest of the gateway may know about turns, as it happens. `seq` counts the events of one run from 1. */
export type TurnEvents = StageEvents & {
  /** Counts for two: `seq` and the number after it. */
  "turn.started": RunRef & { seq: number; model: string; startedAt: number };
  /** `text` is everything said so far in this run; `delta` its newest piece. */
  "turn.text": RunRef & {
    seq: number;
    delta: string;
    text: string;
    /** What was shown before is taken back; `delta` is all of `text`. */ replace?: true;
  };
  "turn.thinking": RunRef & { seq: number; delta: string; text: string };
  "turn.tool":
    | (RunRef & { seq: number; phase: "start"; id: string; name: string; args: unknown })
    | (RunRef & { seq: number; phase: "update"; id: string; name: string; partial: string })
    | (RunRef & { seq: number; phase: "end"; id: string; name: string; result: string; isError: boolean; durationMs: number });
  /** Something that explains a pause: a retry or another wait, a compaction, a question to a person. */
  "turn.note": RunRef & { seq: number } & (
      | { kind: "retry"; text: string }
      | { kind: "compaction"; phase: "start" | "end" }
      | { kind: "approval"; phase: "waiting" | "resolved"; approvalId: string; callId: string }
    );
  /** The run is over and its outcome is on disk. `mergedInto`: its message was answered by another run. */
  "turn.ended": RunRef & { seq: number; outcome: RunOutcome; mergedInto?: RunId };
  /** A message is on disk. */
  "message.added": { message: Message };
  /** A session row was changed or created; `fields` are the columns that differ. */
  "session.changed": { sessionKey: SessionKey; reason: string; fields: readonly (keyof SessionRow)[]; runId?: RunId };
  /** A person has stopped what runs or waits in a session. */
  "session.stopped": { sessionKey: SessionKey };
  /** A person has begun another conversation: in this session, or in one that follows it. */
  "session.renewed": { sessionKey: SessionKey };
  "session.removed": { sessionKey: SessionKey; sessionId: string };
  /** The connection of a channel account has another state. */
  "channel.changed": { channel: string; account: string };
  /** A part of a reply left for its channel, or did not. */
  "part.settled": {
    partKey: string;
    runId: string | null;
    sessionKey: string | null;
    channel: string;
    account: string;
    state: PartState;
    cause: string | null;
  };
};
