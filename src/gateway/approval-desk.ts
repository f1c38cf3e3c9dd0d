import { createHash } from "node:crypto";
import type { Approvals } from "../approvals/approvals.ts";
import type { CommandAllowlist } from "../approvals/allowlist.ts";
import type { ApprovalGrants } from "../approvals/grants.ts";
import { shortId } from "../approvals/approvals.ts";
import { clip } from "../core/text.ts";
import type { ApprovalRow, ApprovalSubject } from "../store/approvals.ts";
import type { ApprovalDesk } from "../tools/commands/gate.ts";
import { RunAnswers } from "../tools/run-answers.ts";
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

/** `refusal`: null when the call may run. */
type ToolAnswer = { refusal: string | null; /** It covers the same call later in the turn. */ isKept: boolean };

/** Asks people about calls of tools that are not commands. */
export function toolAsker(approvals: Approvals, grants: Pick<ApprovalGrants, "use">): AskAboutTool {
  const answers = new RunAnswers<ToolAnswer>();
  return async (question, asker) => {
    const detail = JSON.stringify(question.args, null, 2) ?? "";
    if (detail.length > ARGUMENT_CHARS)
      return `a person has to be asked about it, and its arguments are longer than the ${ARGUMENT_CHARS} characters that are shown.`;
    const { caller } = asker;
    const { pluginId, toolName, mcpTool, grant } = question;
    const { agentId, sessionKey, surface, isPrivate } = caller;
    const digest = hashOf([pluginId, toolName, detail, ...(mcpTool ? [mcpTool.server, mcpTool.tool] : [])]);
    const binding = grant && hashOf([[agentId, sessionKey, surface, isPrivate], grant.binding]);
    const ask = async (): Promise<ToolAnswer> => {
      if (binding !== undefined && (await grants.use(binding, sessionKey))) return { refusal: null, isKept: false };
      return await askOnce(approvals, toSubject(question, detail, binding), { ...asker, digest });
    };
    // Only what people know to be the same is not asked about again.
    const { refusal } = mcpTool ? await answers.get(caller.runId, digest, ask, ({ isKept }) => isKept) : await ask();
    return refusal;
  };
}

const hashOf = (bound: readonly unknown[]): string => createHash("sha256").update(JSON.stringify(bound)).digest("hex");

async function askOnce(
  approvals: Approvals,
  subject: ApprovalSubject,
  { caller, callId, signal, digest }: Parameters<AskAboutTool>[1] & { digest: string },
): Promise<ToolAnswer> {
  const { agentId, sessionKey, runId } = caller;
  const approval = await approvals.ask({ agentId, sessionKey, runId, callId, subject, digest }, signal);
  if (approval.status !== "allowed") return { refusal: refusalOf(approval), isKept: false };
  if (!(await approvals.use(approval.id))) return { refusal: "the approval was used before.", isKept: false };
  return { refusal: null, isKept: approval.grant === null };
}

/** The question as people see it. */
function toSubject(
  { title, about, args, pluginId, toolName, mcpTool, grant }: Parameters<AskAboutTool>[0],
  detail: string,
  binding: string | undefined,
): ApprovalSubject {
  const short = `${about} Arguments: ${JSON.stringify(args)}`;
  const description = short.length <= DESCRIPTION_CHARS ? short : `${short.slice(0, DESCRIPTION_CHARS - 1)}…`;
  const plugin = {
    title: clip(title, TITLE_CHARS),
    description,
    detail,
    severity: "warning" as const,
    pluginId,
    toolName,
    mcpTool: mcpTool ?? null,
  };
  return {
    commandText: `${plugin.title}: ${description}`,
    cwd: "",
    host: "gateway",
    resolvedPath: null,
    warnings: [
      ...(short.length <= DESCRIPTION_CHARS ? [] : ["Not all arguments are shown here: openclaw approvals show has them."]),
      ...(grant ? ["Allowing it for some time allows every call of this tool, whatever its arguments."] : []),
    ],
    patterns: [],
    plugin,
    offered: ["allow-once", "deny"],
    ...(grant && binding !== undefined && { binding, grantText: grant.text }),
  };
}

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
