import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { MARKER_VARIABLE } from "../../core/marked-processes.ts";
import { errnoOf, isAbsent } from "../../core/files.ts";
import type { CommandRequest } from "../command-gate.ts";
import type { ToolCaller } from "../tool.ts";
import { patternsOf } from "./decide.ts";
import type { BoundPlan } from "./plan.ts";

/**
 * What a person who allows a command for some time is bound to: the kind of command, where and for whom it runs, the environment, and the
 * programs as they are now. Null where nothing may be allowed for longer than once, by the rules of the allowlist.
 */
export async function grantBindingOf(plan: BoundPlan, request: CommandRequest, caller: ToolCaller): Promise<string | null> {
  const patterns = request.ownVariables.length > 0 ? null : patternsOf(plan);
  if (patterns === null) return null;
  const programs = await Promise.all(patterns.map(({ pattern }) => stampOf(pattern)));
  if (programs.includes(null)) return null;
  const { agentId, sessionKey, surface, isPrivate } = caller;
  const bound = [
    [agentId, sessionKey, surface, isPrivate],
    [plan.host, request.cwd, request.input],
    // The gateway's own mark differs after each start.
    Object.entries(request.env)
      .filter(([name]) => name !== MARKER_VARIABLE)
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
    patterns,
    programs,
    plan.files,
  ];
  return createHash("sha256").update(JSON.stringify(bound)).digest("hex");
}

/** Another one after every change of a program; null where it cannot be looked at. */
async function stampOf(path: string): Promise<string | null> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
  } catch (err) {
    if (isAbsent(err) || errnoOf(err) === "EACCES") return null;
    throw err;
  }
}
