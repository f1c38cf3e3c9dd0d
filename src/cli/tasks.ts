import { CliError } from "../core/errors.ts";
import type { CommandHandler } from "./command.ts";
import { callGateway } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { requireKnownAgent } from "./known-names.ts";
import { formatAge, formatDuration, sanitizeLine, sanitizeText } from "./terminal-text.ts";

/** What is read of a task of the protocol. */
type TaskView = {
  id: string;
  status: string;
  title?: string;
  agentId?: string;
  ownerKey?: string;
  childSessionKey?: string;
  createdAt?: number;
  startedAt?: number;
  endedAt?: number;
  deliveryStatus?: string;
  error?: string;
  prompt?: string;
  result?: string;
};
type ChangeAnswer = { results: { taskId: string; ok: boolean; reason?: string }[] };

/** Characters of an id that lists show; the gateway finds a task by them. */
const SHORT_ID = 8;

const DELIVERY: Readonly<Record<string, string>> = {
  pending: "not yet",
  session_queued: "being read",
  delivered: "handed back",
  parent_missing: "not handed back",
  failed: "not handed back",
  not_applicable: "-",
};
const deliveryOf = ({ deliveryStatus = "" }: TaskView): string => DELIVERY[deliveryStatus] ?? deliveryStatus;

const tookOf = ({ startedAt, endedAt }: TaskView, now: number): string =>
  startedAt === undefined ? "-" : formatDuration((endedAt ?? now) - startedAt);

/** `openclaw tasks list` */
export const tasksList: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const agentId = requireKnownAgent(invocation, invocation.text("agent"));
  const status = invocation.text("status");
  const params = {
    limit: invocation.number("limit") ?? 50,
    ...(agentId !== undefined && { agentId }),
    ...(status !== undefined && { status }),
  };
  const answer = await callGateway<{ tasks: TaskView[] }>(invocation, ["operator.read"], "tasks.list", params);
  out.result(answer, () => {
    const { tasks } = answer;
    if (tasks.length === 0) return out.line("No tasks. Agents give them with the tool sessions_spawn.");
    const now = host.now();
    out.table(
      [
        { title: "id" },
        { title: "task", truncate: true },
        { title: "status" },
        { title: "result" },
        { title: "took", align: "right" },
        { title: "given" },
        { title: "by", truncate: true },
      ],
      tasks.map((task) => [
        task.id.slice(0, SHORT_ID),
        task.title ?? "-",
        task.status,
        deliveryOf(task),
        tookOf(task, now),
        formatAge(task.createdAt, now),
        task.ownerKey ?? "-",
      ]),
    );
    const missed = tasks.find(({ deliveryStatus = "" }) => ["parent_missing", "failed"].includes(deliveryStatus));
    if (missed) {
      const why =
        missed.deliveryStatus === "failed"
          ? "The message with a result was not answered"
          : "A conversation was over before its result came";
      out.note(`${why}. Hand it back: openclaw tasks retry ${missed.id.slice(0, SHORT_ID)}`);
    }
  });
};

/** `openclaw tasks show <task>` */
export const tasksShow: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const answer = await callGateway<{ task: TaskView }>(invocation, ["operator.read"], "tasks.get", { taskId: invocation.arg(0) });
  const { task } = answer;
  out.result(answer, () => {
    const now = host.now();
    out.pairs([
      ["task", task.title ?? "-"],
      ["id", task.id],
      ["status", task.error === undefined ? task.status : `${task.status}: ${task.error}`],
      ["result", deliveryOf(task)],
      ["agent", task.agentId ?? "-"],
      ["given by", task.ownerKey ?? "-"],
      ["given", formatAge(task.createdAt, now)],
      ["took", tookOf(task, now)],
      ["session", task.childSessionKey ?? "-"],
    ]);
    out.line();
    out.line(sanitizeText(task.prompt ?? ""));
    if (task.result === undefined) return;
    out.line();
    out.line("Result:");
    out.line(sanitizeText(task.result));
  });
};

/** `openclaw tasks cancel <task>` */
export const tasksCancel: CommandHandler = async (invocation) => {
  const reason = invocation.text("reason");
  const params = { taskId: invocation.arg(0), ...(reason !== undefined && { reason }) };
  const answer = await callGateway<{ found: boolean; cancelled: boolean; reason?: string }>(
    invocation,
    ["operator.write"],
    "tasks.cancel",
    params,
  );
  if (!answer.cancelled) throw notDone(answer.reason ?? "the task could not be cancelled");
  invocation.out.result(answer, () => invocation.out.line(`The task ${sanitizeLine(invocation.arg(0)!)} is cancelled.`));
};

/** `openclaw tasks retry <task>` */
export const tasksRetry: CommandHandler = (invocation) =>
  change(invocation, "tasks.retry", (id) => `The result of ${id} is handed to its conversation.`);

/** `openclaw tasks dismiss <task>` */
export const tasksDismiss: CommandHandler = (invocation) =>
  change(invocation, "tasks.dismiss", (id) => `The result of ${id} is not handed back. openclaw tasks show ${id} still shows it.`);

async function change(invocation: Invocation, method: string, say: (id: string) => string): Promise<void> {
  const answer = await callGateway<ChangeAnswer>(invocation, ["operator.write"], method, { taskIds: [invocation.arg(0)] });
  const [result] = answer.results;
  if (!result?.ok) throw notDone(result?.reason ?? "the task was not changed");
  invocation.out.result(answer, () => invocation.out.line(say(sanitizeLine(invocation.arg(0)!))));
}

const notDone = (reason: string): CliError => new CliError(reason, { fix: "openclaw tasks list shows the tasks." });
