import { createHash } from "node:crypto";
import type { AgentEvent, ModelRef, TokenUsage, Turn, TurnFailure } from "../agents/runtime.ts";
import { GatewayError } from "../core/errors.ts";
import { parseRemoteAgent, PEER_PROVIDER } from "../core/peer-address.ts";
import type { PeerOutcome } from "./context.ts";

export type RemoteTurnDeps = {
  /** Puts a request into the queue of a link; on disk when it resolves. A repeated id changes nothing. Throws when it is refused. */
  ask: (request: RemoteRequest) => Promise<{ expiresAt: number; isUp: boolean }>;
  waitFor: (id: string, signal: AbortSignal) => Promise<PeerOutcome | null>;
  cancel: (id: string, outcome: PeerOutcome) => Promise<void>;
  now: () => number;
};

export type RemoteRequest = {
  id: string;
  peer: string;
  agent: string;
  runId: Turn["runId"];
  conversation: string;
  isNew: boolean;
  text: string;
};

const NO_USAGE: TokenUsage = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, totalTokens: 0, costUsd: 0 };

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");

/** The same for each attempt of a run: after a crash the other gateway gets the same message again, and takes it once. */
export const requestIdOf = (runId: string): string => hash(`request|${runId}`);

/** Names the conversation to the other gateway, and tells it nothing else. */
export const conversationIdOf = (sessionKey: string): string => hash(`conversation|${sessionKey}`).slice(0, 32);

/** A turn that an agent of another gateway answers. It is a row from its first step on: a crash on either side repeats nothing. */
export async function* runRemoteTurn(deps: RemoteTurnDeps, turn: Turn, signal: AbortSignal): AsyncIterable<AgentEvent> {
  const address = parseRemoteAgent(turn.agentId)!;
  const model: ModelRef = { provider: PEER_PROVIDER, id: turn.agentId };
  const id = requestIdOf(turn.runId);
  yield { type: "started", model, contextWindow: 0 };
  let asked: { expiresAt: number; isUp: boolean };
  try {
    asked = await deps.ask({
      id,
      ...address,
      runId: turn.runId,
      conversation: conversationIdOf(turn.sessionKey),
      isNew: turn.history().length === 0,
      text: textOf(turn),
    });
  } catch (err) {
    if (!(err instanceof GatewayError)) throw err;
    return yield ended({ kind: "refusal", message: `The message was not sent to ${turn.agentId}: ${err.message}.` });
  }
  if (!asked.isUp) yield { type: "waiting", for: "peer", forMs: 0, untilMs: Math.max(0, asked.expiresAt - deps.now()), name: address.peer };
  const outcome = await deps.waitFor(id, signal);
  if (outcome === null) {
    await deps.cancel(id, { status: "aborted", text: "", reason: "the turn was stopped" });
    return yield { type: "end", reason: "aborted", checkpoint: null };
  }
  if (outcome.status === "ok" || outcome.text !== "") {
    yield { type: "text", delta: outcome.text };
    yield { type: "message", blocks: [{ type: "text", text: outcome.text }], model, usage: NO_USAGE, stopReason: "stop" };
  }
  yield outcome.status === "ok" ? { type: "end", reason: "stop", checkpoint: null } : ended(failureOf(turn.agentId, outcome));
}

const ended = (error: TurnFailure): AgentEvent => ({ type: "end", reason: "error", checkpoint: null, error });

function failureOf(agent: string, { status, reason }: PeerOutcome): TurnFailure {
  const why = reason ?? "no reason was given";
  if (status === "bounced") return { kind: "network", message: `${agent} did not get or answer the message: ${why}.` };
  return { kind: "unknown", message: `${agent} could not answer: ${why}` };
}

function textOf({ text, images }: Turn): string {
  if (images.length === 0) return text;
  return `${text}\n\n[${images.length} ${images.length === 1 ? "image was" : "images were"} not sent: links carry text only]`.trim();
}
