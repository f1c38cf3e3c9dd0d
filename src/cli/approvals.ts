import { DECISION_WORDS, parseGrantWord, SESSION_WORD } from "../core/approval-words.ts";
import { CliError, EXIT } from "../core/errors.ts";
import {
  APPROVALS,
  commandLine,
  endingText,
  isPlugin,
  outcomeText,
  resolverText,
  shortId,
  showRequest,
  summaryOf,
  type ApprovalEnding,
  type CommandText,
  type PendingApproval,
  type PluginText,
} from "./approval-view.ts";
import type { ProtocolClient } from "../client/client.ts";
import type { ApprovalDecision } from "../store/approvals.ts";
import type { ListedGrant } from "./approval-grants.ts";
import type { CommandHandler } from "./command.ts";
import { callGateway, withGateway } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { formatAge } from "./terminal-text.ts";

/** A question in the shape of `approval.get`. */
type Snapshot = ApprovalEnding & {
  id: string;
  presentation: ({ commandText: string; host: string | null } | PluginText) & { agentId: string | null };
  source?: { agentId?: string; sessionKey?: string };
};
type HistoryPage = { items: Snapshot[]; nextCursor?: string };

const textOf = ({ presentation }: Snapshot): string => (isPlugin(presentation) ? summaryOf(presentation) : presentation.commandText);

/** Everything about one question, as `exec.approval.get` has it. */
type WholeApproval = ApprovalEnding &
  (CommandText | PluginText) & {
    id: string;
    kind: "exec" | "plugin";
    commandText: string;
    agentId: string | null;
    sessionKey: string | null;
    resolvedPath?: string | null;
    allowedDecisions: readonly ApprovalDecision[];
    isGrantable?: boolean;
    createdAtMs: number;
    expiresAtMs: number;
    usedAtMs: number | null;
  };

/** `openclaw approvals pending` */
export const approvalsPending: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const pending = await withGateway(invocation, { scopes: APPROVALS }, ({ client }) => listPending(client));
  out.result({ approvals: pending.map(toRow) }, () => {
    const [first] = pending;
    if (!first) return out.line("No questions wait for an answer.");
    out.table(
      [
        { title: "id" },
        { title: "agent" },
        { title: "session", truncate: true },
        { title: "asked about", truncate: true },
        { title: "host" },
        { title: "asked", align: "right" },
        { title: "expires", align: "right" },
      ],
      pending.map(({ id, request, createdAtMs, expiresAtMs }) => [
        shortId(id),
        request.agentId ?? "-",
        request.sessionKey ?? "-",
        commandLine(summaryOf(request)),
        isPlugin(request) ? "-" : request.host,
        formatAge(createdAtMs, host.now()),
        formatAge(expiresAtMs, host.now()),
      ]),
    );
    out.note(`The whole command: openclaw approvals show ${shortId(first.id)}`);
    noteAnswers(invocation, first.id, first.request);
  });
};

/** How to answer a question that waits. */
function noteAnswers(
  { out }: Invocation,
  id: string,
  { allowedDecisions, isGrantable }: { allowedDecisions: readonly ApprovalDecision[]; isGrantable?: boolean },
): void {
  out.note(`Answer with: openclaw approvals resolve ${shortId(id)} ${allowedDecisions.join("|")}`);
  if (isGrantable === true) out.note(`For some time: openclaw approvals allow ${shortId(id)} --for 1h, or --session`);
}

/** The questions of both kinds, oldest first. */
export async function listPending(client: Pick<ProtocolClient, "request">): Promise<PendingApproval[]> {
  const lists = await Promise.all([
    client.request<PendingApproval[]>("exec.approval.list"),
    client.request<PendingApproval[]>("plugin.approval.list"),
  ]);
  return lists.flat().toSorted((a, b) => a.createdAtMs - b.createdAtMs);
}

/** The fields that OpenClaw's own command prints, and the whole request. */
const toRow = ({ id, approvalKind: kind = "exec", request, createdAtMs, expiresAtMs }: PendingApproval): Record<string, unknown> => {
  const { agentId, sessionKey } = request;
  return { id, kind, agentId, sessionKey, createdAtMs, expiresAtMs, summary: summaryOf(request), request };
};

/** `openclaw approvals show <id>` */
export const approvalsShow: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const approval = await callGateway<WholeApproval>(invocation, APPROVALS, "exec.approval.get", { id: invocation.arg(0) });
  const { id, agentId, sessionKey, resolvedPath, status, createdAtMs, usedAtMs } = approval;
  out.result(approval, () => {
    const rows: [string, string][] = [
      ["id", id],
      ["state", stateText(approval, host.now())],
      ["agent", agentId ?? "-"],
      ["session", sessionKey ?? "-"],
    ];
    if (!isPlugin(approval)) {
      rows.push(["host", approval.host], ["directory", approval.cwd]);
      rows.push(["program", resolvedPath ?? "not known: the shell decides"]);
    }
    rows.push(["asked", formatAge(createdAtMs, host.now())]);
    if (status === "allowed") rows.push(["used", usedAtMs === null ? "no" : formatAge(usedAtMs, host.now())]);
    out.pairs(rows);
    out.line();
    showRequest(out, approval);
    if (!isPlugin(approval) && approval.patterns.length === 0)
      out.note("It can be allowed once only: nothing would be stored that allows just this.");
    if (status === "pending") noteAnswers(invocation, id, approval);
  });
};

