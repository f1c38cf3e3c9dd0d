import { createHash } from "node:crypto";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { asId, type AgentId, type RunId, type SessionKey } from "../core/ids.ts";
import { parseRemoteAgent } from "../core/peer-address.ts";
import { clip } from "../core/text.ts";
import { endOfRun, type InboxRow } from "../store/inbox.ts";
import type { PeerInboxRow } from "../store/peers.ts";
import { failureNotice } from "../turns/presentation.ts";
import type { Submission, SubmitResult } from "../turns/submission.ts";
import { combineWork, commitWork, noWork, planInTransaction, type UnitOfWork } from "../turns/unit-of-work.ts";
import type { PeerOutcome, PeersContext, StoredEnvelope } from "./context.ts";
import {
  seal,
  toEnvelope,
  type Ack,
  type Envelope,
  type Packet,
  type ReplyEnvelope,
  type RequestEnvelope,
  type RotateEnvelope,
} from "./envelope.ts";
import { PEER_LIMITS } from "./limits.ts";
import { openPacket } from "./open-packet.ts";
import type { Outgoing } from "./outgoing.ts";
import { refuseCall, refusePath, refuseTimes } from "./rules.ts";

/** A request of an agent that speaks A2A. It is not signed: the token of its link has named its sender. */
export type UnsignedRequest = Pick<RequestEnvelope, "id" | "agent" | "text" | "path"> & { maxHops: number | null; contextId: string };

export type IncomingDeps = PeersContext & {
  outgoing: Outgoing;
  /** A packet was signed with `from` and addressed to `to`, each a key of the link. */
  keysUsed: (name: string, used: { from: string; to: string }) => Promise<void>;
  /** The other side has another key. */
  rotated: (name: string, envelope: RotateEnvelope) => Promise<{ status: "stored" | "refused"; reason: string | null }>;
  /** The stored message of a run. */
  runOf: (runId: RunId) => Pick<InboxRow, "state" | "outcome"> | undefined;
  /** Agents of this gateway. */
  agentIds: () => readonly string[];
  /** The tools of a sender from outside with this agent. */
  toolsOf: (agentId: AgentId) => Submission["tools"];
  /** The admission of a message; committed together with the row of its request. */
  prepare: (submission: Submission) => UnitOfWork<SubmitResult>;
};

type Verdict = { status: "stored" | "refused" | "busy"; reason: string | null };

const STORED: Verdict = { status: "stored", reason: null };
const refused = (reason: string): Verdict => ({ status: "refused", reason });

/**
 * What comes over links. A request and the message that it becomes, and the end of a run and the reply that says so, are one transaction
 * each; what follows from an end is read from the rows, so that nothing depends on having heard of it.
 */
export class Incoming {
  readonly #deps: IncomingDeps;
  #watched = new Set<string>();
  #step: Promise<void> | null = null;
  #isAgain = false;
  #isStopped = false;
  #retry: (() => void) | null = null;

  constructor(deps: IncomingDeps) {
    this.#deps = deps;
  }

  stop(): void {
    this.#isStopped = true;
    this.#retry?.();
  }

  /** Whether the end of a run is one that a link waits for. */
  isWatched(runId: string): boolean {
    return this.#watched.has(runId);
  }

  /** Judges a packet of a link and resolves to the signed answer, when what it says is on disk. Throws for one that the link has not signed. */
  async receive(name: string, packet: unknown): Promise<Packet> {
    const { own, keyOf, metrics } = this.#deps;
    if (keyOf(name) === null) throw new GatewayError("FORBIDDEN", "this link is not paired");
    const opened = openPacket(this.#deps, name, packet);
    const envelope = opened && toEnvelope(opened.content);
    if (!envelope) {
      metrics.count("gateway_peers_received_total", { peer: name, kind: "unknown", outcome: "invalid" });
      throw new GatewayError("INVALID_REQUEST", "the message is not signed by this link, not for this gateway, or not complete");
    }
    await this.#deps.keysUsed(name, opened);
    const ack = await this.#judge(name, envelope);
    metrics.count("gateway_peers_received_total", { peer: name, kind: envelope.kind, outcome: ack.status });
    const identity = own.of(name);
    return seal(identity, { v: 1, from: identity.id, to: opened.from, kind: "ack", id: envelope.id, ...ack });
  }

  /** Takes a request of an agent that speaks A2A by the same rules as one of a gateway. */
  async takeUnsigned(name: string, { contextId, maxHops, ...request }: UnsignedRequest): Promise<Verdict> {
    const { clock, identity, settings } = this.#deps;
    const link = settings(name);
    if (link === null) return refused("this link is not in use");
    const now = clock.now();
    const from = `a2a:${name}`;
    const conversation = createHash("sha256").update(`context|${contextId}`).digest("hex").slice(0, 32);
    const path = [...request.path, from];
    const times = { sentAt: now, expiresAt: now + link.expireMinutes * 60_000 };
    const envelope = { v: 1, from, to: identity.id, kind: "request", channel: "a2a", isNew: false, ...times, conversation } as const;
    if (path.length > PEER_LIMITS.pathLength) return refused("its path is too long");
    return await this.#takeRequest(name, { ...envelope, ...request, path, maxHops: maxHops ?? link.maxHops }, contextId);
  }

  /** The end of a request that came over a link; null: it has not ended. */
  outcomeOf(row: PeerInboxRow): PeerOutcome | null {
    return this.#outcomeOf(row, this.#deps.clock.now());
  }

  /** Looks which requests have ended. Resolves when their replies are stored; never rejects. */
  wake(): Promise<void> {
    this.#isAgain = true;
    this.#step ??= this.#steps();
    return this.#step;
  }

  async #judge(name: string, envelope: Envelope): Promise<Pick<Ack, "status" | "reason" | "agents">> {
    if (envelope.kind === "ping") return { status: "pong", reason: null, ...this.#offered(name) };
    try {
      if (envelope.kind === "rotate") return await this.#deps.rotated(name, envelope);
      return envelope.kind === "reply" ? await this.#takeReply(name, envelope) : await this.#takeRequest(name, envelope);
    } catch (err) {
      if (!(err instanceof GatewayError)) throw err;
      if (err.retryable) return { status: "busy", reason: err.message };
      return refused(err.message);
    }
  }

  /** The agents that the other gateway may ask, where it may know them. */
  #offered(name: string): Pick<Ack, "agents"> {
    const accept = this.#deps.settings(name)?.accept;
    if (!accept?.methods.includes("agents.list")) return {};
    const own = this.#deps.agentIds();
    const named = accept.agents.filter((id) => own.includes(id) || parseRemoteAgent(id) !== null);
    return { agents: accept.agents.includes("*") ? [...new Set([...own, ...named])] : named };
  }

