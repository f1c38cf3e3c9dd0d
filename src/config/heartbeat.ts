import type { AgentId } from "../core/ids.ts";
import { toAgentId } from "../core/agent-id.ts";
import { agentIds, defaultAgentId } from "./agents.ts";
import { parseDurationMs } from "./quantity.ts";
import type { Config } from "./schema.ts";

/** A part of the day; minutes after midnight. `end` before `start`: on the next day. */
export type ActiveHours = { readonly start: number; readonly end: number; readonly tz: string };

/** The heartbeats of one agent: nothing is left to be inherited. */
export type ResolvedHeartbeat = {
  readonly agentId: AgentId;
  /** As it was written. */
  readonly every: string;
  readonly everyMs: number;
  readonly activeHours: ActiveHours | null;
  /** Null: the agent's own. */
  readonly model: string | null;
  /** `last`, `owner`, `none` or a channel. */
  readonly target: string;
  readonly to: string | null;
  readonly accountId: string | null;
  readonly mayWriteToPersons: boolean;
  /** Null: the main session, or one of its own where `isIsolated`. */
  readonly session: string | null;
  readonly isIsolated: boolean;
  /** Null: the default text. */
  readonly prompt: string | null;
  readonly timeoutMs: number;
  readonly ackMaxChars: number;
  /** 0: never. */
  readonly pauseAfterRuns: number;
};

export const HEARTBEAT_LIMITS = {
  /** Shortest interval; a shorter one is off, and reported. */
  minEveryMs: 60_000,
  /** Longest time of a run, unless the configuration says otherwise. */
  timeoutMs: 600_000,
  /** Characters beside the token of an answer that says nothing. */
  ackMaxChars: 300,
  /** Runs in a row that did nothing, after which heartbeats pause: two days at half an hour. */
  pauseAfterRuns: 96,
} as const;

type Own = NonNullable<Config["agents"]["defaults"]["heartbeat"]>;

/** The agents that heartbeats are configured for, whether or not they are on. */
function agentsWith(config: Config): readonly AgentId[] {
  const own = agentIds(config).filter((id) => config.agents.entries[id]?.heartbeat !== undefined);
  if (own.length > 0) return own;
  const shared = config.agents.defaults.heartbeat;
  if (shared === undefined) return [];
  if (shared.agentId === undefined) return [defaultAgentId(config)];
  return agentIds(config).filter((id) => id === toAgentId(shared.agentId!));
}

/** The heartbeats that are on: each has an interval that a person has written down. `zone`: of times without one; asked only then. */
export function resolveHeartbeats(config: Config, zone: () => string): readonly ResolvedHeartbeat[] {
  return agentsWith(config).flatMap((agentId) => {
    const own = config.agents.entries[agentId]?.heartbeat ?? {};
    const shared = config.agents.defaults.heartbeat ?? {};
    return resolve(agentId, { ...shared, ...own }, () => config.agents.defaults.userTimezone ?? zone()) ?? [];
  });
}

/** The interval of a text; null: off, or not an interval. */
export function heartbeatInterval(every: string | undefined): number | null {
  const ms = every === undefined ? null : parseDurationMs(every, "m");
  return ms === null || ms < HEARTBEAT_LIMITS.minEveryMs ? null : ms;
}

const minutesOf = (clock: string): number => {
  const [hours, minutes] = clock.split(":").map(Number);
  return hours! * 60 + minutes!;
};

function resolve(agentId: AgentId, given: Own, zone: () => string): ResolvedHeartbeat | null {
  const everyMs = heartbeatInterval(given.every);
  if (everyMs === null) return null;
  const { activeHours: hours, timeoutSeconds } = given;
  const start = hours === undefined ? 0 : minutesOf(hours.start);
  const end = hours === undefined ? 0 : minutesOf(hours.end);
  const isAllDay = hours === undefined || start === end % 1_440;
  return {
    agentId,
    every: given.every!.trim(),
    everyMs,
    activeHours: isAllDay ? null : { start, end, tz: hours.timezone ?? zone() },
    model: given.model ?? null,
    target: given.target ?? "last",
    to: given.to ?? null,
    accountId: given.accountId ?? null,
    mayWriteToPersons: given.directPolicy !== "block",
    session: given.session ?? null,
    isIsolated: given.isolatedSession === true,
    prompt: given.prompt?.trim() || null,
    timeoutMs: timeoutSeconds === undefined ? Math.min(everyMs, HEARTBEAT_LIMITS.timeoutMs) : timeoutSeconds * 1_000,
    ackMaxChars: given.ackMaxChars ?? HEARTBEAT_LIMITS.ackMaxChars,
    pauseAfterRuns: given.pauseAfterRuns ?? HEARTBEAT_LIMITS.pauseAfterRuns,
  };
}
