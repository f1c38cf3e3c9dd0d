import { findStorageProblem, fieldsOf } from "../../core/json.ts";
import { LIMITS } from "../../core/limits.ts";
import { clip, toWellFormed } from "../../core/text.ts";
import type { CallCost, ModelPrice, TokenUsage } from "../runtime.ts";

/**
 * Reads the fields of a record whose content a model influences. The result always has the promised type and range, so that it
 * can be stored and read back. Dropped and truncated values are reported through `note`.
 */
export type ReportProblem = (problem: string) => void;

export function toStringField(value: unknown, maxChars: number, what: string, note: ReportProblem): string {
  if (value === undefined || value === null) return "";
  if (typeof value !== "string") {
    note(`${what} is not a text`);
    return "";
  }
  if (value.length > maxChars) note(`${what} has ${value.length} characters; ${maxChars} were kept`);
  return toWellFormed(clip(value, maxChars));
}

/** A whole number from 0 to `max`; anything else is dropped. */
export function toCount(value: unknown, max: number, what: string, note: ReportProblem): number {
  if (value === undefined || value === null) return 0;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= max) return value;
  note(`${what} is ${typeof value === "number" ? String(value) : `a ${typeof value}`} and was dropped`);
  return 0;
}

function toNumberField(value: unknown, max: number, what: string, note: ReportProblem): number {
  if (value === undefined || value === null) return 0;
  if (typeof value === "number" && value >= 0 && value <= max) return value;
  note(`${what} is ${typeof value === "number" ? String(value) : `a ${typeof value}`} and was dropped`);
  return 0;
}

export function toUsage(value: unknown, note: ReportProblem): TokenUsage {
  const usage = fieldsOf(value);
  const tokens = (name: string): number => toCount(usage[name], LIMITS.usageTokens, `usage.${name}`, note);
  return {
    input: tokens("input"),
    output: tokens("output"),
    cacheRead: tokens("cacheRead"),
    cacheWrite: tokens("cacheWrite"),
    totalTokens: tokens("totalTokens"),
    costUsd: toNumberField(fieldsOf(usage["cost"])["total"], LIMITS.usageCostUsd, "usage.cost.total", note),
  };
}

/** Problems of these fields have been reported with the tokens. */
const quietly: ReportProblem = () => {};

/** The cost of a request by Pi's catalog; null when the catalog has no price of the model. */
export function toCallCost(value: unknown): CallCost | null {
  const usage = toUsage(value, quietly);
  const given = fieldsOf(fieldsOf(value)["cost"]);
  const dollars = (name: string): number => toNumberField(given[name], LIMITS.usageCostUsd, name, quietly);
  const cost = { input: dollars("input"), output: dollars("output"), cacheRead: dollars("cacheRead"), cacheWrite: dollars("cacheWrite") };
  const sum = cost.input + cost.output + cost.cacheRead + cost.cacheWrite;
  const tokens = usage.input + usage.output + usage.cacheRead + usage.cacheWrite;
  if (sum === 0 && usage.costUsd === 0 && tokens > 0) return null;
  return sum === 0 ? { ...cost, input: usage.costUsd } : cost;
}

const PRICE_MAX = 1_000_000;

/** A price of Pi's catalog, which writes 0 where it knows none. */
export function toModelPrice(value: unknown): ModelPrice | null {
  const given = fieldsOf(value);
  const price = (name: string): number => toNumberField(given[name], PRICE_MAX, name, quietly);
  const prices = { input: price("input"), output: price("output"), cacheRead: price("cacheRead"), cacheWrite: price("cacheWrite") };
  return prices.input + prices.output === 0 ? null : prices;
}

/** The context window of a configuration or a model server, in whole tokens; 0 when it is not a valid number. */
export function toContextWindow(value: unknown): number {
  const tokens = typeof value === "number" ? Math.trunc(value) : 0;
  return tokens > 0 ? Math.min(tokens, LIMITS.usageTokens) : 0;
}

const ARGUMENTS = { depth: LIMITS.jsonDepth, chars: LIMITS.toolArgumentsChars };

/** Arguments of a tool call, or an empty object when they are nested too deep or too large to be stored. */
export function toArguments(value: unknown, what: string, note: ReportProblem): unknown {
  const problem = findStorageProblem(value, ARGUMENTS);
  if (problem === null) return value;
  note(`${what} ${problem} and were dropped`);
  return {};
}

/** Text of a delta or block that may be a list of content parts, as some providers send it; null for other values. */
export type ContentText = { text: string; thinking: string };

export function toContentText(value: unknown): ContentText | null {
  if (typeof value === "string") return { text: value, thinking: "" };
  if (!Array.isArray(value) && (typeof value !== "object" || value === null)) return null;
  const parts = (Array.isArray(value) ? value : [value]).map(toContentPart);
  return parts.every((part) => part === null)
    ? null
    : { text: parts.map((part) => part?.text ?? "").join(""), thinking: parts.map((part) => part?.thinking ?? "").join("") };
}

function toContentPart(value: unknown): ContentText | null {
  if (typeof value === "string") return { text: value, thinking: "" };
  const part = fieldsOf(value);
  if (typeof part["text"] === "string") return { text: part["text"], thinking: "" };
  const { thinking } = part;
  if (typeof thinking === "string") return { text: "", thinking };
  if (!Array.isArray(thinking)) return null;
  const said = thinking.map((each) => fieldsOf(each)["text"]).filter((each) => typeof each === "string");
  return { text: "", thinking: said.join("") };
}
