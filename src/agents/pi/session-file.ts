import { closeSync, createReadStream, openSync, readSync, statSync } from "node:fs";
import { truncate } from "node:fs/promises";
import { dirname, join } from "node:path";
import { GatewayError } from "../../core/errors.ts";
import { writeFileAtomic, writePartsAtomic } from "../../core/files.ts";
import { silentLog, type Log } from "../../core/log.ts";
import { makePrivateDir } from "../../core/private-dir.ts";
import type { ContextMessage } from "../runtime.ts";

/**
 * Pi's session file: JSON lines, a header and then entries that each name their parent. A checkpoint says how much of it
 * belongs to turns that the gateway has stored: `1:<bytes>:<id of the last entry>`.
 */
export type Checkpoint = { bytes: number; lastId: string };

/** A file compared with a checkpoint. `same`: nothing to do. `ahead`: truncate it. `lost`: write a new one. */
export type CheckpointStatus = "same" | "ahead" | "lost";

const ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/;
/** The last line is searched in this many bytes; a longer one is found by a second, larger read. */
const TAIL_BYTES = 4_096;

/** Throws INVALID_REQUEST unless `id` is safe as a part of a path. */
export function requireSafeId(id: string, what: string): string {
  if (!ID.test(id)) throw new GatewayError("INVALID_REQUEST", `Not a valid ${what}: use letters, digits, "-" and "_".`);
  return id;
}

/** Path of the context of one session. Throws INVALID_REQUEST for ids that are not plain names. */
export function sessionPath(agentsDir: string, agentId: string, sessionId: string): string {
  return join(agentsDir, requireSafeId(agentId, "agent id"), "sessions", `${requireSafeId(sessionId, "session id")}.jsonl`);
}

export const toCheckpoint = (checkpoint: Checkpoint): string => `1:${checkpoint.bytes}:${checkpoint.lastId}`;

/** Null for a text of another form; the context is then rebuilt. */
export function parseCheckpoint(text: string | null): Checkpoint | null {
  const match = text === null ? null : /^1:(\d{1,15}):([A-Za-z0-9_-]{1,128})$/.exec(text);
  return match ? { bytes: Number(match[1]), lastId: match[2]! } : null;
}

/** -1 for a missing file. Synchronous like the database beside it: an asynchronous call costs five times the CPU, and each turn makes several. */
function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? -1;
}

/** The last complete line that ends at or before `end`, with the offset after it. Undefined when there is none. */
function lastLine(path: string, end: number, look = TAIL_BYTES): { line: string; end: number } | undefined {
  const start = Math.max(0, end - look);
  const bytes = Buffer.alloc(end - start);
  const file = openSync(path, "r");
  try {
    readSync(file, bytes, 0, bytes.length, start);
  } finally {
    closeSync(file);
  }
  const stop = bytes.lastIndexOf(10);
  if (stop === -1) return start === 0 ? undefined : lastLine(path, end, look * 16);
  const from = stop === 0 ? -1 : bytes.lastIndexOf(10, stop - 1);
  if (from === -1 && start > 0) return lastLine(path, end, look * 16);
  return { line: bytes.toString("utf8", from + 1, stop), end: start + stop + 1 };
}

/** As Pi writes an entry: its id is found without parsing what it holds, which can be a picture of megabytes. */
const ENTRY_HEAD = /^\{"type":"[a-z_]{1,64}","id":"([A-Za-z0-9_-]{1,128})",/;
const LONG_LINE = 65_536;

function idOf(line: string): string | undefined {
  if (line.length > LONG_LINE && line.endsWith("}")) {
    const head = ENTRY_HEAD.exec(line);
    if (head) return head[1];
  }
  try {
    const entry = JSON.parse(line) as { id?: unknown };
    return typeof entry.id === "string" ? entry.id : undefined;
  } catch (err) {
    if (err instanceof SyntaxError) return undefined;
    throw err;
  }
}

/**
 * Compares a file with the checkpoint that the gateway has stored. `measured`: the end of the file as this process last saw it;
 * a file of that size is not opened again.
 */
export function compareWithCheckpoint(path: string, checkpoint: Checkpoint | null, measured?: Checkpoint): CheckpointStatus {
  const size = sizeOf(path);
  if (checkpoint && measured?.lastId === checkpoint.lastId && measured.bytes === checkpoint.bytes && size === checkpoint.bytes)
    return "same";
  if (checkpoint === null || size < checkpoint.bytes || checkpoint.bytes === 0) return "lost";
  const last = lastLine(path, checkpoint.bytes);
  if (!last || last.end !== checkpoint.bytes || idOf(last.line) !== checkpoint.lastId) return "lost";
  return size === checkpoint.bytes ? "same" : "ahead";
}

/** The checkpoint of a file after a turn. An incomplete last line, left by a crash, is removed. Null when nothing is usable. */
export async function measureCheckpoint(path: string): Promise<Checkpoint | null> {
  const size = sizeOf(path);
  if (size <= 0) return null;
  const last = lastLine(path, size);
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

/** Replaces a session file (atomically, 0600 in a 0700 directory); resolves to its checkpoint. */
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
 * Changes the working directory in the file's header, in which tools run. Resolves to the new checkpoint, or to null without a
 * change. No process may have the file open.
 */
export async function setWorkingDirectory(path: string, cwd: string): Promise<Checkpoint | null> {
  const first = await firstLine(path);
  const header = JSON.parse(first) as { cwd?: unknown };
  if (header.cwd === cwd) return null;
  await writePartsAtomic(path, withFirstLine(path, Buffer.byteLength(first), JSON.stringify({ ...header, cwd })));
  return measureCheckpoint(path);
}

/** The first line, without reading the others: they can have many megabytes. */
async function firstLine(path: string): Promise<string> {
  const file = createReadStream(path, { highWaterMark: TAIL_BYTES });
  const parts: Buffer[] = [];
  for await (const part of file as AsyncIterable<Buffer>) {
    const end = part.indexOf(10);
    parts.push(end === -1 ? part : part.subarray(0, end));
    if (end !== -1) break;
  }
  return Buffer.concat(parts).toString("utf8");
}

/** The content of a file with another first line; `oldBytes` is the length of its present one. */
async function* withFirstLine(path: string, oldBytes: number, line: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(line);
  yield* createReadStream(path, { start: oldBytes }) as AsyncIterable<Buffer>;
}
