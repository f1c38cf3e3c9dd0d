import { dirname } from "node:path";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { writeFileAtomic, ensureDirectory } from "../core/files.ts";
import { isObject } from "../core/json.ts";
import { LIMITS } from "../core/limits.ts";
import type { ConfigIssue } from "./issue.ts";
import { Json5Error, createLocator, parseTree, valueOf, type ObjectMember, type Tree } from "./json5.ts";
import { formatPath, parsePath, type KeyPath } from "./key-path.ts";
import { checkConfigText, readTextFile, type LoadOptions } from "./load.ts";
import { rewrite } from "./text-edit.ts";

/** A path as text (`gateway.port`, `channels.irc.groups["#a.b"]`) or as its steps. */
export type PathLike = string | KeyPath;

const EMPTY_TEXT = "{}\n";

function toPath(path: PathLike): KeyPath {
  const steps = typeof path === "string" ? parsePath(path) : path;
  if (steps && steps.length > 0 && !steps.includes("__proto__")) return steps;
  throw new GatewayError(
    "INVALID_REQUEST",
    `"${typeof path === "string" ? path.slice(0, 100) : formatPath(path)}" is not a path of a key`,
    {
      fix: "write it like gateway.port or bindings[0].agentId",
    },
  );
}

/** The value of a whole text. Throws INVALID_REQUEST, with line and column, when it is not JSON5. */
function parseText(rawText: string): unknown {
  try {
    return valueOf(parseTree(rawText));
  } catch (err) {
    throw toGatewayError(err, rawText);
  }
}

function toGatewayError(err: unknown, text: string): unknown {
  if (!(err instanceof Json5Error)) return err;
  const { line, column } = createLocator(text)(err.offset);
  return new GatewayError("INVALID_REQUEST", `line ${line}, column ${column}: ${err.message}`, { details: { line, column } });
}

/** A blank text counts as an empty object, so that the first edit makes the file. */
const emptyObjectIfBlank = (rawText: string): string => (/^[\uFEFF\s]*$/.test(rawText) ? EMPTY_TEXT : rawText);

/** The literal value in the text (no defaults, no substitution); undefined if absent. */
export function getAt(rawText: string, path: PathLike): unknown {
  let value = parseText(emptyObjectIfBlank(rawText));
  for (const step of toPath(path)) {
    if (Array.isArray(value)) value = value[Number(step)];
    else if (isObject(value) && Object.hasOwn(value, step)) value = value[step];
    else return undefined;
  }
  return value;
}

/**
 * The text with `value` at `path`; objects on the way are made. Comments, order, quotes and spacing of everything else stay.
 * Throws INVALID_REQUEST for a text that is not JSON5, a path that is none, and a position beyond the end of a list.
 */
export function setAt(rawText: string, path: PathLike, value: unknown): string {
  const text = emptyObjectIfBlank(rawText);
  return rewrite(text, setIn(parseText(text), toPath(path), value, 0));
}

/** The text without `path`; the same text when it is not there. Throws as setAt does. */
export function unsetAt(rawText: string, path: PathLike): string {
  const text = emptyObjectIfBlank(rawText);
  return rewrite(text, unsetIn(parseText(text), toPath(path)));
}

/** The text with another name for one key; its value, with the comments inside of it, and its place stay. The same text when it is not there. */
export function renameAt(rawText: string, path: PathLike, name: string): string {
  const steps = toPath(path);
  let tree: Tree | undefined = parseTree(emptyObjectIfBlank(rawText));
  let member: ObjectMember | undefined;
  for (const step of steps) {
    member = tree?.kind === "object" ? tree.members.findLast(({ key }) => key === step) : undefined;
    tree = tree?.kind === "array" ? tree.items[Number(step)] : member?.value;
  }
  if (member === undefined) return rawText;
  const { keyStart, keyEnd } = member;
  const isBare = !/["']/.test(rawText[keyStart]!) && /^[A-Za-z_$][\w$]*$/.test(name);
  return `${rawText.slice(0, keyStart)}${isBare ? name : JSON.stringify(name)}${rawText.slice(keyEnd)}`;
}

function setIn(current: unknown, path: KeyPath, value: unknown, depth: number): unknown {
  if (depth === path.length) return toJsonValue(value);
  const step = path[depth]!;
  if (Array.isArray(current) || (typeof step === "number" && !isObject(current))) {
    const items: unknown[] = Array.isArray(current) ? [...current] : [];
    const index = Number(step);
    if (!Number.isInteger(index) || index < 0 || index > items.length) {
      throw new GatewayError("INVALID_REQUEST", `${formatPath(path.slice(0, depth + 1))} is not a position of the list`, {
        fix: `use a number from 0 to ${items.length}; ${items.length} appends`,
      });
    }
    items[index] = setIn(items[index], path, value, depth + 1);
    return items;
  }
  const out: Record<string, unknown> = isObject(current) ? { ...current } : {};
  out[step] = setIn(Object.hasOwn(out, step) ? out[step] : undefined, path, value, depth + 1);
  return out;
}

/** A value of JSON, as it would arrive over the wire. */
function toJsonValue(value: unknown): unknown {
  const text = JSON.stringify(value);
  if (text === undefined) throw new GatewayError("INVALID_REQUEST", "only values of JSON can be set");
  return JSON.parse(text);
}

function unsetIn(current: unknown, path: KeyPath): unknown {
  const [step, ...rest] = path;
  if (Array.isArray(current)) {
    const index = Number(step);
    if (rest.length > 0) return current.map((item, at) => (at === index ? unsetIn(item, rest) : item));
    return current.filter((_, at) => at !== index);
  }
  if (!isObject(current) || !Object.hasOwn(current, step!)) return current;
  const { [step!]: value, ...others } = current;
  if (rest.length === 0) return others;
  return { ...current, [step!]: unsetIn(value, rest) };
}

/**
 * The text after a JSON merge patch (RFC 7396): objects are merged, `null` takes a key away, everything else replaces. Objects
 * at `replacePaths` are replaced, not merged. Throws as setAt does.
 */
export function mergePatch(rawText: string, patch: unknown, replacePaths: readonly string[] = []): string {
  const text = emptyObjectIfBlank(rawText);
  if (!isObject(patch)) throw new GatewayError("INVALID_REQUEST", "a patch must be an object");
  return rewrite(text, mergeObjects(parseText(text), patch, "", new Set(replacePaths)));
}

function mergeObjects(current: unknown, patch: unknown, at: string, replaced: ReadonlySet<string>): unknown {
  if (!isObject(patch)) return patch;
  const out: Record<string, unknown> = isObject(current) && !replaced.has(at) ? { ...current } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (key === "__proto__") continue;
    if (value === null) delete out[key];
    else out[key] = mergeObjects(Object.hasOwn(out, key) ? out[key] : undefined, value, at === "" ? key : `${at}.${key}`, replaced);
  }
  return out;
}

