import { createHash } from "node:crypto";
import { asId, type RunId } from "../../core/ids.ts";
import { parseRemoteAgent } from "../../core/peer-address.ts";
import type { PeerInboxRow } from "../../store/peers.ts";
import type { PeersContext } from "../context.ts";
import type { Incoming } from "../incoming.ts";
import type { Outgoing } from "../outgoing.ts";
import type { NewTask, TaskDesk, TaskProgress } from "./server.ts";
import type { TaskView } from "./wire.ts";

/** What the turns do with the runs that answer tasks. */
export type TaskRuns = {
  /** Resolves when the run has ended, or after the time. */
  waitFor: (runId: RunId, timeoutMs: number, signal: AbortSignal) => Promise<unknown>;
  /** Stops a run; on disk when it resolves. */
  abort: (runId: RunId) => Promise<void>;
  /** Tells what a run writes, until the returned function is called. */
  follow: (runId: RunId, onText: (progress: TaskProgress) => void) => () => void;
};

export type TaskDeskDeps = Pick<PeersContext, "rows" | "clock" | "settings" | "newId"> & {
  incoming: Incoming;
  outgoing: Outgoing;
  runs: TaskRuns;
  agentIds: () => readonly string[];
  defaultAgent: () => string;
};

/** The same for each repetition of a message: a task is made once. */
const taskIdOf = (link: string, messageId: string): string =>
  createHash("sha256").update(`task|${link}|${messageId}`).digest("hex").slice(0, 32);

/** Tasks of links that speak A2A: rows of requests, which the runs or other links answer. */
export function createTaskDesk(deps: TaskDeskDeps): TaskDesk {
  const { rows, clock, incoming, outgoing, runs } = deps;
  const find = (link: string, id: string): PeerInboxRow | null => {
    const row = rows.received(link, id);
    return row === undefined || row.contextId === null ? null : row;
  };
  const view = (row: PeerInboxRow): TaskView => ({
    id: row.id,
    contextId: row.contextId ?? "",
    outcome: incoming.outcomeOf(row),
    at: row.endedAt ?? (incoming.outcomeOf(row) === null ? row.receivedAt : clock.now()),
  });
  const must = (link: string, id: string): PeerInboxRow => {
    const row = find(link, id);
    if (row === null) throw new Error("the task is not in the store any more");
    return row;
  };
  return {
    take: (link, task) => take(deps, link, task, view),
    find: (link, id) => {
      const row = find(link, id);
      return row && view(row);
    },
    async waitFor(link, id, timeoutMs, signal) {
      const row = must(link, id);
      if (incoming.outcomeOf(row) !== null) return view(row);
      if (row.runId !== null) await runs.waitFor(asId<RunId>(row.runId), timeoutMs, signal);
      else {
        const late = new AbortController();
        const cancel = clock.after(timeoutMs, () => late.abort());
        await outgoing.waitFor(row.forwardId ?? "", AbortSignal.any([signal, late.signal])).finally(cancel);
      }
      return view(must(link, id));
    },
    async cancel(link, id) {
      const row = must(link, id);
      if (incoming.outcomeOf(row) !== null) return false;
      if (row.runId !== null) await runs.abort(asId<RunId>(row.runId));
      else await outgoing.cancel(row.forwardId ?? "", { status: "aborted", text: "", reason: "the task was canceled" });
      return incoming.outcomeOf(must(link, id)) !== null;
    },
    follow: (link, id, onText) => {
      const runId = find(link, id)?.runId ?? null;
      return runId === null ? () => {} : runs.follow(asId<RunId>(runId), onText);
    },
    offered: (link) => offered(deps, link),
  };
}

/** Agents of the list of a link that are here or behind another link. */
function offered({ settings, agentIds }: Pick<TaskDeskDeps, "settings" | "agentIds">, link: string): readonly string[] {
  const own = agentIds();
  const listed = settings(link)?.accept.agents ?? [];
  const named = listed.filter((id) => own.includes(id) || parseRemoteAgent(id) !== null);
  return listed.includes("*") ? [...new Set([...own, ...named])] : named;
}

async function take(deps: TaskDeskDeps, link: string, task: NewTask, view: (row: PeerInboxRow) => TaskView): ReturnType<TaskDesk["take"]> {
  const { rows, incoming, newId, defaultAgent } = deps;
  const id = taskIdOf(link, task.messageId);
  const known = rows.received(link, id);
  if (known !== undefined) return { task: view(known) };
  const may = offered(deps, link);
  const usual = defaultAgent();
  const agent = task.agent || (may.includes(usual) ? usual : (may[0] ?? usual));
  const contextId = task.contextId ?? newId();
  const { text, path, maxHops } = task;
  const verdict = await incoming.takeUnsigned(link, { id, agent, text, path, maxHops, contextId });
  if (verdict.status === "busy") return { busy: verdict.reason ?? "it is not taken now" };
  const row = rows.received(link, id);
  if (verdict.status === "refused" || row === undefined) return { refused: verdict.reason ?? "it is not allowed", contextId };
  return { task: view(row) };
}
