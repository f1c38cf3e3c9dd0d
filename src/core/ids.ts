/** Branded ids: all are strings at run time, and mixing two of them does not compile. */
declare const brand: unique symbol;
export type Id<B extends string> = string & { readonly [brand]: B };

/** `agent:<agentId>:<rest>`, canonical lower-case agent part; made only by routing/session-key. */
export type SessionKey = Id<"SessionKey">;
export type AgentId = Id<"AgentId">;
/** One run of one admitted message. For RPC sources it equals the client's idempotency key. */
export type RunId = Id<"RunId">;
/** Configured account of a channel; `default` when the channel has only one. */
export type AccountId = Id<"AccountId">;
/** Channel id: `irc`, `telegram`, ... and `webchat` for everything that arrives over protocol v4. */
export type ChannelId = Id<"ChannelId">;
/** The provider's own id of a conversation, never a display name. */
export type ChatId = Id<"ChatId">;
/** The provider's own id of a person, never a display name. */
export type SenderId = Id<"SenderId">;
/** The provider's own id of a message. */
export type MessageId = Id<"MessageId">;
export type ConnId = Id<"ConnId">;
/** Lower-case hex SHA-256 of a device's raw public key. */
export type DeviceId = Id<"DeviceId">;

/** Marks a validated string as an id. The only way to make an id from a string. */
export function asId<T extends Id<string>>(value: string): T {
  return value as T;
}
