import { isDeepStrictEqual } from "node:util";
import { isObject as isPlainObject } from "../core/json.ts";
import { Secret } from "../core/secret.ts";
import { formatPath, type KeyPath } from "./key-path.ts";
import { CONFIG, type Config } from "./schema.ts";
import { changeEffectAt } from "./schema/walk.ts";

/** One changed key and what it takes to make it work. */
export type ConfigChange = {
  readonly path: string;
  readonly effect: "applied" | "restart-channel" | "restart-gateway";
  /** For `restart-channel`: the channel, or null when every channel is concerned. */
  readonly channel?: string | null;
  /** For `restart-channel`: the account, or null when all accounts of the channel are concerned. */
  readonly account?: string | null;
};

/** The keys in which two configurations differ, the deepest ones that differ, in the order of the schema. */
export function diffConfig(old: Config, next: Config): readonly ConfigChange[] {
  const changes: ConfigChange[] = [];
  collectChanges(old, next, [], changes);
  return changes;
}

/** The strongest effect among changes: what has to be done as a whole. */
export function strongestEffect(changes: readonly ConfigChange[]): ConfigChange["effect"] | null {
  for (const effect of ["restart-gateway", "restart-channel", "applied"] as const) {
    if (changes.some((change) => change.effect === effect)) return effect;
  }
  return null;
}

function collectChanges(old: unknown, next: unknown, path: KeyPath, changes: ConfigChange[]): void {
  if (isSameValue(old, next)) return;
  if (isObject(old) && isObject(next)) {
    for (const key of new Set([...Object.keys(old), ...Object.keys(next)])) collectChanges(old[key], next[key], [...path, key], changes);
    return;
  }
  changes.push(toChange(path));
}

function toChange(path: KeyPath): ConfigChange {
  const effect = changeEffectAt(CONFIG, path);
  const change: ConfigChange = { path: formatPath(path), effect };
  if (effect !== "restart-channel") return change;
  const [, channel, accounts, account] = path;
  if (typeof channel !== "string" || channel === "defaults") return { ...change, channel: null, account: null };
  const named = accounts === "accounts" && typeof account === "string" && account !== "default";
  return { ...change, channel, account: named ? account : null };
}

const isObject = (value: unknown): value is Record<string, unknown> => isPlainObject(value) && !(value instanceof Secret);

/** Secrets are compared by their text; lists as a whole. */
function isSameValue(a: unknown, b: unknown): boolean {
  if (a instanceof Secret && b instanceof Secret) return a.reveal() === b.reveal();
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, index) => isSameValue(item, b[index]));
  if (isObject(a) && isObject(b)) {
    const keys = Object.keys(a);
    return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && isSameValue(a[key], b[key]));
  }
  return isDeepStrictEqual(a, b);
}
