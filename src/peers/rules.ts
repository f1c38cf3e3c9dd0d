import type { PeerMethod } from "../core/peer-address.ts";
import type { RequestEnvelope } from "./envelope.ts";
import { PEER_LIMITS } from "./limits.ts";

/** What may go over a link in one direction. */
export type AllowList = {
  readonly agents: readonly string[];
  readonly methods: readonly PeerMethod[];
  readonly channels: readonly string[];
};

export type PeerCall = { method: PeerMethod; agent: string; channel: string };

/** Why a list does not allow a call, or null. `*` among the agents means those of one gateway, not those behind its other links. Pure. */
export function refuseCall(list: AllowList, { method, agent, channel }: PeerCall): string | null {
  if (!list.methods.includes(method)) return `the method ${method} is not allowed`;
  const isAgent = list.agents.includes(agent) || (list.agents.includes("*") && !agent.includes("@"));
  if (!isAgent) return `the agent ${agent.slice(0, 64)} is not allowed`;
  if (!list.channels.includes("*") && !list.channels.includes(channel)) return `messages from ${channel.slice(0, 64)} are not allowed`;
  return null;
}

/** Why a message may not go on from here, or null. `own`: the id of this gateway. Pure. */
export function refusePath(path: readonly string[], maxHops: number, own: string): string | null {
  if (path.includes(own)) return "the message was at this gateway before: it goes in a circle";
  return path.length > maxHops ? `the message went over ${path.length} links; at most ${maxHops} are allowed` : null;
}

/** Why a request is not taken for its times, or null. Pure. */
export function refuseTimes({ sentAt, expiresAt }: Pick<RequestEnvelope, "sentAt" | "expiresAt">, now: number): string | null {
  if (expiresAt <= now) return "its time is over";
  if (expiresAt > now + PEER_LIMITS.maxLifeMs) return "it would be valid for too long; compare the clocks of the two gateways";
  return sentAt > now + PEER_LIMITS.clockSkewMs ? "it was sent in the future; compare the clocks of the two gateways" : null;
}
