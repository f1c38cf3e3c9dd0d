import { GatewayError } from "../core/errors.ts";
import type { DayRule, HourRange } from "../store/usage.ts";
import { USAGE_LIMITS } from "./limits.ts";
import { dayOf, parseOffset, segmentsOf, toDate, toDay } from "./periods.ts";

/** How a client names the days of a report. */
export type RangeParams = {
  days?: number;
  startDate?: string;
  endDate?: string;
  range?: string;
  mode?: string;
  timeZone?: string;
  utcOffset?: string;
};

/** Days of a time zone, both included, as numbers since 1970; and their hours, in parts with one rule for the day of an hour. */
export type DayRange = { firstDay: number; lastDay: number; zone: string; parts: readonly (HourRange & DayRule)[] };

const PRESETS: Readonly<Record<string, number>> = { "7d": 7, "30d": 30, "90d": 90, "1y": 365, all: USAGE_LIMITS.days };
const DEFAULT_DAYS = 30;

const invalid = (message: string, fix: string): GatewayError => new GatewayError("INVALID_REQUEST", message, { fix });

/** Throws INVALID_REQUEST for what names no days. Pure. */
export function toDayRange(params: RangeParams, now: number, gatewayZone: string): DayRange {
  const zone = toZone(params, gatewayZone);
  const days = params.days ?? (params.range === undefined ? DEFAULT_DAYS : PRESETS[params.range]!);
  const lastDay = params.endDate === undefined ? toDay(dayOf(now, zone))! : toDateDay("endDate", params.endDate);
  const firstDay = params.startDate === undefined ? lastDay - days + 1 : toDateDay("startDate", params.startDate);
  if (firstDay > lastDay) throw invalid(`the range begins on ${toDate(firstDay)}, after its end on ${toDate(lastDay)}`, "Swap the dates.");
  // What is older is not kept, so that a longer range has the same answer.
  const first = Math.max(firstDay, lastDay - USAGE_LIMITS.days + 1);
  return { firstDay: first, lastDay, zone, parts: segmentsOf(first, lastDay, zone) };
}

function toDateDay(name: string, text: string): number {
  const day = toDay(text);
  if (day === null) throw invalid(`${name}: ${JSON.stringify(text.slice(0, 40))} is not a date`, "Write it as 2026-11-30.");
  return day;
}

const twoDigits = (value: number): string => String(Math.floor(value)).padStart(2, "0");

function toZone({ mode, timeZone, utcOffset }: RangeParams, gatewayZone: string): string {
  if (mode === "gateway") return gatewayZone;
  if (mode !== "specific") return "UTC";
  if (timeZone !== undefined) {
    if (isZone(timeZone)) return timeZone;
    throw invalid(`timeZone: ${JSON.stringify(timeZone.slice(0, 60))} is not a time zone`, "Use a name such as Europe/Berlin.");
  }
  const offset = utcOffset === undefined ? 0 : parseOffset(utcOffset);
  if (offset === null || Math.abs(offset) >= 86_400_000)
    throw invalid(`utcOffset: ${JSON.stringify(utcOffset!.slice(0, 40))} is not an offset`, "Write it as UTC+5:30.");
  if (offset === 0) return "UTC";
  const minutes = Math.abs(offset) / 60_000;
  return `${offset < 0 ? "-" : "+"}${twoDigits(minutes / 60)}:${twoDigits(minutes % 60)}`;
}

function isZone(name: string): boolean {
  try {
    return Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "Etc/Unknown";
  } catch (err) {
    if (err instanceof RangeError) return false;
    throw err;
  }
}

/** The hours of a range as one. Pure. */
export const hoursOf = ({ parts }: DayRange): HourRange => ({ from: parts[0]!.from, to: parts.at(-1)!.to });
