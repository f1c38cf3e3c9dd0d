/** Days and months of a time zone. Pure, but for the formats that are kept. */

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** A format costs more than a hundred uses; there are few zones. */
const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known) return known;
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  if (formats.size >= 32) formats.clear();
  formats.set(zone, format);
  return format;
}

/** What the clocks of a zone show more than UTC, in milliseconds. */
export function zoneOffset(at: number, zone: string): number {
  if (zone === "UTC") return 0;
  const parts: Record<string, number> = {};
  for (const { type, value } of formatOf(zone).formatToParts(at)) parts[type] = Number(value);
  const shown = Date.UTC(parts["year"]!, parts["month"]! - 1, parts["day"], parts["hour"], parts["minute"], parts["second"]);
  return shown - Math.floor(at / 1_000) * 1_000;
}

const twoDigits = (value: number): string => String(value).padStart(2, "0");

/** `2026-11-30T08:00+01:00`: what the clocks of a zone show, and by how much that differs from UTC. */
export function timeInZone(at: number, zone: string): string {
  const offset = zoneOffset(at, zone);
  const minutes = Math.abs(Math.round(offset / 60_000));
  const shown = new Date(at + offset).toISOString().slice(0, 16);
  return `${shown}${offset < 0 ? "-" : "+"}${twoDigits(Math.floor(minutes / 60))}:${twoDigits(minutes % 60)}`;
}

/** `2026-11-30` in a zone. */
export const dayOf = (at: number, zone: string): string => toDate(Math.floor((at + zoneOffset(at, zone)) / DAY_MS));

const dates = new Map<number, string>();

/** The date of a number of days since 1970. */
export function toDate(day: number): string {
  const known = dates.get(day);
  if (known !== undefined) return known;
  const date = new Date(day * DAY_MS).toISOString().slice(0, 10);
  if (dates.size >= 1_000) dates.clear();
  dates.set(day, date);
  return date;
}

/** The number of days since 1970 of a date; null for what is none. */
export function toDay(date: string): number | null {
  const at = /^\d{4}-\d{2}-\d{2}$/.test(date) ? Date.parse(`${date}T00:00:00Z`) : Number.NaN;
  return Number.isNaN(at) || new Date(at).toISOString().slice(0, 10) !== date ? null : at / DAY_MS;
}

/** The first moment of a day of a zone. */
export function startOfDay(day: number, zone: string): number {
  const wall = day * DAY_MS;
  // The offset before and after a change of the clocks: the first guess may lie on the other side of it.
  const guess = wall - zoneOffset(wall, zone);
  const start = wall - zoneOffset(guess, zone);
  return Math.min(guess, start) + zoneOffset(Math.min(guess, start), zone) >= wall ? Math.min(guess, start) : Math.max(guess, start);
}

export type Period = "day" | "month";

/** The period of a zone that a moment lies in: its first moment and that of the next one. */
export function periodOf(at: number, per: Period, zone: string): { start: number; end: number } {
  const date = dayOf(at, zone);
  const [year, month] = date.split("-").map(Number) as [number, number];
  const first = per === "day" ? toDay(date)! : Date.UTC(year, month - 1, 1) / DAY_MS;
  const next = per === "day" ? first + 1 : Date.UTC(year, month, 1) / DAY_MS;
  return { start: startOfDay(first, zone), end: startOfDay(next, zone) };
}

/** A part of a range of hours: the day of an hour is the whole part of (hour + offset) / 24, and at most `lastDay`. */
export type Segment = { from: number; to: number; offset: number; lastDay: number };

/**
 * The hours of days of a zone, in parts of one offset each. Usage is summed by hours: a day of a zone that is not whole hours from UTC
 * begins with the full hour before it.
 */
export function segmentsOf(firstDay: number, lastDay: number, zone: string): Segment[] {
  const segments: Segment[] = [];
  for (let day = firstDay; day <= lastDay; day++) {
    const from = Math.floor(startOfDay(day, zone) / HOUR_MS);
    const to = Math.floor(startOfDay(day + 1, zone) / HOUR_MS);
    const offset = day * 24 - from;
    const last = segments.at(-1);
    // A day of 23 or 25 hours is a part of its own.
    if (last && last.offset === offset && to - from === 24) Object.assign(last, { to, lastDay: day });
    else segments.push({ from, to, offset, lastDay: day });
  }
  return segments;
}

/** The offset of the kind `UTC+5:30` in milliseconds; null for another text. */
export function parseOffset(text: string): number | null {
  const [, sign, hours, minutes = "0"] = /^UTC([+-])(\d{1,2})(?::(\d{2}))?$/.exec(text) ?? [];
  if (sign === undefined) return text === "UTC" ? 0 : null;
  return (sign === "-" ? -1 : 1) * (Number(hours) * HOUR_MS + Number(minutes) * 60_000);
}
