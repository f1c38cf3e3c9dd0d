/** Work that agents have given to sub-agents and to other agents, as `tasks.list` and `sessions.list` say it. */
import { computed, signal } from "@preact/signals";
import { isConnectionLost } from "./client.ts";
import { errorMessage, requireClient } from "./sync.ts";
import * as store from "./state.ts";
import type { SessionListRow } from "../../src/client/conversation/protocol-types.ts";

export type TaskRow = {
  id: string;
  title?: string;
  status: string;
  deliveryStatus?: string;
  ownerKey?: string;
  childSessionKey?: string;
  createdAt: number;
  startedAt?: number;
  endedAt?: number;
  error?: string;
};
/** A task with what its own session has given away. */
export type TaskNode = { task: TaskRow; children: readonly TaskNode[] };
/** The tasks of one conversation of people. */
export type TaskTree = { sessionKey: string; tasks: readonly TaskNode[] };

const TASKS = 200;
const rows = signal<readonly TaskRow[]>([]);
/** Dollars that the session of a task has cost, by its key. */
const costs = signal<ReadonlyMap<string, number>>(new Map());
/** Why the last reading or change failed; null when it did not. */
export const failed = signal<string | null>(null);
/** The task that is being changed. */
export const busy = signal<string | null>(null);

export const trees = computed(() => toTrees(rows.value));

/** By the conversations that gave them, each task below the one whose session gave it. Pure. */
export function toTrees(tasks: readonly TaskRow[]): TaskTree[] {
  const byOwner = Map.groupBy(tasks, ({ ownerKey = "" }) => ownerKey);
  const sessions = new Set(tasks.map(({ childSessionKey }) => childSessionKey));
  // An agent that answers messages of others may be asked by one that it has asked: each task is shown once.
  const shown = new Set<string>();
  const below = (key: string): TaskNode[] =>
    (byOwner.get(key) ?? []).flatMap((task) => {
      if (shown.has(task.id)) return [];
      shown.add(task.id);
      return [{ task, children: task.childSessionKey === undefined ? [] : below(task.childSessionKey) }];
    });
  const roots = [...byOwner.keys()].filter((key) => !sessions.has(key));
  const trees = [...roots, ...byOwner.keys()].map((sessionKey) => ({ sessionKey, tasks: below(sessionKey) }));
  return trees.filter((tree) => tree.tasks.length > 0);
}

const STATUS_TEXT: Readonly<Record<string, string>> = {
  queued: "Waits",
  running: "Works",
  completed: "Done",
  failed: "Failed",
  cancelled: "Stopped",
  timed_out: "Too slow",
};

/** What people see of a task. Pure. */
export function statusText({ status, error, deliveryStatus = "" }: TaskRow): string {
  const state = STATUS_TEXT[status] ?? status;
  const why = error === undefined || status === "completed" ? "" : `: ${error}`;
  return `${state}${why}${isUndelivered({ deliveryStatus }) ? "; its result was not handed back" : ""}`;
}

export const isUndelivered = ({ deliveryStatus = "" }: Pick<TaskRow, "deliveryStatus">): boolean =>
  deliveryStatus === "parent_missing" || deliveryStatus === "failed";
export const isOpen = ({ status }: Pick<TaskRow, "status">): boolean => status === "queued" || status === "running";

/** Null where nothing is known of its price. */
export const costOf = ({ childSessionKey = "" }: TaskRow): number | null => costs.value.get(childSessionKey) ?? null;

let latest = 0;

/** Reads the tasks and what they have cost. Never throws: `failed` says why there is nothing newer. */
export async function loadTasks(): Promise<void> {
  if (!store.isOnline.value || !store.isServed("tasks.list")) return;
  latest += 1;
  const mine = latest;
  try {
    const client = requireClient();
    const { tasks } = await client.request<{ tasks: readonly TaskRow[] }>("tasks.list", { limit: TASKS });
    const { sessions } =
      tasks.length === 0
        ? { sessions: [] }
        : await client.request<{ sessions: readonly (SessionListRow & { estimatedCostUsd?: number })[] }>("sessions.list", { limit: 500 });
    if (mine !== latest) return;
    rows.value = tasks;
    costs.value = new Map(sessions.flatMap(({ key, estimatedCostUsd: cost = 0 }) => (cost > 0 ? [[key, cost] as const] : [])));
    failed.value = null;
  } catch (error) {
    if (mine === latest && !isConnectionLost(error)) failed.value = errorMessage(error);
  }
}

async function change(id: string, method: string, params: Record<string, unknown>): Promise<void> {
  busy.value = id;
  try {
    const { results = [] } = await requireClient().request<{ results?: readonly { ok: boolean; reason?: string }[] }>(method, params);
    await loadTasks();
    const refused = results.find(({ ok }) => !ok);
    if (refused) failed.value = refused.reason ?? "it was refused";
  } catch (error) {
    if (!isConnectionLost(error)) failed.value = errorMessage(error);
  }
  busy.value = null;
}

export const cancel = ({ id }: TaskRow): Promise<void> => change(id, "tasks.cancel", { taskId: id });
/** Hands the result to the conversation as it is now. */
export const handBack = ({ id }: TaskRow): Promise<void> => change(id, "tasks.retry", { taskIds: [id] });
export const dismiss = ({ id }: TaskRow): Promise<void> => change(id, "tasks.dismiss", { taskIds: [id] });
