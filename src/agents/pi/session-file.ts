import { open, readFile, stat, truncate } from "node:fs/promises";
import { dirname, join } from "node:path";
import { GatewayError } from "../../core/errors.ts";
import { writeFileAtomic } from "../../core/files.ts";
import { silentLog, type Log } from "../../core/log.ts";
import { makePrivateDir } from "../../core/private-dir.ts";
import type { ContextMessage } from "../runtime.ts";

/**
 * Pi's session file: JSON lines, a header and then entries with their parent. A checkpoint states which part of it
 * belongs to turns that the gateway has stored: `1:<bytes>:<id of the last entry>`.
 */
export type Checkpoint = { bytes: number; lastId: string };

/** Relation of a file to a checkpoint. `same`: nothing to do. `ahead`: truncate it. `lost`: rewrite it. */
export type CheckpointStatus = "same" | "ahead" | "lost";

const ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/;
/** Bytes in which the last line is searched; a longer line needs a second, larger read. */
const TAIL_BYTES = 4_096;

/** Throws INVALID_REQUEST unless `id` is safe as a path component. */
export function requireSafeId(id: string, what: string): string {
  if (!ID.test(id)) throw new GatewayError("INVALID_REQUEST", `Not a valid ${what}: use letters, digits, "-" and "_".`);
  return id;
}

/** Path of the context of one session. Throws INVALID_REQUEST for ids that are not plain names. */
export function sessionPath(agentsDir: string, agentId: string, sessionId: string): string {
  return join(agentsDir, requireSafeId(agentId, "agent id"), "sessions", `${requireSafeId(sessionId, "session id")}.jsonl`);
}

export const toCheckpoint = (checkpoint: Checkpoint): string => `1:${checkpoint.bytes}:${checkpoint.lastId}`;

/** Null for checkpoints that this release did not write; the context is then rebuilt. */
export function parseCheckpoint(text: string | null): Checkpoint | null {
  const match = text === null ? null : /^1:(\d{1,15}):([A-Za-z0-9_-]{1,128})$/.exec(text);
  return match ? { bytes: Number(match[1]), lastId: match[2]! } : null;
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (err) {
    if (["ENOENT", "ENOTDIR"].includes((err as NodeJS.ErrnoException).code ?? "")) return -1;
    throw err;
  }
}

/** The last complete line that ends at or before `end`, with the offset after it. Undefined if there is none. */
async function lastLine(path: string, end: number, look = TAIL_BYTES): Promise<{ line: string; end: number } | undefined> {
  const start = Math.max(0, end - look);
  const bytes = Buffer.alloc(end - start);
  const file = await open(path, "r");
  try {
    await file.read(bytes, 0, bytes.length, start);
  } finally {
    await file.close();
  }
  const stop = bytes.lastIndexOf(10);
  if (stop === -1) return start === 0 ? undefined : lastLine(path, end, look * 16);
  const from = stop === 0 ? -1 : bytes.lastIndexOf(10, stop - 1);
  if (from === -1 && start > 0) return lastLine(path, end, look * 16);
  return { line: bytes.toString("utf8", from + 1, stop), end: start + stop + 1 };
}

function idOf(line: string): string | undefined {
  try {
    const entry = JSON.parse(line) as { id?: unknown };
    return typeof entry.id === "string" ? entry.id : undefined;
  } catch (err) {
    if (err instanceof SyntaxError) return undefined;
    throw err;
  }
}

/**
 * Compares a file with the stored checkpoint of the gateway. `measured`: the end of the file as this process measured it;
 * a file of that size is not opened again.
 */
export async function compareWithCheckpoint(path: string, checkpoint: Checkpoint | null, measured?: Checkpoint): Promise<CheckpointStatus> {
  const size = await sizeOf(path);
  if (checkpoint && measured?.lastId === checkpoint.lastId && measured.bytes === checkpoint.bytes && size === checkpoint.bytes)
    return "same";
  if (checkpoint === null || size < checkpoint.bytes || checkpoint.bytes === 0) return "lost";
  const last = await lastLine(path, checkpoint.bytes);
  if (!last || last.end !== checkpoint.bytes || idOf(last.line) !== checkpoint.lastId) return "lost";
  return size === checkpoint.bytes ? "same" : "ahead";
}

/** Position of the file after a turn. An incomplete last line, left by a crash, is cut off. Null if nothing is usable. */
export async function measureCheckpoint(path: string): Promise<Checkpoint | null> {
  const size = await sizeOf(path);
  if (size <= 0) return null;
  const last = await lastLine(path, size);
  const lastId = last && idOf(last.line);
  if (!last || lastId === undefined) return null;
  if (last.end !== size) await truncate(path, last.end);
  return { bytes: last.end, lastId };
}

/** Truncates a file to its checkpoint. No process may have it open. */
export async function truncateToCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  await truncate(path, checkpoint.bytes);
}

const NO_USAGE = {
  input: 0,
  output: 0,
  cacheRead: 0,
  cacheWrite: 0,
  totalTokens: 0,
  cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, total: 0 },
};

function toMessage({ role, text, at }: ContextMessage): Record<string, unknown> {
  const content = [{ type: "text", text }];
  if (role === "user") return { role, content, timestamp: at };
  const origin = { api: "openai-completions", provider: "openclaw", model: "history" };
  return { role, content, ...origin, usage: NO_USAGE, stopReason: "stop", timestamp: at };
}

/** The lines of a session file that holds `history`. Entry ids are derived from the position, so equal input gives equal lines. */
export function toSessionLines(sessionId: string, cwd: string, startedAt: number, history: readonly ContextMessage[]): string[] {
  const header = { type: "session", version: 3, id: sessionId, timestamp: new Date(startedAt).toISOString(), cwd };
  let parentId: string | null = null;
  const entries = history
    .filter((message) => message.text.trim() !== "")
    .map((message, index) => {
      const id = (index + 1).toString(16).padStart(8, "0");
      const entry = { type: "message", id, parentId, timestamp: new Date(message.at).toISOString(), message: toMessage(message) };
      parentId = id;
      return entry;
    });
  return [header, ...entries].map((entry) => JSON.stringify(entry));
}

/** Rewrites a session file (atomically, 0600 in a 0700 directory); resolves to its position. */
export async function rebuildSessionFile(
  path: string,
  session: { id: string; cwd: string; startedAt: number },
  history: readonly ContextMessage[],
  log: Pick<Log, "warn"> = silentLog,
): Promise<Checkpoint> {
  const lines = toSessionLines(session.id, session.cwd, session.startedAt, history);
  const text = `${lines.join("\n")}\n`;
  await makePrivateDir(dirname(path), log);
  await writeFileAtomic(path, text);
  return { bytes: Buffer.byteLength(text), lastId: idOf(lines.at(-1)!)! };
}

/**
 * Updates the working directory in the file's header if it differs; tools run in that directory.
 * Resolves to the new position of the file, or to null without a change. No process may have the file open.
 */
export async function setWorkingDirectory(path: string, cwd: string): Promise<Checkpoint | null> {
  const text = await readFile(path, "utf8");
  const end = text.indexOf("\n");
  const header = JSON.parse(text.slice(0, end)) as { cwd?: unknown };
  if (header.cwd === cwd) return null;
  await writeFileAtomic(path, JSON.stringify({ ...header, cwd }) + text.slice(end));
  return measureCheckpoint(path);
}
