import type { InboundDelete, InboundEdit, InboundReaction, Sender } from "../channels/channel.ts";
import { LIMITS } from "../core/limits.ts";
import { resolveAccountPolicy, findRoomRule } from "../routing/account-policy.ts";
import { createSenderMatcher } from "../routing/access.ts";
import type { RoutingDecision } from "../routing/decide.ts";
import type { RoutingConfig } from "../routing/types.ts";
import type { InboxRow, RunOutcome } from "../store/inbox.ts";
import type { ChannelState } from "../store/channel-state.ts";
import { conversationOf, type Turns } from "./engine.ts";
import {
  withSenderLabel,
  conversationPrefix,
  messageRef,
  senderLabel,
  noWork,
  toPlaceTarget,
  toRoutedMessage,
  type ChannelAccount,
  type UnitOfWork,
} from "./unit-of-work.ts";
import type { RoutedMessage } from "../routing/types.ts";
import { oneLine } from "./untrusted-text.ts";
import { toTranscriptText, type Payload } from "./submission.ts";

/** What changes of earlier messages need of the door. */
export type MessageEditDeps = {
  turns: Turns;
  channelState: ChannelState;
  config: () => RoutingConfig;
  canonicalId: (channel: string) => ((id: string) => string) | undefined;
  /** Leaves a line for the next turn of a session; inside a `store.write`. */
  addSessionNote: (sessionKey: string, text: string) => void;
  decide: (source: ChannelAccount, message: RoutedMessage) => RoutingDecision;
};

type Row = InboxRow<Payload>;

/** The sender may be heard in this place, whether or not the agent is addressed. */
const isAllowedSender = ({ access: admission }: RoutingDecision): boolean => admission.action === "answer" || admission.action === "record";

/** Nothing has read the message yet: it can still be changed as if it had been sent so. */
const isPending = (row: Row): boolean => (row.state === "queued" || row.state === "parked") && row.payload?.kind === "message";

const isAuthor = (row: Row, sender: Sender): boolean =>
  row.payload !== null && [sender.id, ...(sender.aliases ?? [])].some((id) => id === row.payload.provenance.senderId);

/** What waits gets the new text; what was read becomes a note for the next turn. Only its own sender changes a message. */
export function planEdit(deps: MessageEditDeps, source: ChannelAccount, event: InboundEdit): UnitOfWork {
  const heard = deps.decide(source, toRoutedMessage(event));
  if (!isAllowedSender(heard)) return noWork;
  const { turns, channelState } = deps;
  let changed: string[] = [];
  return {
    ...noWork,
    apply: () => {
      changed = [];
      const now = turns.options.clock.now();
      if (!channelState.markEventSeen(source, event.eventId, now)) return;
      const text = event.text.slice(0, LIMITS.messageChars - 256);
      channelState.replacePendingLine(conversationOf(toPlaceTarget(source, event)), event.message, text.slice(0, LIMITS.pendingLineChars));
      const rows = turns.options.inbox.byMessage<Payload>(source.channel, source.account, messageRef(event));
      for (const row of rows.filter((each) => isAuthor(each, event.sender))) {
        changed.push(row.sessionKey);
        if (isPending(row)) rewriteMessage(turns, row, withSenderLabel(event, text, false));
        else if (row.state !== "dropped")
          deps.addSessionNote(row.sessionKey, `[edited message] ${senderLabel(event.sender)}: ${oneLine(text, LIMITS.sessionNoteChars)}`);
      }
    },
    onCommit: () => emitSessionsChanged(turns, changed),
  };
}

/** Rows of a transcript are never changed: the message is taken out and put in again. */
function rewriteMessage(turns: Turns, row: Row, text: string): void {
  const { inbox, messages } = turns.options;
  inbox.replacePayload(row.runId, { ...row.payload, text });
  const old = messages.byRun(row.runId).find((message) => message.body.role === "user");
  if (old?.body.role !== "user") return;
  const { content } = old.body;
  const others = typeof content === "string" ? [] : content.filter((block) => block.type !== "text");
  messages.removeUser(row.runId);
  const { seq: _, ...message } = old;
  const shown = toTranscriptText({ ...row.payload, text });
  turns.addMessage({ ...message, body: { ...old.body, content: others.length > 0 ? [{ type: "text", text: shown }, ...others] : shown } });
}

