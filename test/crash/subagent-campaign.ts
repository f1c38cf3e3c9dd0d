// Conversations that give work away, while the gateway and the processes of their agents are killed, and conversations are reset.
import { ClientError } from "../../src/client/errors.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { modelConfig } from "../wire/gateway-process.ts";
import { KillableGateway, sleep } from "./killable-gateway.ts";
import { SeededRandom } from "./seeded-random.ts";

/** For everything that is open when no one is killed any more. */
const SETTLE_MS = 300_000;
/** For an agent to start working after the gateway has started. */
const WORK_MS = 15_000;
const PARENTS = 4;
/** The line that names the task of a result. */
const TASK_HEAD = /\b(?:task|message) ([0-9a-f-]{36}): /g;

export type SubagentCampaignOptions = {
  kills: number;
  seed: number;
  /** No more kills after this time. */
  limitMs?: number;
  main?: string;
  say?: (line: string) => void;
};

export type SubagentCampaignSummary = {
  kills: { gateway: number; hosts: number; resets: number; cancels: number };
  /** Tasks and messages by how they ended, and by what became of their results. */
  states: Record<string, number>;
  deliveries: Record<string, number>;
  /** Tasks whose result a tool call returned, in a turn that ended well. */
  awaited: number;
  /** Each is a promise that was not kept. */
  faults: string[];
};

type TaskRow = { run_id: string; parent_key: string; state: string; delivery: string; record: string };

export class SubagentCampaign {
  readonly #options: SubagentCampaignOptions;
  readonly #gateway: KillableGateway;
  readonly #random: SeededRandom;
  readonly #counts = { gateway: 0, hosts: 0, resets: 0, cancels: 0 };
  #isKilling = true;
  #sent = 0;

  constructor(options: SubagentCampaignOptions) {
    this.#options = options;
    this.#gateway = new KillableGateway({ main: options.main });
    this.#random = new SeededRandom(options.seed);
  }

