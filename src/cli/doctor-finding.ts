/** What one check of `openclaw doctor` found. */
export type Finding = {
  /** Stable name of the check, for programs. */
  readonly check: string;
  readonly severity: "problem" | "warning" | "ok";
  readonly title: string;
  readonly why?: string;
  readonly fix?: string;
  /** What --fix would do; it changes nothing but what the plan says. */
  readonly repair?: { readonly plan: string; readonly run: () => void | Promise<void> };
};

export const ok = (check: string, title: string): Finding => ({ check, severity: "ok", title });

/** A finding, or the fact that there is none. */
export const unless = (fine: boolean, check: string, title: string, bad: Omit<Finding, "check">): Finding =>
  fine ? ok(check, title) : { check, ...bad };
