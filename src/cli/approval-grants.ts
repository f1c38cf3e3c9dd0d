import { CliError, EXIT } from "../core/errors.ts";
import { APPROVALS, commandLine, shortId } from "./approval-view.ts";
import type { CommandHandler } from "./command.ts";
import { callGateway } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { formatAge, revealLine } from "./terminal-text.ts";

/** One row of `exec.approval.grants.list`; `cronJobName` is what it is bound to. */
export type ListedGrant = {
  grantId: string;
  mintedByApprovalId: string;
  agentId: string;
  cronJobName: string | null;
  command: string;
  cwd: string | null;
  createdAtMs: number;
  expiresAtMs: number;
  revokedAtMs: number | null;
  revokedBy: string | null;
  lastUsedAtMs: number | null;
  useCount: number;
};

/** `openclaw approvals grants [list|revoke] [<id>]`; exit 1 where nothing was revoked. */
export const approvalsGrants: CommandHandler = (invocation) => {
  const id = invocation.args[1];
  if (invocation.args[0] !== "revoke") return list(invocation);
  if (id === undefined)
    throw new CliError("the id of the grant is missing", { fix: "openclaw approvals grants lists them.", exit: EXIT.usage });
  return revoke(invocation, id);
};

async function list(invocation: Invocation): Promise<void> {
  const { out, host } = invocation;
  const { grants } = await callGateway<{ grants: ListedGrant[] }>(invocation, APPROVALS, "exec.approval.grants.list", { limit: 500 });
  const now = host.now();
  const isHeld = ({ revokedAtMs, expiresAtMs }: ListedGrant): boolean => revokedAtMs === null && expiresAtMs > now;
  const shown = invocation.has("all") ? grants : grants.filter(isHeld);
  out.result({ grants: shown }, () => {
    const [first] = shown;
    if (!first) {
      out.line("No command is allowed for some time.");
      return out.note("Give a time with an answer: openclaw approvals allow <id> --for 1h. What is always allowed: openclaw approvals get");
    }
    out.table(
      [
        { title: "id" },
        { title: "agent" },
        { title: "for", truncate: true },
        { title: "command", truncate: true },
        { title: "state" },
        { title: "used", align: "right" },
      ],
      shown.map((each) => [
        shortId(each.grantId),
        each.agentId,
        revealLine(each.cronJobName ?? "-"),
        commandLine(each.command),
        stateText(each, now),
        each.useCount === 1 ? "once" : `${each.useCount} times`,
      ]),
    );
    if (isHeld(first)) out.note(`End one now: openclaw approvals grants revoke ${shortId(first.grantId)}`);
  });
}

/** "expires in 25 min", "expired 2 h ago", "revoked by laptop 5 min ago". */
function stateText({ revokedAtMs, revokedBy, expiresAtMs }: ListedGrant, now: number): string {
  if (revokedAtMs !== null) return revealLine(`ended by ${revokedBy ?? "a client"} ${formatAge(revokedAtMs, now)}`);
  return `${expiresAtMs > now ? "expires" : "expired"} ${formatAge(expiresAtMs, now)}`;
}

async function revoke(invocation: Invocation, id: string): Promise<number> {
  const { out } = invocation;
  const answer = await callGateway<{ outcome: string }>(invocation, APPROVALS, "exec.approval.grants.revoke", { grantId: id });
  out.result(answer, () => {
    if (answer.outcome === "revoked") return out.line(`The grant ${revealLine(id)} has ended: the next such command is asked about again.`);
    if (answer.outcome === "already-revoked") return out.line(`The grant ${revealLine(id)} had ended before.`);
    out.note(`${out.paint("red", "✗")} There is no grant ${revealLine(id)}, or several begin with it.`);
    out.note("  Fix: openclaw approvals grants --all lists them with the characters that name each.");
  });
  return answer.outcome === "not-found" ? EXIT.failure : EXIT.ok;
}
