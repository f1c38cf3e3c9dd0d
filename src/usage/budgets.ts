import type { Clock } from "../core/clock.ts";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { asArray, fieldsOf } from "../core/json.ts";
import type { Log } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import type { TurnFailure } from "../agents/runtime.ts";
import type { KeyValueStore } from "../store/key-value.ts";
import { HOUR_MS, type Usage, type UsageCall, type UsageSubject } from "../store/usage.ts";
import type { BudgetHold, TurnBudgets, WorstCase } from "../turns/turn-usage.ts";
import {
  decide,
  filterOf,
  noticeText,
  potOf,
  refusalOf,
  usedPercent,
  type Budget,
  type BudgetPeriod,
  type NoticeKind,
  type PotState,
  type RefusedWhy,
} from "./budget-rules.ts";
import { USAGE_LIMITS } from "./limits.ts";
import { periodOf } from "./periods.ts";
import { fingerprintOf, Repeats, type Fingerprint } from "./repeats.ts";

export type BudgetsDeps = {
  budgets: () => readonly Budget[];
  usage: Pick<Usage, "sums">;
  keyValue: Pick<KeyValueStore, "get" | "set">;
  write: <T>(change: () => T) => Promise<T>;
  clock: Clock;
  zone: () => string;
  log: Log;
  metrics: Metrics;
  /** Tells the operator. */
  alert: (text: string) => void;
};

type Pot = {
  budget: Budget;
  name: string;
  period: BudgetPeriod;
  state: Omit<PotState, "similar"> & { recent: number[] };
  /** Null where similar requests are not limited. */
  repeats: Repeats | null;
  /** Turns that hold something back, or wait. */
  users: number;
  waiting: (() => void)[];
};

type Override = { budget: string; pot: string | null; until: number };
type Held = { pots: readonly Pot[]; tokens: number; cost: number };

/** One budget as operators see it. */
export type BudgetStatus = {
  budget: Budget;
  pot: string;
  period: BudgetPeriod;
  state: Omit<PotState, "similar">;
  usedPercent: number;
  /** Lifted until then. */
  liftedUntil: number | null;
};

const OVERRIDES = "budget-overrides";
const NOTICES = "budget-notices";
const MINUTE_MS = 60_000;
/** What is reported to the operator when a request is refused. */
const NOTICE_OF: Partial<Record<RefusedWhy, NoticeKind>> = { spent: "refusal", similar: "loop", invalid: "invalid" };

/**
 * What models may still be asked for. Sums are read from the usage of the store when a budget is first needed in its period, and kept
 * from then on. A request holds back the most that it may take until it is known what it took.
 */
export class Budgets implements TurnBudgets {
  readonly #deps: BudgetsDeps;
  readonly #pots = new Map<string, Pot>();
  #notices: Record<string, number> | null = null;

  constructor(deps: BudgetsDeps) {
    this.#deps = deps;
  }

  open(subject: UsageSubject): BudgetHold | null {
    const isLimited = this.#deps.budgets().some((budget) => potOf(budget, subject) !== null);
    return isLimited ? new Hold(this, subject) : null;
  }

