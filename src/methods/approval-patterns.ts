import { realpath } from "node:fs/promises";
import type { AllowlistDocument } from "../approvals/allowlist.ts";
import { GatewayError } from "../core/errors.ts";
import { patternProblem } from "../tools/commands/decide.ts";

/**
 * Rejects INVALID_REQUEST for a pattern that can never allow a program, with its place in the document. Patterns of the `current` document
 * are left alone: an update of the system may have made a link of what was a program.
 */
export async function checkNewPatterns({ agents = {} }: AllowlistDocument, current: AllowlistDocument): Promise<void> {
  const known = new Set(Object.values(current.agents ?? {}).flatMap(({ allowlist = [] }) => allowlist.map(({ pattern }) => pattern)));
  for (const [id, { allowlist = [] }] of Object.entries(agents)) {
    for (const [index, { pattern }] of allowlist.entries()) {
      if (known.has(pattern)) continue;
      const at = `agents.${id}.allowlist[${index}].pattern ${JSON.stringify(pattern)}`;
      const problem = patternProblem(pattern);
      if (problem !== null) throw new GatewayError("INVALID_REQUEST", `${at} ${problem}`, { fix: FIX });
      const target = pattern.startsWith("/") && !pattern.includes("*") ? await realPath(pattern) : pattern;
      if (target !== pattern)
        throw new GatewayError("INVALID_REQUEST", `${at} is a link, and programs are known by their real paths`, {
          fix: `Write ${target}.`,
        });
    }
  }
}

const FIX = "Write the real path of a program, such as /usr/bin/touch, or a name that is found through PATH.";

/** The path itself where there is nothing yet, or where it cannot be looked at: then nothing speaks against it. */
const realPath = (path: string): Promise<string> => realpath(path).catch(() => path);
