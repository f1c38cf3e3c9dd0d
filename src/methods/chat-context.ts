import type { AgentRuntime, ModelCall, ToolName } from "../agents/runtime.ts";
import type { ReplyTarget } from "../channels/channel.ts";
import type { Bus } from "../core/bus.ts";
import type { ParsedCommand } from "../core/chat-commands.ts";
import type { Clock } from "../core/clock.ts";
import { detailError, GatewayError, missingScope } from "../core/errors.ts";
import type { AgentId, RunId, SessionKey } from "../core/ids.ts";
import { asId } from "../core/ids.ts";
import type { Hub } from "../protocol/hub.ts";
import type { Caller } from "../protocol/method.ts";
import { parseRemoteAgent } from "../core/peer-address.ts";
import { toQueueMode, type QueueMode } from "../core/queue-modes.ts";
import { toAgentAddress } from "../core/agent-id.ts";
import { canonicalSessionKey, parseSessionKey } from "../routing/session-key.ts";
import type { ApprovalRow } from "../store/approvals.ts";
import type { MediaStore, StoredImage } from "../store/media.ts";
import type { Provenance } from "../store/messages.ts";
import type { Messages } from "../store/messages.ts";
import type { Store } from "../store/open.ts";
import type { SessionBranches } from "../store/session-branches.ts";
import type { Sessions, SessionRow } from "../store/sessions.ts";
import { commandEffect } from "../turns/commands.ts";
import type { Turns } from "../turns/create-turns.ts";
import type { TurnEvents } from "../turns/events.ts";
import type { FlushSettings } from "../turns/memory-flush.ts";
import { toThinkingLevel } from "../core/thinking.ts";
import { resolveModels, type AgentSettings } from "../turns/settings.ts";
import { isForGateway } from "../turns/skill-requests.ts";
import type { Submission } from "../turns/submission.ts";
import { isSendDenied, permittedTools } from "../turns/permissions.ts";
import { mayApprove, toResolver } from "./approvals.ts";
import type { AnswerCache } from "./answer-cache.ts";
import { splitModel, toSessionRow, toThinkingLevels, type RowOptions, type SessionFacts } from "./wire-rows.ts";

/** What methods do with messages, lanes, runs and transcripts. */
export type ChatTurns = {
  admission: Pick<Turns["admission"], "submit" | "parseCommand">;
  lanes: Pick<Turns["lanes"], "abort" | "abortDurably" | "busySessions" | "queuedRuns" | "withSessionLock" | "drain">;
  runs: Pick<Turns["runs"], "find" | "inflight" | "waitForOutcome">;
  transcript: Pick<Turns["transcript"], "addReply" | "buildContext" | "hasOtherThanOwner">;
  outbound: Pick<Turns["outbound"], "add">;
};

/** What the methods about conversations need. */
export type ChatDeps = {
  turns: ChatTurns;
  store: Store;
  sessions: Sessions;
  branches: SessionBranches;
  messages: Messages;
  media: MediaStore;
  bus: Bus<TurnEvents>;
  runtime: Pick<AgentRuntime, "forget" | "compact">;
  settings: (agentId: AgentId) => AgentSettings;
  hub: Hub;
  /** The questions to people that wait, oldest first. */
  pendingApprovals: () => readonly ApprovalRow[];
  /** Encoded answers of all methods. */
  answers: AnswerCache;
  /** Stands for settings, models and agents: another object whenever they may be others. */
  configuration: () => object;
  clock: Clock;
  newId: () => string;
  defaultAgent: () => AgentId;
  agentIds: () => readonly string[];
  /** Whether messages may name this agent; also `agent@peer` where there is a link. */
  canAnswer: (agentId: AgentId) => boolean;
  mainKey: () => string | undefined;
  /** Adds what a summary took; inside a `store.write`. */
  addSummary: (call: ModelCall, session: SessionRow) => void;
  /** How an agent writes its notes before a conversation is shortened; null: it does not. */
  flushSettings: () => FlushSettings | null;
  /** Tools of an operator's session. */
  operatorTools: (agentId: AgentId) => readonly ToolName[];
  queueMode: (channel: string) => QueueMode;
  /** What is known of a model; context window 0 when unknown. */
  modelFacts: (name: string) => { contextWindow: number; thinkingLevels: readonly string[] };
  modelNames: () => readonly string[];
  /** `channel` + a recipient as people write it -> Target. Throws GatewayError when it names nothing. */
  toTarget: (channel: string, account: string | undefined, to: string, thread: string | undefined) => ReplyTarget;
};

