/** When a conversation starts anew by itself; `session.reset` of the configuration, resolved for one session. */
export type ResetRule = {
  mode: "daily" | "idle" | "none";
  /** Hour of the day, 0 to 23. */ atHour: number;
  /** Null: no idle limit. */ idleMinutes: number | null;
};

const DAY_MS = 86_400_000;

/**
 * Whether a conversation that was last used at `lastAt` is over at `now`. Daily: the reset hour of `timeZone` lies between
 * the two. Pure.
 */
export function isExpired(rule: ResetRule, lastAt: number, now: number, timeZone: string): boolean {
  if (lastAt <= 0) return false;
  if (rule.idleMinutes !== null && now - lastAt > rule.idleMinutes * 60_000) return true;
  if (rule.mode !== "daily") return false;
  if (now - lastAt >= DAY_MS) return true;
  return resetDay(lastAt, rule.atHour, timeZone) !== resetDay(now, rule.atHour, timeZone);
}

/** The day that a moment belongs to when days begin at `atHour`. */
function resetDay(at: number, atHour: number, timeZone: string): string {
  const parts = new Intl.DateTimeFormat("en-CA", { timeZone, year: "numeric", month: "2-digit", day: "2-digit" });
  return parts.format(at - atHour * 3_600_000);
}
