import type { ActiveHours } from "../config/heartbeat.ts";

const DAY_MINUTES = 1_440;
const MINUTE_MS = 60_000;
/** A change of a clock is at most this long. */
const CLOCK_CHANGE_MINUTES = 150;

/** Formats of time zones; creating one costs more than a thousand uses. */
const formats = new Map<string, Intl.DateTimeFormat>();
const FORMATS = 50;

function formatOf(tz: string): Intl.DateTimeFormat {
  const known = formats.get(tz);
  if (known) return known;
  const format = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: tz });
  if (formats.size >= FORMATS) formats.clear();
  formats.set(tz, format);
  return format;
}

/** Minutes after midnight on the clocks of a zone. */
function minuteOf(at: number, tz: string): number {
  const [hours, minutes] = formatOf(tz).format(at).split(":").map(Number);
  return hours! * 60 + minutes!;
}

/** Whether a moment is within the active hours. Pure. */
export function isActive({ start, end, tz }: ActiveHours, at: number): boolean {
  const minute = minuteOf(at, tz);
  return start < end ? minute >= start && minute < end : minute >= start || minute < end;
}

/** The first full minute after a moment, outside of the active hours, at which they have begun. Pure. */
export function nextStart(hours: ActiveHours, at: number): number {
  const wait = (hours.start - minuteOf(at, hours.tz) + DAY_MINUTES) % DAY_MINUTES;
  const sure = Math.max(1, wait - CLOCK_CHANGE_MINUTES);
  let minute = Math.floor(at / MINUTE_MS) + sure;
  // The clocks may be changed on the way: the rest is walked.
  for (let steps = 0; steps < 2 * CLOCK_CHANGE_MINUTES && !isActive(hours, minute * MINUTE_MS); steps++) minute++;
  return minute * MINUTE_MS;
}
