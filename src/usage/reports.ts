import type { SessionKey } from "../core/ids.ts";
import { asId } from "../core/ids.ts";
import type { Sessions } from "../store/sessions.ts";
import type {
  Usage,
  UsageAmounts,
  UsageCallRow,
  UsageDimension,
  UsageFilter,
  UsageGroup,
  UsageMessageCounts,
  UsagePeople,
  UsageSessionHour,
  UsageSessionSums,
  UsedSession,
} from "../store/usage.ts";
import { hoursOf, toDayRange, type DayRange, type RangeParams } from "./range.ts";
import { USAGE_LIMITS } from "./limits.ts";
import { toDate } from "./periods.ts";

type Wire = Record<string, unknown>;
type Sums = UsageAmounts & { unpriced: number };

export type UsageReportsDeps = { usage: Usage; sessions: Pick<Sessions, "get">; now: () => number; zone: () => string };

export type SessionsParams = RangeParams & {
  key?: string;
  agentId?: string;
  groupBy?: string;
  includeHistorical?: boolean;
  limit?: number;
};

const NANO = 1e9;
const DEFAULT_SESSIONS = 50;
const NONE: Sums = {
  input: 0,
  output: 0,
  cacheRead: 0,
  cacheWrite: 0,
  inputCost: 0,
  outputCost: 0,
  cacheReadCost: 0,
  cacheWriteCost: 0,
  unpriced: 0,
};
const FIELDS = Object.keys(NONE) as (keyof Sums)[];

export const tokensOf = (sums: UsageAmounts): number => sums.input + sums.output + sums.cacheRead + sums.cacheWrite;
const nanoOf = (sums: UsageAmounts): number => sums.inputCost + sums.outputCost + sums.cacheReadCost + sums.cacheWriteCost;
export const dollarsOf = (sums: UsageAmounts): number => nanoOf(sums) / NANO;

/** Sums as protocol v4 has them; costs in US dollars, without the requests that `missingCostEntries` counts. Pure. */
export const toTotals = (sums: Sums) => ({
  input: sums.input,
  output: sums.output,
  cacheRead: sums.cacheRead,
  cacheWrite: sums.cacheWrite,
  totalTokens: tokensOf(sums),
  totalCost: dollarsOf(sums),
  inputCost: sums.inputCost / NANO,
  outputCost: sums.outputCost / NANO,
  cacheReadCost: sums.cacheReadCost / NANO,
  cacheWriteCost: sums.cacheWriteCost / NANO,
  missingCostEntries: sums.unpriced,
});

function addUp<S extends Sums>(rows: readonly S[]): Sums {
  const total = { ...NONE };
  for (const row of rows) for (const field of FIELDS) total[field] += row[field];
  return total;
}

/** Nothing has to be scanned: the sums are written with the turns. */
const CACHE = { status: "fresh", cachedFiles: 0, pendingFiles: 0, staleFiles: 0 } as const;

/** What models took, in the shapes of protocol v4. */
export class UsageReports {
  readonly #deps: UsageReportsDeps;

  constructor(deps: UsageReportsDeps) {
    this.#deps = deps;
  }

