import { GatewayError } from "../core/errors.ts";
import { asString, type JsonObject } from "../core/json.ts";
import type { Job, JobGrant } from "../schedule/job.ts";
import type { ScheduleService } from "../schedule/service.ts";
import type { Inbox } from "../store/inbox.ts";
import type { Sessions } from "../store/sessions.ts";
import type { AgentJobs, CronRequest } from "../tools/cron/jobs.ts";
import type { ToolCaller } from "../tools/tool.ts";
import type { Payload } from "../turns/submission.ts";
import { timeInZone } from "../usage/periods.ts";

export type ToolScheduleDeps = { inbox: Pick<Inbox, "byRun">; sessions: Pick<Sessions, "get" | "lastTarget"> };

/** What an agent decides of a job; everything else follows from the turn. */
const AGENT_FIELDS: readonly string[] = ["name", "description", "schedule", "sessionTarget", "enabled"];

type AgentGrant = JobGrant & { by: "agent" };

/**
 * Jobs that agents make. Each has the grant of the turn that made it: its tools, its rooms, its sender and the conversation that its answers go to. Built before the schedule, which `bind` adds.
 */
export class ToolSchedule implements AgentJobs {
  readonly #deps: ToolScheduleDeps;
  #schedule: (() => Promise<ScheduleService>) | null = null;

  constructor(deps: ToolScheduleDeps) {
    this.#deps = deps;
  }

  bind(schedule: () => Promise<ScheduleService>): void {
    this.#schedule = schedule;
  }

  async act(request: CronRequest, caller: ToolCaller): Promise<unknown> {
    if (this.#schedule === null) throw new GatewayError("UNAVAILABLE", "the gateway is still starting");
    const { grant, isScheduled } = this.#grantOf(caller);
    const service = await this.#schedule();
    const { action, limit = 20 } = request;
    const isVisible = (job: Job): boolean => isVisibleTo(job, grant, caller);
    if (action === "status") return service.status();
    if (action === "list") return brief(service.list({ includeDisabled: true, limit }, isVisible));
    if (action === "add") {
      if (isScheduled) throw refusedInRun("a job makes no other jobs");
      return toBriefJob(await service.add(this.#toParams(request.job, grant, true), grant, caller));
    }
    const job = this.#requireVisible(service, request.jobId, isVisible);
    if (action === "get") return toBriefJob(service.row(job));
    if (action === "runs") return service.runs({ id: job.id, limit });
    requireOwn(job, grant);
    if (action === "remove") return await service.remove(job.id);
    if (isScheduled) throw refusedInRun("the run of a job changes and starts none");
    if (action === "run") return await service.runNow(job.id, "force");
    const patch = this.#toParams(request.job, grant, false);
    // From now on the job has the rights of the turn that changes it.
    return toBriefJob(await service.update(job.id, patch, { guard: caller, grant }));
  }

  /** What the turn of a call has, from its message as it was admitted. Throws for those who may not use the schedule. */
  #grantOf({ runId, sessionKey, agentId, tools }: ToolCaller): { grant: AgentGrant; isScheduled: boolean } {
    const row = runId === null ? undefined : this.#deps.inbox.byRun<Payload>(runId);
    const payload = row?.payload ?? null;
    const provenance = payload?.provenance ?? { channel: "webchat", senderIsOwner: runId === null };
    if (!provenance.senderIsOwner)
      throw new GatewayError("FORBIDDEN", "only the owner schedules jobs", {
        fix: "Ask the owner, who is named in commands.ownerAllowFrom.",
      });
    const { roomTools } = payload ?? {};
    const grant: AgentGrant = {
      by: "agent",
      agentId,
      sessionKey,
      tools,
      ...(roomTools && { roomTools }),
      provenance,
      target: payload?.target ?? this.#deps.sessions.lastTarget<NonNullable<AgentGrant["target"]>>(sessionKey),
    };
    return { grant, isScheduled: row !== undefined && ["cron", "heartbeat", "hook"].includes(row.channel) };
  }

  #requireVisible(service: ScheduleService, jobId: string | undefined, isVisible: (job: Job) => boolean): Job {
    if (jobId === undefined)
      throw new GatewayError("INVALID_REQUEST", "jobId: the id of a job is required", { fix: "The action list shows them." });
    const job = service.require(jobId);
    if (isVisible(job)) return job;
    throw new GatewayError("NOT_FOUND", `the job ${JSON.stringify(jobId.slice(0, 64))} was not found in this conversation`);
  }

  /** A request in the form of the protocol. */
  #toParams(given: JsonObject | undefined, grant: AgentGrant, isNew: boolean): JsonObject {
    const { message, deliver, ...rest } = given ?? {};
    const unknown = Object.keys(rest).find((name) => !AGENT_FIELDS.includes(name));
    if (unknown !== undefined)
      throw new GatewayError("INVALID_REQUEST", `job.${unknown.slice(0, 60)} is not a field of jobs of agents`, {
        fix: `The fields are ${["message", "deliver", ...AGENT_FIELDS].join(", ")}.`,
      });
    const isDelivered = typeof deliver === "boolean" ? deliver : isNew ? grant.target !== null : undefined;
    return {
      ...(isNew && { sessionTarget: "isolated", wakeMode: "now", agentId: grant.agentId }),
      ...rest,
      ...(rest["sessionTarget"] === "current" && { sessionKey: grant.sessionKey }),
      ...(asString(message) !== "" && { payload: { kind: "agentTurn", message } }),
      ...(isDelivered !== undefined && { delivery: { mode: isDelivered ? "announce" : "none" } }),
    };
  }
}

