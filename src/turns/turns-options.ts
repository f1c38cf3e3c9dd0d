import type { AgentRuntime } from "../agents/runtime.ts";
import type { Bus } from "../core/bus.ts";
import type { Clock } from "../core/clock.ts";
import type { AgentId, SessionKey } from "../core/ids.ts";
import type { Log } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import type { Buttons } from "../store/buttons.ts";
import type { Inbox, InboxRow } from "../store/inbox.ts";
import type { MediaStore } from "../store/media.ts";
import type { Messages } from "../store/messages.ts";
import type { Store } from "../store/open.ts";
import type { Sessions, SessionRow } from "../store/sessions.ts";
import type { CommandContext } from "./commands.ts";
import type { TurnEvents } from "./events.ts";
import type { TurnIndicators } from "./turn-indicators.ts";
import type { OutboundOptions } from "./outbound.ts";
import type { AgentSettings } from "./settings.ts";
import type { Payload } from "./submission.ts";

/** What the engine of turns needs from the rest of the gateway. */
export type TurnsOptions = OutboundOptions & {
  store: Store;
  sessions: Sessions;
  messages: Messages;
  inbox: Inbox;
  media: MediaStore;
  runtime: AgentRuntime;
  bus: Bus<TurnEvents>;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  /** A fresh unguessable id. */
  newId: () => string;
  settings: (agentId: AgentId) => AgentSettings;
  /** Turns that may run at the same time. */
  concurrency: () => number;
  /** How long it must have been quiet before collected messages of this channel are taken, in milliseconds. */
  quietMs: (channel: string) => number;
  /** Called when parts for a conversation have been stored. */
  deliver: (conversation: string) => void;
  /** Whether the conversation is over by itself (daily or idle reset); the next message starts a new one. */
  expired: (session: SessionRow, now: number) => boolean;
  /** What the session should know with its next message (queued system events); taken within the transaction that admits it. */
  takeContext: (sessionKey: SessionKey, now: number) => string | null;
  /** Facts about who talks from where, for the system prompt; never text of a sender. */
  situation: (payload: Payload, session: SessionRow) => string;
  /** What `/status`, `/help` and `/model` say. */
  commands: CommandContext;
  /** What a person sees of a turn before its answer; absent where nothing is to be seen. */
  live?: TurnIndicators;
  /** Buttons under answers; absent where none are shown. */
  buttons?: Buttons;
  /** The files of a message, fetched before its turn begins; absent where none come in. */
  attachments?: (row: InboxRow<Payload>, signal: AbortSignal) => Promise<Payload>;
  /** Marks for crash tests. */
  mark: (point: string) => void;
};
