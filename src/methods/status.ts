import type { RuntimeStatus } from "../agents/runtime.ts";
import { GatewayError } from "../core/errors.ts";
import type { SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { VERSION } from "../core/version.ts";
import type { MethodParams, MethodTable } from "../protocol/method.ts";
import type { RemoteReport } from "../core/remote-report.ts";
import type { TelemetryReport } from "../observe/otel/telemetry.ts";
import type { KeyValueStore } from "../store/key-value.ts";
import type { SessionRow } from "../store/sessions.ts";
import type { Beacon, Presence } from "./presence.ts";

export type StatusDeps = {
  now: () => number;
  presence: Presence;
  /** The presence list has changed; publishes it to clients. */
  presenceChanged: () => void;
  uptimeMs: () => number;
  agents: () => readonly { id: string; isDefault: boolean }[];
  sessions: {
    list(query: { agentId?: string; archived?: boolean | "all"; limit: number; offset: number }): {
      rows: readonly SessionRow[];
      total: number;
    };
  };
  storePath: string;
  /** The model of the default agent, and its context window (0: unknown). */
  defaultModel: () => { name: string; contextWindow: number };
  /** The model that would answer in this session now, `provider/id`. */
  modelOf: (row: SessionRow) => string;
  /** One line per channel, for people. */
  channelLines: () => readonly string[];
  /** Sessions whose next message has no slot to run in, and how long the first of them has waited. */
  slotWaits: () => { sessions: number; longestMs: number };
  /** Questions about commands that wait for a person. */
  pendingApprovals: () => number;
  /** Whether the gateway receives only, and how many messages it holds because of that. */
  shadow: () => ShadowState;
  /** The processes that run the agents. */
  agentRuntime: () => RuntimeStatus;
  /** Whether telemetry is exported, and whether it arrives. */
  telemetry: () => TelemetryReport;
  /** How other machines reach the gateway. */
  remoteAccess: () => RemoteReport;
  /** Secrets of the configuration that could not be read, by the path of their key. */
  missingSecrets: () => readonly string[];
  keyValue: KeyValueStore;
  write: <T>(change: () => T) => Promise<T>;
  /** The session that a wake-up without a session means; throws for a key that cannot be one. */
  sessionFor: (sessionKey: string | undefined, agentId: string | undefined) => SessionKey;
  heartbeats: HeartbeatControl;
  /** After a system event was stored. */
  onSystemEvent?: (text: string) => void;
};

/** One fact that the main session should know with its next turn. `source`: from where it came, where that is outside, such as a hook. */
export type SystemEvent = { text: string; at: number; session: string | null; source?: string };

/** How heartbeats are asked for, switched and shown. */
export type HeartbeatControl = {
  /** Starts one soon for what waits in the session; null, or why none starts. */
  wake: (session: SessionKey) => Promise<string | null>;
  last: () => unknown;
  setEnabled: (enabled: boolean) => Promise<void>;
  status: () => Promise<Record<string, unknown>>;
  /** What clients show of the heartbeat of an agent. */
  facts: (agentId: string) => HeartbeatFacts;
};

export type HeartbeatFacts = {
  enabled: boolean;
  every: string;
  everyMs: number | null;
  prompt: string;
  target: string;
  ackMaxChars: number;
  waitingForRoute: boolean;
};

/** Messages for channels are held in shadow mode; those of an earlier one are counted, too. */
export type ShadowState = { on: boolean; held: number };

const EVENTS = "system-events";
const RECENT = 10;

/** status, presence, and the facts that clients leave for the main session. */
export function statusMethods(deps: StatusDeps) {
  return {
    status: { scope: "operator.read", run: (params) => summarise(deps, params) },
    "system-presence": { scope: "operator.read", run: () => deps.presence.rows() },
    "system-event": {
      scope: "operator.admin",
      run: async (beacon: Beacon) => {
        await enqueueSystemEvent(deps, beacon.text, { session: null });
        if (deps.presence.record(beacon)) deps.presenceChanged();
        return { ok: true };
      },
    },
    wake: { scope: "operator.write", run: (params) => wake(deps, params) },
    "last-heartbeat": { scope: "operator.read", run: () => deps.heartbeats.last() },
    "heartbeat.status": { scope: "operator.read", run: () => deps.heartbeats.status() },
    "set-heartbeats": {
      scope: "operator.admin",
      run: async ({ enabled }) => {
        await deps.heartbeats.setEnabled(enabled);
        return { ok: true, enabled };
      },
    },
  } satisfies MethodTable;
}

/**
 * Leaves the text for the next turn of the session, as data. `now` asks for a heartbeat that takes it; where heartbeats are off, nothing
 * starts and no model is asked.
 */
async function wake(deps: StatusDeps, params: MethodParams<"wake">): Promise<Record<string, unknown>> {
  const session = deps.sessionFor(params.sessionKey, params.agentId);
  await enqueueSystemEvent(deps, params.text, { session });
  if (params.mode !== "now") return { ok: true };
  const reason = await deps.heartbeats.wake(session);
  return { ok: true, started: reason === null, ...(reason !== null && { reason }) };
}

/** Writes a line down for the next turn of a session; null is the main one. Throws INVALID_REQUEST for what cannot be one. */
export async function enqueueSystemEvent(
  deps: Pick<StatusDeps, "write" | "keyValue" | "now" | "onSystemEvent">,
  text: string,
  { session, source }: Pick<SystemEvent, "session" | "source">,
): Promise<void> {
  const line = checkEventText(text);
  await deps.write(() => addSystemEvent(deps.keyValue, { text: line, at: deps.now(), session, ...(source !== undefined && { source }) }));
  deps.onSystemEvent?.(line);
}

/** The text of an event as it is kept. Throws INVALID_REQUEST for what cannot be one. */
export function checkEventText(text: string): string {
  const line = text.trim();
  if (line === "") throw new GatewayError("INVALID_REQUEST", "the text is empty");
  if (line.length > LIMITS.systemEventChars)
    throw new GatewayError("INVALID_REQUEST", `a system event has at most ${LIMITS.systemEventChars} characters`);
  return line;
}

/** Adds an event; inside a `store.write`. */
export function addSystemEvent(facts: KeyValueStore, event: SystemEvent): void {
  const queue = listSystemEvents(facts);
  const last = queue.at(-1);
  // A client that says the same twice in a row, e.g. after a reconnect, has said it once.
  if (last?.text === event.text && last.session === event.session && last.source === event.source) return;
  const events = [...queue, event];
  // Of too many, those from outside go first: they must not displace what the gateway itself or an operator has left.
  const oldest = events.findIndex(({ source }) => source !== undefined);
  if (events.length > LIMITS.systemEvents) events.splice(oldest === -1 ? 0 : oldest, 1);
  facts.set(EVENTS, events, event.at);
}

/** What waits for the main session, oldest first. */
export function listSystemEvents(facts: KeyValueStore): SystemEvent[] {
  const stored = facts.get(EVENTS);
  return Array.isArray(stored) ? (stored as SystemEvent[]) : [];
}

/**
 * Takes the events of a session (null: those without a session, which go to the main session), oldest first, so that
 * they go into its next turn. Runs inside the `store.write` that admits the turn.
 */
export function dequeueSystemEvents(facts: KeyValueStore, sessions: readonly (string | null)[], now: number): SystemEvent[] {
  const queue = listSystemEvents(facts);
  const taken = queue.filter((event) => sessions.includes(event.session));
  if (taken.length > 0) {
    facts.set(
      EVENTS,
      queue.filter((event) => !taken.includes(event)),
      now,
    );
  }
  return taken;
}

function summarise(
  deps: StatusDeps,
  { includeChannelSummary = true, includeCliProjection }: MethodParams<"status">,
): Record<string, unknown> {
  const now = deps.now();
  const { rows, total } = deps.sessions.list({ archived: "all", limit: RECENT, offset: 0 });
  const agents = deps.agents();
  const model = deps.defaultModel();
  return {
    runtimeVersion: VERSION,
    uptimeMs: deps.uptimeMs(),
    heartbeat: {
      defaultAgentId: agents.find((agent) => agent.isDefault)!.id,
      agents: agents.map((agent) => {
        const { enabled, every, everyMs, waitingForRoute } = deps.heartbeats.facts(agent.id);
        return { agentId: agent.id, enabled, every, everyMs, waitingForRoute };
      }),
    },
    channelSummary: includeChannelSummary ? deps.channelLines() : [],
    queuedSystemEvents: listSystemEvents(deps.keyValue).map((event) => event.text),
    slotWaits: deps.slotWaits(),
    pendingApprovals: deps.pendingApprovals(),
    shadow: deps.shadow(),
    agentRuntime: deps.agentRuntime(),
    telemetry: deps.telemetry(),
    remoteAccess: deps.remoteAccess(),
    degradedSecretOwners: deps.missingSecrets(),
    degradedPlugins: [],
    tasks: NO_TASKS,
    taskAudit: NO_AUDIT,
    sessions: {
      paths: [deps.storePath],
      count: total,
      defaults: { model: model.name, ...(model.contextWindow > 0 ? { contextTokens: model.contextWindow } : {}) },
      recent: rows.map((row) => toRecent(deps, row, now)),
      byAgent: agents.map(({ id }) => byAgent(deps, id, now)),
    },
    ...(includeCliProjection && {
      cliProjection: {
        agents: {
          defaultId: agents.find((agent) => agent.isDefault)!.id,
          ownership: "sole",
          selectionRequired: false,
          rows: agents.map(({ id }) => ({ id })),
        },
        // Packages are updated by their package manager, clones by git.
        updateChannel: null,
        memoryPlugin: { enabled: false, slot: null },
      },
    }),
  };
}

function byAgent(deps: StatusDeps, agentId: string, now: number): Record<string, unknown> {
  const { rows, total } = deps.sessions.list({ agentId, archived: "all", limit: RECENT, offset: 0 });
  return { agentId, path: deps.storePath, count: total, recent: rows.map((row) => toRecent(deps, row, now)) };
}

/** This gateway keeps no background tasks; the official command line reads these keys without asking whether they are there. */
const NO_TASKS = {
  total: 0,
  active: 0,
  terminal: 0,
  failures: 0,
  byStatus: { queued: 0, running: 0, succeeded: 0, failed: 0, timed_out: 0, cancelled: 0, lost: 0 },
  byRuntime: { subagent: 0, acp: 0, cli: 0, cron: 0 },
};
const NO_AUDIT = {
  total: 0,
  warnings: 0,
  errors: 0,
  byCode: { stale_queued: 0, stale_running: 0, lost: 0, delivery_failed: 0, missing_cleanup: 0, inconsistent_timestamps: 0 },
};

function toRecent(deps: StatusDeps, row: SessionRow, now: number): Record<string, unknown> {
  const window = row.context_window;
  const used = row.context_tokens;
  return {
    agentId: row.agent_id,
    key: row.key,
    kind: row.chat_kind === "channel" ? "group" : row.chat_kind,
    sessionId: row.session_id,
    updatedAt: row.updated_at,
    age: Math.max(0, now - row.updated_at),
    abortedLastRun: row.status === "killed",
    inputTokens: row.input_tokens,
    outputTokens: row.output_tokens,
    totalTokens: used,
    totalTokensFresh: true,
    ...(window > 0
      ? { contextTokens: window, remainingTokens: Math.max(0, window - used), percentUsed: Math.round((100 * used) / window) }
      : {}),
    model: row.used_model ?? deps.modelOf(row),
    selectedModel: deps.modelOf(row),
    flags: [],
  };
}
