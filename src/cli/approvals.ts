import { DECISION_WORDS } from "../core/approval-words.ts";
import { EXIT } from "../core/errors.ts";
import {
  APPROVALS,
  commandLine,
  endingText,
  outcomeText,
  resolverText,
  shortId,
  showCommand,
  type ApprovalEnding,
  type CommandText,
  type PendingApproval,
} from "./approval-view.ts";
import type { ApprovalDecision } from "../store/approvals.ts";
import type { CommandHandler } from "./command.ts";
import { callGateway, withGateway } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { formatAge } from "./terminal-text.ts";

/** A question in the shape of `approval.get`. */
type Snapshot = ApprovalEnding & {
  id: string;
  presentation: { commandText: string; agentId: string | null; host: string | null };
  source?: { agentId?: string; sessionKey?: string };
};
type HistoryPage = { items: Snapshot[]; nextCursor?: string };

/** Everything about one question, as `exec.approval.get` has it. */
type WholeApproval = ApprovalEnding &
  Omit<CommandText, "command"> & {
    id: string;
    commandText: string;
    agentId: string;
    sessionKey: string;
    resolvedPath: string | null;
    allowedDecisions: readonly ApprovalDecision[];
    createdAtMs: number;
    expiresAtMs: number;
    usedAtMs: number | null;
  };

/** `openclaw approvals pending` */
export const approvalsPending: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const pending = await callGateway<PendingApproval[]>(invocation, APPROVALS, "exec.approval.list");
  out.result({ approvals: pending.map(toRow) }, () => {
    const [first] = pending;
    if (!first) return out.line("No questions wait for an answer.");
    out.table(
      [
        { title: "id" },
        { title: "agent" },
        { title: "session", truncate: true },
        { title: "command", truncate: true },
        { title: "host" },
        { title: "asked", align: "right" },
        { title: "expires", align: "right" },
      ],
      pending.map(({ id, request, createdAtMs, expiresAtMs }) => [
        shortId(id),
        request.agentId,
        request.sessionKey,
        commandLine(request.command),
        request.host,
        formatAge(createdAtMs, host.now()),
        formatAge(expiresAtMs, host.now()),
      ]),
    );
    out.note(`The whole command: openclaw approvals show ${shortId(first.id)}`);
    out.note(`Answer with: openclaw approvals resolve ${shortId(first.id)} ${first.request.allowedDecisions.join("|")}`);
  });
};

/** The fields that OpenClaw's own command prints, and the whole request. */
const toRow = ({ id, request, createdAtMs, expiresAtMs }: PendingApproval): Record<string, unknown> => {
  const { agentId, sessionKey, command } = request;
  return { id, kind: "exec", agentId, sessionKey, createdAtMs, expiresAtMs, summary: command, request };
};

/** `openclaw approvals show <id>` */
export const approvalsShow: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const approval = await callGateway<WholeApproval>(invocation, APPROVALS, "exec.approval.get", { id: invocation.arg(0) });
  const { id, agentId, sessionKey, commandText, cwd, host: where, resolvedPath, patterns, status, createdAtMs, usedAtMs } = approval;
  out.result(approval, () => {
    const rows: [string, string][] = [
      ["id", id],
      ["state", stateText(approval, host.now())],
      ["agent", agentId],
      ["session", sessionKey],
      ["host", where],
      ["directory", cwd],
      ["program", resolvedPath ?? "not known: the shell decides"],
      ["asked", formatAge(createdAtMs, host.now())],
    ];
    if (status === "allowed") rows.push(["used", usedAtMs === null ? "no" : formatAge(usedAtMs, host.now())]);
    out.pairs(rows);
    out.line();
    showCommand(out, { command: commandText, cwd, host: where, warnings: approval.warnings, patterns });
    if (patterns.length === 0) out.note("It can be allowed once only: nothing would be stored that allows just this.");
    if (status === "pending") out.note(`Answer with: openclaw approvals resolve ${shortId(id)} ${approval.allowedDecisions.join("|")}`);
  });
};

const stateText = (approval: WholeApproval, now: number): string =>
  approval.status === "pending" ? `waits for an answer; expires ${formatAge(approval.expiresAtMs, now)}` : endingText(approval, now);

/** `openclaw approvals resolve <id> <decision>`; exit 1 when the question had ended before. */
export const approvalsResolve: CommandHandler = (invocation) => resolve(invocation, DECISION_WORDS[invocation.arg(1)]!);

/** `openclaw approvals allow <id>` */
export const approvalsAllow: CommandHandler = (invocation) => resolve(invocation, "allow-once");

/** `openclaw approvals deny <id>` */
export const approvalsDeny: CommandHandler = (invocation) => resolve(invocation, "deny");

async function resolve(invocation: Invocation, decision: ApprovalDecision): Promise<number> {
  const { out, host } = invocation;
  const params = { id: invocation.arg(0), kind: "exec", decision };
  const answer = await callGateway<{ applied: boolean; approval: Snapshot }>(invocation, APPROVALS, "approval.resolve", params);
  const { applied, approval } = answer;
  out.result(answer, () => {
    if (!applied) {
      out.note(`${out.paint("red", "✗")} The approval ${shortId(approval.id)} has ended before: ${endingText(approval, host.now())}.`);
      out.note("  Why: the first answer counts.");
      return out.note("  Fix: if the command is still wanted, write to the agent, which asks again; openclaw approvals lists what waits.");
    }
    const outcome = outcomeText(approval);
    out.line(`${outcome.charAt(0).toUpperCase()}${outcome.slice(1)}: ${commandLine(approval.presentation.commandText)}`);
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
        { title: "command", truncate: true },
      ],
      items.map((each) => [
        shortId(each.id),
        formatAge(each.resolvedAtMs, host.now()),
        outcomeText(each),
        resolverText(each),
        each.source?.agentId ?? each.presentation.agentId ?? "-",
        commandLine(each.presentation.commandText),
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
    return items;
  });
