/**
 * When a conversation restarts by itself; `session.reset` of the configuration, resolved for one session. `daily` may have an
 * idle limit as well.
 */
export type SessionResetRule = {
  mode: "daily" | "idle" | "none";
  /** Hour of the day, 0 to 23. */ atHour: number;
  /** Null: no idle limit. */ idleMinutes: number | null;
};

const DAY_MS = 86_400_000;

/**
 * Whether a conversation that was last used at `lastAt` is over at `now`. Daily: the reset hour of `timeZone` lies between
 * the two. Pure.
 */
export function isExpired(rule: SessionResetRule, lastAt: number, now: number, timeZone: () => string): boolean {
  if (lastAt <= 0 || rule.mode === "none") return false;
  if (rule.idleMinutes !== null && now - lastAt > rule.idleMinutes * 60_000) return true;
  if (rule.mode !== "daily") return false;
  if (now - lastAt >= DAY_MS) return true;
  const days = daysOf(timeZone());
  const dayOf = (at: number): string => days.format(at - rule.atHour * 3_600_000);
  return dayOf(lastAt) !== dayOf(now);
}

/** Making one costs more than using it a hundred times; a gateway has one time zone, or very few. */
const formats = new Map<string, Intl.DateTimeFormat>();

function daysOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known) return known;
  const format = new Intl.DateTimeFormat("en-CA", { timeZone, year: "numeric", month: "2-digit", day: "2-digit" });
  if (formats.size >= 16) formats.clear();
  formats.set(timeZone, format);
  return format;
}
