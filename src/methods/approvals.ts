import type { AnswerResult, Approvals, ApprovalVerdict } from "../approvals/approvals.ts";
import { APPROVAL_DECISIONS, shortId } from "../approvals/approvals.ts";
import type { ApprovalGrants } from "../approvals/grants.ts";
import type { AllowlistDocument, CommandAllowlist } from "../approvals/allowlist.ts";
import { MAX_GRANT_MINUTES, parseGrantWord } from "../core/approval-words.ts";
import { detailError, GatewayError } from "../core/errors.ts";
import type { Caller, MethodParams, MethodTable } from "../protocol/method.ts";
import type { ApprovalDecision, ApprovalKind, ApprovalResolver, HistoryCursor } from "../store/approvals.ts";
import { askForCommand, askForPlugin, waitDecision, type RequestDeps } from "./approval-requests.ts";
import { toGrantRow, toRequestedEvent, toSnapshot, toWholeRow } from "./approval-shapes.ts";
import { checkNewPatterns, type AgentWorkspace } from "./approval-patterns.ts";

export type ApprovalMethodsDeps = RequestDeps & {
  grants: ApprovalGrants;
  allowlist: CommandAllowlist;
  write: <T>(change: () => T) => Promise<T>;
  workspaces: () => readonly AgentWorkspace[];
};

/** approval.*, exec.approval.*, plugin.approval.* and exec.approvals.*: questions to people, their answers, and what is allowed for longer. */
export function approvalMethods(deps: ApprovalMethodsDeps) {
  return { ...answerMethods(deps), ...requestMethods(deps), ...grantMethods(deps), ...documentMethods(deps) } satisfies MethodTable;
}

function answerMethods({ approvals }: ApprovalMethodsDeps) {
  return {
    "approval.get": {
      scope: "operator.approvals",
      run: ({ id }) => ({ approval: toSnapshot(approvals.find(id)) }),
    },
    "approval.history": { scope: "operator.approvals", run: (params) => history(approvals, params) },
    "approval.resolve": {
      scope: "operator.approvals",
      run: async (params, caller) => {
        if (params.kind === "system-agent") throw noSuchKind(params.kind);
        const verdict = { decision: params.decision, ...toGrant(params.grant) };
        const { applied, approval } = await answer(approvals, { id: params.id, kind: params.kind, verdict }, caller);
        return { applied, approval: toSnapshot(approval) };
      },
    },
    "exec.approval.get": { scope: "operator.approvals", run: ({ id }) => toWholeRow(approvals.find(id)) },
    "exec.approval.list": { scope: "operator.approvals", run: () => listOf(approvals, "exec") },
    "plugin.approval.list": { scope: "operator.approvals", run: () => listOf(approvals, "plugin") },
    // Clients list these beside the others, and fail when one is missing.
    "openclaw.approval.list": { scope: "operator.approvals", run: () => [] },
    "exec.approval.resolve": {
      scope: "operator.approvals",
      run: ({ id, decision, grant }, caller) =>
        resolve(approvals, { id, kind: "exec", verdict: { decision: toDecision(decision), ...toGrant(grant) } }, caller),
    },
    "plugin.approval.resolve": {
      scope: "operator.approvals",
      run: ({ id, decision }, caller) => resolve(approvals, { id, kind: "plugin", verdict: { decision: toDecision(decision) } }, caller),
    },
  } satisfies MethodTable;
}

/** Questions that other programs ask, and their waiting for the answer. */
function requestMethods(deps: ApprovalMethodsDeps) {
  return {
    "exec.approval.request": { scope: "operator.approvals", waits: true, run: (params, caller) => askForCommand(deps, params, caller) },
    "exec.approval.waitDecision": {
      scope: "operator.approvals",
      waits: true,
      run: ({ id }, caller) => waitDecision(deps, id, caller),
    },
    "plugin.approval.request": { scope: "operator.approvals", waits: true, run: (params, caller) => askForPlugin(deps, params, caller) },
    "plugin.approval.waitDecision": {
      scope: "operator.approvals",
      waits: true,
      run: ({ id }, caller) => waitDecision(deps, id, caller),
    },
  } satisfies MethodTable;
}

/** What people have allowed for some time. */
function grantMethods({ grants }: ApprovalMethodsDeps) {
  return {
    "exec.approval.grants.list": {
      scope: "operator.approvals",
      run: async ({ limit = 100 }) => ({ grants: (await grants.list(limit)).map(toGrantRow) }),
    },
    "exec.approval.grants.revoke": {
      scope: "operator.approvals",
      run: async ({ grantId }, caller) => ({ outcome: (await grants.revoke(grantId, toResolver(caller).id ?? "a client")).outcome }),
    },
  } satisfies MethodTable;
}

