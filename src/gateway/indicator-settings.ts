import type { ChannelCapabilities, ReplyTarget } from "../channels/channel.ts";
import type { Config } from "../config/schema.ts";
import type { IndicatorSettings, PreviewMode } from "../turns/turn-indicators.ts";
import type { ReplyToMode } from "../turns/outbound.ts";
import { accountSetting } from "./channel-settings.ts";

type AccountRef = Pick<ReplyTarget, "channel" | "account">;

const PREVIEW_MODES: readonly unknown[] = ["off", "partial", "block", "progress"] satisfies PreviewMode[];
const REPLY_MODES: readonly unknown[] = ["off", "first", "all", "batched"] satisfies ReplyToMode[];

/** How an answer is shown while it is written: `streaming.mode` of the account, or the default of its channel. */
export function previewMode(config: Config, place: AccountRef, abilities: ChannelCapabilities | null): PreviewMode {
  if (!abilities?.edit) return "off";
  const streaming = accountSetting(config, place, "streaming");
  const mode = typeof streaming === "object" && streaming !== null ? (streaming as { mode?: unknown }).mode : undefined;
  if (PREVIEW_MODES.includes(mode)) return mode as PreviewMode;
  return abilities.preview ? "partial" : "off";
}

/** Which parts of a reply are shown as the answer to the message; none without a setting of the account. */
export function replyToMode(config: Config, place: AccountRef): ReplyToMode {
  const mode = accountSetting(config, place, "replyToMode");
  return REPLY_MODES.includes(mode) ? (mode as ReplyToMode) : "off";
}

/** Previews, typing and acknowledgement of a turn, by the configuration. */
export function indicatorSettings(config: Config, place: AccountRef, abilities: ChannelCapabilities | null): IndicatorSettings {
  const { ackReaction, ackReactionScope, removeAckAfterReply } = config.messages;
  const own = accountSetting(config, place, "ackReaction");
  const emoji = typeof own === "string" ? own : (ackReaction ?? "");
  return {
    preview: previewMode(config, place, abilities),
    typing: config.session.typingMode ?? config.agents.defaults.typingMode ?? null,
    ack: emoji === "" ? null : { emoji, scope: ackReactionScope, removeAfterReply: removeAckAfterReply },
  };
}
