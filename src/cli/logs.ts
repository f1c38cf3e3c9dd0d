import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { ClientError } from "../client/errors.ts";
import { keepConnected } from "../client/reconnect.ts";
import type { ProtocolClient } from "../client/client.ts";
import { EXIT } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { CommandHandler } from "./command.ts";
import { gatewayOrFiles, toCliError, toClientOptions } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { matchesFilter, parseSince, searchLogFiles, type LogFilter } from "./log-search.ts";
import type { Output, TerminalStyle } from "./output.ts";
import { configOf, pathsOf, resolveTarget } from "./gateway-target.ts";
import { sanitizeLine, formatDuration, safeJsonLine } from "./terminal-text.ts";

type Tail = { file: string; cursor: number; lines: string[]; reset?: boolean; truncated?: boolean; skippedBytes?: number };
type Line = { time?: string; level?: string; message?: string; subsystem?: string } & Record<string, unknown>;

const RANK: Readonly<Record<string, number>> = { debug: 0, info: 1, warn: 2, error: 3 };
const STYLES: Readonly<Record<string, TerminalStyle>> = { debug: "dim", info: "cyan", warn: "yellow", error: "red" };
/** Lines of a search, where no number is given; the most that one request of a gateway elsewhere returns. */
const SEARCH_LINES = 5_000;
const SEARCH_BYTES = 1_000_000;
/** How often a log that is followed is asked for more. */
const POLL_MS = 500;

/** `openclaw logs` */
export const logs: CommandHandler = async (invocation) => {
  const filter: LogFilter = { run: invocation.text("run") ?? null, sinceMs: parseSince(invocation.text("since"), invocation.host.now()) };
  const isSearch = filter.run !== null || filter.sinceMs !== null;
  const limit = invocation.number("limit") ?? (isSearch ? SEARCH_LINES : 50);
  if (invocation.has("follow")) return await follow(invocation, limit, filter);
  if (isSearch) return await search(invocation, limit, filter);
  const tail = await gatewayOrFiles<Tail>(
    invocation,
    ["operator.read"],
    ({ client }) => client.request("logs.tail", { limit }),
    () => tailOfFile(invocation, limit),
  );
  show(tail.lines, invocation);
  if (tail.lines.length === 0) invocation.out.note(`No lines in ${tail.file} yet.`);
};

/** The wanted lines of the whole log, also of its older files, where they are on this machine; elsewhere of its end. */
async function search(invocation: Invocation, limit: number, filter: LogFilter): Promise<void> {
  const { isLocal } = resolveTarget(invocation);
  const tail = await gatewayOrFiles<Tail>(
    invocation,
    ["operator.read"],
    // The gateway writes what it has not written yet before it answers.
    ({ client }) => client.request("logs.tail", isLocal ? { limit: 1 } : { limit: SEARCH_LINES, maxBytes: SEARCH_BYTES }),
    () => tailOfFile(invocation, 1),
  );
  const isWanted = (text: string): boolean => matchesFilter(parseLine(text), filter);
  const onDisk = isLocal && tail.file !== "memory";
  const lines = onDisk ? await searchLogFiles(tail.file, limit, isWanted) : tail.lines.filter(isWanted).slice(-limit);
  show(lines, invocation);
  if (lines.length === 0) invocation.out.note(`No lines in ${tail.file} match.`);
  if (!onDisk && tail.truncated) invocation.out.note("Only the end of the log was searched: the gateway is on another machine.");
}

/** With --json the lines go out as they are: one JSON object each. */
function show(lines: readonly string[], invocation: Invocation): void {
  const { out } = invocation;
  const least = RANK[invocation.text("level") ?? "debug"]!;
  for (const text of lines) {
    const line = parseLine(text);
    if ((RANK[line?.level ?? "error"] ?? 3) < least) continue;
    if (!out.json) out.line(line ? toText(line, out) : sanitizeLine(text));
    else if (line) out.line(safeJsonLine(text));
    else out.data({ message: text });
  }
}

