import { detailError, GatewayError } from "../core/errors.ts";
import type { ReplyTarget } from "../channels/channel.ts";
import { asId, type RunId, type SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { Caller, MethodParams, MethodTable } from "../protocol/method.ts";
import { toAgentAddress } from "../core/agent-id.ts";
import type { RunOutcome } from "../store/inbox.ts";
import type { SessionRow } from "../store/sessions.ts";
import type { SubmitResult } from "../turns/submission.ts";
import { storeAttachments } from "./attachments.ts";
import { operatorSubmission, resolveKey, toolsIn, type ChatDeps } from "./chat-context.ts";
import { splitModel } from "./wire-rows.ts";

type AgentParams = MethodParams<"agent">;

/** Longest wait for the second answer of `agent`; the run itself continues. */
const WAIT_MS = 86_400_000;

/** agent and agent.wait: one message, answered in two stages. */
export function agentMethods(deps: ChatDeps) {
  return {
    agent: {
      scope: "operator.write",
      maxBytes: LIMITS.attachmentRequestBytes,
      run: (params, caller) => runAgent(deps, params, caller),
    },
    "agent.wait": {
      scope: "operator.write",
      waits: true,
      run: async ({ runId, timeoutMs }, caller) => {
        const outcome = await deps.turns.runs.waitForOutcome(asId<RunId>(runId), Math.min(timeoutMs ?? 30_000, WAIT_MS), caller.signal);
        if (!outcome) return { runId, status: "timeout" };
        return {
          runId,
          status: outcome.status === "ok" ? "ok" : "error",
          endedAt: outcome.endedAt,
          stopReason: outcome.stopReason,
          ...errorOf(outcome),
          terminalReply: replyOf(outcome),
        };
      },
    },
  } satisfies MethodTable;
}

async function runAgent(deps: ChatDeps, params: AgentParams, caller: Caller): Promise<unknown> {
  const { key, agentId } = sessionOf(deps, params);
  deps.hub.watch(caller.conn, `session:${key}`);
  const target = params.deliver ? targetOf(deps, params, key) : null;
  const admitted = await deps.turns.admission.submit(
    operatorSubmission(deps, {
      source: "rpc",
      key,
      agentId,
      text: params.message,
      ...(await storeAttachments(deps.media, params.attachments, toolsIn(deps, key, agentId))),
      extraSystem: params.extraSystemPrompt,
      guard: (session) => checkExisting(params, session),
      idempotencyKey: params.idempotencyKey,
      caller,
      thinking: params.thinking,
      model: params.model && params.provider ? `${params.provider}/${params.model}` : params.model,
      timeoutMs: params.timeout ? params.timeout * 1000 : undefined,
      target,
    }),
  );
  if (params.label !== undefined) await nameSession(deps, key, params.label);
  caller.accept({ runId: admitted.runId, sessionKey: key, agentId, status: "accepted", acceptedAt: deps.clock.now() });
  const startedAt = deps.clock.now();
  const outcome = admitted.outcome ?? (await deps.turns.runs.waitForOutcome(admitted.runId, WAIT_MS, caller.signal));
  if (!outcome) throw new GatewayError("UNAVAILABLE", "the run is still going on", { details: { runId: admitted.runId } });
  return toResult(deps, admitted, outcome, startedAt);
}

/** Where the answer is delivered: where the request says, or where the session last talked. */
function targetOf(deps: ChatDeps, params: AgentParams, key: SessionKey): ReplyTarget {
  const channel = params.replyChannel ?? params.channel;
  const to = params.replyTo ?? params.to;
  if (channel && to) return deps.toTarget(channel, params.replyAccountId ?? params.accountId, to, params.threadId);
  const last = !channel && !to ? deps.sessions.lastTarget<ReplyTarget>(key) : null;
  if (last !== null) return last;
  throw new GatewayError("INVALID_REQUEST", "deliver: it is not clear where the answer is to go", {
    fix: "Name channel and to, or use a session that has talked on a channel.",
  });
}

function checkExisting({ expectedExistingSessionId: expected }: AgentParams, session: SessionRow | undefined): void {
  if (expected === undefined || session?.session_id === expected) return;
  throw detailError("SESSION_CHANGED", "the session is not the expected one", {
    details: { reason: "session-changed", ...(session ? { sessionId: session.session_id } : {}) },
  });
}

async function nameSession(deps: ChatDeps, key: SessionKey, label: string): Promise<void> {
  await deps.store.write(() => deps.sessions.patch(key, { label }));
  deps.bus.emit("session.changed", { sessionKey: key, reason: "patch", fields: ["label"] });
}

function sessionOf(deps: ChatDeps, params: AgentParams): ReturnType<typeof resolveKey> {
  if (params.sessionKey !== undefined) return resolveKey(deps, params.sessionKey, params.agentId);
  if (params.sessionId !== undefined) {
    const known = deps.sessions.bySessionId(params.sessionId);
    return known ? { key: known.key, agentId: known.agent_id } : resolveKey(deps, `explicit:${params.sessionId}`, params.agentId);
  }
  if (params.agentId !== undefined) return resolveKey(deps, `agent:${toAgentAddress(params.agentId)}:main`, params.agentId);
  return resolveKey(deps, params.to ? `explicit:${params.to}` : "main");
}

const errorOf = (outcome: RunOutcome): Record<string, unknown> =>
  outcome.error ? { error: outcome.error.message, errorKind: outcome.error.kind } : {};
const replyOf = (outcome: RunOutcome): Record<string, unknown> => ({
  disposition: outcome.text ? "visible" : "silent",
  text: outcome.text,
});

function toResult(deps: ChatDeps, admitted: SubmitResult, outcome: RunOutcome, startedAt: number): unknown {
  const session = deps.sessions.get(admitted.sessionKey);
  const model = splitModel(outcome.model ?? "");
  const failed = outcome.status === "error";
  const text = outcome.text || (failed ? (outcome.error?.message ?? "") : "");
  return {
    runId: admitted.runId,
    status: failed ? "error" : "ok",
    summary: outcome.status === "ok" ? "completed" : outcome.status === "aborted" ? "aborted" : (outcome.error?.message ?? "failed"),
    result: {
      payloads: text ? [{ text, mediaUrl: null, ...(failed ? { isError: true } : {}) }] : [],
      meta: {
        durationMs: Math.max(0, outcome.endedAt - startedAt),
        agentMeta: {
          sessionId: session?.session_id ?? "",
          provider: model.provider,
          model: model.id,
          ...(outcome.usage ? { usage: outcome.usage } : {}),
        },
        aborted: outcome.status === "aborted",
        stopReason: outcome.stopReason,
        ...errorOf(outcome),
      },
    },
  };
}
