import type { ProtocolClient } from "../client/client.ts";
import { okFinding, type DoctorFinding } from "./doctor-finding.ts";
import { sanitizeLine } from "./terminal-text.ts";
import type { BudgetRow } from "./usage-budgets.ts";
import type { UsageReport } from "./usage.ts";

const DAYS = 7;

/** Budgets that are used up, and models whose cost is not known although a budget is in money. */
export async function checkBudgets(client: ProtocolClient): Promise<DoctorFinding[]> {
  if (!client.serves("budgets.status")) return [];
  const [{ budgets }, report] = await Promise.all([
    client.request<{ budgets: BudgetRow[] }>("budgets.status", {}),
    client.request<UsageReport>("usage.report", { days: DAYS, mode: "gateway", by: ["provider", "model"] }),
  ]);
  const unpriced = report.rows.filter(({ missingCostEntries }) => missingCostEntries > 0);
  const findings = [...budgets.flatMap(usedUp), ...(budgets.some(({ usd }) => usd !== undefined) ? unpriced.map(withoutPrice) : [])];
  return findings.length > 0 || budgets.length === 0 ? findings : [okFinding("budgets", "no budget is used up")];
}

function usedUp({ name, for: pot, state, text }: BudgetRow): DoctorFinding[] {
  if (state === "invalid")
    return [
      {
        check: `budget:${name}`,
        severity: "problem",
        title: `the budget ${sanitizeLine(name)} is not valid in the configuration`,
        why: "what it allows is not known, so that models are not asked for what it is about.",
        fix: "openclaw config validate names the line; openclaw usage allow lifts it until it is corrected.",
      },
    ];
  if (state !== "used-up") return [];
  return [
    {
      check: `budget:${name}`,
      severity: "warning",
      title: `the budget ${sanitizeLine(name)}${pot ? ` of ${sanitizeLine(pot)}` : ""} is used up`,
      why: `models are not asked for it any more: its limit is ${text}.`,
      fix: `openclaw usage allow ${sanitizeLine(name)} lifts it for an hour; change it under budgets in the configuration.`,
    },
  ];
}

function withoutPrice(row: UsageReport["rows"][number]): DoctorFinding {
  const model = sanitizeLine(`${String(row["provider"])}/${String(row["model"])}`);
  return {
    check: `price:${model}`,
    severity: "warning",
    title: `the price of the model ${model} is not known`,
    why: "budgets in US dollars refuse it, and its cost is not in the sums.",
    fix: `set it in models.providers.${sanitizeLine(String(row["provider"]))}.models[].cost.`,
  };
}
