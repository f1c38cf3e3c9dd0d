import { GatewayError } from "../../src/core/errors.ts";
import type { ChannelMessages } from "../../src/tools/message/messages.ts";

/** A gateway without channels. */
export const noMessages: ChannelMessages = {
  act: () => Promise.reject(new GatewayError("INVALID_REQUEST", "this conversation is not on a channel")),
};
