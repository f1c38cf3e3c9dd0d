import type { InboundPress } from "../channels/channel.ts";
import { asId, type RunId } from "../core/ids.ts";
import type { RoutingDecision } from "../routing/decide.ts";
import type { RoutedMessage } from "../routing/types.ts";
import type { Buttons, StoredButton } from "../store/buttons.ts";
import { conversationOf, type PendingSubmission, type Turns } from "./engine.ts";
import { conversationPrefix, noWork, toPlaceTarget, toRoutedMessage, type ChannelAccount, type UnitOfWork } from "./unit-of-work.ts";
import type { Submission } from "./submission.ts";
import type { ReplyTarget } from "../channels/channel.ts";

export type InteractionDeps = {
  turns: Turns;
  buttons: Buttons;
  canonicalId: (channel: string) => ((id: string) => string) | undefined;
  decide: (source: ChannelAccount, message: RoutedMessage) => RoutingDecision;
  /** The message that the press stands for, from this sender in this place; undefined when no agent answers there. */
  toSubmission: (event: InboundPress, target: ReplyTarget, button: StoredButton, decision: RoutingDecision) => Submission;
  onRefused: (reason: string) => void;
};

const EXPIRED_BUTTON_TEXT = "That button is no longer valid. Ask again, and use the new one.";

/**
 * A press says what its button stands for, once, as if the presser had written it. What a platform sends is only a token: it counts when
 * it was issued for this chat, and for this person where one was named. Everything else runs nothing; who was late is told once.
 */
export function planInteraction(deps: InteractionDeps, source: ChannelAccount, event: InboundPress): UnitOfWork {
  const decision = deps.decide(source, toRoutedMessage(event, { mentionsSelf: true }));
  if (decision.access.action !== "answer") return noWork;
  const { turns, buttons } = deps;
  let admission: PendingSubmission | undefined;
  let told: ReplyTarget | undefined;
  return {
    apply: () => {
      admission = undefined;
      told = undefined;
      const button = buttons.get(event.token);
      const now = turns.options.clock.now();
      const refusal = button ? refusalReason(deps, source, event, button) : "unknown";
      if (!button || refusal !== null) return deps.onRefused(refusal ?? "unknown");
      const target = toButtonTarget(source, event, button);
      if (button.expiresAt <= now) {
        deps.onRefused("expired");
        if (!buttons.consume(button.token, now)) return;
        told = target;
        return turns.addIntent(asId<RunId>(`press:${button.token}`), null, target, EXPIRED_BUTTON_TEXT, now);
      }
      if (!buttons.consume(button.token, now)) return deps.onRefused("used");
      admission = turns.prepareSubmission(deps.toSubmission(event, target, button, decision));
      admission.apply();
    },
    onCommit: () => {
      admission?.onCommit();
      if (told) turns.options.deliver(conversationOf(told));
    },
    onRollback: () => admission?.onRollback(),
  };
}

function refusalReason(deps: InteractionDeps, source: ChannelAccount, event: InboundPress, button: StoredButton): string | null {
  if (!button.conversation.startsWith(conversationPrefix(source, event.chat.id))) return "elsewhere";
  const canonical = deps.canonicalId(source.channel) ?? ((id: string): string => id.trim());
  const ids = [event.sender.id, ...(event.sender.aliases ?? [])].map((id) => canonical(id));
  return button.sender === null || ids.includes(canonical(button.sender)) ? null : "another person";
}

/** The conversation in which the button was shown, also where the platform does not name its thread with a press. */
function toButtonTarget(source: ChannelAccount, event: InboundPress, button: StoredButton): ReplyTarget {
  const target = toPlaceTarget(source, event, event.via);
  const thread = button.conversation.slice(conversationPrefix(source, event.chat.id).length);
  return thread === "" ? target : { ...target, thread };
}