  /** `usage.cost`: one row for each day. */
  cost(params: RangeParams & { agentId?: string }): Wire {
    const range = this.#range(params);
    const filter = params.agentId === undefined ? {} : { agent: params.agentId };
    const byDay = Map.groupBy(this.#daily(range, [], filter), ({ day }) => day!);
    const daily = daysOf(range).map((day) => ({ date: toDate(day), ...toTotals(addUp(byDay.get(day) ?? [])) }));
    return {
      updatedAt: this.#deps.now(),
      days: daily.length,
      daily,
      totals: toTotals(addUp([...byDay.values()].flat())),
      cacheStatus: CACHE,
    };
  }

  /** `usage.report`: sums by any dimensions, and by day. */
  report({ by, byDay, filter, ...params }: RangeParams & { by: readonly UsageDimension[]; byDay?: boolean; filter: UsageFilter }): Wire {
    const range = this.#range(params);
    const rows = byDay === true ? this.#daily(range, by, filter) : this.#deps.usage.sums(hoursOf(range), by, filter);
    const shown = rows
      .filter(({ calls }) => calls > 0)
      .toSorted((a, b) => (a.day ?? 0) - (b.day ?? 0) || nanoOf(b) - nanoOf(a) || tokensOf(b) - tokensOf(a));
    return {
      updatedAt: this.#deps.now(),
      startDate: toDate(range.firstDay),
      endDate: toDate(range.lastDay),
      timeZone: range.zone,
      rows: shown.map((row) => toReportRow(row, by)),
      totals: toTotals(addUp(shown)),
      calls: shown.reduce((sum, { calls }) => sum + calls, 0),
    };
  }

  /** `sessions.usage` */
  sessions(params: SessionsParams): Wire {
    const range = this.#range(params);
    const { usage, now } = this.#deps;
    const { key, agentId, limit = DEFAULT_SESSIONS } = params;
    const isFamily = params.groupBy === "family" || params.includeHistorical === true;
    const hours = hoursOf(range);
    const used =
      key === undefined
        ? usage.recentSessions(hours, { ...(agentId !== undefined && { agent: agentId }), byConversation: !isFamily, limit })
        : conversationsOf(usage.sessionHours(hours, key), isFamily).slice(0, limit);
    const rows = this.#toSessions(used, range, isFamily).toSorted((a, b) => b.updatedAt - a.updatedAt);
    const unused = key !== undefined && rows.length === 0 ? this.#unusedSession(key) : [];
    const aggregates = key === undefined ? this.#aggregates(range, agentId) : this.#aggregatesOfSession(range, key);
    return {
      updatedAt: now(),
      startDate: toDate(range.firstDay),
      endDate: toDate(range.lastDay),
      sessions: [...rows, ...unused],
      ...aggregates,
      creatorOptions: [],
      cacheStatus: CACHE,
    };
  }

  /** `sessions.usage.timeseries`: the last requests of a session. */
  timeseries(key: string, limit: number): Wire {
    const calls = this.#deps.usage.callsOf(key, limit);
    let cumulativeTokens = 0;
    let cumulativeCost = 0;
    const points = calls.map((call) => {
      cumulativeTokens += tokensOf(call);
      cumulativeCost += dollarsOf(call);
      const { input, output, cacheRead, cacheWrite } = call;
      const amounts = { input, output, cacheRead, cacheWrite, totalTokens: tokensOf(call), cost: dollarsOf(call) };
      return { timestamp: call.at, ...amounts, cumulativeTokens, cumulativeCost };
    });
    return { sessionId: calls.at(-1)?.sessionId ?? "", points };
  }

  /** `usage.calls`: single requests after a number, for exports. */
  calls(after: number, limit: number): Wire {
    const rows = this.#deps.usage.callsAfter(after, limit);
    return { calls: rows.map(toCallRow), ...(rows.length === limit && { nextAfter: rows.at(-1)!.seq }) };
  }

  #range(params: RangeParams): DayRange {
    return toDayRange(params, this.#deps.now(), this.#deps.zone());
  }

  #daily(range: DayRange, by: readonly UsageDimension[], filter: UsageFilter): UsageGroup[] {
    return range.parts.flatMap((part) => this.#deps.usage.sums(part, by, filter, part));
  }

  #aggregates(range: DayRange, agent: string | undefined): Wire {
    const { usage } = this.#deps;
    const hours = hoursOf(range);
    const filter = agent === undefined ? {} : { agent };
    const models = this.#daily(range, ["provider", "model"], filter);
    const people = usage.people(hours, agent);
    const tools = usage.tools(hours, agent);
    return {
      totals: toTotals(addUp(models)),
      aggregates: {
        sessionCount: usage.countSessions(hours, agent),
        messages: toMessages(models),
        tools: toTools(tools),
        ...toGroups(models, people),
        costDaily: toDaily(models, (day, sums) => ({ date: toDate(day), ...toTotals(sums) })),
        daily: toDayRows(models),
      },
    };
  }

