import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import * as list from "../task-tree.ts";
import type { TaskNode } from "../task-tree.ts";
import * as store from "../state.ts";
import { agoText, SessionLink } from "./approval-question.tsx";

/** What agents have given away, below the conversations that asked for it. Nothing while there are no tasks. */
export function TasksPanel(): JSX.Element | null {
  const online = store.isOnline.value;
  const changes = store.taskChanges.value;
  useEffect(() => void list.loadTasks(), [online, changes]);
  const trees = list.trees.value;
  if (trees.length === 0) return null;
  return (
    <section class="panel" aria-labelledby="tasks-title">
      <div class="panel-head">
        <h2 id="tasks-title">Work of sub-agents</h2>
      </div>
      {list.failed.value !== null && (
        <p class="warn" role="status">
          Could not be loaded or changed: {list.failed.value}
        </p>
      )}
      {trees.map(({ sessionKey, tasks }) => (
        <div key={sessionKey}>
          <p class="panel-note">
            <SessionLink sessionKey={sessionKey} />
          </p>
          <Tasks nodes={tasks} />
        </div>
      ))}
    </section>
  );
}

function Tasks({ nodes }: { nodes: readonly TaskNode[] }): JSX.Element {
  return (
    <ul class="task-tree">
      {nodes.map((node) => (
        <Task key={node.task.id} node={node} />
      ))}
    </ul>
  );
}

function Task({ node: { task, children } }: { node: TaskNode }): JSX.Element {
  const cost = list.costOf(task);
  return (
    <li>
      <div class="entry">
        <span class="dot" data-state={list.isOpen(task) ? "waiting" : task.status === "completed" ? "connected" : "error"} />
        <div class="entry-text">
          <p class="entry-name">
            <strong dir="auto">{task.title ?? "task"}</strong>
          </p>
          <p>{list.statusText(task)}</p>
          <p class="hint">
            {agoText(task.endedAt ?? task.createdAt)}
            {cost !== null && `, ${cost.toFixed(4)} US dollars`}
            {task.childSessionKey !== undefined && (
              <>
                {", "}
                <SessionLink sessionKey={task.childSessionKey} />
              </>
            )}
          </p>
        </div>
        {store.canWrite.value && <Actions node={{ task, children }} />}
      </div>
      {children.length > 0 && <Tasks nodes={children} />}
    </li>
  );
}

function Actions({ node: { task } }: { node: TaskNode }): JSX.Element | null {
  const isBusy = list.busy.value === task.id;
  const name = task.title ?? "task";
  if (list.isOpen(task))
    return (
      <div class="entry-actions">
        <button type="button" class="quiet" aria-label={`Stop ${name}`} disabled={isBusy} onClick={() => void list.cancel(task)}>
          Stop
        </button>
      </div>
    );
  if (!list.isUndelivered(task)) return null;
  return (
    <div class="entry-actions">
      <button type="button" class="primary" aria-label={`Hand back ${name}`} disabled={isBusy} onClick={() => void list.handBack(task)}>
        Hand back
      </button>
      <button type="button" class="quiet" aria-label={`Dismiss ${name}`} disabled={isBusy} onClick={() => void list.dismiss(task)}>
        Dismiss
      </button>
    </div>
  );
}
