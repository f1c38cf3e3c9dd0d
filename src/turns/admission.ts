import type { ParsedCommand } from "../core/chat-commands.ts";
import type { Clock } from "../core/clock.ts";
import { detailError, GatewayError } from "../core/errors.ts";
import { asId, type RunId, type SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { Metrics } from "../core/metrics.ts";
import type { Inbox, InboxRow, NewInboxRow, RunOutcome } from "../store/inbox.ts";
import type { MediaStore } from "../store/media.ts";
import type { Message } from "../store/messages.ts";
import type { Store } from "../store/open.ts";
import { toNewConversation, type SessionRow, type Sessions } from "../store/sessions.ts";
import { ADDRESSED_MARKER, isRoom } from "./agent-text.ts";
import { answerCommand, isForOwnersOnly, parseCommand, refuseInRoom, type CommandContext } from "./commands.ts";
import { saveImages } from "./images.ts";
import { isForGateway } from "./skill-requests.ts";
import { toQueuedMessage } from "./lane.ts";
import type { LaneEntry, SessionLanes } from "./lanes.ts";
import { conversationOf, type Outbound } from "./outbound.ts";
import type { RunRegistry } from "./runs.ts";
import type { Stages } from "./stages.ts";
import {
  isQuiet,
  isSameSender,
  sessionTitle,
  toPayload,
  toSubmitResult,
  type Payload,
  type Submission,
  type SubmitResult,
} from "./submission.ts";
import { prepareApprove, type ApprovalAnswers, type ApproveCommand } from "./approve-command.ts";
import { RESTART_FIELDS, type Transcript } from "./transcript.ts";
import type { TurnIndicators } from "./turn-indicators.ts";
import { commitWork, type UnitOfWork } from "./unit-of-work.ts";

/** What admission asks of the lanes. */
export type AdmissionLanes = Pick<SessionLanes, "isStopping" | "isFull" | "isIdle" | "enter" | "abortAllowed">;

export type MessageAdmissionDeps = {
  store: Store;
  sessions: Sessions;
  inbox: Inbox;
  media: MediaStore;
  lanes: AdmissionLanes;
  runs: RunRegistry;
  transcript: Transcript;
  outbound: Outbound;
  stages: Pick<Stages, "admitted">;
  clock: Clock;
  metrics: Metrics;
  /** A fresh unguessable id. */
  newId: () => string;
  commands: CommandContext;
  approvals: ApprovalAnswers;
  /** Whether the conversation has ended by itself (daily or idle reset); the next message starts a new one. */
  expired: (session: SessionRow, now: number) => boolean;
  prompt: {
    /** What the session should know with its next message (queued system events); taken in the transaction that admits it. */
    takeSystemEvents(sessionKey: SessionKey, now: number, also?: SessionKey): string | null;
  };
  /** How long it must have been quiet before collected messages of this channel are taken, in milliseconds. */
  quietMs: (channel: string) => number;
  /** Called when parts for a conversation have been stored. */
  deliver: (conversation: string) => void;
  live?: TurnIndicators;
  crashPoint: (point: string) => void;
};

/** Admits messages from every source: stores each one once and puts it into the lane of its session. */
export class MessageAdmission {
  readonly #deps: MessageAdmissionDeps;

  constructor(deps: MessageAdmissionDeps) {
    this.#deps = deps;
  }

  /** Admits one message: on disk before the promise resolves. Rejects when it cannot be stored, or when its lane is full. */
  async submit(submission: Submission): Promise<SubmitResult> {
    const { media, store } = this.#deps;
    const images = submission.images.length === 0 ? [] : await saveImages(media, submission.images);
    return commitWork(store, this.prepare({ ...submission, images }));
  }

  /** The command that a text is, as this gateway is configured; null for all other text. */
  parseCommand(text: string): ParsedCommand | null {
    return parseCommand(text, this.#deps.commands.resetTriggers());
  }

  /**
   * The admission of one message, for callers that commit it together with something else. Throws when the message is refused. `isNew`: the
   * caller knows that the event has no row. `began`: the monotonic moment at which it was received.
   */
  prepare(submission: Submission, isNew = false, began = this.#deps.clock.monotonic()): UnitOfWork<SubmitResult> {
    const { lanes, newId } = this.#deps;
    if (lanes.isStopping) throw new GatewayError("UNAVAILABLE", "the gateway is stopping", { retryAfterMs: 1_000 });
    if (submission.text.length > LIMITS.messageChars) {
      throw new GatewayError(
        "INVALID_REQUEST",
        `the message has ${submission.text.length} characters; at most ${LIMITS.messageChars} are accepted`,
      );
    }
    if (!submission.deadLetter && lanes.isFull(submission.sessionKey)) {
      throw detailError("LANE_FULL", `${LIMITS.laneDepth} messages are waiting in this session already`, { retryAfterMs: 5_000 });
    }
    const parsed = submission.command === undefined ? this.parseCommand(submission.text) : submission.command;
    // What stops an answer for another message is asked of the sender like a command, although the agent reads it.
    const steering = parsed?.toAgent && parsed.name === "acp" ? parsed : null;
    const isRefused = steering !== null && refuseCommand(steering, submission) !== null;
    const command = isForGateway(parsed) || isRefused ? parsed : null;
    const runId = submission.runId ?? asId<RunId>(newId());
    const refusal = command && refuseCommand(command, submission);
    const admitted = {
      submission: isRefused ? submission : withRequest(submission, parsed),
      runId,
      isNew,
      began,
      now: this.#deps.clock.now(),
    };
    return command && (command.immediate || refusal !== null)
      ? this.#prepareImmediate(admitted, command, refusal)
      : this.#prepareQueued(admitted, command);
  }

  #prepareQueued({ submission, runId, isNew, now, began }: AdmittedMessage, command: ParsedCommand | null): UnitOfWork<SubmitResult> {
    const { clock, crashPoint, inbox, lanes, live, metrics, prompt, quietMs, stages, transcript } = this.#deps;
    const { sessionKey, agentId, deadLetter } = submission;
    const payload = toPayload(submission, command ? "command" : "message");
    let known: InboxRow | undefined;
    let message: Message | undefined;
    let isRestart = false;
    let entry: LaneEntry | undefined;
    let stored: NewInboxRow<Payload>;
    const queued = toQueuedMessage(runId, payload);
    return {
      apply: () => {
        known = isNew ? undefined : this.#findDuplicate(submission, runId);
        if (known) return;
        const { session, isRestarted } = this.#ensureSession(submission, now);
        isRestart = isRestarted;
        entry = deadLetter ? undefined : lanes.enter(queued, session);
        const startsAtOnce = entry?.startsAtOnce === true;
        const noted = command ? null : prompt.takeSystemEvents(sessionKey, now, submission.eventsOf);
        stored = {
          ...toInboxIdentity(submission, runId, session),
          payload: noted ? { ...payload, context: [noted, payload.context ?? ADDRESSED_MARKER].join("\n\n") } : payload,
          receivedAt: now,
          state: deadLetter ? "parked" : startsAtOnce ? "running" : "queued",
          startedAt: startsAtOnce ? now : null,
          outcome: null,
        };
        inbox.add(stored);
        message = transcript.addUserMessage({ submission, runId, session, now });
      },
      onCommit: () => {
        if (known) return toSubmitResult(known, true);
        crashPoint("admitted");
        metrics.count("gateway_turns_admitted_total", { channel: submission.channel });
        stages.admitted(stored, began);
        transcript.emitAdded(message!, "message", isRestart ? RESTART_FIELDS : undefined);
        const state = deadLetter ? "parked" : "running";
        const result: SubmitResult = { runId, sessionKey, agentId, duplicate: false, state, outcome: null };
        if (!entry) return result;
        if (payload.target) live?.acknowledge({ agentId, payload });
        const debounceUntil = submission.queueMode === "collect" ? clock.monotonic() + quietMs(submission.channel) : 0;
        entry.commit({ ...queued, debounceUntil, committedAt: clock.now() }, stored);
        return result;
      },
      onRollback: () => entry?.rollback(),
    };
  }

  /** `/stop`, `/status`, `/help`: answered at once, whatever waits or runs in the lane. */
  #prepareImmediate(
    { submission, runId, isNew, now, began }: AdmittedMessage,
    command: ParsedCommand,
    refusal: string | null,
  ): UnitOfWork<SubmitResult> {
    const { approvals, commands, deliver, inbox, outbound, runs, stages, transcript } = this.#deps;
    const { sessionKey, agentId, target } = submission;
    let known: InboxRow | undefined;
    let added: Message[] = [];
    let isRestart = false;
    let outcome: RunOutcome;
    let approve: ApproveCommand | null = null;
    let stored: NewInboxRow<Payload>;
    return {
      apply: () => {
        known = isNew ? undefined : this.#findDuplicate(submission, runId);
        if (known) return;
        const { session, isRestarted } = this.#ensureSession(submission, now);
        isRestart = isRestarted;
        const notStopped = command.name === "stop" ? this.#stopFor(submission) : null;
        approve = command.name === "approve" && refusal === null ? prepareApprove(approvals, submission, command.arg) : null;
        const text = refusal ?? notStopped ?? approve?.apply() ?? answerCommand(command, session, commands).text;
        outcome = { status: "ok", text, stopReason: "stop", endedAt: now };
        stored = {
          ...toInboxIdentity(submission, runId, session),
          payload: toPayload(submission, "command"),
          receivedAt: now,
          state: "done",
          startedAt: now,
          outcome,
        };
        inbox.add(stored);
        added = [
          transcript.addUserMessage({ submission, runId, session, now }),
          transcript.addReply({ runId, session, text, now, origin: "command" }),
        ];
        if (target) outbound.add({ id: runId, sessionKey, target, text, at: now });
      },
      onCommit: () => {
        if (known) return toSubmitResult(known, true);
        approve?.onCommit();
        stages.admitted(stored, began);
        for (const message of added) transcript.emitAdded(message, "command", isRestart ? RESTART_FIELDS : undefined);
        runs.emitEnded({ runId, sessionKey, agentId }, 1, outcome);
        if (target) deliver(conversationOf(target));
        return { runId, sessionKey, agentId, duplicate: false, state: "done", outcome };
      },
      onRollback: () => {},
    };
  }

  /** `/stop`: everything of the session, or what belongs to the sender. The text when nothing was stopped; inside a `store.write`. */
  #stopFor(submission: Submission): string | null {
    const { inbox, lanes } = this.#deps;
    const isTheirs = (runId: RunId): boolean =>
      submission.commandScope !== "own" || isSameSender(submission, inbox.byRun<Payload>(runId)?.payload);
    return lanes.abortAllowed(submission.sessionKey, isTheirs) ? null : "Only an owner may stop an answer to someone else.";
  }

  /** The row of an event that was admitted before. Throws when the same key now names another message, or the precondition refuses a new one. */
  #findDuplicate(submission: Submission, runId: RunId): InboxRow | undefined {
    const { inbox, metrics, sessions } = this.#deps;
    const { channel, account, eventId, sessionKey, text } = submission;
    const row = inbox.byEvent<Payload>(channel, account, eventId) ?? (submission.runId && inbox.byRun<Payload>(runId));
    if (!row) return void submission.precondition?.(sessions.get(sessionKey));
    if (row.sessionKey !== sessionKey || (row.payload && row.payload.text !== text)) {
      throw detailError("IDEMPOTENCY_KEY_REUSED", "this idempotency key belongs to another message", { details: { runId: row.runId } });
    }
    metrics.count("gateway_turns_duplicates_total", { channel });
    return row;
  }

  /** The session of a message. `isRestarted`: its conversation was over, and another one begins. */
  #ensureSession(submission: Submission, now: number): { session: SessionRow; isRestarted: boolean } {
    const { expired, lanes, newId, sessions } = this.#deps;
    const { sessionKey: key, agentId, chatKind, target, newConversation = false, flush } = submission;
    const isUnasked = isQuiet(submission);
    const changes = {
      ...(isUnasked ? {} : { updated_at: now }),
      ...(flush && { memory_flushed: 1 }),
      ...(target && !isUnasked ? { target: JSON.stringify(target), channel: target.channel } : {}),
    };
    const found = sessions.get(key);
    if (!found) {
      const identity = { key, session_id: newId(), agent_id: agentId, chat_kind: chatKind, channel: "webchat", created_at: now };
      return {
        session: sessions.insert({ ...identity, updated_at: now, ...changes, title: submission.title ?? sessionTitle(submission) }),
        isRestarted: false,
      };
    }
    // A turn that runs or waits belongs to the old conversation, which therefore continues.
    const isRestarted = lanes.isIdle(key) && (newConversation || expired(found, now));
    const restart = isRestarted ? toNewConversation(found, newId()) : {};
    const session = { ...found, ...restart, ...changes, archived: 0 };
    const title = session.title || submission.title || sessionTitle(submission);
    sessions.patch(key, { ...restart, ...changes, archived: 0, title });
    return { session: { ...session, title }, isRestarted };
  }
}