  #aggregatesOfSession(range: DayRange, key: string): Wire {
    const { usage } = this.#deps;
    const hours = usage.sessionHours(hoursOf(range), key);
    const rows = hours.map((row) => ({ ...row, day: dayIn(range, row.hour), agent: row.agentId }));
    return {
      totals: toTotals(addUp(rows)),
      aggregates: {
        sessionCount: rows.length === 0 ? 0 : 1,
        messages: toMessages(rows),
        tools: toTools(usage.sessionTools(hoursOf(range), [key])),
        // The sums of a session are not kept by sender and cause.
        ...toGroups(rows, []),
        costDaily: toDaily(rows, (day, sums) => ({ date: toDate(day), ...toTotals(sums) })),
        daily: toDayRows(rows),
      },
    };
  }

  #unusedSession(key: string): Wire[] {
    const session = this.#deps.sessions.get(asId<SessionKey>(key));
    if (!session) return [];
    return [
      {
        key,
        sessionId: session.session_id,
        scope: "instance",
        updatedAt: session.updated_at,
        agentId: session.agent_id,
        usage: null,
        hasContextWeight: false,
      },
    ];
  }

  /** Sessions with their days and hours, as long as these fit into an answer; further ones have their sums only. */
  #toSessions(used: readonly UsedSession[], range: DayRange, isFamily: boolean) {
    const { usage } = this.#deps;
    const hours = hoursOf(range);
    let left: number = USAGE_LIMITS.detailRows;
    const detailed = new Map<string, UsageSessionHour[]>();
    for (const { sessionKey } of used) {
      if (left <= 0) break;
      if (detailed.has(sessionKey)) continue;
      const own = usage.sessionHours(hours, sessionKey);
      detailed.set(sessionKey, own);
      left -= own.length;
    }
    const keys = [...new Set(used.map(({ sessionKey }) => sessionKey))];
    const summed = Map.groupBy(
      usage.sessionSums(
        hours,
        keys.filter((key) => !detailed.has(key)),
      ),
      ({ sessionKey }) => sessionKey,
    );
    const tools = Map.groupBy(usage.sessionTools(hours, keys), ({ sessionKey }) => sessionKey);
    return used.map((each) => {
      const isOwn = ({ sessionId }: UsageSessionSums): boolean => isFamily || sessionId === each.sessionId;
      const own = detailed.get(each.sessionKey)?.filter(isOwn);
      const sums = own ?? summed.get(each.sessionKey)!.filter(isOwn);
      const details = own === undefined ? { modelUsage: toModelUsage(sums) } : toSessionDetails(own, range);
      return this.#toSession(sums, isFamily, { toolUsage: toTools(tools.get(each.sessionKey) ?? []), ...details });
    });
  }

  /** `sums`: those of one session, of which what was used last comes last. */
  #toSession(sums: readonly UsageSessionSums[], isFamily: boolean, details: Wire) {
    const last = sums.at(-1)!;
    const { agentId, channel, sessionKey } = last;
    const session = this.#deps.sessions.get(asId<SessionKey>(sessionKey));
    const ids = [...new Set(sums.map(({ sessionId }) => sessionId))];
    const sessionId = session !== undefined && ids.includes(session.session_id) ? session.session_id : ids.at(-1)!;
    const firstAt = Math.min(...sums.map((row) => row.firstAt));
    const lastAt = Math.max(...sums.map((row) => row.lastAt));
    return {
      key: sessionKey,
      ...(session?.label && { label: session.label }),
      sessionId,
      scope: isFamily ? "family" : "instance",
      ...(isFamily && {
        sessionFamilyKey: sessionKey,
        currentSessionId: session?.session_id ?? sessionId,
        includedSessionIds: ids,
        historicalInstanceCount: ids.length,
      }),
      updatedAt: lastAt,
      agentId,
      channel,
      ...(session && { chatType: session.chat_kind }),
      modelProvider: last.provider,
      model: last.model,
      usage: {
        ...toTotals(addUp(sums)),
        sessionId,
        firstActivity: firstAt,
        lastActivity: lastAt,
        durationMs: lastAt - firstAt,
        messageCounts: toMessages(sums),
        ...details,
      },
      hasContextWeight: false,
    };
  }
}

