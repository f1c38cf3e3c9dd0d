import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { WORKSPACE_FILES } from "../agents/system-prompt.ts";
import { GatewayError } from "../core/errors.ts";
import { errnoOf, fileProblemOf, openBeneath, readAtMost, UnsafePathError, writeFileAtomic } from "../core/files.ts";
import type { AgentId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { MethodParams, MethodTable } from "../protocol/method.ts";

export type AgentFilesDeps = {
  /** Throws for an agent that is not configured. */
  requireAgent: (agentId: string) => AgentId;
  workspaceOf: (agentId: AgentId) => string;
  /** Makes the directory and its first files, where they are missing. */
  ensureWorkspace: (workspace: string) => Promise<void>;
};

type FileRow = { name: string; path: string; missing: boolean; size?: number; updatedAtMs?: number; content?: string };

/** agents.files.*: the files of an agent's workspace that become part of its system prompt, and no others. */
export function agentFileMethods(deps: AgentFilesDeps) {
  const placeOf = (agentId: string): { agentId: AgentId; workspace: string } => {
    const id = deps.requireAgent(agentId);
    return { agentId: id, workspace: deps.workspaceOf(id) };
  };
  return {
    "agents.files.list": {
      scope: "operator.read",
      run: async (params) => {
        const place = placeOf(params.agentId);
        return { ...place, files: await Promise.all(WORKSPACE_FILES.map((name) => rowOf(place.workspace, name))) };
      },
    },
    "agents.files.get": {
      scope: "operator.read",
      run: async (params) => {
        const place = placeOf(params.agentId);
        return { ...place, file: await readFile(place.workspace, requireName(params.name)) };
      },
    },
    "agents.files.set": {
      scope: "operator.admin",
      maxBytes: LIMITS.agentFileBytes * 2,
      run: (params) => writeFile(deps, placeOf(params.agentId), params),
    },
  } satisfies MethodTable;
}

/** A name of the list: whatever a client sends is never part of a path. */
function requireName(name: string): string {
  const known = WORKSPACE_FILES.find((each) => each === name);
  if (known) return known;
  throw new GatewayError("INVALID_REQUEST", `${JSON.stringify(name.slice(0, 80))} is not a file of the system prompt`, {
    fix: `Use one of ${WORKSPACE_FILES.join(", ")}.`,
  });
}

async function rowOf(workspace: string, name: string): Promise<FileRow> {
  const path = join(workspace, name);
  try {
    const { size, mtimeMs } = await lstat(path);
    return { name, path, missing: false, size, updatedAtMs: Math.round(mtimeMs) };
  } catch (err) {
    if (errnoOf(err) === "ENOENT" || errnoOf(err) === "ENOTDIR") return { name, path, missing: true };
    throw unreadable(name, err);
  }
}

async function readFile(workspace: string, name: string): Promise<FileRow> {
  const row = await rowOf(workspace, name);
  if (row.missing) return { ...row, content: "" };
  try {
    const handle = await openBeneath(workspace, name);
    try {
      const bytes = await readAtMost(handle, LIMITS.agentFileBytes + 1);
      if (bytes.length > LIMITS.agentFileBytes) throw tooLarge(name);
      return { ...row, size: bytes.length, content: bytes.toString("utf8") };
    } finally {
      await handle.close();
    }
  } catch (err) {
    throw err instanceof GatewayError ? err : unreadable(name, err);
  }
}

async function writeFile(
  deps: AgentFilesDeps,
  place: { agentId: AgentId; workspace: string },
  { name: wanted, content }: MethodParams<"agents.files.set">,
): Promise<Record<string, unknown>> {
  const name = requireName(wanted);
  if (Buffer.byteLength(content) > LIMITS.agentFileBytes) throw tooLarge(name);
  await deps.ensureWorkspace(place.workspace);
  const path = join(place.workspace, name);
  // A link would be replaced by a file, and what it leads to would stay as it is.
  const found = await lstat(path).catch((err: unknown) => {
    if (errnoOf(err) === "ENOENT") return null;
    throw unreadable(name, err);
  });
  if (found && !found.isFile())
    throw new GatewayError("INVALID_REQUEST", `${name} is a link or not a regular file, and is not written`, {
      fix: `Replace ${path} by a file.`,
    });
  try {
    await writeFileAtomic(path, content, { preserve: true, refuseLink: true });
  } catch (err) {
    throw new GatewayError("UNAVAILABLE", `${path} could not be written: ${fileProblemOf(err)}`, { cause: err });
  }
  return { ok: true, ...place, file: await readFile(place.workspace, name) };
}

const tooLarge = (name: string): GatewayError =>
  new GatewayError("TOO_LARGE", `${name} has more than ${LIMITS.agentFileBytes} bytes`, {
    fix: "Shorten it: only its beginning would become part of the system prompt.",
  });

function unreadable(name: string, err: unknown): GatewayError {
  const reason =
    err instanceof UnsafePathError
      ? err.reason === "outside"
        ? "it is a link to a file outside the workspace"
        : "it is not a regular file"
      : fileProblemOf(err);
  return new GatewayError("UNAVAILABLE", `${name} cannot be read: ${reason}`, { cause: err, retryable: false });
}