  async run(): Promise<SubagentCampaignSummary> {
    const model = await startModelServer();
    try {
      await this.#gateway.prepare(configOf(model));
      this.#gateway.start();
      await (await this.#gateway.connect()).close();
      await Promise.all([this.#kill(), ...Array.from({ length: PARENTS }, (_, index) => this.#write(`agent:main:p${index}`))]);
      await this.#settle();
      await this.#gateway.end("SIGTERM");
      return this.#judge();
    } finally {
      await this.#gateway.end("SIGKILL");
      await model.close();
      this.#gateway.remove();
    }
  }

  async #kill(): Promise<void> {
    const { kills, limitMs = Infinity, say } = this.#options;
    const end = Date.now() + limitMs;
    for (let count = 0; count < kills && Date.now() < end; count++) {
      // Mostly agents work when the next kill comes, however slow the machine is.
      if (this.#random.chance(0.7)) await this.#untilWork();
      await sleep(this.#random.next() * 800);
      const what = await this.#killOne();
      if (count % 20 === 19) say?.(`${count + 1} of ${kills}, the last one: ${what}`);
    }
    say?.("no more kills");
    this.#isKilling = false;
  }

  async #untilWork(): Promise<void> {
    const end = Date.now() + WORK_MS;
    while (this.#gateway.hosts().length === 0 && Date.now() < end) await sleep(50);
  }

  async #killOne(): Promise<string> {
    const gateway = this.#gateway;
    const hosts = gateway.hosts();
    if (hosts.length > 0 && this.#random.chance(0.35)) {
      for (const pid of hosts) killQuietly(pid);
      this.#counts.hosts++;
      return "the process of the agents";
    }
    if (this.#random.chance(0.08)) await this.#try("sessions.reset", { key: `agent:main:p${this.#random.int(0, PARENTS - 1)}` }, "resets");
    if (this.#random.chance(0.08)) await this.#cancelOne();
    await gateway.end("SIGKILL");
    this.#counts.gateway++;
    gateway.start();
    // Mostly it serves before the next kill; sometimes that comes while it starts.
    if (this.#random.chance(0.85)) await (await gateway.connect()).close();
    return `the gateway, ${hosts.length} processes of agents`;
  }

  async #cancelOne(): Promise<void> {
    const found = await this.#try<{ tasks: { id: string }[] }>("tasks.list", { status: ["queued", "running"] });
    const task = found?.tasks[0];
    if (task) await this.#try("tasks.cancel", { taskId: task.id }, "cancels");
  }

  async #try<T>(method: string, params: unknown, count?: "resets" | "cancels"): Promise<T | null> {
    const client = await this.#gateway.tryConnect();
    try {
      const answer = (await client?.request<T>(method, params)) ?? null;
      if (answer !== null && count) this.#counts[count]++;
      return answer;
    } catch (err) {
      if (err instanceof ClientError) return null;
      throw err;
    } finally {
      await client?.close();
    }
  }

  /** Work of every kind for one conversation, each message until it is acknowledged. */
  async #write(sessionKey: string): Promise<void> {
    while (this.#isKilling) {
      const params = { sessionKey, message: this.#nextMessage(), idempotencyKey: `m${this.#sent++}` };
      while ((await this.#try("chat.send", params)) === null) await sleep(50);
      await sleep(100 + this.#random.next() * 400);
    }
  }

  #nextMessage(): string {
    const work = `slow:${this.#random.int(2, 40)} work ${this.#sent} one two three`;
    const kind = this.#random.next();
    if (kind < 0.5) return callOf("sessions_spawn", { task: work });
    if (kind < 0.65) return callOf("subagents", { action: "wait", timeoutSeconds: this.#random.int(1, 3) });
    if (kind < 0.75)
      return callOf("sessions_send", { agentId: "ops", message: `note ${this.#sent}.`, timeoutSeconds: this.#random.int(0, 2) });
    if (kind < 0.85) return callOf("sessions_spawn", { task: callOf("sessions_spawn", { task: work }), context: "fork" });
    return `talk ${this.#sent}`;
  }

  async #settle(): Promise<void> {
    const end = Date.now() + SETTLE_MS;
    while (Date.now() < end) {
      const overview = await this.#try<{ queue: { running: number; waiting: number } }>("gateway.overview", {});
      const open = await this.#try<{ tasks: unknown[] }>("tasks.list", { status: ["queued", "running"] });
      const recent = await this.#try<{ tasks: { deliveryStatus: string }[] }>("tasks.list", { limit: 500 });
      const isDelivered = recent?.tasks.every(({ deliveryStatus }) => !["pending", "session_queued"].includes(deliveryStatus));
      if (overview && open?.tasks.length === 0 && isDelivered && overview.queue.running + overview.queue.waiting === 0) return;
      await sleep(300);
    }
  }

  #judge(): SubagentCampaignSummary {
    const gateway = this.#gateway;
    const tasks = gateway.rows<TaskRow>("SELECT run_id, parent_key, state, delivery, record FROM subagent_tasks");
    const summary: SubagentCampaignSummary = { kills: this.#counts, states: {}, deliveries: {}, awaited: 0, faults: [] };
    const handed = new Map<string, string[]>();
    const inbox = gateway.rows<{ session_key: string; payload: string; state: string; merged: string | null }>(
      `SELECT session_key, payload, state, (SELECT state FROM inbox AS other WHERE other.run_id = inbox.merged_into) AS merged
       FROM inbox WHERE channel = 'subagent' AND event_id LIKE 'result:%'`,
    );
    for (const { session_key: key, payload, state, merged } of inbox) {
      const isRead = state === "done" || (state === "merged" && (merged === "done" || merged === "merged"));
      // Its conversation was reset, or the turn of its message broke off: its tasks say that it was not handed back.
      if (!isRead) continue;
      const { text } = JSON.parse(payload) as { text: string };
      for (const line of text.split("\n").filter((each) => each.startsWith("[")))
        for (const [, id] of line.matchAll(TASK_HEAD)) handed.set(id!, [...(handed.get(id!) ?? []), key]);
    }
    const read = gateway.rows<{ body: string }>("SELECT body FROM messages WHERE role = 'toolResult'").map(({ body }) => body);
    for (const task of tasks) this.#judgeTask(task, { handed: handed.get(task.run_id) ?? [], read }, summary);
    const left = gateway.rows<{ run_id: string; state: string }>("SELECT run_id, state FROM inbox WHERE state IN ('queued', 'running')");
    for (const { run_id: id, state } of left) summary.faults.push(`the run ${id} is ${state}`);
    return summary;
  }

  #judgeTask(
    { run_id: id, parent_key: parent, state, delivery, record }: TaskRow,
    { handed, read }: { handed: readonly string[]; read: readonly string[] },
    summary: SubagentCampaignSummary,
  ): void {
    const fault = (what: string): void => void summary.faults.push(`${id} of ${parent} (${state}, ${delivery}): ${what}`);
    summary.states[state] = (summary.states[state] ?? 0) + 1;
    summary.deliveries[delivery] = (summary.deliveries[delivery] ?? 0) + 1;
    const { error, result, task } = JSON.parse(record) as { error?: string; result?: string; task: string };
    if (state === "waiting" || state === "running") fault("it has not ended");
    if (state !== "ok" && error === undefined) fault("it does not say why it failed");
    if (state === "ok" && result === undefined) fault("it has no result");
    if (handed.length > 1) fault(`its result was handed back ${handed.length} times`);
    if (handed.some((key) => key !== parent)) fault(`its result was handed to ${handed.join(", ")}`);
    if (delivery !== "delivered" && handed.length > 0) fault("it counts as not handed back, and was");
    if (delivery === "pending" || delivery === "reading") fault("its result was not handed back");
    if (delivery !== "delivered" || handed.length > 0) return;
    // A tool call has it: `subagents` shows the id, and the answer to a message repeats the message.
    if (read.some((body) => body.includes(id) || (task.startsWith("note ") && body.includes(`> ${task}`)))) summary.awaited++;
    else fault("its result counts as handed back, and nothing has it");
  }
}

const callOf = (name: string, args: unknown): string => `tool:more_tools:${JSON.stringify({ name, arguments: args })}`;

function configOf(model: ModelServer): unknown {
  const base = modelConfig(model.url) as { agents: { defaults: Record<string, unknown> } };
  const subagents = { maxChildrenPerAgent: 50 };
  return {
    ...base,
    agents: { defaults: { ...base.agents.defaults, subagents }, entries: { main: {}, ops: {} } },
    tools: { sessions: { visibility: "all" }, agentToAgent: { enabled: true, allow: ["*"] } },
  };
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== "ESRCH") throw err;
  }
}
