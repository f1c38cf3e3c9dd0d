import type { ToolName } from "../agents/runtime.ts";
import type { ChannelEvent, InboundMessage, InboundPress, ReplyTarget } from "../channels/channel.ts";
import type { Bus } from "../core/bus.ts";
import type { ParsedCommand } from "../core/chat-commands.ts";
import type { Clock } from "../core/clock.ts";
import { contain } from "../core/contain.ts";
import { GatewayError } from "../core/errors.ts";
import { asId, type AccountId, type AgentId, type ChannelId, type SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { RouteReason } from "../core/timeline.ts";
import type { Metrics } from "../core/metrics.ts";
import type { AgentRoute } from "../routing/bindings.ts";
import { broadcastAgents } from "../routing/broadcast.ts";
import type { RoutingDecision } from "../routing/decide.ts";
import { toQueueMode } from "../core/queue-modes.ts";
import { parseSessionKey, sessionKeyFor } from "../routing/session-key.ts";
import type { RoutedMessage, RoutingConfig } from "../routing/types.ts";
import type { Buttons } from "../store/buttons.ts";
import type { ChannelState } from "../store/channel-state.ts";
import type { Inbox, InboxRow } from "../store/inbox.ts";
import type { Messages } from "../store/messages.ts";
import type { Store } from "../store/open.ts";
import type { Pairings } from "../store/pairing.ts";
import type { Sessions } from "../store/sessions.ts";
import type { MessageAdmission } from "./admission.ts";
import { ADDRESSED_MARKER } from "./agent-text.ts";
import type { ChannelLookup } from "./channel-lookup.ts";
import { planChatMigration } from "./chat-migration.ts";
import { internalFailureCause, isEventFailure, planDeadLetter } from "./dead-letter.ts";
import { messageRef, senderLabel, toReplyTarget, toRoutedMessage, withSenderLabel, type ChannelAccount } from "./event-addressing.ts";
import type { TurnEvents } from "./events.ts";
import { describeAttachment, toPendingMedia } from "./inbound-media.ts";
import { InboundRouter, type ChatMigrations } from "./inbound-router.ts";
import { planInteraction } from "./interactions.ts";
import type { SessionLanes } from "./lanes.ts";
import { planDelete, planEdit, planReaction } from "./message-edits.ts";
import { conversationOf, type Outbound } from "./outbound.ts";
import { resolveRepliedMessage } from "./replied-message.ts";
import type { RunRegistry } from "./runs.ts";
import { isForGateway } from "./skill-requests.ts";
import type { Payload, Submission } from "./submission.ts";
import type { Transcript } from "./transcript.ts";
import { combineWork, commitWork, noWork, planInTransaction, type UnitOfWork } from "./unit-of-work.ts";
import { quoteFollowing } from "./untrusted-text.ts";

/** The agents of the configuration in use, as far as channels concern them. */
type ChannelAgents = {
  /** Receives messages for which no agent can be found: they become dead letters there. */
  defaultAgent(): AgentId;
  /** Tools that a sender may use through this agent, given the room's settings; none unless the configuration grants them. */
  channelTools(agentId: AgentId, roomTools: RoutingDecision["roomTools"]): readonly ToolName[];
};

export type EventIngestDeps = {
  store: Store;
  inbox: Inbox;
  messages: Messages;
  sessions: Sessions;
  channelState: ChannelState;
  buttons: Buttons;
  admission: Pick<MessageAdmission, "prepare" | "parseCommand">;
  lanes: Pick<SessionLanes, "isFull" | "dequeue" | "resume">;
  runs: RunRegistry;
  transcript: Transcript;
  outbound: Outbound;
  bus: Bus<TurnEvents>;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  newId: () => string;
  config: () => RoutingConfig;
  running: { readonly agents: ChannelAgents };
  /** Group lines that are kept until someone addresses the agent. 0: none. */
  historyLimit: (channel: ChannelId, account: AccountId, agentId: AgentId | null) => number;
  directory: ChannelLookup;
  pairings: Pick<Pairings, "isPaired" | "request">;
  /** What an unknown sender reads who is offered a code. */
  pairingText: (channel: string, account: string, sender: string, code: string) => string;
  /** Leaves a line for the next turn of a session. Called inside a transaction. */
  addSessionNote: (sessionKey: string, text: string) => void;
  /** Called when parts for a conversation have been stored. */
  deliver: (conversation: string) => void;
  crashPoint: (point: string) => void;
};

/** A message on its way to one agent. */
type RoutedEvent = { source: ChannelAccount; event: InboundMessage; target: ReplyTarget; decision: RoutingDecision };

/**
 * Turns channel events into admitted messages. Everything about one batch, the cursor included, is one transaction: when the promise
 * resolves, the platform may be acknowledged.
 */
export class EventIngest {
  readonly #deps: EventIngestDeps;
  readonly #router: InboundRouter;

  constructor(deps: EventIngestDeps) {
    this.#deps = deps;
    this.#router = new InboundRouter(deps);
  }

  readonly admit = async (channel: ChannelId, account: AccountId, events: readonly ChannelEvent[], cursor?: string): Promise<void> => {
    const source: ChannelAccount = { channel, account };
    const { crashPoint, log } = this.#deps;
    // The account that connected counts, whatever an event says.
    const stray = events.find((event) => event.account !== account);
    if (stray) log.warn("an event names another account and is admitted for the connected one", { ...source, event: stray.eventId });
    const migrations = new Map(events.flatMap((event) => (event.kind === "migration" ? [[event.to, event.from] as const] : [])));
    const units = events.map((event) => this.#planContained(source, event, migrations));
    await this.#commit(source, events, units, cursor);
    if (events.length > 0) crashPoint("committed");
    // Everything is on disk: a failure over one event must not affect the others or the acknowledgement.
    const failed = (err: unknown): void => log.error("the gateway failed after it had stored an event", { ...source, error: err });
    for (const unit of units) contain(failed, unit.onCommit)();
  };

  /** An event over which the gateway itself fails becomes a dead letter, and the rest of the batch is tried again without it. */
  async #commit(source: ChannelAccount, events: readonly ChannelEvent[], units: UnitOfWork[], cursor: string | undefined): Promise<void> {
    const { store, channelState } = this.#deps;
    let at = -1;
    try {
      await store.write(() => {
        for (at = 0; at < units.length; at++) units[at]!.apply();
        at = -1;
        if (cursor !== undefined) channelState.setCursor(source.channel, source.account, cursor);
      });
    } catch (err) {
      for (const unit of units) unit.onRollback();
      const event = events[at];
      if (!event || event.kind === "unreadable" || !isEventFailure(err)) throw err;
      units[at] = this.#planInternalFailure(source, event, err);
      await this.#commit(source, events, units, cursor);
    }
  }

  #planInternalFailure(source: ChannelAccount, event: ChannelEvent, err: unknown): UnitOfWork {
    this.#deps.log.error("the gateway failed over an event", { ...source, event: event.eventId, error: err });
    const { eventId } = event;
    return planDeadLetter(this.#deps, source, { eventId, raw: JSON.stringify(event), cause: internalFailureCause(err) }, true);
  }

  #planContained(source: ChannelAccount, event: ChannelEvent, migrations: ChatMigrations): UnitOfWork {
    try {
      return this.#plan(source, event, migrations);
    } catch (err) {
      if (!isEventFailure(err)) throw err;
      return this.#planInternalFailure(source, event, err);
    }
  }

  #plan(source: ChannelAccount, event: ChannelEvent, migrations: ChatMigrations): UnitOfWork {
    const decide = (message: RoutedMessage): RoutingDecision => this.#router.decide(source, message, migrations);
    switch (event.kind) {
      case "message":
        return this.#planMessage(source, event, decide(event));
      case "edit":
        return planEdit(this.#deps, source, event, decide(toRoutedMessage(event)));
      case "delete":
        return planDelete(this.#deps, source, event);
      case "reaction":
        return planReaction(this.#deps, source, event, decide(toRoutedMessage(event)));
      case "migration":
        return planChatMigration(this.#deps, source, event);
      case "unreadable":
        return planDeadLetter(this.#deps, source, event, false);
      case "interaction":
        return this.#planInteraction(source, event, decide(toRoutedMessage(event, { mentionsSelf: true })));
    }
  }

  #planInteraction(source: ChannelAccount, event: InboundPress, decision: RoutingDecision): UnitOfWork {
    const { running } = this.#deps;
    return planInteraction(this.#deps, source, event, {
      decision,
      toSubmission: (target, button) => {
        const agentId = parseSessionKey(button.sessionKey)?.agentId ?? running.agents.defaultAgent();
        const command = this.#readCommand(button.value, decision);
        const text = withSenderLabel(event, button.value, isForGateway(command));
        return this.#toSubmission({ source, event, target, decision }, { agentId, sessionKey: button.sessionKey, text, command });
      },
    });
  }

  /** Reads a dead letter again and admits what it says, in its place. Throws when it still cannot be read. */
  async retry(row: InboxRow<Payload>): Promise<void> {
    const { raw } = row.payload;
    if (!raw || raw.cut) throw new GatewayError("INVALID_REQUEST", "this event was too long to be kept whole and cannot be read again");
    const source: ChannelAccount = { channel: asId<ChannelId>(row.channel), account: asId<AccountId>(row.account) };
    const { channelState, clock, directory, inbox, store } = this.#deps;
    const read = raw.ours ? (text: string) => JSON.parse(text) as ChannelEvent : directory.redecode(row.channel);
    if (!read) throw new GatewayError("INVALID_REQUEST", `the channel ${row.channel} cannot read an event again`);
    const event = read(raw.text, clock.now());
    if (!event || event.kind === "unreadable")
      throw new GatewayError("INVALID_REQUEST", "the event still cannot be read", { fix: "Drop it, or try again after an update." });
    const work = this.#plan(source, { ...event, eventId: row.eventId, account: source.account }, NO_MIGRATIONS);
    await commitWork(store, {
      ...work,
      apply: () => {
        inbox.remove(row.runId);
        work.apply();
        // An event that leaves no row of its own must not be admitted a second time either.
        if (!inbox.byEvent(row.channel, row.account, row.eventId)) channelState.markEventSeen(source, row.eventId, clock.now());
      },
    });
  }

  #planMessage(source: ChannelAccount, event: InboundMessage, decision: RoutingDecision): UnitOfWork {
    const { config, directory, log, metrics } = this.#deps;
    const { reason } = decision.access;
    const action = decision.access.action === "answer" && this.#router.isBotLoop(source, event) ? "ignore" : decision.access.action;
    metrics.count("gateway_channels_inbound_total", { channel: source.channel, action });
    log.debug("inbound", { ...source, sender: event.sender.id, action, reason });
    const target = toReplyTarget(source, event);
    if (action === "record") return this.#planRecord(source, event, target, decision.route?.agentId ?? null);
    if (action === "offer-pairing") return this.#planPairing(event, target);
    if (action === "ignore") return noWork;
    const message = { source, event, target, decision };
    const agents = broadcastAgents(config(), event, directory.canonicalId(source.channel));
    if (agents.length > 0) return this.#planBroadcast(message, agents);
    if (!decision.route || !decision.sessionKey) return this.#planUnroutable(message);
    return this.#planForAgent(message, { agentId: decision.route.agentId, sessionKey: decision.sessionKey });
  }

  /** No agent answers this message, for example because a binding names a deleted one: it becomes a dead letter. */
  #planUnroutable(message: RoutedEvent): UnitOfWork {
    const { channel, account } = message.source;
    this.#deps.log.error("a message has no agent and became a dead letter", { channel, account, problem: message.decision.problem });
    const agentId = this.#deps.running.agents.defaultAgent();
    return this.#planForAgent(message, { agentId, sessionKey: asId<SessionKey>(`agent:${agentId}:dead-letter`), deadLetter: true });
  }

  /** Several agents get the same message, each in its own session, and each answers. */
  #planBroadcast(message: RoutedEvent, agents: readonly AgentId[]): UnitOfWork {
    const { source, event, decision } = message;
    const { channelState, clock, config, inbox } = this.#deps;
    const place = { channel: source.channel, account: source.account, message: event, session: config().session };
    const takePendingLines = memoize(() => this.#takePendingLines(message));
    const override = decision.route?.binding?.session;
    const all = combineWork(
      agents.map((agentId) =>
        this.#planForAgent(message, {
          agentId,
          sessionKey: sessionKeyFor({ ...place, agentId, override }),
          eventId: `${event.eventId}#${agentId}`,
          takePendingLines,
        }),
      ),
    );
    const isNew = (): boolean => {
      const isSeen = inbox.byEvent(source.channel, source.account, event.eventId) !== undefined;
      return !isSeen && channelState.markEventSeen(source, event.eventId, clock.now());
    };
    return this.#onceAdmitted(source.channel, isNew, () => all);
  }

  /** One message for one agent. A repeated event is only counted. */
  #planForAgent(message: RoutedEvent, to: Recipient): UnitOfWork {
    const { admission, clock, inbox } = this.#deps;
    const { channel, account } = message.source;
    const eventId = to.eventId ?? message.event.eventId;
    const began = clock.monotonic();
    return this.#onceAdmitted(
      channel,
      () => inbox.byEvent(channel, account, eventId) === undefined,
      () => admission.prepare(this.#readMessage(message, { ...to, eventId }), true, began),
    );
  }

  /** A unit that only counts a duplicate unless `isNew`, which is asked in its transaction. */
  #onceAdmitted(channel: ChannelId, isNew: () => boolean, plan: () => UnitOfWork<unknown>): UnitOfWork {
    const repeated = { ...noWork, onCommit: () => this.#deps.metrics.count("gateway_turns_duplicates_total", { channel }) };
    return planInTransaction(() => (isNew() ? plan() : repeated));
  }

  /** The command of a sender who may use commands. */
  #readCommand(text: string, { permissions }: RoutingDecision): ParsedCommand | null {
    return permissions.mayUseCommands ? this.#deps.admission.parseCommand(text) : null;
  }

  #toSubmission(
    message: {
      source: ChannelAccount;
      event: Pick<InboundMessage, "eventId" | "sender" | "chat"> & Partial<Pick<InboundMessage, "mentionsSelf" | "replyTo">>;
      target: ReplyTarget;
      decision: RoutingDecision;
    },
    to: Recipient & { text: string; command: ParsedCommand | null },
  ): Submission {
    const { source, event, target, decision } = message;
    const { lanes, running, sessions } = this.#deps;
    const session = sessions.get(to.sessionKey);
    // A message for a full lane becomes a dead letter: the channel may still be acknowledged.
    const isDeadLetter = to.deadLetter === true || lanes.isFull(to.sessionKey);
    return {
      ...source,
      eventId: to.eventId ?? event.eventId,
      agentId: to.agentId,
      sessionKey: to.sessionKey,
      chatKind: event.chat.kind,
      text: to.text,
      context: null,
      images: [],
      provenance: {
        ...source,
        senderId: event.sender.id,
        ...(event.sender.name ? { senderName: event.sender.name } : {}),
        ...(event.chat.title ? { roomName: event.chat.title } : {}),
        senderIsOwner: decision.permissions.isOwner,
        ...(event.chat.kind === "direct" ? {} : { room: true as const }),
      },
      target,
      tools: running.agents.channelTools(to.agentId, decision.roomTools),
      ...(decision.roomTools ? { roomTools: decision.roomTools } : {}),
      command: to.command,
      commandScope: decision.permissions.commandScope,
      ...(decision.permissions.isOwner && { approver: { kind: "channel", id: `${source.channel}:${event.sender.id}` } }),
      queueMode: toQueueMode(session?.queue_mode) ?? decision.queue.mode,
      model: null,
      thinking: null,
      timeoutMs: null,
      ...(decision.route ? { route: toRouteReason(decision, decision.route, to.agentId) } : {}),
      ...(event.mentionsSelf || event.replyTo?.isSelf ? { addressed: true } : {}),
      ...(isDeadLetter ? { deadLetter: true } : {}),
    };
  }

  /** The message as it is stored; takes the waiting lines of its room. Inside a `store.write`. */
  #readMessage(message: RoutedEvent, to: Recipient): Submission {
    const { source, event, decision } = message;
    const context = to.takePendingLines ? to.takePendingLines() : this.#takePendingLines(message);
    const text = event.text.slice(0, LIMITS.messageChars - 256);
    const command = this.#readCommand(text, decision);
    const submission = {
      ...this.#toSubmission(message, { ...to, text: withSenderLabel(event, text, isForGateway(command)), command }),
      context,
      messageRef: messageRef(event),
      sentAt: event.sentAt,
    };
    if (isForGateway(command)) return submission;
    const replied = resolveRepliedMessage(this.#deps, source, event);
    const files = [...event.media, ...(replied?.pictures ?? [])];
    const read = replied ? { ...submission, replyTo: replied.message } : submission;
    if (files.length === 0) return read;
    // A message with files is not handed into a running turn, which could not wait for them.
    return { ...read, queueMode: submission.queueMode === "steer" ? "followup" : submission.queueMode, ...toPendingMedia(files) };
  }

  #takePendingLines({ event, target }: RoutedEvent): string | null {
    return event.chat.kind === "direct" ? null : formatPendingLines(this.#deps.channelState.takePendingLines(conversationOf(target)));
  }

  #planRecord(source: ChannelAccount, event: InboundMessage, target: ReplyTarget, agentId: AgentId | null): UnitOfWork {
    const { channelState, clock, historyLimit } = this.#deps;
    const keep = historyLimit(source.channel, source.account, agentId);
    if (keep === 0 || event.chat.kind === "direct") return noWork;
    const text = [event.text, ...event.media.map((ref) => describeAttachment(ref))]
      .filter(Boolean)
      .join(" ")
      .slice(0, LIMITS.pendingLineChars);
    const line = { sender: senderLabel(event.sender), text, at: event.sentAt, message: event.message };
    return {
      ...noWork,
      apply: () => {
        if (channelState.markEventSeen(source, event.eventId, clock.now()))
          channelState.addPendingLine(conversationOf(target), event.eventId, line, keep);
      },
    };
  }

  #planPairing(event: InboundMessage, target: ReplyTarget): UnitOfWork {
    const { clock, deliver, outbound, pairings, pairingText } = this.#deps;
    const { channel, account } = target;
    const { sender } = event;
    let offered = false;
    return {
      ...noWork,
      apply: () => {
        offered = false;
        const code = pairings.request(channel, account, sender.id, sender.name);
        if (code === null) return;
        offered = true;
        const id = `pairing:${channel}:${account}:${event.eventId}`;
        outbound.add({ id, sessionKey: null, target, text: pairingText(channel, account, sender.id, code), at: clock.now() });
      },
      onCommit: () => {
        if (offered) deliver(conversationOf(target));
      },
    };
  }
}

/** The decision as the timeline of the message explains it later. Pure. */
function toRouteReason({ access }: RoutingDecision, route: AgentRoute, agentId: AgentId): RouteReason {
  const why = { access: access.reason, detail: access.detail };
  if (route.agentId !== agentId) return { rule: "broadcast", ...why };
  const binding = route.trace.find((each) => each.verdict === "won")?.index;
  return { rule: route.rule, ...(binding === undefined ? {} : { binding }), ...why };
}

const NO_MIGRATIONS: ChatMigrations = new Map();

/** Where one message goes, as far as its decision does not say it. */
type Recipient = {
  agentId: AgentId;
  sessionKey: SessionKey;
  /** One of several agents that get the same event. */
  eventId?: string;
  deadLetter?: boolean;
  /** The waiting lines of the room, where several agents get the same ones. */
  takePendingLines?: () => string | null;
};

/** The value of the first call, for all calls. */
function memoize<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

function formatPendingLines(lines: readonly { sender: string; text: string }[]): string | null {
  if (lines.length === 0) return null;
  return [
    "[Earlier in this room, not addressed to you]",
    ...lines.map((line) => quoteFollowing(`${line.sender}: ${line.text}`)),
    ADDRESSED_MARKER,
  ].join("\n");
}
