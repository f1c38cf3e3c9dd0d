import type { Config } from "../config/schema.ts";
import type { TurnFailure } from "../agents/runtime.ts";
import type { UsageFilter, UsageSubject } from "../store/usage.ts";
import type { WorstCase } from "../turns/turn-usage.ts";
import { dayOf } from "./periods.ts";

export type Budget = Config["budgets"][number];
export type BudgetPeriod = { start: number; end: number };

const NANO = 1e9;
export const toNanoDollars = (usd: number): number => Math.round(usd * NANO);

/** A person as budgets name them: ids of different platforms may be equal. */
export const senderName = ({ channel, sender }: Pick<UsageSubject, "channel" | "sender">): string => `${channel}:${sender}`;

/** Which one of the budgets of a definition a request counts against: `""` where there is one for all; null: it is not about it. Pure. */
export function potOf(budget: Budget, subject: UsageSubject): string | null {
  const { agent, channel, sender, cause, each } = budget;
  if (agent !== undefined && agent !== subject.agentId) return null;
  if (channel !== undefined && channel !== subject.channel) return null;
  if (cause !== undefined && cause !== subject.cause) return null;
  if (sender !== undefined && sender !== senderName(subject)) return null;
  if (each === undefined) return "";
  return { agent: subject.agentId, channel: subject.channel, sender: senderName(subject), cause: subject.cause }[each];
}

/** The rows that count against a pot. Pure. */
export function filterOf({ agent, channel, sender, cause, each }: Budget, pot: string): UsageFilter {
  const own = each === undefined ? {} : each === "sender" ? senderFilter(pot) : { [each]: pot };
  return {
    ...(agent !== undefined && { agent }),
    ...(channel !== undefined && { channel }),
    ...(cause !== undefined && { cause }),
    ...(sender !== undefined && senderFilter(sender)),
    ...own,
  };
}

function senderFilter(name: string): UsageFilter {
  const colon = name.indexOf(":");
  return { channel: name.slice(0, colon), sender: name.slice(colon + 1) };
}

/** What was used, and what is held back for requests that are not over. */
export type PotState = {
  spentTokens: number;
  /** Billionths of a US dollar. */
  spentCost: number;
  heldTokens: number;
  heldCost: number;
  /** When requests of the last minute were let through; monotonic. */
  recent: readonly number[];
};

export type BudgetVerdict = { do: "allow" } | { do: "wait" } | { do: "refuse"; why: "spent" | "rate" | "price" };

const MINUTE_MS = 60_000;

/**
 * Whether a request may be made: when less than the budget is used, together with what is held back for others. So the last request
 * exceeds it by at most what was held back for that one. Pure.
 */
export function decide(budget: Budget, state: PotState, worst: WorstCase, now: number): BudgetVerdict {
  const { tokens, usd, callsPerMinute } = budget;
  if (callsPerMinute !== undefined && state.recent.filter((at) => now - at < MINUTE_MS).length >= callsPerMinute)
    return { do: "refuse", why: "rate" };
  const limit = usd === undefined ? undefined : toNanoDollars(usd);
  if (limit !== undefined && worst.cost === null) return { do: "refuse", why: "price" };
  const isSpent = (tokens !== undefined && state.spentTokens >= tokens) || (limit !== undefined && state.spentCost >= limit);
  if (isSpent) return { do: "refuse", why: "spent" };
  const isHeld =
    (tokens !== undefined && state.spentTokens + state.heldTokens >= tokens) ||
    (limit !== undefined && state.spentCost + state.heldCost >= limit);
  return isHeld ? { do: "wait" } : { do: "allow" };
}

/** How much of a budget is used, in percent; the larger of tokens and money. Pure. */
export function usedPercent({ tokens, usd }: Budget, { spentTokens, spentCost }: PotState): number {
  const parts = [
    ...(tokens === undefined ? [] : [spentTokens / tokens]),
    ...(usd === undefined ? [] : [usd === 0 ? 1 : spentCost / toNanoDollars(usd)]),
  ];
  return Math.floor(100 * Math.max(0, ...parts));
}

const count = (value: number): string => value.toLocaleString("en-US");
/** `$1.50`; small amounts with as many digits as they need. */
export const dollars = (nano: number): string => {
  const value = nano / NANO;
  const digits = value === 0 || value >= 0.01 ? 2 : 6;
  return `$${value.toFixed(digits)}`;
};

/** `50,000 tokens and $5.00 a day` */
export function limitText({ tokens, usd, per }: Budget): string {
  const parts = [...(tokens === undefined ? [] : [`${count(tokens)} tokens`]), ...(usd === undefined ? [] : [dollars(toNanoDollars(usd))])];
  return `${parts.join(" and ")} a ${per}`;
}

const spentText = ({ tokens, usd }: Budget, { spentTokens, spentCost }: PotState): string =>
  [...(tokens === undefined ? [] : [`${count(spentTokens)} tokens`]), ...(usd === undefined ? [] : [dollars(spentCost)])].join(" and ");

const potText = (pot: string): string => (pot === "" ? "" : ` for ${pot}`);

type Refusal = {
  budget: Budget;
  pot: string;
  state: PotState;
  why: "spent" | "rate" | "price";
  end: number;
  zone: string;
  worst: WorstCase;
};

/** What the person reads, and what the operator can do. Pure. */
export function refusalOf({ budget, pot, state, why, end, zone, worst }: Refusal): TurnFailure {
  const name = `${JSON.stringify(budget.name)}${potText(pot)}`;
  const fix = `Its operator can lift it for a time with \`openclaw usage allow ${budget.name}\`, or change it in the configuration (budgets).`;
  if (why === "rate")
    return {
      kind: "budget",
      message: `The model was not asked: the budget ${name} allows ${count(budget.callsPerMinute!)} requests a minute, and that many were made. Try again in a minute.`,
    };
  if (why === "price")
    return {
      kind: "budget",
      message: `The model was not asked: the budget ${name} is in US dollars, and the price of ${worst.model.provider}/${worst.model.id} is not known. The operator of this gateway can set it in models.providers.${worst.model.provider}.models[].cost.`,
    };
  return {
    kind: "budget",
    message: `The model was not asked: the budget ${name} of ${limitText(budget)} is used up (${spentText(budget, state)}). It begins again on ${dayOf(end, zone)}. ${fix}`,
  };
}

/** For the operator, once in each period. Pure. */
export function noticeText(kind: "warning" | "refusal", budget: Budget, pot: string, state: PotState): string {
  const name = `The budget ${JSON.stringify(budget.name)}${potText(pot)}`;
  if (kind === "refusal")
    return `${name} of ${limitText(budget)} is used up, and models are not asked any more. To lift it for a time: openclaw usage allow ${budget.name}`;
  return `${name} of ${limitText(budget)} is used to ${usedPercent(budget, state)} % (${spentText(budget, state)}).`;
}
