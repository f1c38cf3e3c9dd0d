import type { IssueCollector } from "./issue.ts";
import type { SecretResolver } from "./secret-refs.ts";

/** All that a check needs besides the tree. */
export type ValidationContext = {
  readonly findings: IssueCollector;
  readonly secrets: SecretResolver;
  /** Expands `~` and makes a path absolute. */
  toPath(text: string): string;
};