  async #takeReply(name: string, { replyTo, status, text, reason }: ReplyEnvelope): Promise<Verdict> {
    const { store, outgoing, log } = this.#deps;
    const isAnswered = await store.write(() => outgoing.answer(name, replyTo, { status, text, reason }));
    this.#deps.crashPoint("peer-reply-stored");
    if (isAnswered) outgoing.settled(replyTo);
    else log.debug("a reply came again, or its request had ended", { peer: name, request: replyTo });
    return STORED;
  }

  async #takeRequest(name: string, envelope: RequestEnvelope, contextId: string | null = null): Promise<Verdict> {
    const { rows, clock, own, settings, metrics } = this.#deps;
    if (rows.received(name, envelope.id)) {
      metrics.count("gateway_peers_duplicates_total", { peer: name });
      return STORED;
    }
    const link = settings(name);
    if (link === null) return refused("this link is not in use");
    const { agent, channel, path } = envelope;
    const maxHops = Math.min(envelope.maxHops, link.maxHops);
    const problem =
      refuseTimes(envelope, clock.now()) ??
      (path.at(-1) === envelope.from ? null : "the path does not end with the gateway that sends it") ??
      refusePath(path, maxHops, own.idIn(path)) ??
      refuseCall(link.accept, { method: "agent", agent, channel });
    if (problem !== null) return this.#refuse(name, envelope, problem);
    if (rows.countReceived(name) >= link.maxQueued)
      return { status: "busy", reason: `${link.maxQueued} messages of this link are not answered` };
    const next = parseRemoteAgent(agent);
    if (next !== null) return await this.#passOn(name, envelope, { ...next, contextId });
    if (!this.#deps.agentIds().includes(agent)) return this.#refuse(name, envelope, `the agent ${agent.slice(0, 64)} was not found`);
    if (envelope.text.length > PEER_LIMITS.textChars) return this.#refuse(name, envelope, "the text is too long");
    return await this.#admit(name, envelope, contextId);
  }

  #refuse(name: string, { id, agent }: RequestEnvelope, reason: string): Verdict {
    this.#deps.log.warn("a message of another gateway was refused", { peer: name, message: id, agent: agent.slice(0, 64), cause: reason });
    return refused(reason);
  }

  async #admit(name: string, envelope: RequestEnvelope, contextId: string | null): Promise<Verdict> {
    const { rows, store, clock, newId, prepare, crashPoint } = this.#deps;
    const runId = asId<RunId>(newId());
    const work = prepare(this.#toSubmission(name, envelope, runId));
    const { id, expiresAt } = envelope;
    await commitWork(
      store,
      planInTransaction(() => {
        const isNew = rows.addReceived({ peer: name, id, runId, forwardId: null, receivedAt: clock.now(), expiresAt, contextId });
        return isNew ? combineWork([work]) : noWork;
      }),
    );
    crashPoint("peer-request-stored");
    void this.wake();
    return STORED;
  }

  /** The message goes on over another link; its reply comes back the same way. */
  async #passOn(
    name: string,
    envelope: RequestEnvelope,
    next: { agent: string; peer: string; contextId: string | null },
  ): Promise<Verdict> {
    const { rows, store, clock, own, settings, outgoing, newId } = this.#deps;
    const link = settings(next.peer);
    if (link === null) return this.#refuse(name, envelope, `this gateway has no link ${next.peer}`);
    const path = [...envelope.path, own.of(next.peer).id];
    const problem =
      refuseCall(link.send, { method: "agent", agent: next.agent, channel: envelope.channel }) ??
      this.#refuseNext(next.peer, path, Math.min(envelope.maxHops, link.maxHops));
    if (problem !== null) return this.#refuse(name, envelope, problem);
    const { id, expiresAt, sentAt, maxHops, channel, conversation, isNew, text } = envelope;
    const forwardId = newId();
    await store.write(() => {
      const { contextId } = next;
      if (!rows.addReceived({ peer: name, id, runId: null, forwardId, receivedAt: clock.now(), expiresAt, contextId })) return;
      const passed = { kind: "request" as const, id: forwardId, expiresAt, sentAt, maxHops, path, channel, isNew, text };
      outgoing.addRequest(next.peer, { ...passed, agent: next.agent, conversation: `${name}.${conversation}` });
    });
    outgoing.wake(next.peer);
    return STORED;
  }

  #refuseNext(peer: string, path: readonly string[], maxHops: number): string | null {
    const next = this.#deps.keyOf(peer)?.keyId;
    if (next !== undefined && path.includes(next)) return "the message was at the next gateway before: it goes in a circle";
    return path.length > maxHops ? `the message may go over ${maxHops} links` : null;
  }

  /** What a request of a link is here: a message from outside, never of an operator. */
  #toSubmission(name: string, { agent, id, conversation, isNew, text }: RequestEnvelope, runId: RunId): Submission {
    const agentId = asId<AgentId>(agent);
    return {
      channel: "peer",
      account: name,
      eventId: id,
      runId,
      agentId,
      sessionKey: asId<SessionKey>(`agent:${agentId}:peer:${name}:direct:${conversation.toLowerCase()}`),
      chatKind: "direct",
      text,
      context: null,
      images: [],
      provenance: { channel: "peer", account: name, senderId: `peer:${name}`, senderName: name, senderIsOwner: false },
      target: null,
      tools: this.#deps.toolsOf(agentId),
      queueMode: "followup",
      model: null,
      thinking: null,
      timeoutMs: null,
      // Another gateway gives no commands here.
      command: null,
      newConversation: isNew,
    };
  }

  async #steps(): Promise<void> {
    this.#retry?.();
    this.#retry = null;
    while (this.#isAgain && !this.#isStopped) {
      this.#isAgain = false;
      try {
        await this.#answerEnded();
      } catch (err) {
        if (this.#isStopped) break;
        this.#deps.log.warn("replies to other gateways could not be stored; it is tried again", { cause: reasonOf(err) });
        this.#retry = this.#deps.clock.after(PEER_LIMITS.busyMs, () => void this.wake());
        break;
      }
    }
    this.#step = null;
  }

  async #answerEnded(): Promise<void> {
    const { rows, store, clock, outgoing } = this.#deps;
    if (rows.openReceived().length === 0) return;
    const peers = await store.write(() => {
      const answered = new Set<string>();
      const open = rows.openReceived();
      for (const row of open) {
        const outcome = this.#outcomeOf(row, clock.now());
        if (outcome === null || !rows.endReceived(row.peer, row.id, clock.now())) continue;
        // An agent that speaks A2A asks for the end itself.
        if (row.contextId !== null) continue;
        outgoing.addReply(row.peer, toReply(row, outcome));
        answered.add(row.peer);
      }
      this.#watched = new Set(open.flatMap(({ runId }) => runId ?? []));
      return answered;
    });
    this.#deps.crashPoint("peer-answered");
    for (const peer of peers) outgoing.wake(peer);
  }

  #outcomeOf({ runId, forwardId }: PeerInboxRow, now: number): PeerOutcome | null {
    if (forwardId !== null) return this.#deps.outgoing.outcomeOf(forwardId);
    const outcome = endOfRun(this.#deps.runOf(asId<RunId>(runId ?? "")), now);
    if (outcome === null) return null;
    const reason = outcome.status === "ok" ? null : failureNotice(outcome);
    return { status: outcome.status, text: outcome.text, reason };
  }
}

const CUT_NOTE = "\n\n[The rest of this reply was too long for the link.]";

function toReply({ peer, id, expiresAt }: PeerInboxRow, { status, text, reason }: PeerOutcome): Extract<StoredEnvelope, { kind: "reply" }> {
  const isLong = text.length > PEER_LIMITS.replyChars;
  return {
    kind: "reply",
    // Two gateways may use the same id.
    id: createHash("sha256").update(`reply|${peer}|${id}`).digest("base64url"),
    replyTo: id,
    // The other side ends the request at its own time; a little later the reply is of no use.
    expiresAt: expiresAt + PEER_LIMITS.clockSkewMs,
    status,
    text: isLong ? `${clip(text, PEER_LIMITS.replyChars)}${CUT_NOTE}` : text,
    reason,
  };
}
