import { createHash } from "node:crypto";
import type { Approvals } from "../approvals/approvals.ts";
import type { CommandAllowlist } from "../approvals/allowlist.ts";
import type { ApprovalGrants } from "../approvals/grants.ts";
import { shortId } from "../approvals/approvals.ts";
import { clip } from "../core/text.ts";
import type { ApprovalRow, ApprovalSubject } from "../store/approvals.ts";
import type { ApprovalDesk } from "../tools/commands/gate.ts";
import type { AskAboutTool } from "./tool-sources.ts";

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

/** Characters of the arguments of a call that a person is shown in full; what is longer is not asked about. */
const ARGUMENT_CHARS = 16_384;
const TITLE_CHARS = 80;
const DESCRIPTION_CHARS = 512;

/** Asks people about calls of tools that are not commands. */
export const toolAsker =
  (approvals: Approvals): AskAboutTool =>
  async ({ title, about, args, pluginId, toolName }, { caller, callId, signal }) => {
    const { agentId, sessionKey, runId } = caller;
    const detail = JSON.stringify(args, null, 2) ?? "";
    if (detail.length > ARGUMENT_CHARS)
      return `a person has to be asked about it, and its arguments are longer than the ${ARGUMENT_CHARS} characters that are shown.`;
    const short = `${about} Arguments: ${JSON.stringify(args)}`;
    const description = short.length <= DESCRIPTION_CHARS ? short : `${short.slice(0, DESCRIPTION_CHARS - 1)}…`;
    const plugin = {
      title: clip(title, TITLE_CHARS),
      description,
      detail,
      severity: "warning" as const,
      pluginId,
      toolName,
      mcpTool: null,
    };
    const subject: ApprovalSubject = {
      commandText: `${plugin.title}: ${description}`,
      cwd: "",
      host: "gateway",
      resolvedPath: null,
      warnings: short.length <= DESCRIPTION_CHARS ? [] : ["Not all arguments are shown here: openclaw approvals show has them."],
      patterns: [],
      plugin,
      offered: ["allow-once", "deny"],
    };
    const digest = createHash("sha256")
      .update(JSON.stringify([pluginId, toolName, detail]))
      .digest("hex");
    const approval = await approvals.ask({ agentId, sessionKey, runId, callId, subject, digest }, signal);
    if (approval.status !== "allowed") return refusalOf(approval);
    return (await approvals.use(approval.id)) ? null : "the approval was used before.";
  };

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
