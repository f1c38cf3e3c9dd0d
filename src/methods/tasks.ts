import { GatewayError } from "../core/errors.ts";
import type { MethodParams, MethodTable } from "../protocol/method.ts";
import type { SubagentState } from "../store/subagent-tasks.ts";
import { toWireTask, type WireStatus } from "./task-row.ts";
import type { Subagents } from "../subagents/subagents.ts";
import { hasEnded, type Task, type TaskRows } from "../subagents/task.ts";

export type TasksDeps = {
  rows: TaskRows;
  /** Loaded with the first task. */
  subagents: () => Promise<Subagents>;
};

const STATES_OF: Readonly<Record<WireStatus, readonly SubagentState[]>> = {
  queued: ["waiting"],
  running: ["running"],
  completed: ["ok"],
  failed: ["error"],
  cancelled: ["aborted"],
  timed_out: ["timeout"],
};
const DEFAULT_LIMIT = 100;

/** tasks.*: work that agents have given to sub-agents. */
export function taskMethods({ rows, subagents }: TasksDeps) {
  return {
    "tasks.list": { scope: "operator.read", run: (params) => listTasks(rows, params) },
    "tasks.get": {
      scope: "operator.read",
      run: ({ taskId }) => {
        const task = rows.find(taskId);
        if (!task) throw noSuchTask(taskId);
        return {
          task: { ...toWireTask(task), prompt: task.record.task, ...(task.record.result !== undefined && { result: task.record.result }) },
        };
      },
    },
    "tasks.cancel": {
      scope: "operator.write",
      run: async ({ taskId, reason = "an operator cancelled it" }) => {
        const task = rows.find(taskId);
        if (!task) return { found: false, cancelled: false, reason: noSuchTask(taskId).message };
        if (hasEnded(task)) return { found: true, cancelled: false, reason: "it has ended", task: toWireTask(task) };
        const cancelled = await (await subagents()).cancel(task, reason);
        return { found: true, cancelled, task: toWireTask(rows.get(task.runId) ?? task) };
      },
    },
    "tasks.retry": { scope: "operator.write", run: ({ taskIds }) => forEach(rows, taskIds, async (id) => (await subagents()).retry(id)) },
    "tasks.dismiss": {
      scope: "operator.write",
      run: ({ taskIds }) =>
        forEach(rows, taskIds, async (id) => {
          if (!(await (await subagents()).dismiss(id)))
            throw new GatewayError("INVALID_REQUEST", "its result is not one that could not be handed back");
        }),
    },
  } satisfies MethodTable;
}

function listTasks(rows: TaskRows, params: MethodParams<"tasks.list">): unknown {
  const { status, agentId, sessionKey, limit = DEFAULT_LIMIT, cursor } = params;
  const beforeSeq = cursor === undefined ? undefined : Number(cursor);
  if (beforeSeq !== undefined && !Number.isSafeInteger(beforeSeq))
    throw new GatewayError("INVALID_REQUEST", "cursor: not one of this method", { fix: "Send nextCursor of the answer before." });
  const wanted = status === undefined ? undefined : [status].flat();
  const found = rows.list(
    {
      ...(agentId !== undefined && { agentId }),
      ...(sessionKey !== undefined && { sessionKey }),
      ...(wanted && { states: wanted.flatMap((each) => STATES_OF[each]) }),
      ...(beforeSeq !== undefined && { beforeSeq }),
    },
    limit,
  );
  return { tasks: found.map(toWireTask), ...(found.length === limit && { nextCursor: String(found.at(-1)!.seq) }) };
}

/** Each task for itself: one that cannot be changed does not keep the others from it. */
async function forEach(rows: TaskRows, ids: readonly string[], change: (id: Task["runId"]) => Promise<void>): Promise<unknown> {
  const results: unknown[] = [];
  for (const taskId of new Set(ids)) {
    const task = rows.find(taskId);
    try {
      if (!task) throw noSuchTask(taskId);
      await change(task.runId);
      results.push({ taskId, ok: true, task: toWireTask(rows.get(task.runId) ?? task) });
    } catch (err) {
      if (!(err instanceof GatewayError)) throw err;
      results.push({ taskId, ok: false, reason: err.message, ...(task && { task: toWireTask(task) }) });
    }
  }
  return { results };
}

const noSuchTask = (id: string): GatewayError =>
  new GatewayError("NOT_FOUND", `the task ${JSON.stringify(id.slice(0, 64))} was not found`, {
    fix: "openclaw tasks list shows the tasks.",
  });