export type WriteOptions = Omit<LoadOptions, "path" | "lastGoodPath"> & {
  /** What the caller believes to be in the file (null: no file). When something else is there, nothing is written. */
  readonly base?: string | null;
};

/** Writes of one file wait for each other, so that the check of `base` still holds when the file is replaced. */
const writeQueues = new Map<string, Promise<unknown>>();

/**
 * Checks a text and makes it the configuration file: atomically, durably, with the previous version beside it as `<file>.bak`.
 * Throws INVALID_REQUEST with `details.issues` when the text has errors that the file does not have, and when `base` is no
 * longer what is there; UNAVAILABLE when the file cannot be written. Resolves to what the check found.
 */
export async function writeConfig(path: string, text: string, options: WriteOptions): Promise<readonly ConfigIssue[]> {
  const before = writeQueues.get(path) ?? Promise.resolve();
  const mine = before.then(() => replaceConfig(path, text, options));
  const settled = mine.then(
    () => undefined,
    () => undefined,
  );
  writeQueues.set(path, settled);
  try {
    return await mine;
  } finally {
    if (writeQueues.get(path) === settled) writeQueues.delete(path);
  }
}

async function replaceConfig(path: string, text: string, options: WriteOptions): Promise<readonly ConfigIssue[]> {
  const file = readTextFile(path, LIMITS.configFileBytes);
  const current = "text" in file ? file.text : null;
  if (options.base !== undefined && (options.base !== current || "problem" in file)) {
    throw new GatewayError("INVALID_REQUEST", "config changed since last load; re-run config.get and retry", {
      details: { reason: "stale" },
    });
  }
  const issues = assertNoNewErrors(current, text, path, options);
  if (text === current) return issues;
  try {
    await ensureDirectory(dirname(path));
    await writeFileAtomic(path, text, { preserve: true, backup: `${path}.bak` });
  } catch (err) {
    throw new GatewayError("UNAVAILABLE", `${path} could not be written: ${reasonOf(err)}`, { cause: err });
  }
  return issues;
}

/** What the check of `text` finds. Throws when it has an error that `current` does not have. */
function assertNoNewErrors(current: string | null, text: string, path: string, options: WriteOptions): readonly ConfigIssue[] {
  if (Buffer.byteLength(text) > LIMITS.configFileBytes) {
    throw new GatewayError("INVALID_REQUEST", `the configuration would be larger than ${LIMITS.configFileBytes} bytes`);
  }
  const next = checkConfigText(text, { ...options, path });
  const known = new Set<string>();
  if (current !== null && next.isReadable)
    for (const issue of checkConfigText(current, { ...options, path }).issues) known.add(issueKey(issue));
  const worse = next.issues.filter((issue) => issue.severity === "error" && !known.has(issueKey(issue)));
  if (worse.length === 0) return next.issues;
  const [first] = worse;
  throw new GatewayError(
    "INVALID_REQUEST",
    `invalid config: ${first!.message}${worse.length > 1 ? ` (and ${worse.length - 1} more)` : ""}`,
    {
      details: { issues: worse },
      ...(first!.fix !== undefined && { fix: first!.fix }),
    },
  );
}

const issueKey = (issue: ConfigIssue): string => `${issue.severity} ${issue.path} ${issue.message}`;
