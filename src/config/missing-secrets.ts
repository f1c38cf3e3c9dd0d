import type { ConfigIssue } from "./issue.ts";
import { parsePath, type KeyPath } from "./key-path.ts";
import { CONFIG } from "./schema.ts";
import type { Node } from "../core/config-schema.ts";
import { childNode } from "./schema/walk.ts";

/** The keys of credentials that are set and could not be read, by their paths. */
export function missingSecrets(issues: readonly Pick<ConfigIssue, "severity" | "path">[]): string[] {
  const wrong = issues.filter((issue) => issue.severity === "error").map((issue) => issue.path);
  return [...new Set(wrong)].filter((path) => isSecret(parsePath(path) ?? []));
}

/** Whether the schema says that the key at `path` holds a credential, which may be a reference. */
export const isSecretPath = (path: KeyPath): boolean =>
  path.reduce<Node | null>((node, step) => node && childNode(node, step), CONFIG)?.kind === "secret";

/** Whether the credential at `path` may be one of the encrypted store: variables and sources are read before the store is. */
export const mayBeStored = (path: KeyPath): boolean => path[0] !== "env" && path[0] !== "secrets" && isSecretPath(path);

/** Whether the key at `path` holds a credential, or names a file that does. */
function isSecret(path: KeyPath): boolean {
  if (isSecretPath(path)) return true;
  const last = path.at(-1);
  const parent = path.slice(0, -1).reduce<Node | null>((node, step) => node && childNode(node, step), CONFIG);
  if (parent === null || last === undefined) return false;
  const owner = typeof last === "string" && last.endsWith("File") ? childNode(parent, last.slice(0, -4)) : null;
  return owner?.kind === "secret";
}
