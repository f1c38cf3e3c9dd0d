import { realpath, stat } from "node:fs/promises";
import type { AllowlistDocument } from "../approvals/allowlist.ts";
import { GatewayError } from "../core/errors.ts";
import { errnoOf, isAbsent, isAtOrBeneath } from "../core/files.ts";
import { patternProblem, type PatternProblem } from "../tools/commands/decide.ts";
import { executableAt } from "../tools/executable.ts";

/** The workspace of an agent. */
export type AgentWorkspace = { agentId: string; path: string };

/**
 * Rejects INVALID_REQUEST for a pattern that can never allow a program, with its place in the document. Patterns of the `current` document
 * are left alone: an update of the system may have made a link of what was a program.
 */
export async function checkNewPatterns(
  { agents = {} }: AllowlistDocument,
  current: AllowlistDocument,
  workspaces: readonly AgentWorkspace[],
): Promise<void> {
  const known = new Set(Object.values(current.agents ?? {}).flatMap(({ allowlist = [] }) => allowlist.map(({ pattern }) => pattern)));
  for (const [id, { allowlist = [] }] of Object.entries(agents)) {
    for (const [index, { pattern }] of allowlist.entries()) {
      if (known.has(pattern)) continue;
      const problem = patternProblem(pattern) ?? (pattern.startsWith("/") ? await placeProblem(pattern, workspaces) : null);
      if (problem === null) continue;
      const at = `agents.${id}.allowlist[${index}].pattern`;
      throw new GatewayError("INVALID_REQUEST", `${at} ${JSON.stringify(pattern)} ${problem.why}`, { fix: problem.fix });
    }
  }
}

/** What speaks against a path as it is on disk. Nothing does where there is nothing yet. */
async function placeProblem(pattern: string, workspaces: readonly AgentWorkspace[]): Promise<PatternProblem | null> {
  const star = pattern.indexOf("*");
  const path = star < 0 ? pattern : pattern.slice(0, pattern.lastIndexOf("/", star)) || "/";
  const target = await realPath(path);
  for (const { agentId, path: workspace } of workspaces)
    if (isAtOrBeneath(await realPath(workspace), target))
      return {
        why: `is in the workspace of agent ${agentId}, which can change the program`,
        fix: "Keep the program outside of every workspace, in a directory such as /usr/local/bin.",
      };
  if (star >= 0) return null;
  if (target !== path) return { why: "is a link, and programs are known by their real paths", fix: `Write ${target}.` };
  const stats = await stat(path).catch(unlessUnreadable);
  if (stats === null) return null;
  if (stats.isDirectory()) return { why: "is a directory", fix: `Write ${path}/* for all programs in it.` };
  return (await executableAt(path)) === undefined
    ? { why: "is not a program: the gateway may not execute it", fix: "Write the path of a program, such as /usr/bin/touch." }
    : null;
}

/** The path itself where there is nothing yet, or where it cannot be looked at. */
const realPath = (path: string): Promise<string> => realpath(path).catch((err: unknown) => unlessUnreadable(err) ?? path);

function unlessUnreadable(err: unknown): null {
  if (isAbsent(err) || ["EACCES", "ELOOP", "ENAMETOOLONG"].includes(errnoOf(err))) return null;
  throw err;
}