/** The conversations of a session, the last used first. Pure. */
function conversationsOf(hours: readonly UsageSessionHour[], isFamily: boolean): UsedSession[] {
  const ids = [...new Set(hours.map(({ sessionId }) => sessionId))].toReversed();
  return (isFamily ? ids.slice(0, 1) : ids).map((sessionId) => ({ sessionKey: hours[0]!.sessionKey, sessionId }));
}

const daysOf = ({ firstDay, lastDay }: DayRange): number[] =>
  Array.from({ length: lastDay - firstDay + 1 }, (_, index) => firstDay + index);

/** The day of an hour in a range. Pure. */
function dayIn(range: DayRange, hour: number): number {
  const part = range.parts.find(({ from, to }) => hour >= from && hour < to)!;
  return Math.min(part.lastDay, Math.floor((hour + part.offset) / 24));
}

function toReportRow(row: UsageGroup, by: readonly UsageDimension[]): Wire {
  return {
    ...(row.day !== undefined && { date: toDate(row.day) }),
    ...Object.fromEntries(by.map((name) => [name, row[name]])),
    calls: row.calls,
    errors: row.errors,
    ...toTotals(row),
    avgDurationMs: row.calls === 0 ? null : Math.round(row.durationMs / row.calls),
    avgFirstTokenMs: row.firstTokens === 0 ? null : Math.round(row.firstTokenMs / row.firstTokens),
  };
}

type Counted = UsageMessageCounts & { errors: number };

function toMessages(rows: readonly Counted[]) {
  const sum = (name: keyof Counted): number => rows.reduce((total, row) => total + row[name], 0);
  const user = sum("userMessages");
  const assistant = sum("assistantMessages");
  return {
    total: user + assistant,
    user,
    assistant,
    toolCalls: sum("toolCalls"),
    toolResults: sum("toolResults"),
    errors: sum("errors"),
  };
}

const toTools = (tools: readonly { name: string; count: number }[]): Wire => ({
  totalCalls: tools.reduce((sum, { count }) => sum + count, 0),
  uniqueTools: tools.length,
  tools,
});

/** Rows of one group by what they have in common; the dearest first. */
function groupRows<S extends Sums & { calls: number }>(
  rows: readonly S[],
  keyOf: (row: S) => Wire,
): (Wire & { sums: Sums; calls: number })[] {
  return [...Map.groupBy(rows, (row) => JSON.stringify(keyOf(row))).values()]
    .map((group) => ({ ...keyOf(group[0]!), sums: addUp(group), calls: group.reduce((sum, { calls }) => sum + calls, 0) }))
    .toSorted((a, b) => nanoOf(b.sums) - nanoOf(a.sums) || tokensOf(b.sums) - tokensOf(a.sums));
}

type ModelDay = Sums & { calls: number; day?: number; provider?: string; model?: string };

function toGroups(models: readonly ModelDay[], people: readonly UsagePeople[]): Wire {
  const group = <S extends Sums & { calls: number }>(rows: readonly S[], keyOf: (row: S) => Wire): Wire[] =>
    groupRows(rows, keyOf).map(({ sums, calls, ...key }) => ({ ...key, count: calls, totals: toTotals(sums) }));
  return {
    byModel: group(models, ({ provider, model }) => ({ provider, model })),
    byProvider: group(models, ({ provider }) => ({ provider })),
    byAgent: group(people, ({ agent }) => ({ agentId: agent })),
    byChannel: group(people, ({ channel }) => ({ channel })),
    byCreator: [],
    bySender: group(people, ({ channel, sender }) => ({ channel, sender })),
    byCause: group(people, ({ cause }) => ({ cause })),
    dailyLatency: [],
    modelDaily: toModelDays(models),
  };
}

