/** Invented tasks of sub-agents for the scripted gateway. */
type Params = Record<string, unknown>;

const CHILD = "agent:main:subagent:t1";

export class ScriptedTasks {
  #madeAt: number | null = null;
  readonly #dismissed = new Set<string>();

  reset(): void {
    this.#madeAt = null;
    this.#dismissed.clear();
  }

  fill(now: number): void {
    this.#madeAt = now;
  }

  /** Undefined for a method that is none of these. */
  answer(method: string, params: Params): unknown {
    if (method === "tasks.list") return { tasks: this.#madeAt === null ? [] : this.#tasks(this.#madeAt) };
    if (method === "tasks.cancel") return { found: true, cancelled: true };
    if (method !== "tasks.retry" && method !== "tasks.dismiss") return undefined;
    const ids = params["taskIds"] as string[];
    for (const id of ids) this.#dismissed.add(id);
    return { results: ids.map((taskId) => ({ taskId, ok: true })) };
  }

  #tasks(now: number): unknown[] {
    const late = this.#dismissed.has("t2") ? "delivered" : "parent_missing";
    return [
      row("t1", "agent:main:main", { title: "compare libraries", status: "running", createdAt: now - 60_000, childSessionKey: CHILD }),
      row("t2", CHILD, {
        title: "read the first",
        status: "completed",
        deliveryStatus: late,
        createdAt: now - 50_000,
        endedAt: now - 9_000,
      }),
    ];
  }
}

const row = (id: string, ownerKey: string, more: Params): Params => ({
  id,
  taskId: id,
  runId: id,
  ownerKey,
  sessionKey: ownerKey,
  deliveryStatus: "pending",
  childSessionKey: `agent:main:subagent:${id}`,
  ...more,
});
