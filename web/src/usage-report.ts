/** What models took, as `usage.report` and `budgets.status` say it. */
import { locale } from "./locale.ts";
import { signal } from "@preact/signals";
import { isConnectionLost } from "./client.ts";
import { errorMessage, requireClient } from "./sync.ts";
import * as store from "./state.ts";

export type Totals = {
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite: number;
  totalTokens: number;
  totalCost: number;
  missingCostEntries: number;
};
export type ReportRow = Totals & {
  date?: string;
  agent?: string;
  channel?: string;
  sender?: string;
  cause?: string;
  provider?: string;
  model?: string;
  calls: number;
  errors: number;
};
type Report = { startDate: string; endDate: string; timeZone: string; rows: readonly ReportRow[]; totals: Totals; calls: number };
export type BudgetRow = {
  name: string;
  for?: string;
  text: string;
  spentTokens: number;
  spentText: string;
  tokens?: number;
  usd?: number;
  usedPercent: number;
  state: "ok" | "warning" | "used-up" | "lifted" | "invalid";
  until: number;
  liftedUntil?: number;
};

export const GROUPS = ["model", "agent", "channel", "sender", "cause"] as const;
export type Group = (typeof GROUPS)[number];
export const GROUP_TITLES: Readonly<Record<Group, string>> = {
  model: "Model",
  agent: "Agent",
  channel: "Channel",
  sender: "Sender",
  cause: "Cause",
};
export const RANGES = [7, 30, 90] as const;

export const days = signal<number>(30);
export const group = signal<Group>("model");
/** The sums of the range, by day and by the chosen group. */
export const daily = signal<Report | null>(null);
export const grouped = signal<readonly ReportRow[] | null>(null);
export const budgets = signal<readonly BudgetRow[]>([]);
/** Why the last reading or change failed; null when it did not. */
export const failed = signal<string | null>(null);
/** The budget that is being lifted. */
export const busy = signal<string | null>(null);

const COLUMNS: Readonly<Record<Group, readonly string[]>> = {
  model: ["provider", "model"],
  agent: ["agent"],
  channel: ["channel"],
  sender: ["channel", "sender"],
  cause: ["cause"],
};

const CAUSES: Readonly<Record<string, string>> = {
  message: "Messages",
  cron: "Scheduled jobs",
  heartbeat: "Heartbeat",
  subagent: "Sub-agents",
  hook: "Webhooks",
  tool: "Tools",
  summary: "Summaries",
};

/** The name of a row in a list. Pure. */
export function rowName(row: ReportRow, by: Group): string {
  if (by === "model") return `${row.provider ?? ""}/${row.model ?? ""}`;
  if (by === "sender") return `${row.channel ?? ""}: ${row.sender ?? ""}`;
  const name = row[by] ?? "";
  return by === "cause" ? (CAUSES[name] ?? name) : name;
}

/** `$1.23`; a cost that is not known is never shown as 0. Pure. */
export function costText({ totalCost, totalTokens, missingCostEntries }: Totals): string {
  if (totalCost === 0) return missingCostEntries > 0 ? "unknown" : totalTokens === 0 ? "–" : "$0.00";
  const text = `$${totalCost.toFixed(totalCost >= 0.01 ? 2 : 4)}`;
  return missingCostEntries > 0 ? `${text} +` : text;
}

/** "$1.23", "$0.0012". Pure. */
export const moneyText = (usd: number): string => `$${usd.toFixed(usd >= 0.01 || usd === 0 ? 2 : 4)}`;

/** A day of a report, whatever the time zone, in the reader's language. */
export const dayText = (date: string): string =>
  new Date(`${date}T12:00:00Z`).toLocaleDateString(locale(), { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });

export type Forecast = { month: string; spent: number; perDay: number; total: number };

/** Days of a month that are enough to say what the whole comes to. */
const MIN_DAYS = 2;

/**
 * What the month of the last day comes to, if each day that is left costs as much as the days so far; null where the report does not have
 * the whole of the month so far, or nothing has a price. Pure.
 */
export function forecastOf({ startDate, endDate, rows }: Pick<Report, "startDate" | "endDate" | "rows">): Forecast | null {
  const month = endDate.slice(0, 7);
  if (startDate > `${month}-01`) return null;
  const day = Number(endDate.slice(8));
  const days = new Date(Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5)), 0)).getUTCDate();
  const spent = rows.reduce((sum, row) => sum + (row.date?.startsWith(month) === true ? row.totalCost : 0), 0);
  if (day < MIN_DAYS || spent === 0) return null;
  const name = new Date(`${month}-15T12:00:00Z`).toLocaleDateString(locale(), { month: "long", timeZone: "UTC" });
  return { month: name, spent, perDay: spent / day, total: (spent / day) * days };
}

