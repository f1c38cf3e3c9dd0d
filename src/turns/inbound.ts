import type { ToolName } from "../agents/runtime.ts";
import type { ChannelEvent, Inbound, Target } from "../channels/channel.ts";
import { asId, type AccountId, type AgentId, type ChannelId, type RunId, type SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import { decide, type Explanation } from "../routing/explain.ts";
import type { QueueMode } from "../routing/queue-mode.ts";
import type { RoutingConfig } from "../routing/types.ts";
import type { ChannelState } from "../store/channel-state.ts";
import { conversationOf, type Admission, type Turns } from "./engine.ts";
import type { Submission } from "./submission.ts";

export type InboundOptions = {
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
  log: Log;
  metrics: Metrics;
};

type Step = { inTransaction: () => void; afterCommit: () => void; undo: () => void };

/**
 * From a channel's events to admitted messages. Everything about one batch, the cursor included, is one transaction: when the
 * promise resolves, the platform may be acknowledged.
 */
export class InboundDoor {
  readonly #options: InboundOptions;

  constructor(options: InboundOptions) {
    this.#options = options;
  }

  async admit(channel: ChannelId, account: AccountId, events: readonly ChannelEvent[], cursor?: string): Promise<void> {
    const steps = events.map((event) => (event.kind === "message" ? this.#stepFor(channel, account, event) : nothing));
    try {
      await this.#options.turns.options.store.write(() => {
        for (const step of steps) step.inTransaction();
        if (cursor !== undefined) this.#options.channelState.setCursor(channel, account, cursor);
      });
    } catch (err) {
      for (const step of steps) step.undo();
      throw err;
    }
    this.#options.turns.options.mark("committed");
    for (const step of steps) step.afterCommit();
  }

  /** What the gateway does with one message, and why; the same decision that `route explain` prints. */
  explain(channel: ChannelId, account: AccountId, event: Inbound): Explanation {
    const ask = (activation: "always" | "mention" | undefined): Explanation =>
      decide(
        {
          channel,
          account,
          message: event,
          paired: (sender) => this.#options.pairing.isPaired(channel, account, sender),
          bot: {
            now: this.#options.turns.options.clock.now(),
            isCommand: (text) => this.#options.turns.parse(text) !== null,
            canonicalId: this.#options.canonicalId(channel),
            roomAdmitsMembers: this.#options.roomAdmitsMembers(channel),
            activation,
          },
        },
        this.#options.config(),
      );
    const first = ask(undefined);
    const activation = first.sessionKey ? this.#options.turns.options.sessions.get(first.sessionKey)?.activation : null;
    return activation === "always" || activation === "mention" ? ask(activation) : first;
  }

  #stepFor(channel: ChannelId, account: AccountId, event: Inbound): Step {
    const decision = this.explain(channel, account, event);
    const { action, reason } = decision.admission;
    this.#options.metrics.count("gateway_channels_inbound_total", { channel, action });
    this.#options.log.debug("inbound", { channel, account, sender: event.sender.id, action, reason });
    const target = targetOf(channel, account, event);
    if (action === "record") return this.#recordStep(event, target, decision.route?.agentId ?? null);
    if (action === "offer-pairing") return this.#pairingStep(event, target);
    if (action === "ignore") return nothing;
    if (!decision.route || !decision.sessionKey) return this.#strandedStep(event, target, decision);
    return this.#messageStep(event, target, decision);
  }

  /** No agent answers for this message, e.g. a binding names one that was deleted: it is kept for the operator, not dropped. */
  #strandedStep(event: Inbound, target: Target, decision: Explanation): Step {
    this.#options.log.error("a message has no agent and was set aside", {
      channel: target.channel,
      account: target.account,
      problem: decision.problem,
    });
    const agentId = this.#options.defaultAgent();
    const route = { agentId, rule: "default" as const, binding: null, trace: [] };
    return this.#messageStep(event, target, { ...decision, route, sessionKey: asId<SessionKey>(`agent:${agentId}:stranded`) }, true);
  }

  #messageStep(event: Inbound, target: Target, decision: Explanation, park = false): Step {
    const session = this.#options.turns.options.sessions.get(decision.sessionKey!);
    const submission: Submission = {
      channel: target.channel,
      account: target.account,
      eventId: event.eventId,
      agentId: decision.route!.agentId,
      sessionKey: decision.sessionKey!,
      chatKind: event.chat.kind,
      text: event.text,
      context: null,
      images: [],
      provenance: {
        channel: target.channel,
        account: target.account,
        senderId: event.sender.id,
        ...(event.sender.name ? { senderName: event.sender.name } : {}),
        senderIsOwner: decision.authority.owner,
      },
      target,
      tools: this.#options.toolsFor(decision.route!.agentId, decision.roomTools),
      literal: !decision.authority.commands,
      queueMode: (session?.queue_mode as QueueMode | null) ?? decision.queue.mode,
      model: null,
      thinking: null,
      timeoutMs: null,
    };
    let admission: Admission | undefined;
    return {
      inTransaction: () => {
        admission = this.#admissionFor(park ? { ...submission, park } : submission, event, target);
        admission?.inTransaction();
      },
      afterCommit: () => void admission?.afterCommit(),
      undo: () => admission?.undo(),
    };
  }

  /** A lane that is full parks the message with its payload; the channel may still be acknowledged. */
  #admissionFor(submission: Submission, event: Inbound, target: Target): Admission | undefined {
    const known = this.#options.turns.options.inbox.byEvent(submission.channel, submission.account, submission.eventId);
    if (known) return undefined;
    const context = event.chat.kind === "direct" ? null : contextOf(this.#options.channelState.takeLines(conversationOf(target)));
    const text = event.text.slice(0, LIMITS.messageChars - 256);
    const isCommand = !submission.literal && this.#options.turns.parse(text) !== null;
    const attributed = event.chat.kind === "direct" || isCommand ? text : `${nameOf(event)}: ${text}`;
    return this.#options.turns.admission({
      ...submission,
      context,
      text: attributed,
      ...(this.#options.turns.laneIsFull(submission.sessionKey) ? { park: true } : {}),
    });
  }

  #recordStep(event: Inbound, target: Target, agentId: AgentId | null): Step {
    const keep = this.#options.historyLimit(target.channel, target.account, agentId);
    if (keep === 0 || event.chat.kind === "direct") return nothing;
    const line = { sender: nameOf(event), text: event.text.slice(0, 2_000), at: event.sentAt };
    return { ...nothing, inTransaction: () => this.#options.channelState.addLine(conversationOf(target), event.eventId, line, keep) };
  }

  #pairingStep(event: Inbound, target: Target): Step {
    const intent = asId<RunId>(`pairing:${target.channel}:${target.account}:${event.eventId}`);
    let offered = false;
    return {
      ...nothing,
      inTransaction: () => {
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
      afterCommit: () => {
        if (offered) this.#options.turns.options.deliver(conversationOf(target));
      },
    };
  }
}

const nothing: Step = { inTransaction: () => {}, afterCommit: () => {}, undo: () => {} };

const targetOf = (channel: ChannelId, account: AccountId, event: Inbound): Target => ({
  channel,
  account: asId<AccountId>(account),
  chat: { kind: event.chat.kind, id: event.chat.id },
  ...(event.thread ? { thread: event.thread.id } : {}),
  replyTo: event.message,
});

/** Who speaks in a room, for the agent. Data from outside: one line, no control characters. */
const nameOf = (event: Inbound): string => (event.sender.name ?? event.sender.id).replaceAll(/[\p{Cc}\p{Cf}]+/gu, " ").slice(0, 64);

function contextOf(lines: readonly { sender: string; text: string }[]): string | null {
  if (lines.length === 0) return null;
  return [
    "[Earlier in this room, not addressed to you]",
    ...lines.map((line) => `${line.sender}: ${line.text}`),
    "[Addressed to you]",
  ].join("\n");
}
