import type { InboundDelete, InboundEdit, InboundReaction, Sender } from "../channels/channel.ts";
import { LIMITS } from "../core/limits.ts";
import { policyFor, roomRule } from "../routing/account-policy.ts";
import { createMatcher } from "../routing/admit.ts";
import type { Explanation } from "../routing/explain.ts";
import type { RoutingConfig } from "../routing/types.ts";
import type { InboxRow, Outcome } from "../store/inbox.ts";
import type { ChannelState } from "../store/channel-state.ts";
import { conversationOf, type Turns } from "./engine.ts";
import { attributed, chatPrefix, messageRef, nameOf, nothing, placeTarget, routed, type Source, type Step } from "./inbound-step.ts";
import type { RoutedMessage } from "../routing/types.ts";
import { oneLine } from "./outside-text.ts";
import { shownTextOf, type Payload } from "./submission.ts";

/** What changes of earlier messages need of the door. */
export type ChangeDeps = {
  turns: Turns;
  channelState: ChannelState;
  config: () => RoutingConfig;
  canonicalId: (channel: string) => ((id: string) => string) | undefined;
  /** Leaves a line for the next turn of a session; inside a `store.write`. */
  note: (sessionKey: string, text: string) => void;
  explain: (source: Source, message: RoutedMessage) => Explanation;
};

type Row = InboxRow<Payload>;

/** The sender may be heard in this place, whether or not the agent is addressed. */
const isHeard = ({ admission }: Explanation): boolean => admission.action === "answer" || admission.action === "record";

/** Nothing has read the message yet: it can still be changed as if it had been sent so. */
const waits = (row: Row): boolean => (row.state === "queued" || row.state === "parked") && row.payload?.kind === "message";

const wrote = (row: Row, sender: Sender): boolean =>
  row.payload !== null && [sender.id, ...(sender.aliases ?? [])].some((id) => id === row.payload.provenance.senderId);

/** What waits gets the new text; what was read becomes a note for the next turn. Only its own sender changes a message. */
export function editStep(deps: ChangeDeps, source: Source, event: InboundEdit): Step {
  const heard = deps.explain(source, routed(event));
  if (!isHeard(heard)) return nothing;
  const { turns, channelState } = deps;
  let changed: string[] = [];
  return {
    ...nothing,
    inTransaction: () => {
      changed = [];
      const now = turns.options.clock.now();
      if (!channelState.seeEvent(source, event.eventId, now)) return;
      const text = event.text.slice(0, LIMITS.messageChars - 256);
      channelState.replaceLine(conversationOf(placeTarget(source, event)), event.message, text.slice(0, LIMITS.pendingLineChars));
      const rows = turns.options.inbox.byMessage<Payload>(source.channel, source.account, messageRef(event));
      for (const row of rows.filter((each) => wrote(each, event.sender))) {
        changed.push(row.sessionKey);
        if (waits(row)) rewrite(turns, row, attributed(event, text, false));
        else if (row.state !== "dropped")
          deps.note(row.sessionKey, `[edited message] ${nameOf(event.sender)}: ${oneLine(text, LIMITS.sessionNoteChars)}`);
      }
    },
    afterCommit: () => tellChanged(turns, changed),
  };
}

/** Rows of a transcript are never changed: the message is taken out and put in again. */
function rewrite(turns: Turns, row: Row, text: string): void {
  const { inbox, messages } = turns.options;
  inbox.replacePayload(row.runId, { ...row.payload, text });
  const old = messages.byRun(row.runId).find((message) => message.body.role === "user");
  if (old?.body.role !== "user") return;
  const { content } = old.body;
  const others = typeof content === "string" ? [] : content.filter((block) => block.type !== "text");
  messages.removeUser(row.runId);
  const { seq: _, ...message } = old;
  const shown = shownTextOf({ ...row.payload, text });
  turns.addMessage({ ...message, body: { ...old.body, content: others.length > 0 ? [{ type: "text", text: shown }, ...others] : shown } });
}

function tellChanged(turns: Turns, sessionKeys: readonly string[]): void {
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
export function deleteStep(deps: ChangeDeps, source: Source, event: InboundDelete): Step {
  const { turns, channelState } = deps;
  let dropped: { row: Row; tell: (outcome: Outcome) => void; outcome: Outcome }[] = [];
  let changed: string[] = [];
  return {
    inTransaction: () => {
      dropped = [];
      changed = [];
      const now = turns.options.clock.now();
      if (!channelState.seeEvent(source, event.eventId, now)) return;
      channelState.removeLine(conversationOf(placeTarget(source, event)), event.message);
      const outcome: Outcome = { status: "aborted", text: "", stopReason: "deleted", endedAt: now };
      for (const row of turns.options.inbox.byMessage<Payload>(source.channel, source.account, messageRef(event))) {
        const tell = waits(row) ? turns.letGo(row) : null;
        if (tell) {
          changed.push(row.sessionKey);
          dropped.push({ row, tell, outcome });
          turns.options.inbox.end(row.runId, "dropped", outcome);
          turns.options.messages.removeUser(row.runId);
        } else if (row.payload?.kind === "message" && row.state !== "dropped")
          deps.note(row.sessionKey, `[deleted message] The sender took this back: ${oneLine(row.payload.text, 200)}`);
      }
    },
    afterCommit: () => {
      for (const { tell, outcome } of dropped) tell(outcome);
      tellChanged(turns, changed);
    },
    undo: () => turns.adopt(dropped.map(({ row }) => row).filter((row) => row.state === "queued" && turns.find(row.runId) !== undefined)),
  };
}

/** A note for the next turn of the session that the message belongs to; nothing runs because of it. */
export function reactionStep(deps: ChangeDeps, source: Source, event: InboundReaction): Step {
  const heard = deps.explain(source, routed(event));
  if (!isHeard(heard)) return nothing;
  const mode = reactionMode(deps, source, event);
  if (mode === "off") return nothing;
  const { turns, channelState } = deps;
  return {
    ...nothing,
    inTransaction: () => {
      if (!channelState.seeEvent(source, event.eventId, turns.options.clock.now())) return;
      const own = channelState.ownMessage(chatPrefix(source, event.chat.id), event.message);
      if (!own && mode === "own") return;
      const sessionKey = own?.sessionKey ?? heard.sessionKey;
      // A conversation is not begun by a reaction.
      if (!sessionKey || !turns.options.sessions.get(sessionKey)) return;
      const whose = own ? "your message" : "a message";
      const how = event.added ? "on" : "taken back from";
      deps.note(sessionKey, `[reaction ${oneLine(event.emoji, 64)} by ${nameOf(event.sender)} ${how} ${whose}]`);
    },
  };
}

/** `allowlist` counts as `all` for those who are in the list, and as `off` for the others. */
function reactionMode(deps: ChangeDeps, { channel, account }: Source, event: InboundReaction): "off" | "own" | "all" {
  const config = deps.config();
  const policy = policyFor(config, channel, account);
  const canonicalId = deps.canonicalId(channel);
  const place = { id: event.chat.id, parentId: event.parent?.id, threadId: event.thread?.id, guildId: event.guildId };
  const room = event.chat.kind === "direct" ? undefined : roomRule(policy, place, canonicalId ?? ((id) => id.trim())).rule;
  const mode = room?.reactions ?? policy.reactions;
  if (mode !== "allowlist") return mode;
  const matches = createMatcher(routed(event), policy, { channel, canonicalId }, config.accessGroups);
  return matches(room?.allowFrom ?? policy.reactionAllowlist).listed ? "all" : "off";
}
