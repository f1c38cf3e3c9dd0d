import type { ToolName } from "../agents/runtime.ts";
import type { ChannelEvent, InboundMessage, ReplyTarget } from "../channels/channel.ts";
import { contain } from "../core/contain.ts";
import { GatewayError } from "../core/errors.ts";
import { asId, type AccountId, type AgentId, type ChannelId, type RunId, type SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import { resolveAccountPolicy } from "../routing/account-policy.ts";
import { BotLoopGuard } from "../routing/bot-loop.ts";
import { broadcastAgents } from "../routing/broadcast.ts";
import { decide, type RoutingDecision } from "../routing/decide.ts";
import type { QueueMode } from "../routing/queue-mode.ts";
import { parseSessionKey, sessionKeyFor } from "../routing/session-key.ts";
import type { RoutedMessage, RoutingConfig } from "../routing/types.ts";
import type { Buttons } from "../store/buttons.ts";
import type { ChannelState } from "../store/channel-state.ts";
import type { InboxRow } from "../store/inbox.ts";
import { ADDRESSED_MARKER } from "./agent-text.ts";
import { describeAttachment, toPendingMedia } from "./inbound-media.ts";
import { planDelete, planEdit, planReaction, type MessageEditDeps } from "./message-edits.ts";
import { isServedCommand } from "./commands.ts";
import { conversationOf, type PendingSubmission, type Turns } from "./engine.ts";
import { withSenderLabel, messageRef, senderLabel, noWork, toReplyTarget, type ChannelAccount, type UnitOfWork } from "./unit-of-work.ts";
import { planChatMigration } from "./chat-migration.ts";
import { internalFailureCause, isEventFailure, planDeadLetter } from "./dead-letter.ts";
import { quoteFollowing } from "./untrusted-text.ts";
import { planInteraction } from "./interactions.ts";
import { resolveRepliedMessage } from "./replied-message.ts";
import type { Payload, Submission } from "./submission.ts";

export type EventIngestOptions = {
  turns: Turns;
  channelState: ChannelState;
  config: () => RoutingConfig;
  /** Tools that a sender may use through this agent, given the room's settings; none unless the configuration says so. */
  toolsFor: (agentId: AgentId, roomTools: unknown) => readonly ToolName[];
  /** Group lines that are kept until somebody addresses the agent. 0: none. */
  historyLimit: (channel: ChannelId, account: AccountId, agentId: AgentId | null) => number;
  canonicalId: (channel: string) => ((id: string) => string) | undefined;
  /** A listed room of this channel admits all its members. */
  roomAdmitsMembers: (channel: string) => boolean;
  /** Where a message goes that no agent can be found for: it is parked there for the operator. */
  defaultAgent: () => AgentId;
  pairing: {
    isPaired: (channel: string, account: string, sender: string) => boolean;
    /** The code to tell the sender, once per request; null when nothing is to be said. Called inside a transaction. */
    request: (channel: string, account: string, sender: string, name: string | undefined) => string | null;
    text: (channel: string, account: string, sender: string, code: string) => string;
  };
  buttons: Buttons;
  /** Leaves a line for the next turn of a session. Called inside a transaction. */
  addSessionNote: (sessionKey: string, text: string) => void;
  /** The channel's own second reading of an event; undefined when the channel cannot do that or is not loaded. */
  reread: (channel: string) => ((raw: string, now: number) => ChannelEvent | null) | undefined;
  log: Log;
  metrics: Metrics;
};

/** A message on its way to one agent. */
type RoutedEvent = { source: ChannelAccount; event: InboundMessage; target: ReplyTarget; decision: RoutingDecision };

/**
 * From a channel's events to admitted messages. Everything about one batch, the cursor included, is one transaction: when the
 * promise resolves, the platform may be acknowledged.
 */
export class EventIngest {
  readonly #options: EventIngestOptions;
  readonly #botLoops = new BotLoopGuard();
  /** Moves of the batch that is being decided about, which are not on disk yet: new id to old id. */
  #pendingMigrations: ReadonlyMap<string, string> = new Map();

  constructor(options: EventIngestOptions) {
    this.#options = options;
  }

  async admit(channel: ChannelId, account: AccountId, events: readonly ChannelEvent[], cursor?: string): Promise<void> {
    const source: ChannelAccount = { channel, account };
    // The account that connected counts, whatever an event says.
    const stray = events.find((event) => event.account !== account);
    if (stray) this.#options.log.warn("an event names another account and is taken for this one", { ...source, event: stray.eventId });
    this.#pendingMigrations = new Map(events.flatMap((event) => (event.kind === "migration" ? [[event.to, event.from] as const] : [])));
    const steps = events.map((event) => this.#planContained(source, event));
    this.#pendingMigrations = new Map();
    await this.#commit(source, events, steps, cursor);
    if (events.length > 0) this.#options.turns.options.mark("committed");
    // Everything is on disk: one event over which this fails keeps neither the others nor the acknowledgement back.
    const failed = (err: unknown): void =>
      this.#options.log.error("the gateway failed after it had stored an event", { ...source, error: err });
    for (const step of steps) contain(failed, step.onCommit)();
  }

  /** An event over which the gateway itself fails is set aside, and the rest of the batch is tried again without it. */
  async #commit(source: ChannelAccount, events: readonly ChannelEvent[], steps: UnitOfWork[], cursor: string | undefined): Promise<void> {
    const { turns, channelState } = this.#options;
    let at = -1;
    try {
      await turns.options.store.write(() => {
        for (at = 0; at < steps.length; at++) steps[at]!.apply();
        at = -1;
        if (cursor !== undefined) channelState.setCursor(source.channel, source.account, cursor);
      });
    } catch (err) {
      for (const step of steps) step.onRollback();
      const event = events[at];
      if (!event || event.kind === "unreadable" || !isEventFailure(err)) throw err;
      steps[at] = this.#planInternalFailure(source, event, err);
      await this.#commit(source, events, steps, cursor);
    }
  }

  #planInternalFailure(source: ChannelAccount, event: ChannelEvent, err: unknown): UnitOfWork {
    this.#options.log.error("the gateway failed over an event", { ...source, event: event.eventId, error: err });
    return planDeadLetter(
      this.#options,
      source,
      { eventId: event.eventId, raw: JSON.stringify(event), cause: internalFailureCause(err) },
      true,
    );
  }

  #planContained(source: ChannelAccount, event: ChannelEvent): UnitOfWork {
    try {
      return this.#plan(source, event);
    } catch (err) {
      if (!isEventFailure(err)) throw err;
      return this.#planInternalFailure(source, event, err);
    }
  }

  #plan(source: ChannelAccount, event: ChannelEvent): UnitOfWork {
    const deps: MessageEditDeps = { ...this.#options, decide: ({ channel, account }, message) => this.decide(channel, account, message) };
    switch (event.kind) {
      case "message":
        return this.#planMessage(source, event);
      case "edit":
        return planEdit(deps, source, event);
      case "delete":
        return planDelete(deps, source, event);
      case "reaction":
        return planReaction(deps, source, event);
      case "migration":
        return planChatMigration(this.#options, source, event);
      case "unreadable":
        return planDeadLetter(this.#options, source, event, false);
      case "interaction":
        return planInteraction(
          {
            ...deps,
            buttons: this.#options.buttons,
            onRefused: (reason) => this.#options.log.info("a press was not taken", { ...source, sender: event.sender.id, reason }),
            toSubmission: (press, target, button, decision) => {
              const agentId = parseSessionKey(button.sessionKey)?.agentId ?? this.#options.defaultAgent();
              const isCommand = decision.permissions.mayUseCommands && this.#options.turns.parseCommand(button.value) !== null;
              return this.#toSubmission(
                { source, event: press, target, decision },
                { agentId, sessionKey: button.sessionKey, text: withSenderLabel(press, button.value, isCommand) },
              );
            },
          },
          source,
          event,
        );
    }
  }

  /** Reads a dead letter again and admits what it says, in its place. Throws when it still cannot be read. */
  async retry(row: InboxRow<Payload>): Promise<void> {
    const { raw } = row.payload;
    if (!raw || raw.cut) throw new GatewayError("INVALID_REQUEST", "this event was too long to be kept whole and cannot be read again");
    const source: ChannelAccount = { channel: asId<ChannelId>(row.channel), account: asId<AccountId>(row.account) };
    const read = raw.ours ? (text: string) => JSON.parse(text) as ChannelEvent : this.#options.reread(row.channel);
    if (!read) throw new GatewayError("INVALID_REQUEST", `the channel ${row.channel} cannot read an event again`);
    const event = read(raw.text, this.#options.turns.options.clock.now());
    if (!event || event.kind === "unreadable")
      throw new GatewayError("INVALID_REQUEST", "the event still cannot be read", { fix: "Drop it, or try again after an update." });
    const step = this.#plan(source, { ...event, eventId: row.eventId, account: source.account });
    const { turns, channelState } = this.#options;
    try {
      await turns.options.store.write(() => {
        turns.options.inbox.remove(row.runId);
        step.apply();
        // What leaves no row of its own must not come in a second time either.
        if (!turns.options.inbox.byEvent(row.channel, row.account, row.eventId))
          channelState.markEventSeen(source, row.eventId, turns.options.clock.now());
      });
    } catch (err) {
      step.onRollback();
      throw err;
    }
    step.onCommit();
  }

  /** What the gateway does with one message, and why; the same decision that `route explain` prints. */
  decide(channel: ChannelId, account: AccountId, event: RoutedMessage): RoutingDecision {
    const { turns, channelState, pairing } = this.#options;
    const formerly =
      channelState.previousChatId({ channel, account }, this.#pendingMigrations.get(event.chat.id) ?? event.chat.id) ??
      this.#pendingMigrations.get(event.chat.id);
    const message = formerly === undefined ? event : { ...event, chat: { ...event.chat, formerly: asId<typeof event.chat.id>(formerly) } };
    const ask = (activation: "always" | "mention" | undefined, inThread: boolean): RoutingDecision =>
      decide(
        {
          channel,
          account,
          message,
          isPaired: (sender) => pairing.isPaired(channel, account, sender),
          accessContext: {
            now: turns.options.clock.now(),
            isCommand: (text) => isServedCommand(turns.parseCommand(text)),
            canonicalId: this.#options.canonicalId(channel),
            roomAdmitsMembers: this.#options.roomAdmitsMembers(channel),
            activation,
            inThread,
          },
        },
        this.#options.config(),
      );
    const first = ask(undefined, false);
    const session = first.sessionKey ? turns.options.sessions.get(first.sessionKey) : undefined;
    const activation = session?.activation === "always" || session?.activation === "mention" ? session.activation : undefined;
    // A topic of a forum is a room of its own, not a thread that somebody opened to talk about one thing.
    const inThread =
      event.thread !== undefined &&
      session?.last_run_id !== null &&
      first.sessionKey?.includes(":thread:") === true &&
      session !== undefined;
    return activation || inThread ? ask(activation, inThread) : first;
  }

  #planMessage(source: ChannelAccount, event: InboundMessage): UnitOfWork {
    const decision = this.decide(source.channel, source.account, event);
    const { reason } = decision.access;
    const action = decision.access.action === "answer" && this.#isBotLoop(source, event) ? "ignore" : decision.access.action;
    this.#options.metrics.count("gateway_channels_inbound_total", { channel: source.channel, action });
    this.#options.log.debug("inbound", { ...source, sender: event.sender.id, action, reason });
    const target = toReplyTarget(source, event);
    if (action === "record") return this.#planRecord(source, event, target, decision.route?.agentId ?? null);
    if (action === "offer-pairing") return this.#planPairing(event, target);
    if (action === "ignore") return noWork;
    const agents = broadcastAgents(this.#options.config(), event, this.#options.canonicalId(source.channel));
    if (agents.length > 0) return this.#planBroadcast({ source, event, target, decision }, agents);
    if (!decision.route || !decision.sessionKey) return this.#planUnroutable({ source, event, target, decision });
    return this.#planForAgent({ source, event, target, decision }, { agentId: decision.route.agentId, sessionKey: decision.sessionKey });
  }

  /** Two bots that answer each other would never end: beyond a budget the pair gets no answers for a while. */
  #isBotLoop(source: ChannelAccount, event: InboundMessage): boolean {
    if (!event.sender.isBot) return false;
    const { botLoop } = resolveAccountPolicy(this.#options.config(), source.channel, source.account);
    const pair = [source.channel, source.account, event.chat.id, event.sender.id].join("|");
    const { answer, began } = this.#botLoops.check(pair, botLoop, this.#options.turns.options.clock.monotonic());
    if (began)
      this.#options.log.warn("another bot gets no answers for a while", {
        ...source,
        sender: event.sender.id,
        seconds: botLoop.cooldownSeconds,
      });
    return !answer;
  }

  /** No agent answers for this message, e.g. a binding names one that was deleted: it is kept for the operator, not dropped. */
  #planUnroutable(message: RoutedEvent): UnitOfWork {
    const { channel, account } = message.source;
    this.#options.log.error("a message has no agent and was set aside", { channel, account, problem: message.decision.problem });
    const agentId = this.#options.defaultAgent();
    return this.#planForAgent(message, { agentId, sessionKey: asId<SessionKey>(`agent:${agentId}:dead-letter`), deadLetter: true });
  }

  /** Several agents get the same message, each in its own session, and each answers. */
  #planBroadcast(message: RoutedEvent, agents: readonly AgentId[]): UnitOfWork {
    const { source, event, decision } = message;
    const { channelState, turns } = this.#options;
    const place = { channel: source.channel, account: source.account, message: event, session: this.#options.config().session };
    const lines = memoize(() => this.#takePendingLines(message));
    const override = decision.route?.binding?.session;
    const steps = agents.map((agentId) =>
      this.#planForAgent(message, {
        agentId,
        sessionKey: sessionKeyFor({ ...place, agentId, override }),
        eventId: `${event.eventId}#${agentId}`,
        takePendingLines: lines,
      }),
    );
    let fresh = false;
    return {
      apply: () => {
        fresh =
          !turns.options.inbox.byEvent(source.channel, source.account, event.eventId) &&
          channelState.markEventSeen(source, event.eventId, turns.options.clock.now());
        if (fresh) for (const step of steps) step.apply();
      },
      onCommit: () => {
        if (fresh) for (const step of steps) step.onCommit();
      },
      onRollback: () => {
        for (const step of steps) step.onRollback();
      },
    };
  }

  #planForAgent(message: RoutedEvent, to: Recipient): UnitOfWork {
    let admission: PendingSubmission | undefined;
    return {
      apply: () => {
        admission = this.#prepareSubmission(message, to);
        admission?.apply();
        if (admission)
          this.#options.turns.options.inbox.setMessageRef(
            message.source.channel,
            message.source.account,
            to.eventId ?? message.event.eventId,
            messageRef(message.event),
          );
      },
      onCommit: () => void admission?.onCommit(),
      onRollback: () => admission?.onRollback(),
    };
  }

  #toSubmission(
    message: {
      source: ChannelAccount;
      event: Pick<InboundMessage, "eventId" | "sender" | "chat"> & Partial<Pick<InboundMessage, "mentionsSelf" | "replyTo">>;
      target: ReplyTarget;
      decision: RoutingDecision;
    },
    to: Recipient & { text: string },
  ): Submission {
    const { source, event, target, decision } = message;
    const session = this.#options.turns.options.sessions.get(to.sessionKey);
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
      tools: this.#options.toolsFor(to.agentId, decision.roomTools),
      ignoreCommands: !decision.permissions.mayUseCommands,
      commandScope: decision.permissions.commandScope,
      queueMode: (session?.queue_mode as QueueMode | null) ?? decision.queue.mode,
      model: null,
      thinking: null,
      timeoutMs: null,
      ...(event.mentionsSelf || event.replyTo?.isSelf ? { addressed: true } : {}),
      ...(to.deadLetter || this.#options.turns.isLaneFull(to.sessionKey) ? { deadLetter: true } : {}),
    };
  }

  /** A lane that is full parks the message with its payload; the channel may still be acknowledged. */
  #prepareSubmission(message: RoutedEvent, to: Recipient): PendingSubmission | undefined {
    const { source, event, decision } = message;
    if (this.#options.turns.options.inbox.byEvent(source.channel, source.account, to.eventId ?? event.eventId)) return undefined;
    const context = to.takePendingLines ? to.takePendingLines() : this.#takePendingLines(message);
    const text = event.text.slice(0, LIMITS.messageChars - 256);
    const isCommand = decision.permissions.mayUseCommands && this.#options.turns.parseCommand(text) !== null;
    const submission = this.#toSubmission(message, { ...to, text: withSenderLabel(event, text, isCommand) });
    if (isCommand) return this.#options.turns.prepareSubmission({ ...submission, context });
    const replied = resolveRepliedMessage(this.#options, source, event);
    const files = [...event.media, ...(replied?.pictures ?? [])];
    const read = { ...submission, context, ...(replied ? { replyTo: replied.message } : {}) };
    if (files.length === 0) return this.#options.turns.prepareSubmission(read);
    // What has files is not handed into a running turn, which could not wait for them.
    const queueMode = submission.queueMode === "steer" ? "followup" : submission.queueMode;
    return this.#options.turns.prepareSubmission({ ...read, queueMode, ...toPendingMedia(files) });
  }

  #takePendingLines({ event, target }: RoutedEvent): string | null {
    return event.chat.kind === "direct" ? null : formatPendingLines(this.#options.channelState.takePendingLines(conversationOf(target)));
  }

  #planRecord(source: ChannelAccount, event: InboundMessage, target: ReplyTarget, agentId: AgentId | null): UnitOfWork {
    const { channelState, turns } = this.#options;
    const keep = this.#options.historyLimit(source.channel, source.account, agentId);
    if (keep === 0 || event.chat.kind === "direct") return noWork;
    const text = [event.text, ...event.media.map((ref) => describeAttachment(ref))]
      .filter(Boolean)
      .join(" ")
      .slice(0, LIMITS.pendingLineChars);
    const line = { sender: senderLabel(event.sender), text, at: event.sentAt, message: event.message };
    return {
      ...noWork,
      apply: () => {
        if (channelState.markEventSeen(source, event.eventId, turns.options.clock.now()))
          channelState.addPendingLine(conversationOf(target), event.eventId, line, keep);
      },
    };
  }

  #planPairing(event: InboundMessage, target: ReplyTarget): UnitOfWork {
    const intent = asId<RunId>(`pairing:${target.channel}:${target.account}:${event.eventId}`);
    let offered = false;
    return {
      ...noWork,
      apply: () => {
        const code = this.#options.pairing.request(target.channel, target.account, event.sender.id, event.sender.name);
        if (code === null) return;
        offered = true;
        this.#options.turns.addIntent(
          intent,
          null,
          target,
          this.#options.pairing.text(target.channel, target.account, event.sender.id, code),
          this.#options.turns.options.clock.now(),
        );
      },
      onCommit: () => {
        if (offered) this.#options.turns.options.deliver(conversationOf(target));
      },
    };
  }
}

/** Where one message goes, if it is not all told by its decision. */
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