function emitSessionsChanged(turns: Turns, sessionKeys: readonly string[]): void {
  for (const sessionKey of new Set(sessionKeys))
    turns.options.bus.emit("session.changed", {
      sessionKey: sessionKey as Row["sessionKey"],
      reason: "message-changed",
      fields: ["updated_at"],
    });
}

/**
 * What waits is not run, and its text is forgotten; of what was read the next turn is told. A platform does not say who deleted: only
 * messages that were admitted are affected.
 */
export function planDelete(deps: MessageEditDeps, source: ChannelAccount, event: InboundDelete): UnitOfWork {
  const { turns, channelState } = deps;
  let dropped: { row: Row; tell: (outcome: RunOutcome) => void; outcome: RunOutcome }[] = [];
  let changed: string[] = [];
  return {
    apply: () => {
      dropped = [];
      changed = [];
      const now = turns.options.clock.now();
      if (!channelState.markEventSeen(source, event.eventId, now)) return;
      channelState.removePendingLine(conversationOf(toPlaceTarget(source, event)), event.message);
      const outcome: RunOutcome = { status: "aborted", text: "", stopReason: "deleted", endedAt: now };
      for (const row of turns.options.inbox.byMessage<Payload>(source.channel, source.account, messageRef(event))) {
        const tell = isPending(row) ? turns.dequeue(row) : null;
        if (tell) {
          changed.push(row.sessionKey);
          dropped.push({ row, tell, outcome });
          turns.options.inbox.end(row.runId, "dropped", outcome);
          turns.options.messages.removeUser(row.runId);
        } else if (row.payload?.kind === "message" && row.state !== "dropped")
          deps.addSessionNote(row.sessionKey, `[deleted message] The sender took this back: ${oneLine(row.payload.text, 200)}`);
      }
    },
    onCommit: () => {
      for (const { tell, outcome } of dropped) tell(outcome);
      emitSessionsChanged(turns, changed);
    },
    onRollback: () =>
      turns.resume(dropped.map(({ row }) => row).filter((row) => row.state === "queued" && turns.findRun(row.runId) !== undefined)),
  };
}

/** A note for the next turn of the session that the message belongs to; nothing runs because of it. */
export function planReaction(deps: MessageEditDeps, source: ChannelAccount, event: InboundReaction): UnitOfWork {
  const heard = deps.decide(source, toRoutedMessage(event));
  if (!isAllowedSender(heard)) return noWork;
  const mode = reactionMode(deps, source, event);
  if (mode === "off") return noWork;
  const { turns, channelState } = deps;
  return {
    ...noWork,
    apply: () => {
      if (!channelState.markEventSeen(source, event.eventId, turns.options.clock.now())) return;
      const own = channelState.findOwnMessage(conversationPrefix(source, event.chat.id), event.message);
      if (!own && mode === "own") return;
      const sessionKey = own?.sessionKey ?? heard.sessionKey;
      // A conversation is not begun by a reaction.
      if (!sessionKey || !turns.options.sessions.get(sessionKey)) return;
      const whose = own ? "your message" : "a message";
      const how = event.added ? "on" : "taken back from";
      deps.addSessionNote(sessionKey, `[reaction ${oneLine(event.emoji, 64)} by ${senderLabel(event.sender)} ${how} ${whose}]`);
    },
  };
}

/** `allowlist` counts as `all` for those who are in the list, and as `off` for the others. */
function reactionMode(deps: MessageEditDeps, { channel, account }: ChannelAccount, event: InboundReaction): "off" | "own" | "all" {
  const config = deps.config();
  const policy = resolveAccountPolicy(config, channel, account);
  const canonicalId = deps.canonicalId(channel);
  const place = { id: event.chat.id, parentId: event.parent?.id, threadId: event.thread?.id, guildId: event.guildId };
  const room = event.chat.kind === "direct" ? undefined : findRoomRule(policy, place, canonicalId ?? ((id) => id.trim())).rule;
  const mode = room?.reactions ?? policy.reactions;
  if (mode !== "allowlist") return mode;
  const matches = createSenderMatcher(toRoutedMessage(event), policy, { channel, canonicalId }, config.accessGroups);
  return matches(room?.allowFrom ?? policy.reactionAllowlist).listed ? "all" : "off";
}
