import type { Config } from "../config/schema.ts";
import type { SessionRow } from "../store/sessions.ts";
import type { SessionResetRule } from "../turns/expiry.ts";

/** When a session is reset by itself. Precedence: rule of the chat kind, of the channel, general rule. */
export function resetRule(config: Config, session: Pick<SessionRow, "key" | "chat_kind" | "channel">): SessionResetRule {
  const { reset, resetByChannel, resetByType } = config.session;
  const kind =
    session.key.includes(":thread:") || session.key.includes(":topic:")
      ? resetByType.thread
      : session.chat_kind === "direct"
        ? resetByType.direct
        : resetByType.group;
  const own = kind ?? (Object.hasOwn(resetByChannel, session.channel) ? resetByChannel[session.channel] : undefined);
  const idleMinutes = own?.idleMinutes ?? reset.idleMinutes ?? null;
  const mode = own?.mode ?? reset.mode ?? (idleMinutes === null ? "none" : "idle");
  return { mode, atHour: own?.atHour ?? reset.atHour, idleMinutes };
}
