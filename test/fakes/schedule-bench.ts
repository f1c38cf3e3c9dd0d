import type { ResolvedHeartbeat } from "../../src/config/heartbeat.ts";
import type { Bus } from "../../src/core/bus.ts";
import { GatewayError } from "../../src/core/errors.ts";
import { asId, type AccountId, type AgentId, type ChannelId, type ChatId, type SessionKey } from "../../src/core/ids.ts";
import { silentLog } from "../../src/core/log.ts";
import { silentMetrics } from "../../src/core/metrics.ts";
import type { HeartbeatRecord } from "../../src/schedule/heartbeat-end.ts";
import type { HeartbeatLookups } from "../../src/schedule/heartbeat-plan.ts";
import type { ScheduleEvents } from "../../src/schedule/events.ts";
import type { JobDefinition, JobState, RunRecord } from "../../src/schedule/job.ts";
import type { RunLookups } from "../../src/schedule/run-types.ts";
import type { ScheduleSettings } from "../../src/schedule/scheduler.ts";
import { ScheduleService, type ScheduleDeps } from "../../src/schedule/service.ts";
import { createCronRows } from "../../src/store/cron.ts";
import type { TurnEvents } from "../../src/turns/events.ts";
import { until } from "../until.ts";
import { FakeClock } from "./fake-clock.ts";
import { openTurnBench } from "./turn-bench.ts";

export const MINUTE = 60_000;
export const HOUR = 3_600_000;
export const NOW = Date.parse("2026-06-01T12:00:00Z");
type Wire = Record<string, unknown>;

export const LOOKUPS: RunLookups = {
  hasAgent: (agentId) => agentId === "main",
  defaultAgent: () => asId<AgentId>("main"),
  operatorTools: () => ["read", "write"],
  channelTools: () => ["read"],
  hasModel: (_agentId, model) => model === "fake/model",
  sessionKey: (key) => asId<SessionKey>(key.startsWith("agent:") ? key : `agent:main:${key}`),
  target: () => {
    throw new GatewayError("INVALID_REQUEST", "no session has talked on a channel");
  },
  chatKind: () => "direct",
  isSendDenied: () => false,
};

/** What heartbeats of a test find; fields may be changed while it runs. */
export type HeartbeatScene = {
  heartbeats: readonly ResolvedHeartbeat[];
  instructions: string | null;
  events: { count: number; isExternal: boolean };
  hasModel: boolean;
  isBusy?: (sessionKey: SessionKey) => boolean;
  ended: HeartbeatRecord[];
  paused: { agentId: string; runs: number }[];
};

export const heartbeatOf = (more: Partial<ResolvedHeartbeat> = {}): ResolvedHeartbeat => ({
  agentId: asId<AgentId>("main"),
  every: "30m",
  everyMs: 30 * MINUTE,
  activeHours: null,
  model: null,
  target: "last",
  to: null,
  accountId: null,
  mayWriteToPersons: true,
  session: null,
  isIsolated: false,
  prompt: null,
  timeoutMs: 600_000,
  ackMaxChars: 300,
  pauseAfterRuns: 0,
  ...more,
});

const ALERT_TARGET = {
  channel: asId<ChannelId>("irc"),
  account: asId<AccountId>("default"),
  chat: { kind: "direct" as const, id: asId<ChatId>("ann") },
};

type BenchOptions = {
  settings?: Partial<ScheduleSettings>;
  dir?: string;
  at?: number;
  /** A clock that outlives this bench, as a machine does. */
  clock?: FakeClock;
  lookups?: Partial<RunLookups>;
};

/** The schedule over a real store and the real turns, with a clock of the test. `dir`: the store of an earlier one. */
export function openScheduleBench({ settings = {}, dir, at = NOW, clock = new FakeClock(at), lookups = {} }: BenchOptions = {}) {
  const bench = openTurnBench({ clock, timeoutMs: 24 * HOUR, ...(dir !== undefined && { dir }) });
  const bus = bench.bus as unknown as Bus<TurnEvents & ScheduleEvents>;
  const notes: string[] = [];
  /** Messages about jobs, in the order in which they were on disk. */
  const alerts: string[] = [];
  const scene: HeartbeatScene = {
    heartbeats: [],
    instructions: "- look at the mail",
    events: { count: 0, isExternal: false },
    hasModel: true,
    ended: [],
    paused: [],
  };
  bus.on("heartbeat.ended", (record) => void scene.ended.push(record));
  bus.on("heartbeat.paused", (pause) => void scene.paused.push(pause));
  const beats: HeartbeatLookups = {
    heartbeat: (agentId) => scene.heartbeats.find((each) => each.agentId === agentId) ?? null,
    instructions: () => scene.instructions,
    waitingEvents: () => scene.events,
    isBusy: (sessionKey) => scene.isBusy?.(sessionKey) ?? !bench.turns.lanes.isIdle(sessionKey),
    hasAnyModel: () => scene.hasModel,
    ownerTarget: () => null,
  };
  let ids = 0;
  const deps: ScheduleDeps = {
    ...bench,
    bus,
    rows: createCronRows<JobDefinition, JobState, RunRecord>(bench.store),
    log: silentLog,
    metrics: silentMetrics,
    settings: () => ({
      enabled: true,
      maxConcurrentRuns: 8,
      missed: "once",
      maxRetries: 3,
      failureAlert: { enabled: true, after: 2 },
      ...settings,
    }),
    prepare: (submission) => bench.turns.admission.prepare(submission),
    addNote: (_session, text) => void notes.push(text),
    lookups: { ...LOOKUPS, ...beats, ...lookups },
    heartbeats: {
      prepare: () => Promise.resolve(),
      settings: () => ({ agentId: "main", ackMaxChars: 300, pauseAfterRuns: scene.heartbeats[0]?.pauseAfterRuns ?? 0 }),
      save: () => {},
    },
    alert: (_job, id, text) => {
      bench.turns.outbound.add({ id, sessionKey: null, target: ALERT_TARGET, text, at: clock.now() });
      return () => void alerts.push(text);
    },
    newId: () => `job-${++ids}`,
    zone: () => "UTC",
    storePath: "store",
  };
  const service = new ScheduleService(deps);
  const runs = (query: object = {}): Wire[] => service.runs({ sortDir: "asc", ...query })["entries"] as Wire[];
  const prompts = (): string[] => bench.runtime.prompts.map(({ text }) => text);
  const ended = (count: number): Promise<unknown> => until(`${count} ended runs`, () => runs().length >= count);
  /** Lets time pass, and what is due meanwhile come to its end. */
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await service.scheduler.wake();
  };
  const close = (): void => {
    service.scheduler.stop();
    bench.close();
  };
  return { bench, clock, service, notes, runs, prompts, ended, pass, close, deps, scene, alerts };
}