/** The session that a client means. Throws INVALID_REQUEST for a key that cannot be one. */
export function resolveKey(deps: ChatDeps, input: string, agentId?: string): { key: SessionKey; agentId: AgentId } {
  const agent = agentId === undefined ? deps.defaultAgent() : toAgentAddress(agentId);
  const key = canonicalSessionKey(input, agent, deps.mainKey());
  const parsed = key && parseSessionKey(key);
  if (!key || !parsed)
    throw new GatewayError("INVALID_REQUEST", `invalid session key: ${JSON.stringify(input.slice(0, 80))}`, {
      fix: "Use `main`, a name, or `agent:<id>:<name>`.",
    });
  if (agentId !== undefined && parsed.agentId !== agent)
    throw new GatewayError("INVALID_REQUEST", `session ${key} does not belong to agent ${agent}`);
  if (!deps.canAnswer(parsed.agentId)) {
    throw detailError("UNKNOWN_AGENT_ID", `unknown agent id "${parsed.agentId}"`, {
      details: { agentId: parsed.agentId },
      fix: "`openclaw agents list` shows the agents.",
    });
  }
  return { key, agentId: parsed.agentId };
}

/** The stored session, or INVALID_REQUEST. */
export function requireSession(deps: ChatDeps, key: SessionKey): SessionRow {
  const session = deps.sessions.get(key);
  if (!session) throw detailError("SESSION_NOT_FOUND", `there is no session ${key}`);
  return session;
}

/** A row of `sessions.list` for one stored session. A list names the children, which are then read once for all of its rows. */
export function wireRow(
  deps: ChatDeps,
  row: SessionRow,
  options: RowOptions = {},
  children: readonly string[] = deps.sessions.childrenOf(row.key),
): Record<string, unknown> {
  return toSessionRow(row, factsOf(deps, row, children), options);
}

export function currentModel(deps: ChatDeps, row: Pick<SessionRow, "agent_id" | "model">): string {
  const model = resolveModels(deps.settings(row.agent_id), row, null)[0]!;
  return `${model.provider}/${model.id}`;
}

function factsOf(deps: ChatDeps, row: SessionRow, children: readonly string[]): SessionFacts {
  const model = currentModel(deps, row);
  const facts = deps.modelFacts(model);
  return {
    mainKey: deps.mainKey(),
    model,
    contextWindow: facts.contextWindow,
    thinkingDefault: deps.settings(row.agent_id).thinking,
    thinkingLevels: facts.thinkingLevels,
    queueMode: deps.queueMode(row.channel),
    activeRuns: deps.turns.runs.inflight(row.key),
    waiting: deps.turns.lanes.queuedRuns(row.key).length,
    children,
    now: deps.clock.now(),
  };
}

export type OperatorMessage = {
  source: "rpc" | "http";
  key: SessionKey;
  agentId: AgentId;
  text: string;
  images: readonly StoredImage[];
  /** What the agent reads about each attached file. */
  attached?: readonly string[];
  /** What the agent reads before the message. */
  context?: string | null;
  /** Added to the system prompt of this run. */
  extraSystem?: string | undefined;
  guard?: (session: SessionRow | undefined) => void;
  idempotencyKey: string;
  caller: Pick<Caller, "client" | "device" | "scopes" | "traceparent">;
  queueMode?: QueueMode | undefined;
  thinking?: string | undefined;
  model?: string | undefined;
  timeoutMs?: number | undefined;
  target?: ReplyTarget | null;
  literal?: boolean | undefined;
};