const stateText = (approval: WholeApproval, now: number): string =>
  approval.status === "pending" ? `waits for an answer; expires ${formatAge(approval.expiresAtMs, now)}` : endingText(approval, now);

/** `openclaw approvals resolve <id> <decision>`; exit 1 when the question had ended before. */
export const approvalsResolve: CommandHandler = (invocation) => resolve(invocation, { decision: DECISION_WORDS[invocation.arg(1)]! });

/** `openclaw approvals allow <id>` */
export const approvalsAllow: CommandHandler = (invocation) => {
  const time = invocation.text("for");
  const isSession = invocation.has("session");
  if (time !== undefined && isSession)
    throw new CliError("--for and --session exclude each other", { fix: "Give one of them.", exit: EXIT.usage });
  if (time !== undefined && parseGrantWord(time) === null)
    throw new CliError(`--for ${JSON.stringify(time)} is not a time`, {
      fix: "Write minutes or hours, such as 30m or 2h, up to 24h.",
      exit: EXIT.usage,
    });
  const grant = isSession ? SESSION_WORD : time;
  return resolve(invocation, { decision: "allow-once", ...(grant !== undefined && { grant }) });
};

/** `openclaw approvals deny <id>` */
export const approvalsDeny: CommandHandler = (invocation) => resolve(invocation, { decision: "deny" });

async function resolve(invocation: Invocation, verdict: { decision: ApprovalDecision; grant?: string }): Promise<number> {
  const { out, host } = invocation;
  const { answer, whole } = await withGateway(invocation, { scopes: APPROVALS }, async ({ client }) => {
    const { id, kind } = await client.request<WholeApproval>("exec.approval.get", { id: invocation.arg(0) });
    const given = await client.request<{ applied: boolean; approval: Snapshot }>("approval.resolve", { id, kind, ...verdict });
    return { answer: given, whole: await client.request<WholeApproval>("exec.approval.get", { id }) };
  });
  const { applied, approval } = answer;
  out.result({ ...answer, grant: whole.grant ?? null }, () => {
    if (!applied) {
      out.note(`${out.paint("red", "✗")} The approval ${shortId(approval.id)} has ended before: ${endingText(approval, host.now())}.`);
      out.note("  Why: the first answer counts.");
      return out.note("  Fix: if the command is still wanted, write to the agent, which asks again; openclaw approvals lists what waits.");
    }
    const outcome = outcomeText(whole);
    out.line(`${outcome.charAt(0).toUpperCase()}${outcome.slice(1)}: ${commandLine(textOf(approval))}`);
    if (whole.grant) out.note("Until then this kind of command runs in this session without a question: openclaw approvals grants");
  });
  return applied ? EXIT.ok : EXIT.failure;
}

/** Rows of one request for the history. */
const PAGE_ROWS = 100;

/** `openclaw approvals history` */
export const approvalsHistory: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const items = await readHistory(invocation, invocation.number("limit") ?? 50);
  out.result({ items }, () => {
    if (items.length === 0) return out.line("No questions have ended yet. They are kept for 30 days.");
    out.table(
      [
        { title: "id" },
        { title: "ended" },
        { title: "outcome" },
        { title: "by", truncate: true },
        { title: "agent" },
        { title: "asked about", truncate: true },
      ],
      items.map((each) => [
        shortId(each.id),
        formatAge(each.resolvedAtMs, host.now()),
        outcomeText(each),
        resolverText(each),
        each.source?.agentId ?? each.presentation.agentId ?? "-",
        commandLine(textOf(each)),
      ]),
    );
  });
};

const readHistory = (invocation: Invocation, wanted: number): Promise<Snapshot[]> =>
  withGateway(invocation, { scopes: APPROVALS }, async ({ client }) => {
    const items: Snapshot[] = [];
    let cursor: string | undefined;
    do {
      const params = { limit: Math.min(PAGE_ROWS, wanted - items.length), ...(cursor !== undefined && { cursor }) };
      const page = await client.request<HistoryPage>("approval.history", params);
      items.push(...page.items);
      cursor = page.nextCursor;
    } while (cursor !== undefined && items.length < wanted);
    return await withGrants(client, items);
  });

/** The protocol's shape of an ended question has no place for its grant, which names the question instead. */
async function withGrants(client: Pick<ProtocolClient, "request">, items: readonly Snapshot[]): Promise<Snapshot[]> {
  const { grants } = await client.request<{ grants: ListedGrant[] }>("exec.approval.grants.list", { limit: 500 });
  const byApproval = new Map(grants.map((grant) => [grant.mintedByApprovalId, grant]));
  return items.map((each) => {
    const grant = byApproval.get(each.id);
    return grant ? { ...each, grant: { scope: "time", untilMs: grant.revokedAtMs ?? grant.expiresAtMs } } : each;
  });
}
