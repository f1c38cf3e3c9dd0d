import { Secret } from "../core/secret.ts";
import type { ChannelCapabilities, Channel } from "./channel.ts";

/**
 * The words in which a channel outside of this package is written: `openclaw-gateway/channel`. docs/channels/write-your-own.md walks
 * through one. What is exported here is a promise to others.
 */

export { callApi, networkErrorReason, MultipartForm, NotSentError, readBytes, retryAfterMs } from "./api.ts";
export { openHttp } from "./http.ts";
export type { FormField, HttpResponse, HttpRequest } from "./http.ts";
export type { ApiResponse, ApiRequest } from "./api.ts";
export { TerminalError, UnknownOutcomeError } from "./channel.ts";
export type * from "./channel.ts";
export { renderStyledText, parseStyledText } from "./styled-text.ts";
export type { StyleMarkers, StyleSpan, TextStyle, StyledText } from "./styled-text.ts";
export { splitText } from "./split-text.ts";
export type { TextPiece, SplitOptions } from "./split-text.ts";
export { asId } from "../core/ids.ts";

/** A channel as its author writes it: what it cannot do may be left out of `capabilities`. */
export type ChannelDefinition<Account> = Omit<Channel<Account>, "id" | "capabilities"> & {
  id: string;
  capabilities: Partial<ChannelCapabilities> & Pick<ChannelCapabilities, "chatKinds" | "maxText">;
};

const DEFAULT_CAPABILITIES: Omit<ChannelCapabilities, "chatKinds" | "maxText"> = {
  markup: "plain",
  ack: "none",
  idempotency: "none",
  edit: false,
  typing: false,
  reactions: false,
  media: { in: false, out: false },
  buttons: false,
  commands: false,
  polls: false,
  events: [],
};

/** Completes a definition: a capability that is not named is absent. The result is the file's default export. */
export function defineChannel<Account>(definition: ChannelDefinition<Account>): Channel<Account> {
  return { ...definition, id: definition.id as Channel["id"], capabilities: { ...DEFAULT_CAPABILITIES, ...definition.capabilities } };
}

/** The text of a credential from the configuration or the environment; empty when there is none. Never put it into an error or a log. */
export function secretText(value: unknown): string {
  return value instanceof Secret ? value.reveal() : typeof value === "string" ? value : "";
}
