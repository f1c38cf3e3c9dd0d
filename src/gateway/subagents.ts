import { randomUUID } from "node:crypto";
import { GatewayError } from "../core/errors.ts";
import { asId, type AgentId, type RunId, type SessionKey } from "../core/ids.ts";
import type { SubagentSettings, Task, TaskRecord, TaskRows } from "../subagents/task.ts";
import type { Subagents, TaskParent } from "../subagents/subagents.ts";
import { storeAttachments } from "../methods/attachments.ts";
import type { MediaStore } from "../store/media.ts";
import { createSubagentTasks } from "../store/subagent-tasks.ts";
import { canonicalSessionKey, mainSessionKey, parseSessionKey } from "../routing/session-key.ts";
import type { MessageEnd, AgentMessageSender } from "../subagents/plan.ts";
import { SUBAGENT_LIMITS } from "../subagents/limits.ts";
import { isInReach, outOfReach, sessionPolicyOf } from "../tools/conversations.ts";
import type {
  AgentTasks,
  AgentMessageAnswer,
  AgentMessageRequest,
  SpawnAttachment,
  SpawnRequest,
  TaskResult,
} from "../tools/subagents/tasks.ts";
import type { ToolCaller } from "../tools/tool.ts";
import type { Payload } from "../turns/submission.ts";
import type { GatewayBase } from "./base.ts";
import { isKnownModel } from "./agent-models.ts";
import type { Messaging } from "./messaging.ts";
import type { RunningConfig } from "./running-config.ts";
import type { Storage } from "./storage.ts";

export type SubagentsInput = GatewayBase & Storage & { running: RunningConfig };

const LISTED = 32;
const LIST_CHARS = 500;

/** Tasks of sub-agents, which are loaded with the first task or the first request for them. Built before the turns, which `bind` adds. */
export class LazySubagents implements AgentTasks {
  readonly rows: TaskRows;
  readonly #input: SubagentsInput;
  #messaging: Messaging | null = null;
  #media: MediaStore | null = null;
  #loaded: Promise<Subagents> | null = null;
  #isStopped = false;

  constructor(input: SubagentsInput) {
    this.#input = input;
    this.rows = createSubagentTasks<TaskRecord>(input.store);
    input.metrics.sample("gateway_subagent_tasks_open", () => this.rows.open().filter(({ endedAt }) => endedAt === null).length);
  }

  bind(messaging: Messaging, media: MediaStore): void {
    this.#messaging = messaging;
    this.#media = media;
  }

