import type { InboundPress, ReplyTarget } from "../channels/channel.ts";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import type { RoutingDecision } from "../routing/decide.ts";
import type { Buttons, StoredButton } from "../store/buttons.ts";
import type { MessageAdmission } from "./admission.ts";
import type { ChannelLookup } from "./channel-lookup.ts";
import { conversationPrefix, toPlaceTarget, type ChannelAccount } from "./event-addressing.ts";
import { conversationOf, type Outbound } from "./outbound.ts";
import type { Submission } from "./submission.ts";
import { noWork, planInTransaction, type UnitOfWork } from "./unit-of-work.ts";

export type InteractionDeps = {
  buttons: Buttons;
  admission: Pick<MessageAdmission, "prepare">;
  outbound: Outbound;
  clock: Clock;
  log: Log;
  directory: Pick<ChannelLookup, "canonicalId">;
  deliver: (conversation: string) => void;
};

type RoutedInteraction = {
  decision: RoutingDecision;
  /** The message that the interaction stands for, from its sender and with this target. */
  toSubmission: (target: ReplyTarget, button: StoredButton) => Submission;
};

const EXPIRED_BUTTON_TEXT = "That button is no longer valid. Ask again, and use the new one.";

/**
 * An interaction submits the value of its button, once, as if the sender had written it. A platform sends only a token: it counts when it
 * was issued for this chat, and for this person where one was named. Everything else runs nothing; a late sender gets one notice.
 */
export function planInteraction(
  deps: InteractionDeps,
  source: ChannelAccount,
  event: InboundPress,
  { decision, toSubmission }: RoutedInteraction,
): UnitOfWork {
  if (decision.access.action !== "answer") return noWork;
  const { admission, buttons, clock, deliver, log, outbound } = deps;
  const refuse = (reason: string): UnitOfWork => {
    log.info("an interaction was refused", { ...source, sender: event.sender.id, reason });
    return noWork;
  };
  return planInTransaction(() => {
    const button = buttons.get(event.token);
    const now = clock.now();
    const refusal = button ? refusalReason(deps, source, event, button) : "unknown";
    if (!button || refusal !== null) return refuse(refusal ?? "unknown");
    const target = toButtonTarget(source, event, button);
    if (button.expiresAt <= now) {
      refuse("expired");
      if (!buttons.consume(button.token, now)) return noWork;
      const notice = { id: `press:${button.token}`, sessionKey: null, target, text: EXPIRED_BUTTON_TEXT, at: now };
      return { ...noWork, apply: () => outbound.add(notice), onCommit: () => deliver(conversationOf(target)) };
    }
    if (!buttons.consume(button.token, now)) return refuse("used");
    return admission.prepare(toSubmission(target, button));
  });
}

function refusalReason(deps: InteractionDeps, source: ChannelAccount, event: InboundPress, button: StoredButton): string | null {
  if (!button.conversation.startsWith(conversationPrefix(source, event.chat.id))) return "elsewhere";
  const canonical = deps.directory.canonicalId(source.channel) ?? ((id: string): string => id.trim());
  const ids = [event.sender.id, ...(event.sender.aliases ?? [])].map((id) => canonical(id));
  return button.sender === null || ids.includes(canonical(button.sender)) ? null : "another person";
}

/** The conversation in which the button was shown, also where the platform does not name its thread with a press. */
function toButtonTarget(source: ChannelAccount, event: InboundPress, button: StoredButton): ReplyTarget {
  const target = toPlaceTarget(source, event, event.via);
  const thread = button.conversation.slice(conversationPrefix(source, event.chat.id).length);
  return thread === "" ? target : { ...target, thread };
}