function parseLine(text: string): Line | null {
  try {
    const line: unknown = JSON.parse(text);
    return typeof line === "object" && line !== null ? (line as Line) : null;
  } catch (err) {
    if (err instanceof SyntaxError) return null;
    throw err;
  }
}

/** "22:14:07 WARN  [irc] reconnecting cause=... " in local time. */
function toText({ time, level = "info", message = "", subsystem, ...fields }: Line, out: Output): string {
  const at = time ? new Date(time) : null;
  const clock = at && !Number.isNaN(at.getTime()) ? at.toTimeString().slice(0, 8) : "--:--:--";
  const where = subsystem ? `[${sanitizeLine(subsystem)}] ` : "";
  const rest = Object.entries(fields).map(
    ([key, value]) => `${sanitizeLine(key)}=${sanitizeLine(typeof value === "string" ? value : JSON.stringify(value))}`,
  );
  const tail = rest.length > 0 ? `  ${out.paint("dim", rest.join(" "))}` : "";
  return `${out.paint("dim", clock)} ${out.paint(STYLES[level] ?? "cyan", sanitizeLine(level).toUpperCase().padEnd(5))} ${where}${sanitizeLine(message)}${tail}`;
}

/** Shows what comes until Ctrl-C; goes on where it was after the gateway was away. */
async function follow(invocation: Invocation, limit: number, filter: LogFilter): Promise<number> {
  const { out, host } = invocation;
  const target = resolveTarget(invocation);
  let cursor: number | undefined;
  const read = async (client: ProtocolClient): Promise<void> => {
    const tail = await client.request<Tail>("logs.tail", cursor === undefined ? { limit } : { cursor, limit: 5_000 });
    if (tail.skippedBytes) out.note(`(${tail.skippedBytes} bytes skipped: the log grew too fast)`);
    cursor = tail.cursor;
    show(
      tail.lines.filter((text) => matchesFilter(parseLine(text), filter)),
      invocation,
    );
  };
  const onOpen = async (client: ProtocolClient): Promise<void> => {
    await read(client);
    const timer = setInterval(() => {
      read(client).catch((err: unknown) => {
        // onDisconnected reports a lost connection; any other error ends this connection and is reported there as well.
        if (!(err instanceof ClientError && err.kind === "closed")) void client.close();
      });
    }, POLL_MS);
    void client.closed.then(() => clearInterval(timer));
  };
  const onDown = (err: ClientError, retryInMs: number): void => out.note(`(${err.message}; retrying in ${formatDuration(retryInMs)})`);
  try {
    await keepConnected(
      await toClientOptions(invocation, target, { scopes: ["operator.read"] }),
      { onConnected: onOpen, onDisconnected: onDown },
      host.signal,
    );
  } catch (err) {
    throw toCliError(err, target, invocation);
  }
  return EXIT.ok;
}

/** The end of the log file itself. */
function tailOfFile(invocation: Invocation, limit: number): Tail {
  const file = configOf(invocation).config.logging.file ?? join(pathsOf(invocation).gateway, "logs", "gateway.log");
  let descriptor: number;
  try {
    descriptor = openSync(file, "r");
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === "ENOENT") return { file, cursor: 0, lines: [] };
    throw err;
  }
  try {
    const { size } = fstatSync(descriptor);
    const from = Math.max(0, size - Math.max(LIMITS.logTailBytes, limit * 512));
    const bytes = Buffer.alloc(size - from);
    const length = readSync(descriptor, bytes, 0, bytes.length, from);
    const lines = bytes
      .toString("utf8", 0, length)
      .split("\n")
      .slice(from > 0 ? 1 : 0)
      .filter(Boolean);
    return { file, cursor: size, lines: lines.slice(-limit) };
  } finally {
    closeSync(descriptor);
  }
}