  /** Takes the request into all of its budgets, or says why not. */
  async reserve(subject: UsageSubject, worst: WorstCase, signal: AbortSignal): Promise<{ held: Held } | { failure: TurnFailure } | null> {
    let sample: Fingerprint | null = null;
    for (;;) {
      if (signal.aborted) return null;
      const pots = this.#potsOf(subject).filter((pot) => this.#liftedUntil(pot) === null);
      const now = this.#deps.clock.monotonic();
      sample ??= pots.some(({ repeats }) => repeats !== null) ? fingerprintOf(worst.text ?? "") : null;
      const stateOf = ({ state, repeats }: Pot): PotState => ({ ...state, similar: sample ? (repeats?.count(sample, now) ?? 0) : 0 });
      const verdicts = pots.map((pot) => ({ pot, verdict: decide(pot.budget, stateOf(pot), worst, now) }));
      const refused = verdicts.find(({ verdict }) => verdict.do === "refuse");
      if (refused?.verdict.do === "refuse") return { failure: this.#refuse(refused.pot, refused.verdict.why, worst) };
      const full = verdicts.find(({ verdict }) => verdict.do === "wait");
      if (full) {
        await waitFor(full.pot, signal);
        continue;
      }
      for (const pot of pots) hold(pot, worst, now);
      if (sample !== null) for (const { budget, repeats } of pots) repeats?.add(sample, now, budget.similarPerHour ?? 1);
      return { held: { pots, tokens: worst.tokens, cost: worst.cost ?? 0 } };
    }
  }

  /** A request has ended; `held`: what was held back for it. */
  settle(call: UsageCall, held: Held | null): void {
    if (held) free(held);
    // Those of the request itself, in which it counts also where it was let through without a reservation.
    const pots = new Set([...(held?.pots ?? []), ...this.#potsOf(call).filter(({ period }) => call.at >= period.start)]);
    for (const pot of pots) {
      pot.state.spentTokens += call.input + call.output + call.cacheRead + call.cacheWrite;
      pot.state.spentCost += call.inputCost + call.outputCost + call.cacheReadCost + call.cacheWriteCost;
      if (usedPercent(pot.budget, pot.state) >= pot.budget.warnAtPercent) this.#notify("warning", pot);
      wake(pot);
    }
  }

  /** Budgets of one kind for all, and those of single agents, channels, senders and causes that were used in their period. */
  status(): BudgetStatus[] {
    return this.#deps.budgets().flatMap((budget) => this.#namesOf(budget).map((name) => this.#toStatus(this.#pot(budget, name))));
  }

  /** Lifts a budget for a time, or ends that with 0. */
  async lift(name: string, pot: string | null, ms: number): Promise<void> {
    const { budgets, clock, keyValue, write } = this.#deps;
    const budget = budgets().find((each) => each.name === name);
    if (!budget)
      throw new GatewayError("NOT_FOUND", `there is no budget ${JSON.stringify(name)}`, { fix: "`openclaw usage budgets` lists them." });
    if (pot !== null && budget.each === undefined)
      throw new GatewayError("INVALID_REQUEST", `the budget ${JSON.stringify(name)} is one for all`, { fix: "Leave out for whom." });
    const now = clock.now();
    const others = this.#overrides().filter((each) => each.until > now && !(each.budget === name && each.pot === pot));
    if (ms > 0 && others.length >= USAGE_LIMITS.overrides)
      throw new GatewayError("INVALID_REQUEST", `${others.length} budgets are lifted already`, { fix: "End some of them with --for 0." });
    const until = now + Math.min(ms, USAGE_LIMITS.overrideMs);
    const all = ms > 0 ? [...others, { budget: name, pot, until }] : others;
    await write(() => keyValue.set(OVERRIDES, all, now));
    for (const each of this.#pots.values()) wake(each);
  }

  #overrides(): Override[] {
    return asArray(this.#deps.keyValue.get(OVERRIDES)).flatMap((value) => {
      const { budget, pot, until } = fieldsOf(value);
      return typeof budget === "string" && typeof until === "number" ? [{ budget, pot: typeof pot === "string" ? pot : null, until }] : [];
    });
  }

  #liftedUntil({ budget, name }: Pick<Pot, "budget" | "name">): number | null {
    const now = this.#deps.clock.now();
    const active = this.#overrides().filter(
      (each) => each.budget === budget.name && each.until > now && (each.pot === null || each.pot === name),
    );
    return active.length === 0 ? null : Math.max(...active.map(({ until }) => until));
  }

