import type { ResolvedHeartbeat } from "../config/heartbeat.ts";
import { GatewayError } from "../core/errors.ts";
import { asId, type AgentId, type RunId, type SessionKey } from "../core/ids.ts";
import { HEARTBEAT_TOKEN } from "../turns/heartbeat-reply.ts";
import type { Submission } from "../turns/submission.ts";
import type { Job, JobRun } from "./job.ts";
import { SCHEDULE_LIMITS } from "./limits.ts";
import type { RunLookups, RunPlan } from "./run-types.ts";

/** What a heartbeat depends on; looked up when it starts. */
export type HeartbeatLookups = {
  /** Null: the heartbeats of the agent are off. */
  heartbeat: (agentId: AgentId) => ResolvedHeartbeat | null;
  /** The text of HEARTBEAT.md as it was read before this step; null: there is none. */
  instructions: (agentId: AgentId) => string | null;
  /** The system events that wait for the sessions. `isExternal`: one of them is from outside, such as from a hook. */
  waitingEvents: (sessions: readonly SessionKey[]) => { count: number; isExternal: boolean };
  /** A turn runs or waits in the session. */
  isBusy: (sessionKey: SessionKey) => boolean;
  /** A model is configured, or was found. */
  hasAnyModel: (agentId: AgentId) => boolean;
  /** The first owner who can be reached; null: none. */
  ownerTarget: () => Submission["target"];
};

const skipped = (code: string, reason: string): RunPlan => ({ kind: "refused", code, reason });

/** The sessions of a heartbeat: where it runs, and the main session, whose events it takes too. Null: a key cannot be one. */
export function heartbeatSessions(
  heartbeat: ResolvedHeartbeat,
  wakeSession: string | undefined,
  lookups: Pick<RunLookups, "sessionKey">,
): { own: SessionKey; main: SessionKey; isIsolated: boolean } | null {
  const { agentId, session, isIsolated } = heartbeat;
  const main = lookups.sessionKey("main", agentId);
  const isOwn = wakeSession === undefined && session === null && isIsolated;
  const key = wakeSession ?? session ?? (isIsolated ? `agent:${agentId}:heartbeat` : "main");
  const own = lookups.sessionKey(key, agentId);
  return main === null || own === null ? null : { own, main, isIsolated: isOwn };
}

/** What a heartbeat is now: a turn, or nothing for a reason that costs no request to a model. */
export function planHeartbeat(job: Job, run: JobRun, agentId: AgentId, lookups: RunLookups & HeartbeatLookups): RunPlan {
  const heartbeat = lookups.heartbeat(agentId);
  if (heartbeat === null) return skipped("disabled", `the heartbeats of the agent ${agentId} are off`);
  const sessions = heartbeatSessions(heartbeat, run.record.wakeSession, lookups);
  if (sessions === null) return skipped("no-session", `${heartbeat.session} is not a session of the agent ${agentId}`);
  const { own, main, isIsolated } = sessions;
  if (lookups.isSendDenied(own)) return skipped("send-denied", `the session ${own} takes no messages (sendPolicy "deny")`);
  if (lookups.isBusy(own)) return skipped("requests-in-flight", "the session was busy with messages, which come first");
  if (!lookups.hasAnyModel(agentId))
    return skipped("no-model", `the agent ${agentId} has no model; openclaw models list shows those that can be used`);
  if (heartbeat.model !== null && !lookups.hasModel(agentId, heartbeat.model))
    return skipped("unknown-model", `the model ${heartbeat.model} is not known; openclaw models list shows those that are`);
  const text = lookups.instructions(agentId);
  const events = lookups.waitingEvents([own, main]);
  if (events.count === 0 && heartbeat.prompt === null && isEmptyChecklist(text ?? ""))
    return skipped(
      "empty-heartbeat-file",
      `there is nothing to do: HEARTBEAT.md is ${text === null ? "missing" : "empty"}, and no event waits`,
    );
  const route = findHeartbeatTarget(heartbeat, [own, main], lookups);
  if ("refused" in route) return skipped("no-route", route.refused);
  const { target, ...delivery } = route;
  const prompt = toHeartbeatPrompt(heartbeat, text);
  const submission: Submission = {
    channel: "heartbeat",
    account: job.id,
    eventId: run.slot,
    runId: asId<RunId>(run.runId!),
    agentId,
    sessionKey: own,
    chatKind: lookups.chatKind(own),
    context: null,
    images: [],
    target,
    ...rightsOf(agentId, events.isExternal, prompt, lookups),
    queueMode: "followup",
    model: heartbeat.model,
    thinking: null,
    timeoutMs: heartbeat.timeoutMs,
    command: null,
    heartbeat: { ackMaxChars: heartbeat.ackMaxChars },
    ...(own !== main && { eventsOf: main }),
    ...(isIsolated && { newConversation: true }),
  };
  return { kind: "turn", submission, ...delivery };
}

