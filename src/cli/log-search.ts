import { createReadStream, existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { parseDurationMs } from "../config/quantity.ts";
import { CliError, EXIT } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";

/** Which lines of the log are wanted, besides their level. */
export type LogFilter = { run: string | null; sinceMs: number | null };
type LogLine = { time?: unknown; runId?: unknown; traceId?: unknown };

/** `--since`: a duration before now, or a time. */
export function parseSince(text: string | undefined, now: number): number | null {
  if (text === undefined) return null;
  const durationMs = parseDurationMs(text, "s");
  const at = durationMs === null ? Date.parse(text) : now - durationMs;
  if (Number.isNaN(at))
    throw new CliError(`--since ${JSON.stringify(text.slice(0, 40))} is neither a duration nor a time`, {
      fix: "write it as 30s, 10m, 2h, 1d or 2027-01-31T09:00Z",
      exit: EXIT.usage,
    });
  return at;
}

/** Whether a line is wanted. A run is found by its id, or by that of its trace. A line that cannot be read has neither. */
export function matchesFilter(line: LogLine | null, { run, sinceMs }: LogFilter): boolean {
  if (run === null && sinceMs === null) return true;
  if (!line) return false;
  if (run !== null && line.runId !== run && line.traceId !== run) return false;
  return sinceMs === null || Date.parse(String(line.time)) >= sinceMs;
}

/** The last `limit` wanted lines of a log with its older files, oldest first. */
export async function searchLogFiles(file: string, limit: number, isWanted: (line: string) => boolean): Promise<string[]> {
  const older = Array.from({ length: LIMITS.logFiles }, (_, index) => `${file}.${LIMITS.logFiles - index}`);
  const found: string[] = [];
  for (const path of [...older, file]) {
    if (!existsSync(path)) continue;
    for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
      if (line === "" || !isWanted(line)) continue;
      found.push(line);
      if (found.length > 2 * limit) found.splice(0, found.length - limit);
    }
  }
  return found.slice(-limit);
}
