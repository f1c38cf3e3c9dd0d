import type { ProtocolClient } from "../client/client.ts";
import { ClientError } from "../client/errors.ts";
import { shortId } from "./approval-view.ts";
import type { ApprovalDecision } from "../store/approvals.ts";
import type { Invocation } from "./invocation.ts";
import { formatAge, revealLine, revealText } from "./terminal-text.ts";

/** What `exec.approval.get` says of a question, as far as it is shown here. */
type Question = {
  id: string;
  kind?: "exec" | "plugin";
  status: string;
  commandText: string;
  cwd?: string | null;
  host?: string;
  warnings?: readonly string[];
  allowedDecisions: readonly ApprovalDecision[];
  expiresAtMs: number;
};

/** One event of the stream of an agent, as far as it says that a run waits. */
export type RunEvent = { runId: string; stream: string; data?: { phase?: string; approvalId?: string; message?: string } };

/** The id of the question for which the run waits, if this event says so. */
export const waitingApproval = ({ stream, data }: RunEvent): string | null =>
  stream === "lifecycle" && data?.phase === "waiting-approval" ? (data.approvalId ?? null) : null;

/** Says on stderr what a turn waits for, and how to answer: `command` goes before the id. Without the scope for it, only that it waits. */
export async function noteWaitingApproval(client: ProtocolClient, { out, host }: Invocation, id: string, command: string): Promise<void> {
  try {
    const question = await client.request<Question>("exec.approval.get", { id });
    if (question.status !== "pending") return;
    const { kind, commandText, cwd, host: where, warnings = [], allowedDecisions, expiresAtMs } = question;
    const what = kind === "plugin" ? "A program asks" : revealLine(`A command waits for your answer, on the ${where} in ${cwd}`);
    out.note(`${out.paint("yellow", "?")} ${what}:`);
    for (const line of revealText(commandText).split("\n")) out.note(`    ${line}`);
    for (const warning of warnings) out.note(`  ${out.paint("yellow", "!")} ${revealLine(warning)}`);
    out.note(`  Answer with: ${command} ${shortId(id)} ${allowedDecisions.join("|")} (expires ${formatAge(expiresAtMs, host.now())})`);
  } catch (err) {
    if (!(err instanceof ClientError)) throw err;
    // A lost connection is reported by the command that holds it.
    if (err.kind !== "request") return;
    out.note(
      `${out.paint("yellow", "?")} A command waits for an answer (${shortId(id)}), which this credential cannot show: ${err.message}.`,
    );
    out.note(
      "  Answer on the page, or make a token for it: openclaw tokens create <name> --scope operator.write --scope operator.approvals",
    );
  }
}
