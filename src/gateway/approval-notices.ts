import type { Approvals } from "../approvals/approvals.ts";
import { allowedDecisions, isGrantable, shortId } from "../approvals/approvals.ts";
import { SESSION_WORD, toGrantWord, USUAL_GRANT } from "../core/approval-words.ts";
import { reasonOf } from "../core/errors.ts";
import { codeFence } from "../core/text.ts";
import type { ApprovalRow } from "../store/approvals.ts";
import { conversationOf } from "../turns/outbound.ts";
import type { Payload } from "../turns/submission.ts";
import type { ChatFamilyDeps } from "./method-deps.ts";

type NoticeDeps = Pick<ChatFamilyDeps, "bus" | "store" | "inbox" | "buttons" | "directory" | "messaging" | "clock" | "log"> & {
  approvals: Approvals;
};

/** Labels of the buttons under a question; a grant is written as in `/approve <id> 1h`. */
const LABELS: Readonly<Record<string, string>> = {
  "allow-once": "Allow once",
  deny: "Deny",
  [toGrantWord(USUAL_GRANT)]: "For 1 hour",
  [SESSION_WORD]: "This conversation",
  "allow-always": "Always",
};

/** The words of the answers, in rows of buttons: those for one command first. Pure. */
function buttonRows(approval: ApprovalRow): string[][] {
  const decisions: readonly string[] = allowedDecisions(approval);
  const lasting = [...(isGrantable(approval) ? [toGrantWord(USUAL_GRANT), SESSION_WORD] : []), "allow-always"];
  const once = ["allow-once", "deny"].filter((word) => decisions.includes(word));
  return [once, lasting.filter((word) => word !== "allow-always" || decisions.includes(word))].filter((row) => row.length > 0);
}

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
  const rows = buttonRows(approval);
  const hasButtons = directory.capabilities(target.channel)?.buttons === true;
  const issue = (): { text: string; token: string }[][] => {
    if (!hasButtons) return [];
    const tokens = buttons.issue({
      conversation: conversationOf(target),
      sessionKey: approval.sessionKey,
      sender: payload.provenance.senderId ?? null,
      values: rows.flat().map((word) => `/approve ${approval.id} ${word}`),
      ttlMs: approval.expiresAt - now,
      now,
    });
    return rows.map((row) => row.map((word) => ({ text: LABELS[word]!, token: tokens.shift()! })));
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
function toQuestion(approval: ApprovalRow): string {
  const { id, subject } = approval;
  const { commandText, cwd, plugin, warnings } = subject;
  const offered: readonly string[] = allowedDecisions(approval).filter((word) => word !== "deny");
  const lasting = isGrantable(approval) ? [toGrantWord(USUAL_GRANT), SESSION_WORD] : [];
  const [once, ...always] = offered;
  const words = `${[once, ...lasting, ...always].filter((word) => word !== undefined).join(", ")} or deny`;
  const answer = `Answer with /approve ${shortId(id)} and ${words}.`;
  // The detail is for the page and the command line only.
  if (plugin) {
    const text = [plugin.title, plugin.description, ...(isGrantable(approval) ? warnings : [])].join("\n\n");
    const fence = codeFence(text);
    const asker = plugin.pluginId ?? "A program";
    return [`${asker} asks (${shortId(id)}, ${plugin.severity}):`, `${fence}\n${text}\n${fence}`, answer].join("\n");
  }
  const shown =
    commandText.length > COMMAND_CHARS ? `${commandText.slice(0, COMMAND_CHARS)}\n[cut: ${commandText.length} characters]` : commandText;
  const fence = codeFence(commandText);
  return [
    `May I run this in ${cwd}? (${shortId(id)})`,
    `${fence}\n${shown}\n${fence}`,
    ...warnings.map((warning) => `- ${warning}`),
    answer,
  ].join("\n");
}

const COMMAND_CHARS = 1_500;
