import type { Bus } from "../core/bus.ts";
import type { Hub } from "../protocol/hub.ts";
import type { SubagentEvents, TaskRows } from "../subagents/task.ts";
import { toWireTask } from "./task-row.ts";

/** Tells clients about tasks. Returns the function that stops it. */
export const startTaskEvents = ({ bus, hub, rows }: { bus: Bus<SubagentEvents>; hub: Hub; rows: Pick<TaskRows, "get"> }): (() => void) =>
  bus.on("task.changed", ({ runId }) => {
    const task = rows.get(runId);
    if (task) hub.publish("task", { action: "upserted", task: toWireTask(task) }, { scope: "operator.read" });
  });
