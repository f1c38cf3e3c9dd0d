import type { InboundPress } from "../channels/channel.ts";
import { asId, type RunId } from "../core/ids.ts";
import type { Explanation } from "../routing/explain.ts";
import type { RoutedMessage } from "../routing/types.ts";
import type { Buttons, StoredButton } from "../store/buttons.ts";
import { conversationOf, type Admission, type Turns } from "./engine.ts";
import { chatPrefix, nothing, placeTarget, routed, type Source, type Step } from "./inbound-step.ts";
import type { Submission } from "./submission.ts";
import type { Target } from "../channels/channel.ts";

export type PressDeps = {
  turns: Turns;
  buttons: Buttons;
  canonicalId: (channel: string) => ((id: string) => string) | undefined;
  explain: (source: Source, message: RoutedMessage) => Explanation;
  /** The message that the press stands for, from this sender in this place; undefined when no agent answers there. */
  toSubmission: (event: InboundPress, target: Target, button: StoredButton, decision: Explanation) => Submission;
  refused: (reason: string) => void;
};

const EXPIRED = "That button is no longer valid. Ask again, and use the new one.";

/**
 * A press says what its button stands for, once, as if the presser had written it. What a platform sends is only a token: it counts when
 * it was issued for this chat, and for this person where one was named. Everything else runs nothing; who was late is told once.
 */
export function pressStep(deps: PressDeps, source: Source, event: InboundPress): Step {
  const decision = deps.explain(source, routed(event, { mentionsSelf: true }));
  if (decision.admission.action !== "answer") return nothing;
  const { turns, buttons } = deps;
  let admission: Admission | undefined;
  let told: Target | undefined;
  return {
    inTransaction: () => {
      admission = undefined;
      told = undefined;
      const button = buttons.get(event.token);
      const now = turns.options.clock.now();
      const refusal = button ? refusalOf(deps, source, event, button) : "unknown";
      if (!button || refusal !== null) return deps.refused(refusal ?? "unknown");
      const target = targetFor(source, event, button);
      if (button.expiresAt <= now) {
        deps.refused("expired");
        if (!buttons.use(button.token, now)) return;
        told = target;
        return turns.addIntent(asId<RunId>(`press:${button.token}`), null, target, EXPIRED, now);
      }
      if (!buttons.use(button.token, now)) return deps.refused("used");
      admission = turns.admission(deps.toSubmission(event, target, button, decision));
      admission.inTransaction();
    },
    afterCommit: () => {
      admission?.afterCommit();
      if (told) turns.options.deliver(conversationOf(told));
    },
    undo: () => admission?.undo(),
  };
}

function refusalOf(deps: PressDeps, source: Source, event: InboundPress, button: StoredButton): string | null {
  if (!button.conversation.startsWith(chatPrefix(source, event.chat.id))) return "elsewhere";
  const canonical = deps.canonicalId(source.channel) ?? ((id: string): string => id.trim());
  const ids = [event.sender.id, ...(event.sender.aliases ?? [])].map((id) => canonical(id));
  return button.sender === null || ids.includes(canonical(button.sender)) ? null : "another person";
}

/** The conversation in which the button was shown, also where the platform does not name its thread with a press. */
function targetFor(source: Source, event: InboundPress, button: StoredButton): Target {
  const target = placeTarget(source, event, event.via);
  const thread = button.conversation.slice(chatPrefix(source, event.chat.id).length);
  return thread === "" ? target : { ...target, thread };
}
