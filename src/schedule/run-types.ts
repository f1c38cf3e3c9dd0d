import type { AgentId, SessionKey } from "../core/ids.ts";
import type { Submission } from "../turns/submission.ts";
import type { JobDelivery } from "./job.ts";

/** What a run is made of; looked up when it starts, because agents, models and channels may have changed since the job was made. */
export type RunLookups = {
  hasAgent: (agentId: AgentId) => boolean;
  defaultAgent: () => AgentId;
  /** Tools that operators, or people on channels, have with the agent now. */
  operatorTools: (agentId: AgentId) => Submission["tools"];
  channelTools: (agentId: AgentId, room: Submission["roomTools"]) => Submission["tools"];
  /** Whether the model is one that the agent can use. */
  hasModel: (agentId: AgentId, model: string) => boolean;
  /** The one form of a session key; null for what cannot be one. */
  sessionKey: (key: string, agentId: AgentId) => SessionKey | null;
  /** Where the answer goes. Throws GatewayError when that place does not exist. */
  target: (delivery: JobDelivery & { mode: "announce" }, sessions: readonly SessionKey[]) => Submission["target"];
  chatKind: (sessionKey: SessionKey) => Submission["chatKind"];
  isSendDenied: (sessionKey: SessionKey) => boolean;
};

/** `note`: the text waits for the next turn of the session. `refused`: there can be no run, for this reason. */
export type RunPlan =
  | { kind: "turn"; submission: Submission; delivery: "none" | "route" | "no-route"; deliveryError?: string }
  | { kind: "note"; sessionKey: SessionKey; text: string }
  | { kind: "refused"; reason: string; code?: string };
