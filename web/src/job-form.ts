/** What the form for a new job says, and the job that follows from it. */

/** How often; `custom`: a cron expression. */
export const REPEATS = ["weekdays", "days", "hours", "custom"] as const;
export type Repeat = (typeof REPEATS)[number];

export type JobFields = {
  name: string;
  message: string;
  repeat: Repeat;
  /** `08:00` */
  time: string;
  expression: string;
  timeZone: string;
  /** `channel/account`; empty: the answer stays in the conversation of the job. */
  account: string;
  to: string;
};

/** The zone of this browser: a job keeps the zone that it was made in. */
export const browserZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

export const emptyFields = (): JobFields => ({
  name: "",
  message: "",
  repeat: "weekdays",
  time: "08:00",
  expression: "",
  timeZone: browserZone(),
  account: "",
  to: "",
});

/** Null: a time is missing. Pure. */
export function expressionOf({ repeat, time, expression }: Pick<JobFields, "repeat" | "time" | "expression">): string | null {
  if (repeat === "custom") return expression.trim() || null;
  if (repeat === "hours") return "0 * * * *";
  const [, hour, minute] = /^(\d{1,2}):(\d{2})/.exec(time) ?? [];
  if (hour === undefined || minute === undefined) return null;
  return `${Number(minute)} ${Number(hour)} * * ${repeat === "weekdays" ? "1-5" : "*"}`;
}

/** The parameters of `cron.add`; null as long as something is missing. Pure. */
export function toJob(fields: JobFields): Record<string, unknown> | null {
  const expr = expressionOf(fields);
  const [name, message, to] = [fields.name.trim(), fields.message.trim(), fields.to.trim()];
  if (expr === null || name === "" || message === "" || (fields.account !== "" && to === "")) return null;
  const cut = fields.account.indexOf("/");
  return {
    name,
    schedule: { kind: "cron", expr, ...(fields.timeZone.trim() !== "" && { tz: fields.timeZone.trim() }) },
    sessionTarget: "isolated",
    wakeMode: "now",
    payload: { kind: "agentTurn", message },
    ...(fields.account !== "" && {
      delivery: { mode: "announce", channel: fields.account.slice(0, cut), accountId: fields.account.slice(cut + 1), to },
    }),
  };
}
