import type { AccountStatus } from "../channels/account-types.ts";
import { LIMITS } from "../core/limits.ts";
import type { LoopReading } from "../core/health.ts";
import type { Readiness } from "../core/health.ts";
import { EncodedJson } from "../protocol/frames.ts";
import type { MethodTable } from "../protocol/method.ts";
import type { MetricPoint } from "../observe/metrics.ts";
import type { PluginReport } from "../tools/plugins/plugin-report.ts";
import type { SessionRow } from "../store/sessions.ts";
import type { HeartbeatFacts } from "./status.ts";
import { groupByChannel, toAccountRow, toChannelRow } from "./channel-rows.ts";

export type HealthDeps = {
  now: () => number;
  readiness: () => Readiness;
  loop: { read(): LoopReading; peek(): LoopReading };
  channels: () => readonly AccountStatus[];
  labelOf: (channel: string) => string | undefined;
  agents: () => readonly { id: string; name: string; isDefault: boolean }[];
  sessions: {
    recent(agentId: string | undefined, limit: number): readonly Pick<SessionRow, "key" | "updated_at">[];
    count(): number;
    countsByAgent(): ReadonlyMap<string, number>;
  };
  /** File that holds the sessions. */
  storePath: string;
  /** The plugins of the configuration. */
  plugins: () => readonly Pick<PluginReport, "id" | "state">[];
  /** What clients show of the heartbeat of an agent. */
  heartbeatOf: (agentId: string) => Omit<HeartbeatFacts, "waitingForRoute">;
  /** How long requests took, as the histogram `gateway_server_request_seconds` has it. */
  requestSeconds?: () => readonly MetricPoint[];
  /** Errors of the configuration in use, in words. */
  configErrors: () => readonly string[];
};

/** Sessions that are named; all are counted. */
const RECENT = 5;

type HealthSummary = Record<string, unknown> & { ok: boolean };

/**
 * health: what works, what does not, and since when. The answer is reused for LIMITS.healthCacheMs. `snapshot` is what
 * hello-ok and the `health` event say of it; `invalidate` drops the answer that is reused, after a change that a person made.
 * Only a call measures delays of the event loop from then on: events to idle clients must not keep a timer running.
 */
export function healthMethods(deps: HealthDeps) {
  let cached: { at: number; summary: HealthSummary; encoded: EncodedJson | null } | null = null;
  const current = (read: () => LoopReading) => {
    const now = deps.now();
    if (!cached || now - cached.at >= LIMITS.healthCacheMs || now < cached.at)
      cached = { at: now, summary: summarise(deps, now, read()), encoded: null };
    return cached;
  };
  const answer = (): EncodedJson => {
    const known = current(deps.loop.read);
    return (known.encoded ??= EncodedJson.from(JSON.stringify(known.summary)));
  };
  const invalidate = (): void => void (cached = null);
  return {
    snapshot: (): Record<string, unknown> => toPublishedSummary(current(deps.loop.peek).summary),
    invalidate,
    methods: { health: { scope: "operator.read", run: answer } } satisfies MethodTable,
  };
}

/** Methods that are named: those that were asked most. */
const NAMED_METHODS = 12;

/** How many requests of a method there were, and the bounds within which half and 95 % of them were answered; null beyond the last one. */
type MethodLatency = { method: string; count: number; p50Ms: number | null; p95Ms: number | null };

/** Pure. */
export function toMethodLatencies(points: readonly MetricPoint[]): readonly MethodLatency[] {
  return points
    .map(({ labels, bounds = [], buckets = [] }) => {
      const count = buckets.reduce((sum, each) => sum + each, 0);
      const within = (share: number): number | null => {
        let left = count * share;
        const at = buckets.findIndex((each) => (left -= each) <= 0);
        const seconds = bounds[at];
        return seconds === undefined ? null : seconds * 1_000;
      };
      return { method: String(labels["method"]), count, p50Ms: within(0.5), p95Ms: within(0.95) };
    })
    .toSorted((a, b) => b.count - a.count)
    .slice(0, NAMED_METHODS);
}

/** What the published schema knows of a health summary: strict clients refuse a hello-ok with more. There `ok` is true or absent. */
function toPublishedSummary({
  failing: _failing,
  degraded: _degraded,
  parts: _parts,
  methods: _methods,
  ok,
  ...known
}: HealthSummary): Record<string, unknown> {
  return ok ? { ok, ...known } : known;
}

function summarise(deps: HealthDeps, now: number, eventLoop: LoopReading): HealthSummary {
  const started = performance.now();
  const { ready, failing, degraded, parts } = deps.readiness();
  const groups = groupByChannel(deps.channels());
  const agents = deps.agents();
  const errors = deps.configErrors();
  const counts = deps.sessions.countsByAgent();
  const summary: HealthSummary = {
    ok: ready,
    ts: now,
    durationMs: 0,
    plugins: { loaded: deps.plugins().flatMap(({ id, state }) => (state === "ready" ? [id] : [])), errors: [], unavailable: [] },
    configReload: errors.length === 0 ? { hotReloadStatus: "active" } : { hotReloadStatus: "degraded", errors },
    channels: Object.fromEntries(
      [...groups].map(([id, accounts]) => [
        id,
        { ...toChannelRow(accounts), accounts: Object.fromEntries(accounts.map((each) => [each.account, toAccountRow(each)])) },
      ]),
    ),
    channelOrder: [...groups.keys()],
    channelLabels: Object.fromEntries([...groups.keys()].map((id) => [id, deps.labelOf(id) ?? id])),
    heartbeatSeconds: Math.round((deps.heartbeatOf(agents.find((agent) => agent.isDefault)!.id).everyMs ?? 0) / 1_000),
    defaultAgentId: agents.find((agent) => agent.isDefault)!.id,
    agents: agents.map((agent) => ({
      agentId: agent.id,
      name: agent.name,
      isDefault: agent.isDefault,
      heartbeat: deps.heartbeatOf(agent.id),
      sessions: recentSessions(deps, now, counts.get(agent.id) ?? 0, agent.id),
    })),
    sessions: recentSessions(deps, now, deps.sessions.count()),
    eventLoop,
    failing,
    degraded,
    parts,
    methods: toMethodLatencies(deps.requestSeconds?.() ?? []),
  };
  summary["durationMs"] = Math.round(performance.now() - started);
  return summary;
}

function recentSessions(deps: HealthDeps, now: number, count: number, agentId?: string): Record<string, unknown> {
  const { sessions, storePath } = deps;
  return {
    path: storePath,
    count,
    recent: sessions
      .recent(agentId, RECENT)
      .map((row) => ({ key: row.key, updatedAt: row.updated_at, age: Math.max(0, now - row.updated_at) })),
  };
}
