import type { Config } from "../config/schema.ts";
import { INVALID_LIMIT } from "../config/schema/budgets.ts";
import type { ModelRef, TurnFailure } from "../agents/runtime.ts";
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
  /** How many requests of the last hour said nearly the same as this one. */
  similar: number;
};

/** `similar`: it repeats earlier ones. `invalid`: the configuration of the budget has a value that is not one. */
export type RefusedWhy = "spent" | "rate" | "similar" | "price" | "invalid";
export type BudgetVerdict = { do: "allow" } | { do: "wait" } | { do: "refuse"; why: RefusedWhy };

const MINUTE_MS = 60_000;

/** Whether a limit has a value that is not one, or there is none. Then it is not known what was meant, and nothing is allowed. Pure. */
export function isInvalid({ tokens, usd, callsPerMinute, similarPerHour }: Budget): boolean {
  const limits = [tokens, usd, callsPerMinute, similarPerHour].filter((limit) => limit !== undefined);
  return limits.length === 0 || limits.includes(INVALID_LIMIT);
}

/**
 * Whether a request may be made: when less than the budget is used, together with what is held back for others. So the last request
 * exceeds it by at most what was held back for that one. Pure.
 */
export function decide(budget: Budget, state: PotState, worst: WorstCase, now: number): BudgetVerdict {
  const { tokens, usd, callsPerMinute, similarPerHour } = budget;
  if (isInvalid(budget)) return { do: "refuse", why: "invalid" };
  if (callsPerMinute !== undefined && state.recent.filter((at) => now - at < MINUTE_MS).length >= callsPerMinute)
    return { do: "refuse", why: "rate" };
  if (similarPerHour !== undefined && state.similar >= similarPerHour) return { do: "refuse", why: "similar" };
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
export function usedPercent({ tokens, usd }: Budget, { spentTokens, spentCost }: Pick<PotState, "spentTokens" | "spentCost">): number {
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
function limitText({ tokens, usd, per }: Budget): string {
  const parts = [...(tokens === undefined ? [] : [`${count(tokens)} tokens`]), ...(usd === undefined ? [] : [dollars(toNanoDollars(usd))])];
  return `${parts.join(" and ")} a ${per}`;
}

/** What is limited, also where it is not an amount of a period. Pure. */
export function budgetText(budget: Budget): string {
  const { tokens, usd, callsPerMinute, similarPerHour } = budget;
  if (isInvalid(budget)) return "not valid in the configuration: nothing is allowed until it is corrected";
  const parts = [
    ...(tokens === undefined && usd === undefined ? [] : [limitText(budget)]),
    ...(callsPerMinute === undefined ? [] : [`${count(callsPerMinute)} requests a minute`]),
    ...(similarPerHour === undefined ? [] : [`${count(similarPerHour)} similar requests an hour`]),
  ];
  return parts.join(", ");
}

const spentText = ({ tokens, usd }: Budget, { spentTokens, spentCost }: PotState): string =>
  [...(tokens === undefined ? [] : [`${count(spentTokens)} tokens`]), ...(usd === undefined ? [] : [dollars(spentCost)])].join(" and ");

const potText = (pot: string): string => (pot === "" ? "" : ` for ${pot}`);

type Refusal = {
  budget: Budget;
  pot: string;
  state: PotState;
  why: RefusedWhy;
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
  if (why === "similar")
    return {
      kind: "budget",
      message: `The model was not asked: the budget ${name} allows ${count(budget.similarPerHour!)} requests an hour that say nearly the same, and that many were made. This looks like a loop. Other requests are answered. ${fix}`,
    };
  if (why === "invalid")
    return {
      kind: "budget",
      message: `The model was not asked: the budget ${name} is not valid in the configuration, so that it is not known what it allows. Its operator finds the place with \`openclaw config validate\`.`,
    };
  if (why === "price") return { kind: "budget", message: priceText(name, worst.model) };
  return {
    kind: "budget",
    message: `The model was not asked: the budget ${name} of ${limitText(budget)} is used up (${spentText(budget, state)}). It begins again on ${dayOf(end, zone)}. ${fix}`,
  };
}

/** An agent of the provider `acp` is a program that pays for its models itself, so that no catalog has its price. Pure. */
function priceText(name: string, { provider, id }: ModelRef): string {
  if (provider === "acp")
    return `The model was not asked: the budget ${name} is in US dollars, and what a turn of the agent ${id} costs is not known before it ends, because the agent is a program that asks its own models. The operator of this gateway can limit it with tokens or callsPerMinute, and leave it out of the budget in dollars.`;
  return `The model was not asked: the budget ${name} is in US dollars, and the price of ${provider}/${id} is not known. The operator of this gateway can set it in models.providers.${provider}.models[].cost.`;
}

export type NoticeKind = "warning" | "refusal" | "loop" | "invalid";

/** For the operator, once in each period. Pure. */
export function noticeText(kind: NoticeKind, budget: Budget, pot: string, state: PotState): string {
  const name = `The budget ${JSON.stringify(budget.name)}${potText(pot)}`;
  if (kind === "invalid")
    return `${name} is not valid in the configuration, and models are not asked for what it is about. To find the place: openclaw config validate`;
  if (kind === "loop")
    return `${name} has stopped requests that say nearly the same as ${budget.similarPerHour} others within an hour: this looks like a loop. To see where they come from: openclaw usage --by cause. To let them through for a time: openclaw usage allow ${budget.name}`;
  if (kind === "refusal")
    return `${name} of ${limitText(budget)} is used up, and models are not asked any more. To lift it for a time: openclaw usage allow ${budget.name}`;
  return `${name} of ${limitText(budget)} is used to ${usedPercent(budget, state)} % (${spentText(budget, state)}).`;
}