function documentMethods({ allowlist, write, workspaces }: ApprovalMethodsDeps) {
  return {
    "exec.approvals.get": { scope: "operator.admin", run: () => toDocumentAnswer(allowlist) },
    "exec.approvals.set": {
      scope: "operator.admin",
      run: async ({ file, baseHash }) => {
        await checkNewPatterns(file as AllowlistDocument, allowlist.document, workspaces());
        await write(() => allowlist.replace(file as AllowlistDocument, baseHash));
        return toDocumentAnswer(allowlist);
      },
    },
  } satisfies MethodTable;
}

const listOf = (approvals: Approvals, kind: ApprovalKind): Record<string, unknown>[] =>
  approvals
    .pending()
    .filter((each) => each.kind === kind)
    .map(toRequestedEvent);

type Answering = { id: string; kind: ApprovalKind; verdict: ApprovalVerdict };

/** An answer counts only where it is meant: the two kinds say different things. */
async function answer(approvals: Approvals, { id, kind, verdict }: Answering, caller: Caller): Promise<AnswerResult> {
  const { kind: known } = approvals.find(id);
  if (known !== kind)
    throw detailError("APPROVAL_NOT_FOUND", `the approval ${JSON.stringify(id.slice(0, 64))} is of the kind ${known}, not ${kind}`, {
      fix: `Answer it with ${known}.approval.resolve, or with approval.resolve and the kind "${known}".`,
    });
  return await approvals.answer(id, verdict, toResolver(caller));
}

async function resolve(approvals: Approvals, answering: Answering, caller: Caller): Promise<{ ok: true }> {
  const { applied, approval } = await answer(approvals, answering, caller);
  if (applied) return { ok: true };
  throw detailError("APPROVAL_ALREADY_RESOLVED", `the approval ${shortId(approval.id)} has ended before: ${approval.status}`, {
    details: { approval: toSnapshot(approval) },
    fix: "The first answer counts. If it is still wanted, write to the agent, which asks again.",
  });
}

function toGrant(word: string | undefined): Pick<ApprovalVerdict, "grant"> {
  if (word === undefined) return {};
  const grant = parseGrantWord(word);
  if (grant !== null) return { grant };
  throw new GatewayError("INVALID_REQUEST", `${JSON.stringify(word.slice(0, 32))} is not a time for which a command may be allowed`, {
    fix: `Write minutes or hours, such as 30m or 2h, up to ${MAX_GRANT_MINUTES / 60}h, or session.`,
  });
}

/** Whether a client may read questions about commands and answer them. */
export const mayApprove = ({ scopes }: Pick<Caller, "scopes">): boolean => scopes.has("operator.approvals") || scopes.has("operator.admin");

/** As whom a client answers. */
export const toResolver = ({ device, client }: Pick<Caller, "device" | "client">): ApprovalResolver => ({
  kind: "device",
  id: device ?? client.displayName ?? client.id,
});

function toDecision(text: string): ApprovalDecision {
  const decision = APPROVAL_DECISIONS.find((each) => each === text);
  if (decision) return decision;
  throw new GatewayError("INVALID_REQUEST", `invalid decision ${JSON.stringify(text.slice(0, 32))}`, {
    fix: `Answer ${APPROVAL_DECISIONS.join(", ")}.`,
  });
}

const noSuchKind = (kind: string): GatewayError =>
  detailError("APPROVAL_NOT_FOUND", `this gateway asks no questions of the kind ${kind}`, { fix: 'Use the kind "exec" or "plugin".' });

function history(approvals: Approvals, { cursor, limit = 50, kind }: MethodParams<"approval.history">): Record<string, unknown> {
  if (kind === "system-agent") return { items: [] };
  const rows = approvals.history(cursor === undefined ? null : toCursor(cursor), limit, kind);
  const last = rows.at(-1);
  return { items: rows.map(toSnapshot), ...(last && rows.length === limit && { nextCursor: `${last.resolvedAt}:${last.id}` }) };
}

function toCursor(text: string): HistoryCursor {
  const match = /^(\d{1,15}):([\w.:-]{1,128})$/.exec(text);
  if (!match) throw new GatewayError("INVALID_REQUEST", "the cursor is not one of an earlier answer", { fix: "Begin without a cursor." });
  return { at: Number(match[1]), id: match[2]! };
}

/** Where the document is kept, for people; not the path of a file. */
const DOCUMENT_PLACE = "gateway.db#exec-approvals";

function toDocumentAnswer(allowlist: CommandAllowlist): Record<string, unknown> {
  const { document, hash } = allowlist;
  const { security = "full", ask = "off" } = document.defaults ?? {};
  const exists = Object.keys(document.agents ?? {}).length > 0 || Object.keys(document.defaults ?? {}).length > 0;
  return {
    path: DOCUMENT_PLACE,
    exists,
    hash,
    file: document,
    resolvedDefaults: { security, ask, askFallback: "deny", autoAllowSkills: false },
  };
}