/** Why the sender may not use a command; null: they may. */
function refuseCommand(command: ParsedCommand, { commandScope, target, provenance }: Submission): string | null {
  const inRoom = commandScope === "own" && isRoom(target) ? refuseInRoom(command) : null;
  const isRefused = isForOwnersOnly(command) && !provenance.senderIsOwner;
  return inRoom ?? (isRefused ? `Only an owner may use /${command.name} (commands.ownerAllowFrom).` : null);
}

type AdmittedMessage = { submission: Submission; runId: RunId; isNew: boolean; now: number; began: number };

/** What identifies an admitted message, whatever becomes of it. */
const toInboxIdentity = (submission: Submission, runId: RunId, session: SessionRow) => ({
  runId,
  channel: submission.channel,
  account: submission.account,
  eventId: submission.eventId,
  messageRef: submission.messageRef ?? null,
  sessionKey: submission.sessionKey,
  sessionId: session.session_id,
  agentId: submission.agentId,
});

/** What a command to the agent makes of its message: a skill is asked for, or the running answer ends for it. */
function withRequest(submission: Submission, command: ParsedCommand | null): Submission {
  if (!command?.toAgent) return submission;
  if (command.name === "skill") return { ...submission, skill: command.arg };
  return { ...submission, text: submission.text.replace(/\/acp(?::|\s+)\s*steer\s+/i, ""), queueMode: "interrupt" };
}
