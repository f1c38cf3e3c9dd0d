import type { ModelRef } from "../agents/runtime.ts";
import { asId, type AgentId } from "../core/ids.ts";
import { parseRemoteAgent, PEER_PROVIDER } from "../core/peer-address.ts";
import { toThinkingLevel, type ThinkingLevel } from "../core/thinking.ts";
import type { SessionRow } from "../store/sessions.ts";
import type { SlotRequest } from "./slots.ts";
import type { Payload } from "./submission.ts";
import type { CurrentTools } from "./task-tools.ts";

/** What the configuration says about one agent at this moment. Read again for every turn, so that a reload takes effect. */
export type AgentSettings = {
  /** Wanted model first, then the fallbacks; never empty. */
  models: readonly ModelRef[];
  thinking: ThinkingLevel;
  /** Absolute path. */
  workspace: string;
  timeoutMs: number;
};

/** `provider/id` -> ModelRef; null when it is not of that form. The id may contain slashes. */
export function parseModelRef(name: string): ModelRef | null {
  const slash = name.indexOf("/");
  if (slash <= 0 || slash === name.length - 1) return null;
  return { provider: name.slice(0, slash), id: name.slice(slash + 1) };
}

/** The models of one turn: the run's own wish, then the session's, then the agent's with its fallbacks; each once. */
export function resolveModels(settings: AgentSettings, session: Pick<SessionRow, "model">, wish: string | null): readonly ModelRef[] {
  const wanted = [wish, session.model].flatMap((name) => parseModelRef(name ?? "") ?? []).slice(0, 1);
  const seen = new Set<string>();
  return [...wanted, ...settings.models].filter((model) => {
    const name = `${model.provider}/${model.id}`;
    return seen.has(name) ? false : seen.add(name);
  });
}

export function resolveThinking(settings: AgentSettings, session: Pick<SessionRow, "thinking">, wish: string | null): ThinkingLevel {
  return toThinkingLevel(wish ?? "") ?? toThinkingLevel(session.thinking ?? "") ?? settings.thinking;
}

/** What decides about the slot of a message, besides its session. */
export type SlotNeed = { model: string | null; kind: SlotRequest["kind"] };

export function slotNeedOf(payload: Pick<Payload, "model" | "target" | "provenance" | "heartbeat"> | null): SlotNeed {
  const room = payload?.target && payload.target.chat.kind !== "direct";
  const isByItself = payload?.heartbeat !== undefined || payload?.provenance.channel === "hook";
  const kind = isByItself ? "background" : room ? "room" : payload?.provenance.client?.mode === "backend" ? "background" : "direct";
  return { model: payload?.model ?? null, kind };
}

/** The agents of the configuration in use, read for each use: a change of the configuration replaces them. */
export type RunningAgents = { readonly agents: { settings(agentId: AgentId): AgentSettings } & CurrentTools };

/** The slot that a message of a session takes now: its provider follows from the configured model. */
export function toSlotRequest(
  { agents }: RunningAgents,
  need: SlotNeed,
  session: Pick<SessionRow, "agent_id" | "model"> | undefined,
): SlotRequest {
  if (session && parseRemoteAgent(session.agent_id)) return { provider: PEER_PROVIDER, kind: need.kind };
  const [model] = session ? resolveModels(agents.settings(asId<AgentId>(session.agent_id)), session, need.model) : [];
  return { provider: model?.provider ?? "", kind: need.kind };
}
