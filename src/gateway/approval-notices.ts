import type { Approvals } from "../approvals/approvals.ts";
import { allowedDecisions, shortId } from "../approvals/approvals.ts";
import { reasonOf } from "../core/errors.ts";
import { codeFence } from "../core/text.ts";
import type { ApprovalRow } from "../store/approvals.ts";
import { conversationOf } from "../turns/outbound.ts";
import type { Payload } from "../turns/submission.ts";
import type { ChatFamilyDeps } from "./method-deps.ts";

type NoticeDeps = Pick<ChatFamilyDeps, "bus" | "store" | "inbox" | "buttons" | "directory" | "messaging" | "clock" | "log"> & {
  approvals: Approvals;
};

/** Labels of the buttons under a question. */
const LABELS = { "allow-once": "Allow once", "allow-always": "Always", deny: "Deny" } as const;

/**
 * Asks in the conversation on a channel where the command comes from, when an owner has written there, and tells the clients that watch
 * the run that it waits.
 */
export function startApprovalNotices(deps: NoticeDeps): void {
  const { bus, messaging } = deps;
  bus.on("approval.requested", ({ approval }) => {
    note(deps, approval, "waiting");
    askInConversation(deps, approval);
  });
  bus.on("approval.ended", ({ approval }) => note({ messaging }, approval, "resolved"));
}

function note({ messaging }: Pick<NoticeDeps, "messaging">, approval: ApprovalRow, phase: "waiting" | "resolved"): void {
  const { runId, sessionKey, agentId, id, callId } = approval;
  if (runId !== null) messaging.turns.runs.noteApproval({ runId, sessionKey, agentId }, { phase, approvalId: id, callId });
}

function askInConversation(deps: NoticeDeps, approval: ApprovalRow): void {
  const { store, inbox, buttons, directory, messaging, clock, log } = deps;
  const payload = approval.runId === null ? null : inbox.byRun<Payload>(approval.runId)?.payload;
  const target = payload?.target;
  if (!payload || !target || !payload.provenance.senderIsOwner) return;
  const now = clock.now();
  const decisions = allowedDecisions(approval);
  const hasButtons = directory.capabilities(target.channel)?.buttons === true;
  const issue = (): { text: string; token: string }[][] => {
    if (!hasButtons) return [];
    const tokens = buttons.issue({
      conversation: conversationOf(target),
      sessionKey: approval.sessionKey,
      sender: payload.provenance.senderId ?? null,
      values: decisions.map((decision) => `/approve ${approval.id} ${decision}`),
      ttlMs: approval.expiresAt - now,
      now,
    });
    return [decisions.map((decision, index) => ({ text: LABELS[decision], token: tokens[index]! }))];
  };
  store
    .write(() =>
      messaging.turns.outbound.add({
        id: `approval:${approval.id}`,
        sessionKey: null,
        target,
        text: toQuestion(approval),
        at: now,
        buttons: issue(),
      }),
    )
    .then(
      () => messaging.delivery.wake(conversationOf(target)),
      (err: unknown) => log.warn("a question about a command could not be sent", { approval: approval.id, cause: reasonOf(err) }),
    );
}

/** The question for a person in a chat. A longer command is cut: who has to read all of it does so on the page or with the command line. */
function toQuestion({ id, subject }: ApprovalRow): string {
  const { commandText, cwd, warnings } = subject;
  const shown =
    commandText.length > COMMAND_CHARS ? `${commandText.slice(0, COMMAND_CHARS)}\n[cut: ${commandText.length} characters]` : commandText;
  const fence = codeFence(commandText);
  return [
    `May I run this in ${cwd}? (${shortId(id)})`,
    `${fence}\n${shown}\n${fence}`,
    ...warnings.map((warning) => `- ${warning}`),
    `Answer with /approve ${shortId(id)} and allow-once, allow-always or deny.`,
  ].join("\n");
}

const COMMAND_CHARS = 1_500;
