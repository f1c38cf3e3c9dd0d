import { DECISION_WORDS, parseGrantWord, type GrantRequest } from "../core/approval-words.ts";
import { GatewayError } from "../core/errors.ts";
import type { ApprovalDecision, ApprovalResolver, ApprovalRow } from "../store/approvals.ts";
import type { Submission } from "./submission.ts";

/** An answer as rows to write, and what follows once they are on disk. `applied`: it counted; otherwise an earlier one did. */
type PreparedApproval = { apply: () => { applied: boolean; approval: ApprovalRow }; onCommit: () => void };

/** Takes answers to questions about commands. */
export type ApprovalAnswers = {
  /** Throws for an id that is not known, and for a decision that is not offered. */
  prepareAnswer(idOrStart: string, verdict: ApprovalVerdict, resolver: ApprovalResolver): PreparedApproval;
};

const USAGE =
  "Write /approve <id> and allow-once, allow-always, deny, a time such as 30m or 2h, or session. The id is the four characters in the question.";

type ApprovalVerdict = { decision: ApprovalDecision; grant?: GrantRequest };

/**
 * The id and the decision of `/approve`, in either order; null when one is missing. A time, or `session`, may stand alone or after "allow" and
 * "for". Pure.
 */
export function parseApproval(arg: string): ({ id: string } & ApprovalVerdict) | null {
  const words = arg.split(/\s+/).filter(Boolean);
  const [others, id] = isDecision(words[0]) ? [words.slice(0, -1), words.at(-1)] : [words.slice(1), words[0]];
  if (id === undefined || others.length === 0) return null;
  const verdict = toVerdict(others.map((word) => word.toLowerCase()));
  return verdict === null ? null : { id, ...verdict };
}

/** Ids have hexadecimal digits and dashes: no word of a decision is one, and no time. */
const isDecision = (word = ""): boolean => {
  const lower = word.toLowerCase();
  return Object.hasOwn(DECISION_WORDS, lower) || parseGrantWord(lower) !== null;
};

function toVerdict(words: readonly string[]): ApprovalVerdict | null {
  const grant = parseGrantWord(words.at(-1)!);
  if (grant !== null) {
    const before = words.slice(0, -1).join(" ");
    return ["", "for", "allow", "allow for", "allow this"].includes(before) ? { decision: "allow-once", grant } : null;
  }
  const [word, ...more] = words;
  return more.length === 0 && Object.hasOwn(DECISION_WORDS, word!) ? { decision: DECISION_WORDS[word!]! } : null;
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
    const { id, ...verdict } = parsed;
    prepared = answers.prepareAnswer(id, verdict, approver);
  } catch (err) {
    if (err instanceof GatewayError) return only([err.message, err.fix].filter(Boolean).join(". "));
    throw err;
  }
  return {
    apply: () => {
      const { applied, approval } = prepared.apply();
      if (!applied) return `That question has ended before: ${approval.status}.`;
      return `${outcomeOf(approval)}: ${approval.subject.commandText}`;
    },
    onCommit: () => prepared.onCommit(),
  };
}

function outcomeOf({ decision, grant }: ApprovalRow): string {
  if (decision === "deny") return "Denied";
  if (decision === "allow-always") return "Allowed, also from now on";
  if (grant === null) return "Allowed once";
  const until = `${new Date(grant.until).toISOString().slice(0, 16).replace("T", " ")} UTC`;
  return grant.scope === "session"
    ? `Allowed in this conversation without another question, until it is reset, at most until ${until}`
    : `Allowed without another question in this session until ${until}`;
}

/** Why this sender may not answer, and for a client how to be one that may. */
const refusalFor = ({ provenance }: Submission): string =>
  provenance.client === undefined
    ? "Only an owner may answer questions about commands."
    : "This client lacks the scope operator.approvals. Use a token that has it: openclaw tokens create <name> --scope operator.write --scope operator.approvals";