  #potsOf(subject: UsageSubject): Pot[] {
    return this.#deps.budgets().flatMap((budget) => {
      const name = potOf(budget, subject);
      return name === null ? [] : [this.#pot(budget, name)];
    });
  }

  #pot(budget: Budget, name: string): Pot {
    const { clock, usage, zone } = this.#deps;
    const now = clock.now();
    const key = JSON.stringify([budget, name]);
    const known = this.#pots.get(key);
    if (known && now >= known.period.start && now < known.period.end) return known;
    const period = periodOf(now, budget.per, zone());
    const [sums] = usage.sums(
      { from: Math.floor(period.start / HOUR_MS), to: Math.ceil(period.end / HOUR_MS) },
      [],
      filterOf(budget, name),
    );
    const state = {
      spentTokens: sums ? sums.input + sums.output + sums.cacheRead + sums.cacheWrite : 0,
      spentCost: sums ? sums.inputCost + sums.outputCost + sums.cacheReadCost + sums.cacheWriteCost : 0,
      heldTokens: 0,
      heldCost: 0,
      recent: known?.state.recent ?? [],
    };
    const repeats = known?.repeats ?? (budget.similarPerHour === undefined ? null : new Repeats());
    const pot: Pot = { budget, name, period, state, repeats, users: 0, waiting: [] };
    if (this.#pots.size >= USAGE_LIMITS.pots) this.#forgetIdle();
    this.#pots.set(key, pot);
    if (known) wake(known);
    return pot;
  }

  #forgetIdle(): void {
    for (const [key, pot] of this.#pots) if (pot.users === 0) this.#pots.delete(key);
  }

  #namesOf(budget: Budget): string[] {
    const { clock, usage, zone } = this.#deps;
    if (budget.each === undefined) return [""];
    const { start, end } = periodOf(clock.now(), budget.per, zone());
    const by = budget.each === "sender" ? (["channel", "sender"] as const) : ([budget.each] as const);
    const { each: _each, ...whole } = budget;
    const used = usage
      .sums({ from: Math.floor(start / HOUR_MS), to: Math.ceil(end / HOUR_MS) }, by, filterOf(whole, ""))
      .map((row) => (budget.each === "sender" ? `${row.channel}:${row.sender}` : row[budget.each!]!));
    const lifted = this.#overrides().flatMap(({ budget: name, pot }) => (name === budget.name && pot !== null ? [pot] : []));
    return [...new Set([...used, ...lifted])].toSorted();
  }

  #toStatus(pot: Pot): BudgetStatus {
    const { budget, name, period, state } = pot;
    return { budget, pot: name, period, state, usedPercent: usedPercent(budget, state), liftedUntil: this.#liftedUntil(pot) };
  }

  #refuse(pot: Pot, why: RefusedWhy, worst: WorstCase): TurnFailure {
    const { metrics, zone, log } = this.#deps;
    const { budget, name, period } = pot;
    const state = { ...pot.state, similar: 0 };
    metrics.count("gateway_usage_refused_total", { why });
    const kind = NOTICE_OF[why];
    if (kind !== undefined) this.#notify(kind, pot);
    const failure = refusalOf({ budget, pot: name, state, why, end: period.end, zone: zone(), worst });
    log.warn("a model was not asked because of a budget", { budget: budget.name, for: name === "" ? undefined : name, why });
    return failure;
  }

  /** Once in each period, also over restarts. */
  #notify(kind: NoticeKind, { budget, name, period, state }: Pot): void {
    const { alert, clock, keyValue, log, write } = this.#deps;
    const now = clock.now();
    const notices = (this.#notices ??= fieldsOf(keyValue.get(NOTICES)) as Record<string, number>);
    const key = JSON.stringify([kind, budget.name, name, period.start]);
    if (notices[key] !== undefined) return;
    const kept = Object.fromEntries(Object.entries(notices).filter(([, at]) => now - at < USAGE_LIMITS.noticeMs));
    this.#notices = { ...kept, [key]: now };
    const text = noticeText(kind, budget, name, { ...state, similar: 0 });
    log.warn(text);
    alert(text);
    const saved = this.#notices;
    write(() => keyValue.set(NOTICES, saved, now)).catch((err: unknown) =>
      log.warn("that a notice about a budget was given could not be stored; it may be given again", { cause: reasonOf(err) }),
    );
  }
}

function hold({ state }: Pot, worst: WorstCase, now: number): void {
  state.heldTokens += worst.tokens;
  state.heldCost += worst.cost ?? 0;
  state.recent = [...state.recent.filter((at) => now - at < MINUTE_MS), now];
}

function free({ pots, tokens, cost }: Held): void {
  for (const pot of pots) {
    pot.state.heldTokens -= tokens;
    pot.state.heldCost -= cost;
  }
}

function wake(pot: Pot): void {
  const waiting = pot.waiting.splice(0);
  for (const resume of waiting) resume();
}

/** Until something of the budget is free again, or the turn is stopped. */
async function waitFor(pot: Pot, signal: AbortSignal): Promise<void> {
  pot.users++;
  const { promise, resolve } = Promise.withResolvers<void>();
  pot.waiting.push(resolve);
  signal.addEventListener("abort", () => resolve(), { once: true });
  await promise;
  pot.users--;
}

/** The reservation of one turn: at most one request at a time. */
class Hold implements BudgetHold {
  readonly #budgets: Budgets;
  readonly #subject: UsageSubject;
  #held: Held | null = null;
  #isReleased = false;

  constructor(budgets: Budgets, subject: UsageSubject) {
    this.#budgets = budgets;
    this.#subject = subject;
  }

  async reserve(worst: WorstCase, signal: AbortSignal): Promise<TurnFailure | null> {
    // What is held already covers the request: nothing has been asked with it.
    if (this.#held) return null;
    const answer = await this.#budgets.reserve(this.#subject, worst, signal);
    if (answer === null) return null;
    if ("failure" in answer) return answer.failure;
    if (this.#held || this.#isReleased) this.#drop(answer.held);
    else {
      this.#held = answer.held;
      for (const pot of answer.held.pots) pot.users++;
    }
    return null;
  }

  settle(call: UsageCall): void {
    const held = this.#take();
    this.#budgets.settle(call, held);
  }

  release(): void {
    this.#isReleased = true;
    const held = this.#take();
    if (held) this.#drop(held);
  }

  #take(): Held | null {
    const held = this.#held;
    this.#held = null;
    for (const pot of held?.pots ?? []) pot.users--;
    return held;
  }

  #drop(held: Held): void {
    free(held);
    for (const pot of held.pots) wake(pot);
  }
}
