/** Invented usage for the scripted gateway. */
type Row = Record<string, unknown>;

const DAY_MS = 86_400_000;

const totals = (tokens: number, cost: number, missing = 0): Row => ({
  input: tokens,
  output: 0,
  cacheRead: 0,
  cacheWrite: 0,
  totalTokens: tokens,
  totalCost: cost,
  missingCostEntries: missing,
});

const dateOf = (at: number): string => new Date(at).toISOString().slice(0, 10);

export class ScriptedUsage {
  /** The last day; null: no model was asked. */
  #until: number | null = null;
  #isLifted = false;

  fill(until: number): void {
    this.#until = until;
  }

  reset(): void {
    this.#until = null;
    this.#isLifted = false;
  }

  /** What a method answers; undefined for methods of others. */
  answer(method: string, params: Readonly<Record<string, unknown>>): unknown {
    if (method === "usage.report") return this.#report(params);
    if (method === "budgets.status") return { budgets: this.#until === null ? [] : [this.#budget()] };
    if (method !== "budgets.lift") return undefined;
    this.#isLifted = params["durationMs"] !== 0;
    return { ok: true, budgets: [this.#budget()] };
  }

  #budget(): Row {
    return {
      name: "each-person",
      for: "telegram:4711",
      text: "200,000 tokens a day",
      tokens: 200_000,
      spentTokens: 203_400,
      spentText: "$0.61",
      usedPercent: 101,
      state: this.#isLifted ? "lifted" : "used-up",
      until: this.#until! + DAY_MS,
      ...(this.#isLifted && { liftedUntil: this.#until! + 3_600_000 }),
    };
  }

  #report({ days = 30, byDay, by = [] }: Readonly<Record<string, unknown>>): Row {
    const until = this.#until ?? Date.UTC(2026, 2, 14);
    const range = { startDate: dateOf(until - (Number(days) - 1) * DAY_MS), endDate: dateOf(until), timeZone: "UTC" };
    if (this.#until === null) return { ...range, rows: [], totals: totals(0, 0), calls: 0 };
    const named = Object.fromEntries((by as string[]).map((name) => [name, `${name} one`]));
    const daily = [4, 1, 7, 3].map((size, index) => ({
      date: dateOf(until - index * DAY_MS),
      ...named,
      calls: size,
      errors: 0,
      ...totals(size * 1_000, size * 0.02),
    }));
    const unpriced = {
      ...named,
      ...((by as string[]).length > 0 && { [(by as string[]).at(-1)!]: "another" }),
      calls: 2,
      errors: 1,
      ...totals(500, 0, 2),
    };
    const rows = byDay === true ? daily : [{ ...named, calls: 15, errors: 0, ...totals(15_000, 0.3) }, unpriced];
    return { ...range, rows, totals: totals(15_500, 0.3, 2), calls: 17 };
  }
}
