/**
 * Guards of the security invariants, each broken in one way. Every one of these changes must make a test fail:
 * `scripts/mutate-guards.ts` tries them in a copy of the sources.
 */
export type Mutant = {
  /** The invariant of the design, by its number. */
  invariant: number;
  /** What no longer holds. */
  breaks: string;
  file: string;
  /** Occurs exactly once in the file. */
  text: string;
  /** Replaces it. */
  broken: string;
  /** Test files of which one must fail. */
  tests: readonly string[];
  /** Only tests whose title contains this are run. */
  title?: string;
};
