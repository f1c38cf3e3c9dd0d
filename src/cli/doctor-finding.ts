type Check = {
  /** Stable name of the check, for programs. */
  readonly check: string;
  readonly title: string;
};

/** What is wrong, why that matters or how it came about, and what to do. */
export type BadFinding = Check & {
  readonly severity: "problem" | "warning";
  readonly why: string;
  readonly fix: string;
  /** What --fix would do; it changes nothing but what the plan says. */
  readonly repair?: { readonly plan: string; readonly run: () => void | Promise<void> };
};

/** What one check of `openclaw doctor` found. */
export type Finding = (Check & { readonly severity: "ok" }) | BadFinding;

export const ok = (check: string, title: string): Finding => ({ check, severity: "ok", title });

/** A finding, or the fact that there is none. */
export const unless = (fine: boolean, check: string, title: string, bad: Omit<BadFinding, "check">): Finding =>
  fine ? ok(check, title) : { check, ...bad };