/** A command that begins a new conversation needs what `sessions.reset` needs, in whatever method and form it comes. */
function requireCommandScope(command: ParsedCommand | null, { caller }: OperatorMessage): void {
  if (!command || commandEffect(command) !== "conversation" || caller.scopes.has("operator.admin")) return;
  throw missingScope("operator.admin");
}

/** A message of an operator: a client that holds operator.write, so it may use the agent's tools. */
export function operatorSubmission(deps: ChatDeps, message: OperatorMessage): Submission {
  if (message.thinking !== undefined && toThinkingLevel(message.thinking) === null)
    throw new GatewayError("INVALID_REQUEST", `unknown thinking level ${JSON.stringify(message.thinking.slice(0, 40))}`);
  const provenance: Provenance = {
    channel: "webchat",
    senderIsOwner: true,
    client: { id: message.caller.client.id, mode: message.caller.client.mode },
  };
  if (parseRemoteAgent(message.agentId)) refuseForRemote(message);
  const command = message.literal ? null : deps.turns.admission.parseCommand(message.text);
  requireCommandScope(command, message);
  const session = deps.sessions.get(message.key);
  const guard = (current: SessionRow | undefined): void => {
    if (!isForGateway(command) && isSendDenied(current)) throw sendDenied();
    message.guard?.(current);
  };
  return {
    channel: message.source,
    account: "",
    eventId: message.idempotencyKey,
    runId: asId<RunId>(message.idempotencyKey),
    agentId: message.agentId,
    sessionKey: message.key,
    chatKind: session?.chat_kind ?? "direct",
    text: message.text,
    context: message.context ?? null,
    images: message.images,
    precondition: guard,
    provenance,
    target: message.target ?? null,
    tools: deps.operatorTools(message.agentId),
    queueMode: message.queueMode ?? toQueueMode(session?.queue_mode) ?? deps.queueMode("webchat"),
    model: message.model ?? null,
    thinking: message.thinking ?? null,
    timeoutMs: message.timeoutMs ?? null,
    command,
    ...(mayApprove(message.caller) && { approver: toResolver(message.caller) }),
    ...(message.attached?.length ? { attached: message.attached } : {}),
    ...(message.extraSystem ? { extraSystem: message.extraSystem } : {}),
    ...(message.caller.traceparent ? { traceparent: message.caller.traceparent } : {}),
  };
}

/** What another gateway would not get of a message is refused, not left out. */
function refuseForRemote({ agentId, thinking, model, extraSystem, images, attached = [] }: OperatorMessage): void {
  const found = Object.entries({ thinking, model, extraSystemPrompt: extraSystem }).find(
    ([, value]) => value !== undefined && value !== "",
  );
  const param = images.length + attached.length > 0 ? "attachments" : found?.[0];
  if (param === undefined) return;
  const why = param === "attachments" ? "links to other gateways carry text only" : "the other gateway decides how its agents answer";
  throw detailError("PARAM_NOT_SERVED", `${param} has no effect for ${agentId}: ${why}`, { details: { param } });
}

const sendDenied = (): GatewayError =>
  detailError("SEND_DENIED", "send blocked by session policy", {
    fix: 'sessions.patch with sendPolicy "allow" lifts it.',
  });

/** The tools that an operator's message has in a session at this moment. */
export const toolsIn = (deps: ChatDeps, key: SessionKey, agentId: AgentId): readonly ToolName[] =>
  permittedTools(deps.sessions.get(key), deps.operatorTools(agentId));

/** Model and context of a session without settings of its own. */
export function chatDefaults(deps: ChatDeps): Record<string, unknown> {
  const settings = deps.settings(deps.defaultAgent());
  const model = `${settings.models[0]!.provider}/${settings.models[0]!.id}`;
  const facts = deps.modelFacts(model);
  return {
    modelProvider: splitModel(model).provider,
    model: splitModel(model).id,
    contextTokens: facts.contextWindow,
    thinkingLevels: toThinkingLevels(facts.thinkingLevels),
    thinkingOptions: facts.thinkingLevels,
    thinkingDefault: settings.thinking,
    modelSelectionTarget: "session",
  };
}
