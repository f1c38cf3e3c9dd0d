import { DECISION_WORDS } from "../core/approval-words.ts";
import { GatewayError } from "../core/errors.ts";
import type { ApprovalDecision, ApprovalResolver, ApprovalRow } from "../store/approvals.ts";
import type { Submission } from "./submission.ts";

/** An answer as rows to write, and what follows once they are on disk. `applied`: it counted; otherwise an earlier one did. */
type PreparedApproval = { apply: () => { applied: boolean; approval: ApprovalRow }; onCommit: () => void };

/** Takes answers to questions about commands. */
export type ApprovalAnswers = {
  /** Throws for an id that is not known, and for a decision that is not offered. */
  prepareAnswer(idOrStart: string, decision: ApprovalDecision, resolver: ApprovalResolver): PreparedApproval;
};

const USAGE = "Write /approve <id> allow-once, allow-always or deny. The id is the four characters in the question.";

/** The id and the decision of `/approve`, in either order; null when one is missing. Pure. */
export function parseApproval(arg: string): { id: string; decision: ApprovalDecision } | null {
  const words = arg.split(/\s+/).filter(Boolean);
  if (words.length !== 2) return null;
  const at = words.findIndex((word) => Object.hasOwn(DECISION_WORDS, word.toLowerCase()));
  return at < 0 ? null : { id: words[1 - at]!, decision: DECISION_WORDS[words[at]!.toLowerCase()]! };
}

/** The answer to `/approve`: `apply` changes the rows and returns the text; inside a `store.write`. */
export type ApproveCommand = { apply: () => string; onCommit: () => void };

const only = (text: string): ApproveCommand => ({ apply: () => text, onCommit: () => {} });

/** `/approve` of a person who may answer such questions, or the reason why nothing was done. */
export function prepareApprove(answers: ApprovalAnswers, submission: Submission, arg: string): ApproveCommand {
  const { approver } = submission;
  if (approver === undefined) return only(refusalFor(submission));
  const parsed = parseApproval(arg);
  if (parsed === null) return only(USAGE);
  let prepared: PreparedApproval;
  try {
    prepared = answers.prepareAnswer(parsed.id, parsed.decision, approver);
  } catch (err) {
    if (err instanceof GatewayError) return only([err.message, err.fix].filter(Boolean).join(". "));
    throw err;
  }
  return {
    apply: () => {
      const { applied, approval } = prepared.apply();
      if (!applied) return `That question has ended before: ${approval.status}.`;
      const { commandText } = approval.subject;
      if (approval.decision === "deny") return `Denied: ${commandText}`;
      return approval.decision === "allow-always" ? `Allowed, also from now on: ${commandText}` : `Allowed once: ${commandText}`;
    },
    onCommit: () => prepared.onCommit(),
  };
}

/** Why this sender may not answer, and for a client how to be one that may. */
const refusalFor = ({ provenance }: Submission): string =>
  provenance.client === undefined
    ? "Only an owner may answer questions about commands."
    : "This client lacks the scope operator.approvals. Use a token that has it: openclaw tokens create <name> --scope operator.write --scope operator.approvals";
