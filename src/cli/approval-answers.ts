import { SESSION_WORD, toGrantWord, USUAL_GRANT } from "../core/approval-words.ts";
import type { ApprovalDecision } from "../store/approvals.ts";
import type { PendingApproval } from "./approval-view.ts";

/** What a key answers, in the words of `approval.resolve`. */
export type KeyAnswer = { readonly decision: ApprovalDecision; readonly grant?: string };

/** Which key gives which answer, in the order in which they are shown. */
export const ANSWER_KEYS: Readonly<Record<string, KeyAnswer & { readonly text: string }>> = {
  o: { decision: "allow-once", text: "allow once" },
  h: { decision: "allow-once", grant: toGrantWord(USUAL_GRANT), text: "for an hour" },
  s: { decision: "allow-once", grant: SESSION_WORD, text: "for this conversation" },
  a: { decision: "allow-always", text: "always" },
  d: { decision: "deny", text: "deny" },
};

export const isOffered = ({ decision, grant }: KeyAnswer, { allowedDecisions, isGrantable = false }: PendingApproval["request"]): boolean =>
  allowedDecisions.includes(decision) && (grant === undefined || isGrantable);

/** A key that is pressed sooner after a question has appeared was meant for something else: another question, or another program. */
export const UNREAD_MS = 500;
