/** Names of links to other gateways: parts of `agent@peer`. */
export const PEER_NAME = /^[a-z0-9][a-z0-9_-]{0,31}$/;

/** An agent of another gateway, as it is named here: `agent@peer`. The last part is the link; what is before it is resolved there. */
const REMOTE_AGENT = /^([a-z0-9][a-z0-9_-]{0,63}(?:@[a-z0-9][a-z0-9_-]{0,31}){0,7})@([a-z0-9][a-z0-9_-]{0,31})$/;

/** `agent@peer`, taken apart; null for an agent of this gateway and for every other text. */
export function parseRemoteAgent(text: string): { agent: string; peer: string } | null {
  const found = REMOTE_AGENT.exec(text);
  return found && { agent: found[1]!, peer: found[2]! };
}

/** The provider of turns that another gateway answers: no model of this gateway, and no slot of its turns. */
export const PEER_PROVIDER = "openclaw-peer";

/** What one gateway may ask of another. */
export const PEER_METHODS = ["agent", "agents.list"] as const;
export type PeerMethod = (typeof PEER_METHODS)[number];

/** Whether a host name of a URL is this machine. */
export const isLoopbackHost = (host: string): boolean => host === "localhost" || host === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(host);
