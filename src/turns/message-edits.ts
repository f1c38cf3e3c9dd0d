import type { InboundDelete, InboundEdit, InboundReaction, Sender } from "../channels/channel.ts";
import type { Bus } from "../core/bus.ts";
import type { Clock } from "../core/clock.ts";
import type { SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { resolveAccountPolicy, findRoomRule } from "../routing/account-policy.ts";
import { createSenderMatcher } from "../routing/access.ts";
import type { RoutingDecision } from "../routing/decide.ts";
import type { RoutingConfig } from "../routing/types.ts";
import type { ChannelState } from "../store/channel-state.ts";
import type { Inbox, InboxRow, RunOutcome } from "../store/inbox.ts";
import type { Messages } from "../store/messages.ts";
import type { Sessions } from "../store/sessions.ts";
import type { ChannelLookup } from "./channel-lookup.ts";
import {
  conversationPrefix,
  messageRef,
  senderLabel,
  toPlaceTarget,
  toRoutedMessage,
  withSenderLabel,
  type ChannelAccount,
} from "./event-addressing.ts";
import { toRunRef, type TurnEvents } from "./events.ts";
import type { SessionLanes } from "./lanes.ts";
import { conversationOf } from "./outbound.ts";
import type { RunRegistry } from "./runs.ts";
import { toTranscriptText, type Payload } from "./submission.ts";
import type { Transcript } from "./transcript.ts";
import { noWork, type UnitOfWork } from "./unit-of-work.ts";
import { oneLine } from "./untrusted-text.ts";

export type MessageEditDeps = {
  inbox: Inbox;
  messages: Messages;
  sessions: Sessions;
  channelState: ChannelState;
  lanes: Pick<SessionLanes, "dequeue" | "resume">;
  runs: RunRegistry;
  transcript: Transcript;
  bus: Bus<TurnEvents>;
  clock: Clock;
  config: () => RoutingConfig;
  directory: Pick<ChannelLookup, "canonicalId">;
  /** Leaves a line for the next turn of a session; inside a `store.write`. */
  addSessionNote: (sessionKey: string, text: string) => void;
};

type Row = InboxRow<Payload>;

/** The sender may write in this place, whether or not the agent is addressed. */
const isAllowedSender = ({ access }: RoutingDecision): boolean => access.action === "answer" || access.action === "record";

/** No turn has read the message yet: it can still be changed as if it had been sent so. */
const isPending = (row: Row): boolean => (row.state === "queued" || row.state === "parked") && row.payload?.kind === "message";

const isAuthor = (row: Row, sender: Sender): boolean =>
  row.payload !== null && [sender.id, ...(sender.aliases ?? [])].some((id) => id === row.payload.provenance.senderId);

/** A waiting message gets the new text; one that was read becomes a note for the next turn. Only its own sender changes a message. */
export function planEdit(deps: MessageEditDeps, source: ChannelAccount, event: InboundEdit, decision: RoutingDecision): UnitOfWork {
  if (!isAllowedSender(decision)) return noWork;
  const { addSessionNote, bus, channelState, clock, inbox } = deps;
  let changed: SessionKey[] = [];
  return {
    ...noWork,
    apply: () => {
      changed = [];
      const now = clock.now();
      if (!channelState.markEventSeen(source, event.eventId, now)) return;
      const text = event.text.slice(0, LIMITS.messageChars - 256);
      channelState.replacePendingLine(conversationOf(toPlaceTarget(source, event)), event.message, text.slice(0, LIMITS.pendingLineChars));
      const rows = inbox.byMessage<Payload>(source.channel, source.account, messageRef(event));
      for (const row of rows.filter((each) => isAuthor(each, event.sender))) {
        changed.push(row.sessionKey);
        if (isPending(row)) rewriteMessage(deps, row, withSenderLabel(event, text, false));
        else if (row.state !== "dropped")
          addSessionNote(row.sessionKey, `[edited message] ${senderLabel(event.sender)}: ${oneLine(text, LIMITS.sessionNoteChars)}`);
      }
    },
    onCommit: () => emitSessionsChanged(bus, changed),
  };
}

function rewriteMessage({ inbox, transcript }: MessageEditDeps, row: Row, text: string): void {
  // A command is not edited into a message, nor a message into a command.
  const { skill: _, ...rest } = row.payload;
  const payload = { ...rest, text };
  inbox.replacePayload(row.runId, payload);
  const shown = toTranscriptText(payload);
  transcript.moveUserMessage(row.runId, (content) => {
    const others = typeof content === "string" ? [] : content.filter((block) => block.type !== "text");
    return others.length > 0 ? [{ type: "text", text: shown }, ...others] : shown;
  });
}

function emitSessionsChanged(bus: Bus<TurnEvents>, sessionKeys: readonly SessionKey[]): void {
  for (const sessionKey of new Set(sessionKeys))
    bus.emit("session.changed", { sessionKey, reason: "message-changed", fields: ["updated_at"] });
}

/**
 * A waiting message is not run, and its text is removed; for one that was read, the next turn gets a note. A platform does not say who
 * deleted a message: only messages that were admitted are affected.
 */
export function planDelete(deps: MessageEditDeps, source: ChannelAccount, event: InboundDelete): UnitOfWork {
  const { addSessionNote, bus, channelState, clock, inbox, lanes, messages, runs } = deps;
  let dropped: Row[] = [];
  let outcome: RunOutcome;
  return {
    apply: () => {
      dropped = [];
      const now = clock.now();
      if (!channelState.markEventSeen(source, event.eventId, now)) return;
      channelState.removePendingLine(conversationOf(toPlaceTarget(source, event)), event.message);
      outcome = { status: "aborted", text: "", stopReason: "deleted", endedAt: now };
      for (const row of inbox.byMessage<Payload>(source.channel, source.account, messageRef(event))) {
        if (isPending(row) && lanes.dequeue(row)) {
          dropped.push(row);
          inbox.end(row.runId, "dropped", outcome);
          messages.removeUser(row.runId);
        } else if (row.payload?.kind === "message" && row.state !== "dropped")
          addSessionNote(row.sessionKey, `[deleted message] The sender took this back: ${oneLine(row.payload.text, 200)}`);
      }
    },
    onCommit: () => {
      for (const row of dropped) runs.emitEnded(toRunRef(row), 1, outcome);
      emitSessionsChanged(
        bus,
        dropped.map((row) => row.sessionKey),
      );
    },
    onRollback: () => {
      lanes.resume(dropped.filter((row) => row.state === "queued" && inbox.byRun<Payload>(row.runId) !== undefined));
      dropped = [];
    },
  };
}

/** A note for the next turn of the session that the message belongs to; nothing runs because of it. */
export function planReaction(deps: MessageEditDeps, source: ChannelAccount, event: InboundReaction, decision: RoutingDecision): UnitOfWork {
  if (!isAllowedSender(decision)) return noWork;
  const mode = reactionMode(deps, source, event);
  if (mode === "off") return noWork;
  const { addSessionNote, channelState, clock, sessions } = deps;
  return {
    ...noWork,
    apply: () => {
      if (!channelState.markEventSeen(source, event.eventId, clock.now())) return;
      const own = channelState.findOwnMessage(conversationPrefix(source, event.chat.id), event.message);
      if (!own && mode === "own") return;
      const sessionKey = own?.sessionKey ?? decision.sessionKey;
      // A reaction does not start a conversation.
      if (!sessionKey || !sessions.get(sessionKey)) return;
      const whose = own ? "your message" : "a message";
      const how = event.added ? "on" : "taken back from";
      addSessionNote(sessionKey, `[reaction ${oneLine(event.emoji, 64)} by ${senderLabel(event.sender)} ${how} ${whose}]`);
    },
  };
}

/** `allowlist` counts as `all` for those who are in the list, and as `off` for the others. */
function reactionMode(deps: MessageEditDeps, { channel, account }: ChannelAccount, event: InboundReaction): "off" | "own" | "all" {
  const config = deps.config();
  const policy = resolveAccountPolicy(config, channel, account);
  const canonicalId = deps.directory.canonicalId(channel);
  const place = { id: event.chat.id, parentId: event.parent?.id, threadId: event.thread?.id, guildId: event.guildId };
  const room = event.chat.kind === "direct" ? undefined : findRoomRule(policy, place, canonicalId ?? ((id) => id.trim())).rule;
  const mode = room?.reactions ?? policy.reactions;
  if (mode !== "allowlist") return mode;
  const matches = createSenderMatcher(toRoutedMessage(event), policy, { channel, canonicalId }, config.accessGroups);
  return matches(room?.allowFrom ?? policy.reactionAllowlist).listed ? "all" : "off";
}
