import { CliError, EXIT } from "../core/errors.ts";
import type { CommandHandler } from "./command.ts";
import { callGateway, connectGateway, toCliError } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { requireKnownAgent } from "./known-names.ts";
import type { Column } from "./output.ts";

export type UsageTotals = {
  totalTokens: number;
  totalCost: number;
  missingCostEntries: number;
  input: number;
  output: number;
  cacheRead: number;
  cacheWrite: number;
};
type ReportRow = UsageTotals & { calls: number; errors: number; avgDurationMs: number | null; avgFirstTokenMs: number | null } & Record<
    string,
    unknown
  >;
export type UsageReport = { startDate: string; endDate: string; timeZone: string; rows: ReportRow[]; totals: UsageTotals; calls: number };
type CostAnswer = { days: number; daily: (UsageTotals & { date: string })[]; totals: UsageTotals };
type CallsPage = { calls: Record<string, unknown>[]; nextAfter?: number };

const DIMENSIONS = ["agent", "channel", "sender", "model", "provider", "cause"];
const PAGE = 1_000;

/** `openclaw gateway usage-cost` */
export const usageCost: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const days = invocation.number("days") ?? 30;
  const answer = await callGateway<CostAnswer>(invocation, ["operator.read"], "usage.cost", { days, mode: "gateway" });
  out.result(answer, () => {
    const used = answer.daily.filter(({ totalTokens }) => totalTokens > 0);
    if (used.length > 0)
      out.table(
        [{ title: "day" }, { title: "tokens", align: "right" }, { title: "cost", align: "right" }],
        used.map((row) => [row.date, count(row.totalTokens), formatCost(row)]),
      );
    out.line(`${answer.days} days: ${count(answer.totals.totalTokens)} tokens, ${formatCost(answer.totals)}`);
  });
};

/** `openclaw usage` */
export const usageTable: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const { names, byDay } = toDimensions(invocation.text("by") ?? "day");
  const agent = requireKnownAgent(invocation, invocation.text("agent"));
  const report = await callGateway<UsageReport>(invocation, ["operator.read"], "usage.report", {
    days: invocation.number("days") ?? 30,
    mode: "gateway",
    by: names.flatMap((name) => (name === "model" ? ["provider", "model"] : [name])),
    byDay,
    ...(agent !== undefined && { agent }),
    ...textField(invocation, "channel"),
    ...textField(invocation, "cause"),
  });
  if (invocation.has("csv") && !out.json) return printCsv(invocation, report, names, byDay);
  out.result(report, () => show(invocation, report, names, byDay));
};

function toDimensions(text: string): { names: string[]; byDay: boolean } {
  const names = text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  const unknown = names.find((name) => name !== "day" && !DIMENSIONS.includes(name));
  if (unknown !== undefined)
    throw new CliError(`--by ${unknown} is not known`, { fix: `Use day, ${DIMENSIONS.join(", ")}.`, exit: EXIT.usage });
  return { names: [...new Set(names.filter((name) => name !== "day"))], byDay: names.includes("day") };
}

const textField = (invocation: Invocation, name: string): Record<string, string> => {
  const text = invocation.text(name);
  return text === undefined ? {} : { [name]: text };
};

function show({ out }: Invocation, report: UsageReport, names: readonly string[], byDay: boolean): void {
  const { rows, totals, calls, startDate, endDate, timeZone } = report;
  if (rows.length === 0) {
    out.line(`No model was asked from ${startDate} to ${endDate}.`);
    return;
  }
  const columns: Column[] = [
    ...(byDay ? [{ title: "day" }] : []),
    ...names.map((name): Column => ({ title: name, truncate: name === "model" || name === "sender" })),
    { title: "requests", align: "right" },
    { title: "input", align: "right" },
    { title: "output", align: "right" },
    { title: "cached", align: "right" },
    { title: "cost", align: "right" },
    { title: "first word", align: "right" },
  ];
  const toCells = (row: ReportRow): string[] => [
    ...(byDay ? [String(row["date"])] : []),
    ...names.map((name) => (name === "model" ? `${String(row["provider"])}/${String(row["model"])}` : String(row[name]))),
    count(row.calls),
    count(row.input + row.cacheWrite),
    count(row.output),
    count(row.cacheRead),
    formatCost(row),
    row.avgFirstTokenMs === null ? "-" : `${(row.avgFirstTokenMs / 1000).toFixed(1)} s`,
  ];
  out.table(columns, rows.map(toCells));
  out.line("");
  out.line(
    `${startDate} to ${endDate} (${timeZone}): ${count(calls)} requests, ${count(totals.totalTokens)} tokens, ${formatCost(totals)}`,
  );
  if (totals.missingCostEntries > 0)
    out.note(
      `The price of ${count(totals.missingCostEntries)} of the requests is not known, and their cost is not included. Set prices in models.providers.<provider>.models[].cost.`,
    );
}

const count = (value: number): string => value.toLocaleString("en-US");

/** `$1.23`; `unknown` where no price is known, and with a plus sign where some are not. */
export function formatCost({ totalCost, missingCostEntries, totalTokens }: UsageTotals): string {
  if (totalCost === 0) return missingCostEntries > 0 ? "unknown" : totalTokens === 0 ? "-" : "$0.00";
  const text = `$${totalCost.toFixed(totalCost >= 0.01 ? 2 : 6)}`;
  return missingCostEntries > 0 ? `${text}+` : text;
}

const COLUMNS = [
  "calls",
  "errors",
  "input",
  "output",
  "cacheRead",
  "cacheWrite",
  "totalTokens",
  "totalCost",
  "missingCostEntries",
  "avgDurationMs",
];

function printCsv({ out }: Invocation, { rows }: UsageReport, names: readonly string[], byDay: boolean): void {
  const keys = [...(byDay ? ["date"] : []), ...names.flatMap((name) => (name === "model" ? ["provider", "model"] : [name]))];
  out.line([...keys, ...COLUMNS].join(","));
  for (const row of rows) out.line([...keys, ...COLUMNS].map((key) => toCsvCell(row[key])).join(","));
}

/** A cell that no spreadsheet runs as a formula. */
export function toCsvCell(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = String(value as string);
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const CALL_COLUMNS =
  "seq at agentId channel sender cause sessionKey runId provider model status input output cacheRead cacheWrite totalTokens cost durationMs firstTokenMs".split(
    " ",
  );

/** `openclaw usage calls` */
export const usageCalls: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const isTable = !out.json;
  const { client, target } = await connectGateway(invocation, { scopes: ["operator.read"] });
  let left = invocation.number("limit") ?? Number.POSITIVE_INFINITY;
  let after = invocation.number("after") ?? 0;
  try {
    if (isTable) out.line(CALL_COLUMNS.join(","));
    while (left > 0) {
      const page = await client.request<CallsPage>("usage.calls", { after, limit: Math.min(PAGE, left) });
      for (const call of page.calls) {
        if (isTable)
          out.line(
            CALL_COLUMNS.map((name) => (name === "at" ? new Date(Number(call["at"])).toISOString() : toCsvCell(call[name]))).join(","),
          );
        else out.data(call);
      }
      left -= page.calls.length;
      if (page.nextAfter === undefined) break;
      after = page.nextAfter;
    }
  } catch (err) {
    throw toCliError(err, target, invocation);
  } finally {
    await client.close();
  }
};