  /** The tasks, with everything that they need. */
  get(): Promise<Subagents> {
    const messaging = this.#messaging;
    if (messaging === null || this.#isStopped) throw new GatewayError("UNAVAILABLE", "the gateway is starting or stopping");
    this.#loaded ??= import("../subagents/subagents.ts").then(({ Subagents: Loaded }) => new Loaded(this.#deps(messaging)));
    return this.#loaded;
  }

  /** Takes up what an earlier process left; loads nothing without an open task. */
  async start(): Promise<void> {
    if (this.rows.hasOpen()) await (await this.get()).wake();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    (await this.#loaded)?.stop();
  }

  async spawn(request: SpawnRequest, caller: ToolCaller): Promise<unknown> {
    const { expectsCompletionMessage: expectsResult = true, attachments, ...wish } = request;
    const parent = this.#parentOf(caller);
    const subagents = await this.get();
    subagents.checkSpawn(wish, parent);
    const files = attachments && (await storeAttachments(this.#media!, attachments.map(toWireAttachment), caller.tools));
    const task = await subagents.spawn({ ...wish, ...(files && { files }), expectsResult }, parent);
    return {
      status: "accepted",
      taskId: task.runId,
      runId: task.runId,
      childSessionKey: task.childKey,
      label: task.record.label,
      mode: "run",
      context: request.context ?? "isolated",
      depth: task.record.depth,
      expectsCompletionMessage: expectsResult,
      note: expectsResult
        ? "The result comes as a message. Do not ask for it again and again."
        : "The result is kept in the session of the task.",
    };
  }

  async send(request: AgentMessageRequest, caller: ToolCaller, signal: AbortSignal): Promise<AgentMessageAnswer> {
    const { message, timeoutSeconds = SUBAGENT_LIMITS.answerSeconds } = request;
    const to = this.#endOf(request, caller);
    const timeoutMs = Math.min(timeoutSeconds, SUBAGENT_LIMITS.maxAnswerSeconds) * 1_000;
    const subagents = await this.get();
    const { task, isAnswered } = await subagents.send({ message, to, timeoutMs }, this.#parentOf(caller), signal);
    const sent = { runId: task.runId, sessionKey: task.childKey };
    if (isAnswered) {
      const isOk = task.state === "ok";
      return { ...sent, status: isOk ? "ok" : "error", answer: (isOk ? task.record.result : task.record.error) ?? "It answered nothing." };
    }
    if (timeoutMs === 0) return { ...sent, status: "accepted", note: "No answer comes back.", answer: null };
    return { ...sent, status: "timeout", note: "The answer comes as a message. Do not ask again.", answer: null };
  }

  agents({ agentId, sessionKey, surface }: ToolCaller): unknown {
    const { running } = this.#input;
    const { allowAgents } = subagentSettings(running, agentId);
    const agents = running.agents.list().map(({ id, name }) => {
      const to = asId<AgentId>(id);
      const isOwn = to === agentId;
      return {
        id,
        name,
        mayGetTasks: isOwn || allowAgents.some((allowed) => allowed === "*" || allowed === id),
        mayGetMessages: this.#refuseMessage({ agentId, sessionKey, surface }, { agentId: to, sessionKey: mainSessionKey(to) }) === null,
        ...(isOwn && { isYou: true }),
      };
    });
    return { agents: agents.filter(({ mayGetTasks, mayGetMessages }) => mayGetTasks || mayGetMessages) };
  }

  /** The session that a message names. What the caller may not reach is answered like what is not there. */
  #endOf({ sessionKey, label, agentId }: AgentMessageRequest, caller: ToolCaller): MessageEnd {
    const { running, sessions } = this.#input;
    if (agentId !== undefined) {
      const to = asId<AgentId>(agentId.toLowerCase());
      if (running.agents.ids().includes(to)) return { agentId: to, sessionKey: mainSessionKey(to) };
      throw notFound("agent", agentId, "agents_list shows the agents.");
    }
    const named = label ?? sessionKey ?? "";
    const keys = label === undefined ? [canonicalSessionKey(named, caller.agentId)] : this.#labelled(label);
    const found = keys.flatMap((key) => {
      const row = key === null ? undefined : sessions.get(key);
      return row && this.#isKnownTo(caller, row.key)
        ? [{ agentId: parseSessionKey(row.key)?.agentId ?? row.agent_id, sessionKey: row.key }]
        : [];
    });
    if (found.length === 1) return found[0]!;
    if (found.length === 0) throw notFound("session", named, "sessions_list shows the sessions that may be written to.");
    throw new GatewayError("INVALID_REQUEST", `label: ${found.length} sessions have this label`, { fix: "Name one by its sessionKey." });
  }

  #labelled(label: string): SessionKey[] {
    return this.#input.sessions.list({ label, limit: LISTED, offset: 0, archived: false }).rows.map(({ key }) => key);
  }

  /** Whether a caller may know that a session exists: those of its own agent, and those in its reach. */
  #isKnownTo(caller: ToolCaller, key: SessionKey): boolean {
    const agentId = parseSessionKey(key)?.agentId;
    if (agentId === undefined) return false;
    return (caller.surface === "operator" && agentId === caller.agentId) || this.#reaches(caller, { agentId, sessionKey: key });
  }

  #reaches(from: AgentMessageSender, { agentId, sessionKey }: MessageEnd): boolean {
    const { running, sessions } = this.#input;
    const parentOf = (key: string): SessionKey | null => {
      const parent = sessions.get(key)?.parent_key ?? null;
      return parent === null ? null : asId<SessionKey>(parent);
    };
    return isInReach(sessionPolicyOf(running.config), from, { agentId, key: sessionKey }, parentOf);
  }

  /** Why a session may not write to another one; null: it may. */
  #refuseMessage(from: AgentMessageSender, to: MessageEnd): string | null {
    const { running, sessions } = this.#input;
    if (!this.#reaches(from, to)) return outOfReach(sessionPolicyOf(running.config), from, to.agentId);
    return sessions.get(to.sessionKey)?.send_policy === "deny" ? "its send policy is deny" : null;
  }

  list(caller: ToolCaller): unknown {
    return { tasks: this.rows.list({ parentKey: caller.sessionKey }, LISTED).map(toBrief) };
  }

  async wait(caller: ToolCaller, taskIds: readonly string[], timeoutMs: number, signal: AbortSignal): ReturnType<AgentTasks["wait"]> {
    const tasks = this.#named(caller, taskIds, ({ delivery }) => delivery === "pending");
    const runIds = tasks.map(({ runId }) => runId);
    const ended = runIds.length === 0 ? [] : await (await this.get()).wait(runIds, caller.runId, timeoutMs, signal);
    const open = runIds.filter((runId) => !ended.some((task) => task.runId === runId));
    return { ended: ended.map(toResult), open };
  }

  async cancel(caller: ToolCaller, taskIds: readonly string[]): Promise<unknown> {
    const tasks = this.#named(caller, taskIds, ({ endedAt }) => endedAt === null);
    const subagents = await this.get();
    const cancelled: RunId[] = [];
    for (const task of tasks) if (await subagents.cancel(task, "the agent that gave the task cancelled it")) cancelled.push(task.runId);
    return { cancelled };
  }

  /** Tasks of the caller's conversation by their ids; those that `isMeant` without ids. */
  #named({ sessionKey }: ToolCaller, taskIds: readonly string[], isMeant: (task: Task) => boolean): Task[] {
    if (taskIds.length === 0) return this.rows.list({ parentKey: sessionKey }, LISTED).filter(isMeant);
    return taskIds.map((id) => {
      const task = this.rows.get(id);
      if (task?.parentKey === sessionKey) return task;
      throw new GatewayError("NOT_FOUND", `the task ${JSON.stringify(id.slice(0, 64))} was not found in this conversation`, {
        fix: "The action list shows them.",
      });
    });
  }

