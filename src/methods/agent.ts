import { GatewayError } from "../core/errors.ts";
import { asId, type RunId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { Caller, MethodTable } from "../protocol/method.ts";
import { toAgentId } from "../routing/session-key.ts";
import type { Outcome } from "../store/inbox.ts";
import type { Admitted } from "../turns/submission.ts";
import { operatorSubmission, resolveKey, toImages, type ChatDeps } from "./context.ts";
import { splitModel } from "./rows.ts";

type AgentParams = {
  message: string;
  idempotencyKey: string;
  agentId?: string;
  sessionKey?: string;
  sessionId?: string;
  provider?: string;
  model?: string;
  thinking?: string;
  deliver?: boolean;
  to?: string;
  replyTo?: string;
  channel?: string;
  replyChannel?: string;
  accountId?: string;
  replyAccountId?: string;
  threadId?: string;
  attachments?: unknown[];
  /** Seconds. */
  timeout?: number;
};

/** Nobody waits for the second answer of `agent` longer than this; the run itself goes on. */
const WAIT_MS = 86_400_000;

/** agent and agent.wait: one message, answered in two stages. */
export function agentMethods(deps: ChatDeps) {
  return {
    agent: {
      scope: "operator.write",
      maxBytes: LIMITS.attachmentRequestBytes,
      run: (params: AgentParams, caller: Caller) => runAgent(deps, params, caller),
    },
    "agent.wait": {
      scope: "operator.write",
      run: async ({ runId, timeoutMs }: { runId: string; timeoutMs?: number }, caller: Caller) => {
        const outcome = await deps.turns.wait(asId<RunId>(runId), Math.min(timeoutMs ?? 30_000, WAIT_MS), caller.signal);
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
  const channel = params.replyChannel ?? params.channel;
  const to = params.replyTo ?? params.to;
  const target =
    params.deliver && channel && to ? deps.toTarget(channel, params.replyAccountId ?? params.accountId, to, params.threadId) : null;
  const admitted = await deps.turns.submit(
    operatorSubmission(deps, {
      source: "rpc",
      key,
      agentId,
      text: params.message,
      images: toImages(params.attachments),
      idempotencyKey: params.idempotencyKey,
      caller,
      thinking: params.thinking,
      model: params.model && params.provider ? `${params.provider}/${params.model}` : params.model,
      timeoutMs: params.timeout ? params.timeout * 1000 : undefined,
      target,
    }),
  );
  caller.accept({ runId: admitted.runId, sessionKey: key, agentId, status: "accepted", acceptedAt: deps.clock.now() });
  const startedAt = deps.clock.now();
  const outcome = admitted.outcome ?? (await deps.turns.wait(admitted.runId, WAIT_MS, caller.signal));
  if (!outcome) throw new GatewayError("UNAVAILABLE", "the run is still going on", { details: { runId: admitted.runId } });
  return toResult(deps, admitted, outcome, startedAt);
}

function sessionOf(deps: ChatDeps, params: AgentParams): ReturnType<typeof resolveKey> {
  if (params.sessionKey !== undefined) return resolveKey(deps, params.sessionKey, params.agentId);
  if (params.sessionId !== undefined) {
    const known = deps.sessions.bySessionId(params.sessionId);
    return known ? { key: known.key, agentId: known.agent_id } : resolveKey(deps, `explicit:${params.sessionId}`, params.agentId);
  }
  if (params.agentId !== undefined) return resolveKey(deps, `agent:${toAgentId(params.agentId)}:main`, params.agentId);
  return resolveKey(deps, params.to ? `explicit:${params.to}` : "main");
}

const errorOf = (outcome: Outcome): Record<string, unknown> =>
  outcome.error ? { error: outcome.error.message, errorKind: outcome.error.kind } : {};
const replyOf = (outcome: Outcome): Record<string, unknown> => ({ disposition: outcome.text ? "visible" : "silent", text: outcome.text });

function toResult(deps: ChatDeps, admitted: Admitted, outcome: Outcome, startedAt: number): unknown {
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