type Rights = Pick<Submission, "text" | "tools" | "provenance" | "extraSystem">;

/**
 * A heartbeat has the rights of an operator. One that reads what came from outside has those of a sender without trust: then the text
 * of the owner is in the system prompt, apart from what is quoted.
 */
function rightsOf(agentId: AgentId, isExternal: boolean, prompt: string, lookups: RunLookups): Rights {
  const tools = lookups.operatorTools(agentId);
  if (!isExternal)
    return { text: prompt, tools, provenance: { channel: "webchat", senderIsOwner: true, client: { id: "heartbeat", mode: "schedule" } } };
  const granted = lookups.channelTools(agentId, undefined);
  return {
    text: "Heartbeat: look at the system events.",
    extraSystem: prompt,
    tools: tools.filter((tool) => granted.includes(tool)),
    provenance: { channel: "hook", senderId: "hook:wake", senderIsOwner: false },
  };
}

type HeartbeatRoute =
  | { target: Submission["target"]; delivery: "none" | "route" | "no-route"; deliveryError?: string }
  | { refused: string };

/** Where an answer goes. `last` and `owner` without a chat: it stays in the session. A channel that cannot be reached: no run. */
function findHeartbeatTarget(
  { target: wanted, to, accountId, mayWriteToPersons }: ResolvedHeartbeat,
  sessions: readonly SessionKey[],
  lookups: RunLookups & HeartbeatLookups,
): HeartbeatRoute {
  if (wanted === "none") return { target: null, delivery: "none" };
  const account = accountId === null ? {} : { accountId };
  if (wanted !== "last" && wanted !== "owner" && to === null)
    return { target: null, delivery: "no-route", deliveryError: `to is not set for ${wanted}` };
  try {
    const target =
      wanted === "owner"
        ? lookups.ownerTarget()
        : lookups.target({ mode: "announce", channel: wanted, ...(to !== null && { to }), ...account }, sessions);
    if (target === null) return { target: null, delivery: "no-route", deliveryError: "no entry of commands.ownerAllowFrom can be reached" };
    if (target.chat.kind === "direct" && !mayWriteToPersons)
      return { target: null, delivery: "no-route", deliveryError: "heartbeat.directPolicy blocks direct conversations" };
    return { target, delivery: "route" };
  } catch (err) {
    if (!(err instanceof GatewayError)) throw err;
    if (wanted === "last") return { target: null, delivery: "no-route", deliveryError: err.message };
    return { refused: err.message };
  }
}

/** Whether a checklist has nothing to do in it: only headings, comments and empty items. Pure. */
export const isEmptyChecklist = (text: string): boolean =>
  text
    .replaceAll(/<!--[^]*?(?:-->|$)/g, "")
    .split("\n")
    .every((line) => /^\s*(?:#{1,6}(?:\s.*)?|[-*+](?:\s*\[[ xX]?\])?|```\w*|)\s*$/.test(line));

const DEFAULT_PROMPT = `Look at the system events, if there are any, and do what HEARTBEAT.md says as far as it is due now. Take up nothing again that only earlier messages asked for. If nothing needs the attention of your owner, answer with ${HEARTBEAT_TOKEN} and nothing else. Otherwise write what your owner should read.`;

/** What the agent is asked. Pure. */
export function toHeartbeatPrompt({ prompt, every }: Pick<ResolvedHeartbeat, "prompt" | "every">, text: string | null): string {
  const { heartbeatFileChars } = SCHEDULE_LIMITS;
  const said = prompt ?? DEFAULT_PROMPT;
  const parts = [
    `Heartbeat, every ${every}: no one has written.`,
    prompt === null ? said : `${said}\nIf there is nothing to say, answer with ${HEARTBEAT_TOKEN}.`,
  ];
  if (text === null || isEmptyChecklist(text)) return parts.join("\n\n");
  const cut =
    text.length > heartbeatFileChars ? `\n(HEARTBEAT.md is longer than ${heartbeatFileChars} characters; the rest was left out.)` : "";
  return [...parts, `HEARTBEAT.md:\n\n${text.slice(0, heartbeatFileChars).toWellFormed().trim()}${cut}`].join("\n\n");
}
