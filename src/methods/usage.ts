import type { Clock } from "../core/clock.ts";
import { GatewayError } from "../core/errors.ts";
import type { MethodTable } from "../protocol/method.ts";
import { USAGE_DIMENSIONS, type UsageDimension, type UsageFilter } from "../store/usage.ts";
import { budgetText, dollars, isInvalid, toNanoDollars } from "../usage/budget-rules.ts";
import type { Budgets, BudgetStatus } from "../usage/budgets.ts";
import { USAGE_LIMITS } from "../usage/limits.ts";
import type { RangeParams } from "../usage/range.ts";
import type { UsageReports } from "../usage/reports.ts";

export type UsageMethodsDeps = {
  /** Loaded with the first request. */
  reports: () => Promise<UsageReports>;
  budgets: Pick<Budgets, "status" | "lift">;
  clock: Pick<Clock, "now">;
  /** The session that a client means. */
  sessionKey: (key: string, agentId: string | undefined) => string;
};

const NANO = 1e9;
const LIMIT_NAMES = ["tokens", "usd", "callsPerMinute", "similarPerHour"] as const;
const DEFAULT_POINTS = 200;
const DEFAULT_LIFT_MS = 3_600_000;

/** usage.*, sessions.usage, budgets.*: what models took, and what they may take. */
export function usageMethods({ reports, budgets, clock, sessionKey }: UsageMethodsDeps) {
  return {
    // No provider that is served here reports the windows of a subscription.
    "usage.status": { scope: "operator.read", run: () => ({ updatedAt: clock.now(), providers: [] }) },
    "usage.cost": {
      scope: "operator.read",
      run: async (params) => (await reports()).cost({ ...rangeOf(params), ...agentOf(params) }),
    },
    "usage.report": {
      scope: "operator.read",
      run: async (params) => {
        const { by = [], byDay = false, agent, channel, sender, cause, provider, model } = params;
        const filter: UsageFilter = given({ agent, channel, sender, cause, provider, model });
        return (await reports()).report({ ...rangeOf(params), by: toDimensions(by), byDay, filter });
      },
    },
    "usage.calls": {
      scope: "operator.read",
      run: async ({ after = 0, limit = USAGE_LIMITS.exportRows }) => (await reports()).calls(after, limit),
    },
    "sessions.usage": {
      scope: "operator.read",
      run: async (params) => {
        const { key, agentId, range, groupBy, includeHistorical, limit } = params;
        const what = given({ range, groupBy, includeHistorical, limit });
        const whose = key === undefined ? agentOf(params) : { key: sessionKey(key, agentId) };
        return (await reports()).sessions({ ...rangeOf(params), ...what, ...whose });
      },
    },
    "sessions.usage.timeseries": {
      scope: "operator.read",
      run: async ({ key, agentId }) => (await reports()).timeseries(sessionKey(key, agentId), DEFAULT_POINTS),
    },
    "budgets.status": { scope: "operator.read", run: () => ({ budgets: budgets.status().map(toBudgetRow) }) },
    "budgets.lift": {
      scope: "operator.admin",
      run: async ({ name, for: pot, durationMs = DEFAULT_LIFT_MS }) => {
        await budgets.lift(name, pot ?? null, durationMs);
        return { ok: true, budgets: budgets.status().flatMap((status) => (status.budget.name === name ? [toBudgetRow(status)] : [])) };
      },
    },
  } satisfies MethodTable;
}

const given = <T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as { [K in keyof T]?: Exclude<T[K], undefined> };

/** The days that a request names. */
const rangeOf = ({
  days,
  startDate,
  endDate,
  mode,
  timeZone,
  utcOffset,
}: { days?: number } & Omit<RangeParams, "days" | "range">): RangeParams => given({ days, startDate, endDate, mode, timeZone, utcOffset });

/** All agents, unless one is named. */
const agentOf = ({ agentId, agentScope }: { agentId?: string; agentScope?: string }): { agentId?: string } =>
  agentId === undefined || agentScope === "all" ? {} : { agentId };

function toDimensions(names: readonly string[]): UsageDimension[] {
  return [...new Set(names)].map((name) => {
    const known = USAGE_DIMENSIONS.find((each) => each === name);
    if (known !== undefined) return known;
    throw new GatewayError("INVALID_REQUEST", `by: ${JSON.stringify(name)} is not known`, { fix: `Use ${USAGE_DIMENSIONS.join(", ")}.` });
  });
}

function toBudgetRow({ budget, pot, period, state, usedPercent, liftedUntil }: BudgetStatus): Record<string, unknown> {
  const { name, agent, channel, sender, cause, each, per, tokens, usd, warnAtPercent } = budget;
  const isUsedUp = (tokens !== undefined && state.spentTokens >= tokens) || (usd !== undefined && state.spentCost >= toNanoDollars(usd));
  return {
    name,
    ...given({ agent, channel, sender, cause }),
    ...(each !== undefined && { each, for: pot }),
    per,
    ...Object.fromEntries(
      LIMIT_NAMES.flatMap((limit) => (budget[limit] === undefined || budget[limit] < 0 ? [] : [[limit, budget[limit]]])),
    ),
    warnAtPercent,
    text: budgetText(budget),
    spentTokens: state.spentTokens,
    spentUsd: state.spentCost / NANO,
    spentText: dollars(state.spentCost),
    heldTokens: state.heldTokens,
    usedPercent,
    state:
      liftedUntil !== null
        ? "lifted"
        : isInvalid(budget)
          ? "invalid"
          : isUsedUp
            ? "used-up"
            : usedPercent >= warnAtPercent
              ? "warning"
              : "ok",
    since: period.start,
    until: period.end,
    ...(liftedUntil !== null && { liftedUntil }),
  };
}
