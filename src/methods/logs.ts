import { open } from "node:fs/promises";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { MethodParams, MethodTable } from "../protocol/method.ts";

export type LogsDeps = {
  /** Absolute path of the log file; null when there is none. A client cannot name another one. */
  file: string | null;
  /** Resolves when everything said so far is on the disk. */
  flush: () => Promise<void>;
  /** The newest lines in memory, for a gateway without a file. */
  recent: (limit: number) => string[];
};

type Tail = { file: string; cursor: number; size: number; lines: string[]; truncated: boolean; reset: boolean; skippedBytes?: number };

/** logs.tail: the end of the log, or what came after `cursor`. Only whole lines; text in them is untrusted. */
export function logsMethods(deps: LogsDeps) {
  return { "logs.tail": { scope: "operator.read", run: (params) => tail(deps, params) } } satisfies MethodTable;
}

async function tail(deps: LogsDeps, params: MethodParams<"logs.tail">): Promise<Tail> {
  const limit = params.limit ?? LIMITS.logTailLines;
  if (deps.file === null) {
    return { file: "memory", cursor: 0, size: 0, lines: deps.recent(limit), truncated: false, reset: params.cursor !== undefined };
  }
  await deps.flush();
  try {
    const handle = await open(deps.file, "r");
    try {
      const { size } = await handle.stat();
      const from = startOf(params.cursor, size, params.maxBytes ?? LIMITS.logTailBytes);
      const bytes = Buffer.alloc(size - from.at);
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, from.at);
      return toTail(deps.file, size, from, bytes.subarray(0, bytesRead), limit);
    } finally {
      await handle.close();
    }
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === "ENOENT") {
      return { file: deps.file, cursor: 0, size: 0, lines: [], truncated: false, reset: params.cursor !== undefined && params.cursor > 0 };
    }
    throw new GatewayError("UNAVAILABLE", `the log cannot be read: ${reasonOf(err)}`, { cause: err });
  }
}

type Start = { at: number; midLine: boolean; reset: boolean; skippedBytes: number };

/** Where reading begins. A cursor beyond the end belongs to a file that was rotated away: then the tail is read again. */
function startOf(cursor: number | undefined, size: number, maxBytes: number): Start {
  const earliest = Math.max(0, size - maxBytes);
  if (cursor === undefined || cursor > size) return { at: earliest, midLine: earliest > 0, reset: cursor !== undefined, skippedBytes: 0 };
  if (cursor < earliest) return { at: earliest, midLine: true, reset: true, skippedBytes: earliest - cursor };
  return { at: cursor, midLine: false, reset: false, skippedBytes: 0 };
}

function toTail(file: string, size: number, start: Start, bytes: Buffer, limit: number): Tail {
  const first = start.midLine ? bytes.indexOf(0x0a) + 1 : 0;
  const end = bytes.lastIndexOf(0x0a) + 1;
  const lines = end > first ? bytes.toString("utf8", first, end - 1).split("\n") : [];
  const cut = lines.length > limit;
  return {
    file,
    cursor: start.at + end,
    size,
    lines: cut ? lines.slice(-limit) : lines,
    truncated: cut || start.midLine,
    reset: start.reset,
    ...(start.skippedBytes > 0 ? { skippedBytes: start.skippedBytes } : {}),
  };
}
