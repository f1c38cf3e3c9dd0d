import type { LogEntry, LogLevel } from "./log-line.ts";

const COLORS: Readonly<Record<LogLevel, string>> = { debug: "\u001b[2m", info: "\u001b[36m", warn: "\u001b[33m", error: "\u001b[31m" };
const DIM = "\u001b[2m";
const RESET = "\u001b[0m";

/** True for a terminal, unless `NO_COLOR` or `TERM=dumb` asks for plain text. */
export function hasColour(stream: { isTTY?: boolean }, env: Readonly<Record<string, string | undefined>>): boolean {
  return stream.isTTY === true && !env["NO_COLOR"] && env["TERM"] !== "dumb";
}

/** One line for a person: time, level, module, message, then the fields as `key=value`. Ends with a line feed. */
export function toTerminalLine(entry: LogEntry, color: boolean): string {
  const { subsystem, ...fields } = entry.fields;
  const level = entry.level.toUpperCase().padEnd(5);
  const where = typeof subsystem === "string" ? `[${subsystem}] ` : "";
  const rest = Object.entries(fields)
    .map(([key, value]) => ` ${key}=${toText(value)}`)
    .join("");
  if (!color) return `${entry.time} ${level} ${where}${entry.message}${rest}\n`;
  return `${DIM}${entry.time}${RESET} ${COLORS[entry.level]}${level}${RESET} ${where}${entry.message}${rest && DIM + rest + RESET}\n`;
}

function toText(value: unknown): string {
  if (typeof value === "string") return /[\s="]/.test(value) || value === "" ? JSON.stringify(value) : value;
  return JSON.stringify(value);
}
