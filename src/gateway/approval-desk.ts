import type { Approvals } from "../approvals/approvals.ts";
import type { CommandAllowlist } from "../approvals/allowlist.ts";
import type { ApprovalGrants } from "../approvals/grants.ts";
import { shortId } from "../approvals/approvals.ts";
import type { ApprovalRow } from "../store/approvals.ts";
import type { ApprovalDesk } from "../tools/commands/gate.ts";

/** Brings questions of the gate for commands to people, and their answers back. */
export const approvalDesk = (approvals: Approvals, allowlist: CommandAllowlist, grants: ApprovalGrants): ApprovalDesk => ({
  async ask({ caller, callId, command, cwd, host, resolvedPath, warnings, patterns, digest, binding }, signal) {
    const { agentId, sessionKey, runId } = caller;
    const subject = { commandText: command, cwd, host, resolvedPath, warnings, patterns, ...(binding !== null && { binding }) };
    const approval = await approvals.ask({ agentId, sessionKey, runId, callId, subject, digest }, signal);
    if (approval.status !== "allowed") return { allowed: false, note: refusalOf(approval) };
    return { allowed: true, id: approval.id, isGranted: approval.grant !== null };
  },
  use: (id) => approvals.use(id),
  useGrant: (binding, sessionKey) => grants.use(binding, sessionKey),
  allowlist: (agentId) => allowlist.entries(agentId),
});

/** Who said no and when, in words for the model. It names no way around the answer. */
function refusalOf({ id, status, reason, resolver, resolvedAt }: ApprovalRow): string {
  const at = resolvedAt === null ? "" : ` at ${new Date(resolvedAt).toISOString()}`;
  const approval = `approval ${shortId(id)}`;
  switch (status) {
    case "denied":
      return `${resolver?.id ?? "a person"} denied it${at} (${approval}). Do not try it in another way; say what you wanted and ask what to do.`;
    case "expired":
      return `there was no answer${at.replace(" at ", " until ")} (${approval}). Ask whether to try again.`;
    default:
      return `${reason === "gateway-restart" ? "the gateway" : "the turn"} was stopped${at} before there was an answer (${approval}).`;
  }
}
