import type { InboundUnreadable } from "../channels/channel.ts";
import type { Clock } from "../core/clock.ts";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { asId, type AgentId, type RunId, type SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { Inbox, RunOutcome } from "../store/inbox.ts";
import type { ChannelAccount } from "./event-addressing.ts";
import type { Payload } from "./submission.ts";
import { noWork, type UnitOfWork } from "./unit-of-work.ts";

export type DeadLetterDeps = {
  inbox: Inbox;
  clock: Clock;
  newId: () => string;
  running: { readonly agents: { defaultAgent(): AgentId } };
  log: Log;
};

/**
 * An event that could not be read is kept as a dead letter: the platform may forget it, and later events are not delayed. `ours`: the
 * channel could read it and the gateway failed over it; then `raw` is the decoded event.
 */
export function planDeadLetter(
  deps: DeadLetterDeps,
  source: ChannelAccount,
  event: Pick<InboundUnreadable, "eventId" | "raw" | "cause">,
  ours: boolean,
): UnitOfWork {
  const { inbox, clock, newId } = deps;
  let added = false;
  return {
    ...noWork,
    apply: () => {
      const now = clock.now();
      const agentId = deps.running.agents.defaultAgent();
      const outcome: RunOutcome = {
        status: "error",
        text: "",
        stopReason: "error",
        endedAt: now,
        error: { kind: "unreadable", message: event.cause.slice(0, LIMITS.logValueChars) },
      };
      added = inbox.add<Payload>({
        runId: asId<RunId>(newId()),
        ...source,
        eventId: event.eventId,
        sessionKey: asId<SessionKey>(`agent:${agentId}:dead-letter`),
        sessionId: "",
        agentId,
        payload: toDeadLetterPayload(source, event.raw, ours),
        receivedAt: now,
        state: "parked",
        startedAt: null,
        outcome,
      });
    },
    onCommit: () => {
      if (added)
        deps.log.error("an event could not be read and became a dead letter", {
          ...source,
          event: event.eventId,
          cause: event.cause,
          fix: "`openclaw dead-letters list` shows it.",
        });
    },
  };
}

function toDeadLetterPayload({ channel, account }: ChannelAccount, raw: string, ours: boolean): Payload {
  return {
    kind: "message",
    text: "",
    context: null,
    images: [],
    provenance: { channel, account, senderIsOwner: false },
    target: null,
    tools: [],
    queueMode: "followup",
    model: null,
    thinking: null,
    timeoutMs: null,
    raw: { text: raw.slice(0, LIMITS.unreadableChars), ours, cut: raw.length > LIMITS.unreadableChars },
  };
}

/** Whether an error is caused by this one event and would repeat with it. Only UNAVAILABLE is temporary. */
export const isEventFailure = (err: unknown): boolean => !(err instanceof GatewayError && err.code === "UNAVAILABLE");

export const internalFailureCause = (err: unknown): string => `the gateway failed over it: ${reasonOf(err)}`;
