/** The answer of `gateway.overview`: what the gateway does, in figures of one day. */

/** Durations are milliseconds from the arrival of a message to its stored answer; null where none was answered. */
export type OverviewHour = { at: number; messages: number; failed: number; p95Ms: number | null };

/** What came from one channel over one route to one agent. */
export type OverviewEdge = {
  channel: string;
  account: string;
  /** The rule that chose the agent, and the position of its binding. Absent where the conversation names its agent, as in a client. */
  rule?: string;
  binding?: number;
  agentId: string;
  messages: number;
  failed: number;
  p50Ms: number | null;
  p95Ms: number | null;
};

/** How often an agent called a tool. */
export type OverviewTool = { agentId: string; tool: string; calls: number };

export type OverviewActivity = {
  runId: string;
  channel: string;
  account: string;
  agentId: string;
  sessionKey: string;
  state: string;
  receivedAt: number;
  endedAt: number | null;
  sender?: string;
  text: string;
  /** As in `OverviewEdge`. */
  rule?: string;
  binding?: number;
};

/** A link to another gateway. */
export type OverviewLink = {
  name: string;
  /** It speaks A2A. */
  transport?: "openclaw" | "a2a";
  state: "up" | "down" | "off" | "unpaired" | "key-changed";
  cause: string | null;
  /** Messages that the other gateway does not have yet, and requests that it has not answered. */
  queued: number;
  unanswered: number;
  oldestAt: number | null;
};

export type Overview = {
  ts: number;
  /** Where the oldest hour begins. */
  since: number;
  /** The figures begin later than `since`, because there were too many messages. */
  truncated: boolean;
  messages: number;
  failed: number;
  p50Ms: number | null;
  p95Ms: number | null;
  hours: OverviewHour[];
  queue: { running: number; waiting: number; outgoing: number; oldestAt: number | null };
  deadLetters: number;
  /** In shadow mode: how many messages for channels are held. */
  shadow?: { held: number };
  edges: OverviewEdge[];
  /** The most called first. */
  tools: OverviewTool[];
  recent: OverviewActivity[];
  /** Parts of the gateway that do not work as they should. */
  problems: { part: string; cause: string; since: number; vital: boolean }[];
  /** Errors of the configuration in use. */
  configErrors: string[];
  agents: { id: string; name: string }[];
  /** Absent where there is none. */
  links?: OverviewLink[];
};