  /** What the turn of a call has, from its message as it was admitted. */
  #parentOf({ agentId, sessionKey, runId, tools }: ToolCaller): TaskParent {
    const row = runId === null ? undefined : this.#input.inbox.byRun<Payload>(runId);
    if (!row?.payload)
      throw new GatewayError("INVALID_REQUEST", "a task is given in a turn, to which its result is handed back", {
        fix: "Send the agent a message that asks for it.",
      });
    return { agentId, sessionKey, runId, message: row.payload, tools, channel: row.channel };
  }

  #deps(messaging: Messaging): ConstructorParameters<typeof Subagents>[0] {
    const { running, log } = this.#input;
    const { admission, lanes } = messaging.turns;
    return {
      ...this.#input,
      rows: this.rows,
      log: log.child({ subsystem: "subagents" }),
      settings: (agentId) => subagentSettings(running, agentId),
      lookups: {
        hasAgent: (agentId) => running.agents.ids().includes(asId<AgentId>(agentId)),
        hasModel: (agentId, model) => isKnownModel(running, agentId, model),
        operatorTools: (agentId) => running.agents.operatorTools(agentId),
        channelTools: (agentId, room) => running.agents.channelTools(agentId, room ?? null),
        refuseMessage: (from, to) => this.#refuseMessage(from, to),
      },
      prepare: (submission) => admission.prepare(submission),
      abort: (sessionKey, runId) => lanes.abortDurably(sessionKey, runId),
      newId: randomUUID,
    };
  }
}

const toWireAttachment = ({ name, content, encoding, mimeType }: SpawnAttachment): unknown => ({
  fileName: name,
  mimeType,
  content: encoding === "base64" ? content : Buffer.from(content).toString("base64"),
});

const notFound = (what: string, name: string, fix: string): GatewayError =>
  new GatewayError("NOT_FOUND", `the ${what} ${JSON.stringify(name.slice(0, 200))} was not found`, { fix });

/** What holds for the sub-agents of an agent: its own settings, else those of all agents. */
function subagentSettings({ config }: RunningConfig, agentId: AgentId): SubagentSettings {
  const { model, thinking, allowAgents, ...shared } = config.agents.defaults.subagents;
  const own = config.agents.entries[agentId]?.subagents;
  return {
    ...shared,
    model: own?.model ?? model ?? null,
    thinking: own?.thinking ?? thinking ?? null,
    allowAgents: own?.allowAgents ?? allowAgents ?? [],
  };
}

const toResult = ({ runId, state, record }: Task): TaskResult => ({
  taskId: runId,
  label: record.label,
  status: state,
  result: record.result ?? record.error ?? "",
});

/** What a model needs to know of a task. */
const toBrief = ({ runId, childKey, state, delivery, createdAt, endedAt, record }: Task): unknown => ({
  taskId: runId,
  label: record.label,
  status: state,
  result: delivery,
  sessionKey: childKey,
  createdAt: new Date(createdAt).toISOString(),
  ...(endedAt !== null && { endedAt: new Date(endedAt).toISOString() }),
  ...(record.error !== undefined && { error: record.error.slice(0, LIST_CHARS) }),
});
