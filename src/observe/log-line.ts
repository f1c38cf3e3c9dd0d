import { GatewayError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { LogFields } from "../core/log.ts";
import { Secret } from "../core/secret.ts";
import { REDACTED_TEXT, isCredentialKey, toSafeField, toSafeText, type KnownSecrets } from "./redact.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";

/** One formatted record. Every text in it is safe to print. */
export type LogEntry = { time: string; level: LogLevel; message: string; fields: Readonly<Record<string, unknown>> };

/** Reserved keys of a line; a field of that name gets a `_` suffix. */
const RESERVED = new Set(["time", "level", "message"]);
const KEY_CHARS = 64;
/** Stack frames that are kept of an unexpected error. */
const STACK_LINES = 12;
/** Bytes reserved in a line for the truncation mark. */
const CUT_MARK_BYTES = 16;

/** Formats a log call of a module. Never throws, for any values. */
export function toEntry(at: number, level: LogLevel, message: string, fields: LogFields, known: KnownSecrets): LogEntry {
  const safe: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const name = toKey(key, known);
    safe[RESERVED.has(name) ? `${name}_` : name] = toValue(key, value, 0, known);
  }
  return { time: new Date(at).toISOString(), level, message: toSafeText(message, LIMITS.logValueChars, known), fields: safe };
}

/** One line of JSON with its line feed, at most LIMITS.logLineBytes long: fields that do not fit are left out and `cut` is set. */
export function toJsonLine(entry: LogEntry): string {
  let line = `{"time":"${entry.time}","level":"${entry.level}","message":${fitLine(JSON.stringify(entry.message))}`;
  let bytes = Buffer.byteLength(line);
  let cut = false;
  for (const [key, value] of Object.entries(entry.fields)) {
    const part = `,${JSON.stringify(key)}:${JSON.stringify(value)}`;
    const size = Buffer.byteLength(part);
    if (bytes + size > LIMITS.logLineBytes - CUT_MARK_BYTES) {
      cut = true;
      continue;
    }
    line += part;
    bytes += size;
  }
  return `${line}${cut ? ',"cut":true' : ""}}\n`;
}

/** A message of multi-byte characters can be within the character limit but exceed the line: then it is truncated further. */
function fitLine(json: string): string {
  const limit = LIMITS.logLineBytes - 128;
  if (Buffer.byteLength(json) <= limit) return json;
  return JSON.stringify(`${(JSON.parse(json) as string).slice(0, Math.floor(limit / 6))}...[cut]`);
}

function toKey(key: string, known: KnownSecrets): string {
  return toSafeText(key, KEY_CHARS, known) || "_";
}

function toValue(key: string, value: unknown, depth: number, known: KnownSecrets): unknown {
  switch (typeof value) {
    case "string":
      return toSafeField(key, value, LIMITS.logValueChars, known);
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "boolean":
      return value;
    case "bigint":
      return value.toString();
    case "object":
      return value === null ? null : toObject(key, value, depth, known);
    default:
      return `[${typeof value}]`;
  }
}

function toObject(key: string, value: object, depth: number, known: KnownSecrets): unknown {
  if (value instanceof Secret) return REDACTED_TEXT;
  if (value instanceof Error) return toErrorFields(value, depth, known);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "[invalid date]" : value.toISOString();
  if (value instanceof URL) return toSafeText(value.href, LIMITS.logValueChars, known);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (isCredentialKey(key) && !Array.isArray(value)) return REDACTED_TEXT;
  if (depth >= LIMITS.logValueDepth) return "[deeper]";
  try {
    if (value instanceof Set) return toList(key, [...value], depth, known);
    if (Array.isArray(value)) return toList(key, value, depth, known);
    return toRecord(value instanceof Map ? [...value] : Object.entries(value), depth, known);
  } catch {
    // A getter or a proxy threw: an unreadable value must not prevent the line.
    return "[unreadable]";
  }
}

function toList(key: string, items: readonly unknown[], depth: number, known: KnownSecrets): unknown[] {
  const list = items.slice(0, LIMITS.logValueEntries).map((item) => toValue(key, item, depth + 1, known));
  if (items.length > list.length) list.push(`[${items.length - list.length} more]`);
  return list;
}

function toRecord(entries: readonly (readonly [unknown, unknown])[], depth: number, known: KnownSecrets): Record<string, unknown> {
  const record: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [key, value] of entries.slice(0, LIMITS.logValueEntries)) {
    if (value !== undefined) record[toKey(String(key), known)] = toValue(String(key), value, depth + 1, known);
  }
  if (entries.length > LIMITS.logValueEntries) record["..."] = `[${entries.length - LIMITS.logValueEntries} more]`;
  return record;
}

/** An expected error is logged with code and text; an unexpected one also with its stack. */
function toErrorFields(err: Error, depth: number, known: KnownSecrets): Record<string, unknown> {
  const message = toSafeText(err.message, LIMITS.logValueChars, known);
  const cause = err.cause === undefined || depth >= LIMITS.logValueDepth ? {} : { cause: toValue("cause", err.cause, depth + 1, known) };
  if (err instanceof GatewayError) return { code: err.code, message, ...cause };
  const code = (err as { code?: unknown }).code;
  const frames = (err.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  return {
    name: toSafeText(err.name, KEY_CHARS, known),
    ...(typeof code === "string" ? { code: toSafeText(code, KEY_CHARS, known) } : {}),
    message,
    stack: frames.slice(0, STACK_LINES).map((line) => toSafeText(line.trim(), 300, known)),
    ...cause,
  };
}
