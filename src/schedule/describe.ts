import type { ActiveHours } from "../config/heartbeat.ts";
import type { JobSchedule } from "./job.ts";

const UNITS: readonly (readonly [ms: number, one: string, many: string])[] = [
  [86_400_000, "day", "days"],
  [3_600_000, "hour", "hours"],
  [60_000, "minute", "minutes"],
  [1_000, "second", "seconds"],
];

const WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/** A schedule in words, such as "every weekday at 09:00 Europe/Berlin". Pure. */
export function describeSchedule(schedule: JobSchedule): string {
  if (schedule.kind === "at") return `once at ${schedule.at}`;
  if (schedule.kind === "every")
    return `${describeInterval(schedule.everyMs)}${schedule.activeHours ? ` ${describeHours(schedule.activeHours)}` : ""}`;
  const { expr, tz, staggerMs } = schedule;
  const words = describeExpression(expr);
  const shifted = staggerMs === undefined ? "" : `, shifted by up to ${describeInterval(staggerMs).replace(/^every /, "")}`;
  return `${words ?? `cron ${expr}`} ${tz}${shifted}`;
}

const describeHours = ({ start, end, tz }: ActiveHours): string => `from ${clockOf(start)} to ${clockOf(end)} ${tz}`;
const clockOf = (minutes: number): string =>
  `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;

function describeInterval(ms: number): string {
  const [unit, one, many] = UNITS.find(([each]) => ms % each === 0) ?? [1, "ms", "ms"];
  const count = ms / unit;
  return count === 1 ? `every ${one}` : `every ${count} ${many}`;
}

/** The usual expressions in words; null for all others. */
function describeExpression(expr: string): string | null {
  const [minute, hour, day, month, weekday, ...more] = expr.split(" ");
  if (weekday === undefined || more.length > 0 || month !== "*") return null;
  if (hour === "*" && day === "*" && weekday === "*") return describeWithinHour(minute!);
  if (!/^\d{1,2}$/.test(minute!) || !/^\d{1,2}$/.test(hour!)) return null;
  const time = `${hour!.padStart(2, "0")}:${minute!.padStart(2, "0")}`;
  if (day === "*") {
    const days = describeWeekdays(weekday);
    return days === null ? null : `${days} at ${time}`;
  }
  return weekday === "*" && /^\d{1,2}$/.test(day!) ? `on day ${day} of every month at ${time}` : null;
}

function describeWithinHour(minute: string): string | null {
  if (minute === "*") return "every minute";
  const step = /^\*\/(\d{1,2})$/.exec(minute)?.[1];
  if (step !== undefined) return `every ${step} minutes of the hour`;
  return /^\d{1,2}$/.test(minute) ? `every hour at minute ${minute}` : null;
}

function describeWeekdays(weekday: string): string | null {
  if (weekday === "*") return "every day";
  if (weekday === "1-5") return "every weekday";
  if (["0,6", "6,0", "6-7", "6,7"].includes(weekday)) return "every Saturday and Sunday";
  if (!/^[0-7](?:,[0-7])*$/.test(weekday)) return null;
  const names = weekday.split(",").map((each) => WEEKDAYS[Number(each) % 7]!);
  return `every ${names.length === 1 ? names[0] : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`}`;
}