/** `1.2 M`, `3,400`. Pure. */
export function tokensText(tokens: number): string {
  if (tokens >= 1_000_000) return `${(tokens / 1_000_000).toFixed(1)} M`;
  return tokens.toLocaleString(locale());
}

/** The bars of a chart: every day of the range, with its height in percent of the largest. Pure. */
export function barsOf(
  rows: readonly ReportRow[],
  startDate: string,
  endDate: string,
): { date: string; row: ReportRow | null; percent: number }[] {
  const byDate = new Map(rows.map((row) => [row.date, row]));
  const hasCost = rows.some(({ totalCost }) => totalCost > 0);
  const valueOf = (row: ReportRow | undefined): number => (row === undefined ? 0 : hasCost ? row.totalCost : row.totalTokens);
  const most = Math.max(0, ...rows.map(valueOf));
  const bars: { date: string; row: ReportRow | null; percent: number }[] = [];
  for (let at = Date.parse(startDate); at <= Date.parse(endDate); at += 86_400_000) {
    const date = new Date(at).toISOString().slice(0, 10);
    const row = byDate.get(date);
    bars.push({ date, row: row ?? null, percent: most === 0 ? 0 : (100 * valueOf(row)) / most });
  }
  return bars;
}

/** A cell that no spreadsheet runs as a formula. Pure. */
function csvCell(value: unknown): string {
  const text = String((value ?? "") as string | number);
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const CSV_SUMS = ["calls", "errors", "input", "output", "cacheRead", "cacheWrite", "totalTokens", "totalCost", "missingCostEntries"];

/** Rows by day and group as comma-separated values. Pure. */
export function toCsv(rows: readonly ReportRow[], by: Group): string {
  const columns = ["date", ...COLUMNS[by], ...CSV_SUMS];
  const lines = rows.map((row) => columns.map((name) => csvCell((row as unknown as Record<string, unknown>)[name])).join(","));
  return [columns.join(","), ...lines, ""].join("\n");
}

const rangeParams = (): Record<string, unknown> => ({
  days: days.value,
  mode: "specific",
  timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
});

let latest = 0;

/** Reads everything. Never throws: `failed` says why there is nothing newer. */
export async function loadUsage(): Promise<void> {
  if (!store.isOnline.value) return;
  latest += 1;
  const mine = latest;
  try {
    const client = requireClient();
    const [byDay, byGroup, limits] = await Promise.all([
      client.request<Report>("usage.report", { ...rangeParams(), byDay: true }),
      client.request<Report>("usage.report", { ...rangeParams(), by: COLUMNS[group.value] }),
      client.request<{ budgets: readonly BudgetRow[] }>("budgets.status", {}),
    ]);
    if (mine !== latest) return;
    daily.value = byDay;
    grouped.value = byGroup.rows;
    budgets.value = limits.budgets;
    failed.value = null;
  } catch (error) {
    if (mine === latest && !isConnectionLost(error)) failed.value = errorMessage(error);
  }
}

/** Gives the browser a file with the days and the chosen group. */
export async function downloadCsv(): Promise<void> {
  try {
    const report = await requireClient().request<Report>("usage.report", { ...rangeParams(), byDay: true, by: COLUMNS[group.value] });
    const url = URL.createObjectURL(new Blob([toCsv(report.rows, group.value)], { type: "text/csv" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = `usage-by-${group.value}-${report.startDate}-${report.endDate}.csv`;
    link.click();
    URL.revokeObjectURL(url);
  } catch (error) {
    if (!isConnectionLost(error)) failed.value = errorMessage(error);
  }
}

const HOUR_MS = 3_600_000;

/** Lifts a budget for an hour, or ends that. */
export async function lift(row: BudgetRow): Promise<void> {
  busy.value = budgetId(row);
  try {
    await requireClient().request("budgets.lift", {
      name: row.name,
      durationMs: row.liftedUntil === undefined ? HOUR_MS : 0,
      ...(row.for && { for: row.for }),
    });
    await loadUsage();
  } catch (error) {
    if (!isConnectionLost(error)) failed.value = errorMessage(error);
  }
  busy.value = null;
}

export const budgetId = ({ name, for: pot = "" }: BudgetRow): string => `${name} ${pot}`;
