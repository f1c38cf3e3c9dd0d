import { hostname, networkInterfaces, release, type NetworkInterfaceInfo } from "node:os";
import { GatewayError } from "../core/errors.ts";
import type { SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { VERSION } from "../core/version.ts";
import type { Hub, Peer } from "../protocol/hub.ts";
import type { Caller, MethodTable } from "../protocol/method.ts";
import type { Facts } from "../store/facts.ts";
import type { SessionRow } from "../store/sessions.ts";
import { NO_HEARTBEAT } from "./health.ts";

export type StatusDeps = {
  now: () => number;
  hub: Pick<Hub, "peers">;
  startedAt: number;
  /** Stays the same over restarts. */
  instanceId: string;
  agents: () => readonly { id: string; isDefault: boolean }[];
  sessions: {
    list(query: { archived?: boolean | "all"; limit: number; offset: number }): { rows: readonly SessionRow[]; total: number };
  };
  storePath: string;
  /** The model of the default agent, and its context window (0: unknown). */
  defaultModel: () => { name: string; contextWindow: number };
  /** The model that would answer in this session now, `provider/id`. */
  modelOf: (row: SessionRow) => string;
  /** One line per channel, for people. */
  channelLines: () => readonly string[];
  /** Secrets of the configuration that could not be read, by the path of their key. */
  missingSecrets: () => readonly string[];
  facts: Facts;
  write: <T>(change: () => T) => Promise<T>;
  /** The session that a wake-up without a session means; throws for a key that cannot be one. */
  sessionFor: (sessionKey: string | undefined, agentId: string | undefined) => SessionKey;
  /** Admits a turn in that session as the operator `caller`; resolves when it is on disk. */
  submit: (session: SessionKey, text: string, caller: Caller) => Promise<{ runId: string }>;
  /** After a system event was stored. */
  onSystemEvent?: (text: string) => void;
};

/** One fact that the main session should know with its next turn. */
export type SystemEvent = { text: string; at: number; session: string | null };

const EVENTS = "system-events";
const HEARTBEATS = "heartbeats";
const LAST_HEARTBEAT = "last-heartbeat";
const RECENT = 10;

/** status, presence, and the facts that clients leave for the main session. */
export function statusMethods(deps: StatusDeps) {
  return {
    status: { scope: "operator.read", run: () => summarise(deps) },
    "system-presence": { scope: "operator.read", run: () => presence(deps) },
    "system-event": {
      scope: "operator.admin",
      run: async ({ text }: { text: string }) => {
        await queueEvent(deps, text, null);
        return { ok: true };
      },
    },
    wake: { scope: "operator.write", run: (params: WakeParams, caller: Caller) => wake(deps, params, caller) },
    "last-heartbeat": { scope: "operator.read", run: () => deps.facts.get(LAST_HEARTBEAT) },
    "set-heartbeats": {
      scope: "operator.admin",
      run: async ({ enabled }: { enabled: boolean }) => {
        await deps.write(() => deps.facts.set(HEARTBEATS, { enabled }, deps.now()));
        return { ok: true, enabled };
      },
    },
  } satisfies MethodTable;
}

type WakeParams = { mode: "now" | "next-heartbeat"; text: string; sessionKey?: string; agentId?: string };

/** `now` runs a turn at once; `next-heartbeat` leaves the text for the next turn of the session. */
async function wake(deps: StatusDeps, params: WakeParams, caller: Caller): Promise<Record<string, unknown>> {
  const session = deps.sessionFor(params.sessionKey, params.agentId);
  if (params.mode === "now") {
    const { runId } = await deps.submit(session, params.text, caller);
    return { ok: true, runId };
  }
  await queueEvent(deps, params.text, session);
  return { ok: true };
}

/** Writes a line down for the next turn of a session; null is the main one. Throws INVALID_REQUEST for what cannot be one. */
export async function queueEvent(
  deps: Pick<StatusDeps, "write" | "facts" | "now" | "onSystemEvent">,
  text: string,
  session: string | null,
): Promise<void> {
  const line = text.trim();
  if (line === "") throw new GatewayError("INVALID_REQUEST", "the text is empty");
  if (line.length > LIMITS.systemEventChars)
    throw new GatewayError("INVALID_REQUEST", `a system event has at most ${LIMITS.systemEventChars} characters`);
  await deps.write(() => {
    const queue = queuedEvents(deps.facts);
    // A client that says the same twice in a row, e.g. after a reconnect, has said it once.
    if (queue.at(-1)?.text === line && queue.at(-1)?.session === session) return;
    queue.push({ text: line, at: deps.now(), session });
    deps.facts.set(EVENTS, queue.slice(-LIMITS.systemEvents), deps.now());
  });
  deps.onSystemEvent?.(line);
}

/** What waits for the main session, oldest first. */
export function queuedEvents(facts: Facts): SystemEvent[] {
  const stored = facts.get(EVENTS);
  return Array.isArray(stored) ? (stored as SystemEvent[]) : [];
}

/**
 * Takes the events of a session (null: those of nobody in particular, which go to the main session), oldest first, so that
 * they go into its next turn. Runs inside the `store.write` that admits the turn.
 */
export function takeEvents(facts: Facts, sessions: readonly (string | null)[], now: number): SystemEvent[] {
  const queue = queuedEvents(facts);
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

function summarise(deps: StatusDeps): Record<string, unknown> {
  const now = deps.now();
  const { rows, total } = deps.sessions.list({ archived: "all", limit: RECENT, offset: 0 });
  const agents = deps.agents();
  const model = deps.defaultModel();
  return {
    runtimeVersion: VERSION,
    uptimeMs: now - deps.startedAt,
    heartbeat: {
      defaultAgentId: agents.find((agent) => agent.isDefault)!.id,
      agents: agents.map((agent) => ({ agentId: agent.id, ...NO_HEARTBEAT, waitingForRoute: false })),
    },
    channelSummary: deps.channelLines(),
    queuedSystemEvents: queuedEvents(deps.facts).map((event) => event.text),
    degradedSecretOwners: deps.missingSecrets(),
    degradedPlugins: [],
    tasks: NO_TASKS,
    taskAudit: NO_AUDIT,
    sessions: {
      paths: [deps.storePath],
      count: total,
      defaults: { model: model.name, ...(model.contextWindow > 0 ? { contextTokens: model.contextWindow } : {}) },
      recent: rows.map((row) => toRecent(deps, row, now)),
    },
  };
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

/** Rows of system-presence and of hello-ok: this gateway first, then the connected clients, newest first. */
export function presence(deps: Pick<StatusDeps, "hub" | "startedAt" | "instanceId">): Record<string, unknown>[] {
  const peers = [...deps.hub.peers()].toSorted((a, b) => b.connectedAt - a.connectedAt);
  return [selfRow(deps), ...peers.slice(0, LIMITS.presenceRows).map(toPeerRow)];
}

/** Where this machine is. Read again after a while, because networks change; not for each caller, because that is slow. */
let machine: { host: string; ip: string | undefined; readAt: number } | null = null;
const MACHINE_MS = 60_000;

function thisMachine(): { host: string; ip: string | undefined } {
  const now = performance.now();
  if (!machine || now - machine.readAt > MACHINE_MS) {
    const interfaces = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    machine = { host: hostname() || "gateway", ip: ownAddress(interfaces), readAt: now };
  }
  return machine;
}

function selfRow({ startedAt, instanceId }: Pick<StatusDeps, "startedAt" | "instanceId">): Record<string, unknown> {
  const { host, ip } = thisMachine();
  return {
    host,
    ...(ip === undefined ? {} : { ip }),
    version: VERSION,
    platform: `${process.platform} ${release()}`,
    mode: "gateway",
    reason: "self",
    instanceId,
    text: `Gateway: ${host}${ip === undefined ? "" : ` (${ip})`}, version ${VERSION}`,
    ts: startedAt,
  };
}

/** The address under which others may find this machine; undefined when it has only itself. */
function ownAddress(interfaces: readonly NetworkInterfaceInfo[]): string | undefined {
  return interfaces.find((each) => !each.internal && each.family === "IPv4")?.address;
}

function toPeerRow(peer: Peer): Record<string, unknown> {
  const { client } = peer;
  const host = client.displayName || client.id;
  return {
    host,
    ...(client.version ? { version: client.version } : {}),
    ...(client.platform ? { platform: client.platform } : {}),
    ...(client.deviceFamily ? { deviceFamily: client.deviceFamily } : {}),
    mode: client.mode,
    reason: "connect",
    ...(peer.device === null ? {} : { deviceId: peer.device }),
    roles: [peer.role],
    scopes: [...peer.scopes],
    instanceId: client.instanceId || peer.conn,
    text: `${peer.role === "node" ? "Node" : "Client"}: ${host}, mode ${client.mode}`,
    onlineSince: peer.connectedAt,
    ts: peer.connectedAt,
  };
}
