import { parseDurationMs } from "../config/quantity.ts";
import { CliError, EXIT } from "../core/errors.ts";
import type { CommandHandler } from "./command.ts";
import { callGateway } from "./connect.ts";

export type BudgetRow = {
  name: string;
  for?: string;
  each?: string;
  agent?: string;
  channel?: string;
  sender?: string;
  cause?: string;
  text: string;
  spentTokens: number;
  spentUsd: number;
  spentText: string;
  tokens?: number;
  usd?: number;
  usedPercent: number;
  state: "ok" | "warning" | "used-up" | "lifted" | "invalid";
  until: number;
  liftedUntil?: number;
};

/** `openclaw usage budgets` */
export const usageBudgets: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const answer = await callGateway<{ budgets: BudgetRow[] }>(invocation, ["operator.read"], "budgets.status", {});
  out.result(answer, () => {
    if (answer.budgets.length === 0) {
      out.line("No budget has been used, or none is configured.");
      return out.note('A budget: openclaw config set budgets \'[{ name: "all", per: "day", usd: 5 }]\'');
    }
    out.table(
      [
        { title: "budget" },
        { title: "for", truncate: true },
        { title: "limit", truncate: true },
        { title: "used", align: "right" },
        { title: "", align: "right" },
        { title: "state" },
        { title: "begins again" },
      ],
      answer.budgets.map((row) => [
        row.name,
        row.for || aboutText(row),
        row.text,
        usedText(row),
        row.tokens === undefined && row.usd === undefined ? "" : `${row.usedPercent} %`,
        stateText(row),
        timeText(row.until),
      ]),
    );
  });
};

/** `openclaw usage allow` */
export const usageAllow: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const name = invocation.args[0]!;
  const durationMs = toDuration(invocation.text("for") ?? "1h");
  const who = invocation.text("who");
  const answer = await callGateway<{ budgets: BudgetRow[] }>(invocation, ["operator.admin"], "budgets.lift", {
    name,
    durationMs,
    ...(who !== undefined && { for: who }),
  });
  out.result(answer, () => {
    const what = who === undefined ? `The budget ${name}` : `The budget ${name} of ${who}`;
    if (durationMs === 0) return out.line(`${what} limits again.`);
    out.line(`${what} limits nothing until ${timeText(invocation.host.now() + durationMs)}. What is used meanwhile still counts.`);
  });
};

function toDuration(text: string): number {
  const ms = text.trim() === "0" ? 0 : parseDurationMs(text, "s");
  if (ms === null) throw new CliError(`--for ${text} is not a duration`, { fix: "Write it as 30m, 2h or 1d.", exit: EXIT.usage });
  return ms;
}

const timeText = (at: number): string => new Date(at).toISOString().replace("T", " ").slice(0, 16) + " UTC";

/** What a budget for all is about. */
function aboutText({ agent, channel, sender, cause }: BudgetRow): string {
  const parts = [agent, channel, sender, cause].filter((part) => part !== undefined);
  return parts.length === 0 ? "everything" : parts.join(", ");
}

const usedText = ({ tokens, usd, spentTokens, spentText }: BudgetRow): string =>
  [...(tokens === undefined ? [] : [`${spentTokens.toLocaleString("en-US")} tokens`]), ...(usd === undefined ? [] : [spentText])].join(
    ", ",
  );

const STATES = { ok: "ok", warning: "nearly used up", "used-up": "used up", lifted: "lifted", invalid: "not valid" } as const;

const stateText = ({ state, liftedUntil }: BudgetRow): string =>
  liftedUntil === undefined ? STATES[state] : `lifted until ${timeText(liftedUntil)}`;
