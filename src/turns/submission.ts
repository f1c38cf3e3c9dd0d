import type { ImageInput, ToolName } from "../agents/runtime.ts";
import type { Target } from "../channels/channel.ts";
import type { AgentId, RunId, SessionKey } from "../core/ids.ts";
import type { QueueMode } from "../routing/queue-mode.ts";
import type { InboxState, Outcome } from "../store/inbox.ts";
import type { Provenance } from "../store/messages.ts";
import type { SessionRow } from "../store/sessions.ts";

/** What is stored with an admitted message; enough to run it after a restart. */
export type Payload = {
  /** `command`: a chat command that has to keep its place in the lane. */
  kind: "message" | "command";
  /** What the person wrote. */
  text: string;
  /** Group lines that came before and were not addressed to the agent; given to it as context. */
  context: string | null;
  images: readonly ImageInput[];
  provenance: Provenance;
  /** Where the answer is delivered; null when it only goes to the session's clients. */
  target: Target | null;
  tools: readonly ToolName[];
  queueMode: QueueMode;
  /** Overrides for this run only. */
  model: string | null;
  thinking: string | null;
  timeoutMs: number | null;
};

/** A message on its way in, from any source: channel, WebChat, RPC, HTTP. */
export type Submission = Omit<Payload, "kind"> & {
  /** `webchat`, `rpc`, `http` or a channel id; with `account` the space in which `eventId` is unique. */
  channel: string;
  account: string;
  /** The client's idempotency key or the platform's event id. */
  eventId: string;
  /** Absent: a fresh id. RPC clients name their run by the idempotency key. */
  runId?: RunId;
  agentId: AgentId;
  sessionKey: SessionKey;
  chatKind: SessionRow["chat_kind"];
  /** The text is never read as a command. */
  literal?: boolean;
  /** The lane is full: keep the message for an operator instead of refusing it. */
  park?: boolean;
};

export type Admitted = {
  runId: RunId;
  sessionKey: SessionKey;
  agentId: AgentId;
  /** True: this event was here before; nothing was done. */
  duplicate: boolean;
  state: InboxState;
  outcome: Outcome | null;
};
