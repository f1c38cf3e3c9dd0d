/** The end of the gateway's log, as `logs.tail` has it. */
import { computed, signal } from "@preact/signals";
import { isConnectionLost } from "./client.ts";
import { errorMessage, requireClient } from "./sync.ts";
import * as store from "./state.ts";

/** Lines that are kept; the oldest go first. */
const MAX_LINES = 2_000;
const FIRST_LINES = 500;

export const LEVELS = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof LEVELS)[number];
export type LogLine = {
  id: number;
  at: number | null;
  level: LogLevel;
  subsystem: string;
  message: string;
  runId: string | null;
  /** The other fields, as text. */
  fields: readonly (readonly [name: string, value: string])[];
};

export const lines = signal<readonly LogLine[]>([]);
/** Null while nothing was read. */
export const file = signal<string | null>(null);
export const failed = signal<string | null>(null);
/** Lines of this level and of worse ones are shown. */
export const level = signal<LogLevel>("info");
export const words = signal("");
/** New lines are read as they come. */
export const follows = signal(true);

let cursor: number | undefined;
let ids = 0;

/** The lines that are shown, the newest first. */
export const shown = computed(() => {
  const wanted = words.value.trim().toLowerCase();
  const worst = LEVELS.indexOf(level.value);
  return lines.value.filter((line) => LEVELS.indexOf(line.level) <= worst && (wanted === "" || textOf(line).includes(wanted))).toReversed();
});

const textOf = ({ subsystem, message, fields }: LogLine): string =>
  `${subsystem} ${message} ${fields.map(([name, value]) => `${name}=${value}`).join(" ")}`.toLowerCase();

/** One line of the log. Anything but a record is shown as it is. Pure. */
export function parseLine(text: string, id: number): LogLine {
  const record = toRecord(text);
  if (record === null) return { id, at: null, level: "info", subsystem: "", message: text, runId: null, fields: [] };
  const { time, level: given, message, subsystem, ...rest } = record;
  const known = given === "fatal" ? "error" : given === "trace" ? "debug" : given;
  const at = typeof time === "string" ? Date.parse(time) : NaN;
  return {
    id,
    at: Number.isNaN(at) ? null : at,
    level: LEVELS.find((one) => one === known) ?? "info",
    subsystem: typeof subsystem === "string" ? subsystem : "",
    message: typeof message === "string" ? message : text,
    runId: typeof rest["runId"] === "string" ? rest["runId"] : null,
    fields: Object.entries(rest).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)] as const),
  };
}

function toRecord(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** The newest lines until a time, newest first; null: until now. Pure. */
export const linesUntil = (all: readonly LogLine[], at: number | null, count: number): readonly LogLine[] =>
  all
    .filter((line) => line.level !== "debug" && (at === null || (line.at ?? 0) <= at))
    .slice(-count)
    .toReversed();

/** What tells a line from others with the same message. */
const TELLING = ["channel", "account", "agentId", "method", "tool", "error", "cause", "reason", "state"];
/** Pure. */
export const tellingFields = ({ fields }: LogLine): string =>
  fields
    .filter(([name, value]) => value !== "" && TELLING.includes(name))
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");

type Tail = { file: string; cursor: number; lines: readonly string[]; reset: boolean };

/** Reads what is new. Never throws: `failed` says why there is nothing newer. */
export async function loadLines(): Promise<void> {
  if (!store.isOnline.value) return;
  try {
    const from = cursor;
    const tail = await requireClient().request<Tail>(
      "logs.tail",
      from === undefined ? { limit: FIRST_LINES } : { cursor: from, limit: MAX_LINES },
    );
    // Another answer was faster.
    if (cursor !== from) return;
    cursor = tail.cursor;
    // A log in memory has no position: each answer has all of its lines.
    const before = tail.reset || tail.file === "memory" ? [] : lines.value;
    if (tail.lines.length > 0 || tail.reset)
      lines.value = [...before, ...tail.lines.map((text) => parseLine(text, ids++))].slice(-MAX_LINES);
    file.value = tail.file;
    failed.value = null;
  } catch (error) {
    if (!isConnectionLost(error)) failed.value = errorMessage(error);
  }
}
