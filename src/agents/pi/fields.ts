import { findStorageProblem, fieldsOf } from "../../core/json.ts";
import { LIMITS } from "../../core/limits.ts";
import { clip, toWellFormed } from "../../core/text.ts";
import type { TokenUsage } from "../runtime.ts";

/**
 * Reads fields of a record that a model can influence. For any content, the result has the declared type and range, so
 * that it can be stored and read back. Dropped and truncated values are reported through `note`.
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

/** The context window of a configuration or a model server in whole tokens; 0 if invalid. */
export function toContextWindow(value: unknown): number {
  const tokens = typeof value === "number" ? Math.trunc(value) : 0;
  return tokens > 0 ? Math.min(tokens, LIMITS.usageTokens) : 0;
}

const ARGUMENTS = { depth: LIMITS.jsonDepth, chars: LIMITS.toolArgumentsChars };

/** Unchanged arguments of a tool call, unless they are nested too deeply or too large to store. */
export function toArguments(value: unknown, what: string, note: ReportProblem): unknown {
  const problem = findStorageProblem(value, ARGUMENTS);
  if (problem === null) return value;
  note(`${what} ${problem} and were dropped`);
  return {};
}

/** Text of a delta or block that may be a list of content parts, as some providers send it; null if it is neither. */
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