const toModelDays = (rows: readonly ModelDay[]): Wire[] =>
  groupRows(rows, ({ day, provider, model }) => ({ day, provider, model })).map(({ sums, calls, day, ...key }) => ({
    date: toDate(day as number),
    ...key,
    tokens: tokensOf(sums),
    cost: dollarsOf(sums),
    count: calls,
  }));

function toDaily<S extends Sums & { day?: number }>(rows: readonly S[], toRow: (day: number, sums: Sums) => Wire): Wire[] {
  return [...Map.groupBy(rows, ({ day }) => day!)].toSorted(([a], [b]) => a - b).map(([day, group]) => toRow(day, addUp(group)));
}

function toDayRows<S extends Sums & Counted & { day?: number }>(rows: readonly S[]): Wire[] {
  return [...Map.groupBy(rows, ({ day }) => day!)]
    .toSorted(([a], [b]) => a - b)
    .map(([day, group]) => {
      const { total, toolCalls, errors } = toMessages(group);
      const sums = addUp(group);
      return { date: toDate(day), tokens: tokensOf(sums), cost: dollarsOf(sums), messages: total, toolCalls, errors };
    });
}

/** The first quarter of an hour, as the protocol names it. Pure. */
const utcQuarter = (hour: number): Wire => ({ date: toDate(Math.floor(hour / 24)), quarterIndex: (hour % 24) * 4 });

const toModelUsage = (rows: readonly UsageSessionSums[]): Wire[] =>
  groupRows(rows, ({ provider, model }) => ({ provider, model })).map(({ sums, calls, ...key }) => ({
    ...key,
    count: calls,
    totals: toTotals(sums),
  }));

/** Models, days and quarters of hours of one session. A row is an hour: its quarter is the first one. */
function toSessionDetails(hours: readonly UsageSessionHour[], range: DayRange): Wire {
  const rows = hours.map((row) => ({ ...row, day: dayIn(range, row.hour) }));
  const dates = [...new Set(rows.map(({ day }) => toDate(day)))];
  return {
    modelUsage: toModelUsage(rows),
    activityDates: dates,
    dailyBreakdown: toDaily(rows, (day, sums) => ({ date: toDate(day), tokens: tokensOf(sums), cost: dollarsOf(sums), ...toTotals(sums) })),
    dailyMessageCounts: [...Map.groupBy(rows, ({ day }) => day)].map(([day, group]) => ({ date: toDate(day), ...toMessages(group) })),
    utcQuarterHourMessageCounts: hours.map((row) => ({ ...utcQuarter(row.hour), ...toMessages([row]) })),
    utcQuarterHourTokenUsage: hours.map((row) => {
      const { input, output, cacheRead, cacheWrite } = row;
      return { ...utcQuarter(row.hour), input, output, cacheRead, cacheWrite, totalTokens: tokensOf(row), totalCost: dollarsOf(row) };
    }),
    dailyLatency: [],
    dailyModelUsage: toModelDays(rows),
  };
}

/** One request; its cost is null where the price is not known. */
function toCallRow(call: UsageCallRow): Wire {
  const { seq, at, agentId, channel, sender, cause, sessionKey, runId, provider, model, status, durationMs, firstTokenMs } = call;
  const { input, output, cacheRead, cacheWrite } = call;
  return {
    seq,
    at,
    agentId,
    channel,
    sender,
    cause,
    sessionKey,
    runId,
    provider,
    model,
    status,
    input,
    output,
    cacheRead,
    cacheWrite,
    totalTokens: tokensOf(call),
    cost: call.isPriced ? dollarsOf(call) : null,
    durationMs,
    firstTokenMs,
  };
}
