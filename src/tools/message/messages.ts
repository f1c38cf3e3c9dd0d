import type { ToolCaller } from "../tool.ts";

/** One thing to do on a channel. */
export type MessageRequest = {
  action: string;
  /** What the action reads, as its caller has named it. */
  params: Readonly<Record<string, unknown>>;
  /** Another conversation than the caller's own; empty for that one. */
  where: { channel?: string; target?: string; accountId?: string; threadId?: string };
  /** Names the call: what was stored for it is not stored again. */
  key: string;
  callId: string;
};

/** `isQueued`: it is sent as soon as the account can send. */
export type MessageAnswer = { isQueued: boolean; messageId: string | null; threadId: string | null };

/** What agents do on channels beside their answers. Implemented over the outbox and the connections. */
export interface ChannelMessages {
  /** Throws GatewayError when it was not done, or when that is not known. `signal` ends the wait for a person's agreement. */
  act(request: MessageRequest, caller: ToolCaller, signal: AbortSignal): Promise<MessageAnswer>;
}
