/** One finding of `openclaw doctor` that is not fine: what is wrong, why that matters, and what to do. */
export type DoctorProblem = {
  readonly check: string;
  readonly severity: "problem" | "warning";
  readonly title: string;
  readonly why: string;
  readonly fix: string;
};

/** The answer of `gateway.doctor`: what the checks found, and when they ran. */
export type DoctorReport = {
  readonly ts: number;
  readonly problems: number;
  readonly warnings: number;
  readonly fine: number;
  readonly findings: readonly DoctorProblem[];
};
