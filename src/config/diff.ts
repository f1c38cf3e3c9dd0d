import { isDeepStrictEqual } from "node:util";
import { Secret } from "../core/secret.ts";
import { formatPath, type KeyPath } from "./key-path.ts";
import { CONFIG, type Config } from "./schema.ts";
import { effectAt } from "./schema/walk.ts";

/** One changed key and what it takes to make it work. */
export type Change = {
  readonly path: string;
  readonly effect: "applied" | "restart-channel" | "restart-gateway";
  /** For `restart-channel`: the channel, or null when every channel is concerned. */
  readonly channel?: string | null;
  /** For `restart-channel`: the account, or null when all accounts of the channel are concerned. */
  readonly account?: string | null;
};

/** The keys in which two configurations differ, the deepest ones that differ, in the order of the schema. */
export function diffConfig(old: Config, next: Config): readonly Change[] {
  const changes: Change[] = [];
  collect(old, next, [], changes);
  return changes;
}

/** The strongest effect among changes: what has to be done as a whole. */
export function strongestEffect(changes: readonly Change[]): Change["effect"] | null {
  for (const effect of ["restart-gateway", "restart-channel", "applied"] as const) {
    if (changes.some((change) => change.effect === effect)) return effect;
  }
  return null;
}

function collect(old: unknown, next: unknown, path: KeyPath, changes: Change[]): void {
  if (same(old, next)) return;
  if (isObject(old) && isObject(next)) {
    for (const key of new Set([...Object.keys(old), ...Object.keys(next)])) collect(old[key], next[key], [...path, key], changes);
    return;
  }
  changes.push(toChange(path));
}

function toChange(path: KeyPath): Change {
  const effect = effectAt(CONFIG, path);
  const change: Change = { path: formatPath(path), effect };
  if (effect !== "restart-channel") return change;
  const [, channel, accounts, account] = path;
  if (typeof channel !== "string" || channel === "defaults") return { ...change, channel: null, account: null };
  const named = accounts === "accounts" && typeof account === "string" && account !== "default";
  return { ...change, channel, account: named ? account : null };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Secret);
}

/** Secrets are compared by their text; lists as a whole. */
function same(a: unknown, b: unknown): boolean {
  if (a instanceof Secret && b instanceof Secret) return a.reveal() === b.reveal();
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, index) => same(item, b[index]));
  if (isObject(a) && isObject(b)) {
    const keys = Object.keys(a);
    return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
  }
  return isDeepStrictEqual(a, b);
}
