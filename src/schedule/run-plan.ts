import { asId, type AgentId, type RunId, type SessionKey } from "../core/ids.ts";
import type { Submission } from "../turns/submission.ts";
import { planHeartbeat, type HeartbeatLookups } from "./heartbeat-plan.ts";
import type { Job, JobGrant, JobRun } from "./job.ts";
import type { RunLookups, RunPlan } from "./run-types.ts";

const refused = (reason: string): RunPlan => ({ kind: "refused", reason });

/** The agent of a job. */
export const agentOf = ({ definition }: Pick<Job, "definition">, lookups: Pick<RunLookups, "defaultAgent">): AgentId =>
  definition.agentId === undefined ? lookups.defaultAgent() : asId<AgentId>(definition.agentId);

/** The session in which a job runs; null where its key cannot be one. */
export function sessionOf(job: Pick<Job, "id" | "definition">, lookups: RunLookups): SessionKey | null {
  const agentId = agentOf(job, lookups);
  const { sessionTarget, sessionKey } = job.definition;
  if (sessionTarget === "main") return lookups.sessionKey("main", agentId);
  if (sessionTarget === "isolated") return lookups.sessionKey(`agent:${agentId}:cron:${job.id}`, agentId);
  return lookups.sessionKey(sessionTarget === "current" ? (sessionKey ?? "") : sessionTarget.slice("session:".length), agentId);
}

/** What a run of a job is now. */
export function planRun(job: Job, run: JobRun, lookups: RunLookups & HeartbeatLookups): RunPlan {
  const { definition } = job;
  const agentId = agentOf(job, lookups);
  if (!lookups.hasAgent(agentId)) return refused(`there is no agent ${agentId}; openclaw cron edit ${job.id} --agent <id> names another`);
  const { payload } = definition;
  if (payload.kind === "heartbeat") return planHeartbeat(job, run, agentId, lookups);
  const sessionKey = sessionOf(job, lookups);
  if (sessionKey === null) return refused(`${definition.sessionTarget} is not a session of the agent ${agentId}`);
  if (lookups.isSendDenied(sessionKey)) return refused(`the session ${sessionKey} takes no messages (sendPolicy "deny")`);
  if (payload.kind === "systemEvent" && definition.wakeMode === "next-heartbeat") return { kind: "note", sessionKey, text: payload.text };
  const model = payload.kind === "agentTurn" ? payload.model : undefined;
  if (model !== undefined && !lookups.hasModel(agentId, model))
    return refused(`the model ${model} is not known; openclaw models list shows those that are`);
  const { target, ...delivery } = findTarget(job, sessionKey, lookups);
  const { tools, ...granted } = toGrant(definition.grant, agentId, lookups);
  const timeoutSeconds = payload.kind === "agentTurn" ? payload.timeoutSeconds : undefined;
  const submission: Submission = {
    channel: "cron",
    account: job.id,
    eventId: run.slot,
    runId: asId<RunId>(run.runId!),
    agentId,
    sessionKey,
    chatKind: lookups.chatKind(sessionKey),
    text: payload.kind === "systemEvent" ? payload.text : payload.message,
    context: null,
    images: [],
    target,
    tools: limitTools(tools, payload.kind === "agentTurn" ? payload.toolsAllow : undefined),
    ...granted,
    queueMode: "followup",
    model: model ?? null,
    thinking: payload.kind === "agentTurn" ? (payload.thinking ?? null) : null,
    timeoutMs: timeoutSeconds === undefined || timeoutSeconds === 0 ? null : timeoutSeconds * 1_000,
    // What a schedule says is never a command for the gateway.
    command: null,
    extraSystem: toExtraSystem(job, run),
    ...(definition.sessionTarget === "isolated" && {
      newConversation: true,
      title: (definition.displayName ?? definition.name).slice(0, 60),
    }),
  };
  return { kind: "turn", submission, ...delivery };
}

const toExtraSystem = ({ definition }: Job, { dueAt, cause }: JobRun): string =>
  `This turn was started by the schedule: the job ${JSON.stringify(definition.name)}, due ${new Date(dueAt).toISOString()}${cause === "missed" ? ", later than planned because the gateway did not run then" : ""}. No one may be reading at this moment: do what it asks, and answer with what will be read later.`;

/** What a run may do now: never more than the grant of the job, and never more than the configuration gives now. */
function toGrant(grant: JobGrant, agentId: AgentId, lookups: RunLookups): Pick<Submission, "tools" | "provenance" | "roomTools"> {
  if (grant.by === "operator")
    return {
      tools: lookups.operatorTools(agentId),
      provenance: { channel: "webchat", senderIsOwner: true, client: { id: "cron", mode: "schedule" } },
    };
  const { tools, roomTools, provenance } = grant;
  const now = provenance.channel === "webchat" ? lookups.operatorTools(agentId) : lookups.channelTools(agentId, roomTools);
  return { tools: tools.filter((tool) => now.includes(tool)), provenance, ...(roomTools && { roomTools }) };
}

const limitTools = (tools: Submission["tools"], allowed: readonly string[] | undefined): Submission["tools"] =>
  allowed === undefined || allowed.includes("*") ? tools : tools.filter((tool) => allowed.includes(tool));

type Route = { target: Submission["target"]; delivery: "none" | "route" | "no-route"; deliveryError?: string };

/** Where the answer goes. An answer that has no place is kept in the session, and the log of runs says why. */
export function findTarget({ definition }: Pick<Job, "definition">, sessionKey: SessionKey, lookups: RunLookups): Route {
  const { delivery, grant } = definition;
  if (delivery === undefined || delivery.mode === "none") return { target: null, delivery: "none" };
  // A job that an agent made answers where it was made, whatever else it names.
  if (grant.by === "agent") {
    if (grant.target !== null) return { target: withoutReply(grant.target), delivery: "route" };
    return { target: null, delivery: "no-route", deliveryError: "the conversation in which the job was made is not on a channel" };
  }
  try {
    const agentId = agentOf({ definition }, lookups);
    const main = lookups.sessionKey("main", agentId);
    const own = definition.sessionKey === undefined ? null : lookups.sessionKey(definition.sessionKey, agentId);
    const sessions = [own, sessionKey, main].filter((key) => key !== null);
    return { target: lookups.target(delivery, sessions), delivery: "route" };
  } catch (err) {
    const { message, fix } = err as Error & { fix?: string };
    return { target: null, delivery: "no-route", deliveryError: fix === undefined ? message : `${message}. ${fix}` };
  }
}

/** A message of its own, not the answer to the message in which the job was asked for. */
function withoutReply(target: NonNullable<Submission["target"]>): Submission["target"] {
  const { replyTo: _replyTo, via: _via, ...rest } = target;
  return rest;
}