/** An operator's agent sees the jobs of the agent; people on a channel those that were made for them in their conversation. */
function isVisibleTo({ definition }: Job, grant: AgentGrant, { surface }: ToolCaller): boolean {
  const made = definition.grant;
  if (made.by === "agent" && made.sessionKey === grant.sessionKey)
    return made.provenance.senderId === grant.provenance.senderId || surface === "operator";
  return surface === "operator" && (definition.agentId ?? grant.agentId) === grant.agentId;
}

/** A job that has more rights than the turn is changed by those who gave it these. */
function requireOwn({ id, definition }: Job, { sessionKey }: AgentGrant): void {
  const { grant } = definition;
  if (grant.by === "agent" && grant.sessionKey === sessionKey) return;
  throw new GatewayError("FORBIDDEN", "the job was not made in this conversation", {
    fix: `The owner changes it with openclaw cron edit ${id}.`,
  });
}

const refusedInRun = (why: string): GatewayError => new GatewayError("FORBIDDEN", `this turn was started by the schedule: ${why}`);

const brief = ({ jobs, total }: JsonObject): unknown => ({ jobs: (jobs as JsonObject[]).map(toBriefJob), total });

/** What a model needs to know of a job. */
function toBriefJob({ id, name, enabled, payload, sessionTarget, preview, problem, state, owner }: JsonObject): unknown {
  const {
    description,
    nextRunsAtMs = [],
    timeZone,
    cost,
  } = (preview ?? {}) as {
    description?: string;
    nextRunsAtMs?: number[];
    timeZone?: string | null;
    cost?: { text: string };
  };
  const { lastStatus, lastError } = (state ?? {}) as { lastStatus?: string; lastError?: string };
  return {
    id,
    name,
    enabled,
    schedule: description,
    next: nextRunsAtMs.map((at) => timeInZone(at, timeZone ?? "UTC")),
    ...(cost !== undefined && { cost: cost.text }),
    stop: "the action remove, or update with enabled: false",
    message: (payload as { message?: string; text?: string }).message ?? (payload as { text?: string }).text,
    sessionTarget,
    ...(lastStatus !== undefined && { lastStatus }),
    ...(lastError !== undefined && { lastError }),
    ...(problem !== undefined && { problem }),
    madeBy: owner === undefined ? "operator" : "agent",
  };
}
