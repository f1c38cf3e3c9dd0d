/** A guard of a security invariant, broken in one way. A test must then fail. */
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
