import type { KeyPath } from "../config/key-path.ts";

/** A key of the configuration that gets another name, or another form of its value. */
export type ConfigKeyChange = {
  readonly from: KeyPath;
  readonly to: KeyPath;
  /** The new value; undefined: the one that is there. */
  readonly value?: string;
};

type DoctorCheck = {
  /** Stable name of the check, for programs. */
  readonly check: string;
  readonly title: string;
};

/** What is wrong, why that matters or how it came about, and what to do. */
export type BadFinding = DoctorCheck & {
  readonly severity: "problem" | "warning";
  readonly why: string;
  readonly fix: string;
  /** Where in the configuration file; `path` is that of the file, `ocPath` that of the key. */
  readonly place?: { readonly path: string; readonly line: number; readonly column: number; readonly ocPath: string };
  /** What --fix would change in the configuration file. */
  readonly change?: ConfigKeyChange;
  /** What --fix would do; it changes nothing but what the plan says. */
  readonly repair?: { readonly plan: string; readonly run: () => void | Promise<void> };
};

/** What one check of `openclaw doctor` found. */
export type DoctorFinding = (DoctorCheck & { readonly severity: "ok" }) | BadFinding;

export const okFinding = (check: string, title: string): DoctorFinding => ({ check, severity: "ok", title });

/** A check that was not done in its time, so that the others are shown. */
export const cutFinding = (check: string, title: string, limitMs: number, fix = `openclaw doctor --only ${check}`): BadFinding => ({
  check,
  severity: "warning",
  title: `${title} after ${limitMs / 1_000} s`,
  why: "it is not known whether this works: there was no answer in time.",
  fix,
});

/** A finding, or the fact that there is none. */
export const findingUnless = (fine: boolean, check: string, title: string, bad: Omit<BadFinding, "check">): DoctorFinding =>
  fine ? okFinding(check, title) : { check, ...bad };
